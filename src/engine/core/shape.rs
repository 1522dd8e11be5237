//! Shapes whose axes may be symbols, and the little arithmetic that symbols need.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{DType, Error, Result};

/// An axis length that is known only when a plan is made.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Symbol(pub u32);

impl Symbol {
    /// A symbol that no other code has.
    pub fn fresh() -> Symbol {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        Symbol(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// One axis length.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Dim {
    Known(usize),
    Symbol(Symbol),
}

impl Dim {
    pub fn fresh() -> Dim {
        Dim::Symbol(Symbol::fresh())
    }

    pub fn known(self) -> Option<usize> {
        match self {
            Dim::Known(size) => Some(size),
            Dim::Symbol(_) => None,
        }
    }

    /// `rule(self)` when the length is known, else a fresh symbol, which the plan binds when it infers this node again.
    #[must_use]
    pub fn map(self, rule: impl FnOnce(usize) -> usize) -> Dim {
        match self {
            Dim::Known(size) => Dim::Known(rule(size)),
            Dim::Symbol(_) => Dim::fresh(),
        }
    }

    /// The length two axes have in common after NumPy's broadcasting. Two symbols give a third: whether they are equal, or one
    /// of them is 1, is known to the plan.
    pub fn broadcast(self, other: Dim) -> Option<Dim> {
        match (self, other) {
            (a, b) if a == b => Some(a),
            (Dim::Known(1), b) => Some(b),
            (a, Dim::Known(1)) => Some(a),
            (Dim::Known(_), Dim::Known(_)) => None,
            (Dim::Known(n), Dim::Symbol(_)) | (Dim::Symbol(_), Dim::Known(n)) => Some(Dim::Known(n)),
            (Dim::Symbol(_), Dim::Symbol(_)) => Some(Dim::fresh()),
        }
    }

    /// Whether the two can be the same length.
    pub fn agrees(self, other: Dim) -> bool {
        match (self, other) {
            (Dim::Known(a), Dim::Known(b)) => a == b,
            _ => true,
        }
    }
}

impl From<usize> for Dim {
    fn from(size: usize) -> Self {
        Dim::Known(size)
    }
}

/// What the symbols of a program are worth in one plan.
pub type Bindings = HashMap<Symbol, usize>;

/// Axis lengths, outermost first.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Shape(pub Vec<Dim>);

impl Shape {
    pub fn scalar() -> Shape {
        Shape(Vec::new())
    }

    pub fn known(sizes: &[usize]) -> Shape {
        Shape(sizes.iter().map(|&size| Dim::Known(size)).collect())
    }

    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// The lengths, when all of them are known.
    pub fn sizes(&self) -> Option<Vec<usize>> {
        self.0.iter().map(|dim| dim.known()).collect()
    }

    /// The lengths of a shape in a plan, where all of them are known.
    pub fn concrete(&self) -> Result<Vec<usize>> {
        self.sizes().ok_or_else(|| Error::internal(format!("shape {self} still has symbols in a plan")))
    }

    /// Product of the lengths, checked against overflow.
    pub fn elements(&self) -> Result<usize> {
        self.concrete()?.iter().try_fold(1usize, |product, &size| product.checked_mul(size)).ok_or_else(|| {
            Error::OutOfMemory(format!("an array of shape {self} has more elements than memory has addresses"))
        })
    }

    /// `axis` counted from the front, for `axis` in `-rank..rank`.
    pub fn axis(&self, axis: i64) -> Result<usize> {
        normalize_axis(axis, self.rank())
    }

    /// NumPy's broadcast of two shapes.
    pub fn broadcast(&self, other: &Shape) -> Result<Shape> {
        let rank = self.rank().max(other.rank());
        let at =
            |shape: &Shape, i: usize| (i + shape.rank()).checked_sub(rank).map_or(Dim::Known(1), |axis| shape.0[axis]);
        (0..rank).map(|i| at(self, i).broadcast(at(other, i))).collect::<Option<Vec<_>>>().map(Shape).ok_or_else(|| {
            Error::shape(format!(
                "shapes {self} and {other} do not broadcast; from the last axis backwards, lengths must be equal or 1"
            ))
        })
    }

    /// The same shape with symbols replaced by their lengths where these are known.
    #[must_use]
    pub fn bind(&self, bindings: &Bindings) -> Shape {
        Shape(self.0.iter().map(|&dim| bind_dim(dim, bindings)).collect())
    }

    /// Whether two shapes can be the same.
    pub fn agrees(&self, other: &Shape) -> bool {
        self.rank() == other.rank() && self.0.iter().zip(&other.0).all(|(a, b)| a.agrees(*b))
    }
}

pub fn bind_dim(dim: Dim, bindings: &Bindings) -> Dim {
    match dim {
        Dim::Symbol(symbol) => bindings.get(&symbol).map_or(dim, |&size| Dim::Known(size)),
        Dim::Known(_) => dim,
    }
}

pub fn normalize_axis(axis: i64, rank: usize) -> Result<usize> {
    let counted = if axis < 0 { axis + rank as i64 } else { axis };
    usize::try_from(counted).ok().filter(|&axis| axis < rank).ok_or_else(|| {
        Error::index(format!(
            "axis {axis} is out of range for an array of rank {rank}; use -{rank} to {}",
            rank as i64 - 1
        ))
    })
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        for (i, dim) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            match dim {
                Dim::Known(size) => write!(f, "{size}")?,
                Dim::Symbol(_) => f.write_str("None")?,
            }
        }
        f.write_str(if self.rank() == 1 { ",)" } else { ")" })
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Shape and element type of a value.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Spec {
    pub shape: Shape,
    pub dtype: DType,
}

impl Spec {
    pub fn new(shape: Shape, dtype: DType) -> Spec {
        Spec { shape, dtype }
    }

    pub fn known(sizes: &[usize], dtype: DType) -> Spec {
        Spec { shape: Shape::known(sizes), dtype }
    }

    pub fn scalar(dtype: DType) -> Spec {
        Spec { shape: Shape::scalar(), dtype }
    }

    pub fn rank(&self) -> usize {
        self.shape.rank()
    }

    /// Bytes of a value with this spec; only in plans, where shapes are known.
    pub fn bytes(&self) -> Result<usize> {
        self.shape
            .elements()?
            .checked_mul(self.dtype.size())
            .filter(|&bytes| isize::try_from(bytes).is_ok())
            .ok_or_else(|| {
                Error::OutOfMemory(format!("an array of shape {} and type {} is too large", self.shape, self.dtype))
            })
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.dtype, self.shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broadcasting_aligns_from_the_last_axis() {
        let symbol = Dim::fresh();
        let left = Shape(vec![symbol, Dim::Known(1), Dim::Known(3)]);
        assert_eq!(left.broadcast(&Shape::known(&[4, 3])).unwrap(), Shape(vec![symbol, Dim::Known(4), Dim::Known(3)]));
        assert!(left.broadcast(&Shape::known(&[2])).is_err());
        assert_eq!(Shape::scalar().broadcast(&left).unwrap(), left);
    }

    #[test]
    fn sizes_that_overflow_are_an_error() {
        let huge = Spec::known(&[1 << 40, 1 << 40], DType::Float32);
        assert!(matches!(huge.bytes(), Err(Error::OutOfMemory(_))));
    }
}
