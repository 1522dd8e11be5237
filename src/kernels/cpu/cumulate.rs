//! Running sums and products along one axis, and first-order recurrences, which their derivatives are.
//!
//! Data: `outer x length x inner`, contiguous.
//!
//! ```text
//! for unit of the chunk                          an outer index, or a tile of 64 of its columns
//!   carry[..] = neutral
//!   for k along the axis, forwards or backwards
//!     out[k, ..] = carry[..] = carry[..] (+ or *) x[k, ..]          exclusive: written before the step
//!     recurrence                               out[k, ..] = carry[..] = b[k, ..] + a * carry[..]
//! ```
//!
//! float32 is carried in float64; integers wrap around. Limit: the latency of one operation a step for rows, memory for
//! columns.

use std::marker::PhantomData;

use super::disjoint::{Disjoint, part};

/// Columns that are carried together.
const TILE: usize = 64;
/// Traffic of a chunk, in bytes.
const CHUNK: usize = 64 << 10;
const MAX_CHUNKS: usize = 64;

/// What a [`Cumulate`] carries along.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Running {
    Sum,
    Product,
}

/// A number type with the type its running results are carried in.
pub trait Cumulative: Copy + Send + Sync + 'static {
    type Carry: Copy;
    const NEUTRAL: [Self::Carry; 2];
    fn add(carry: Self::Carry, x: Self) -> Self::Carry;
    fn multiply(carry: Self::Carry, x: Self) -> Self::Carry;
    fn narrow(carry: Self::Carry) -> Self;
}

macro_rules! integers {
    ($($t:ty)*) => {
        $(impl Cumulative for $t {
            type Carry = $t;
            const NEUTRAL: [$t; 2] = [0, 1];
            #[inline(always)]
            fn add(carry: $t, x: $t) -> $t {
                carry.wrapping_add(x)
            }
            #[inline(always)]
            fn multiply(carry: $t, x: $t) -> $t {
                carry.wrapping_mul(x)
            }
            #[inline(always)]
            fn narrow(carry: $t) -> $t {
                carry
            }
        })*
    };
}
integers! { u8 u16 u32 u64 i8 i16 i32 i64 }

macro_rules! floats {
    ($($t:ty)*) => {
        $(impl Cumulative for $t {
            type Carry = f64;
            const NEUTRAL: [f64; 2] = [0.0, 1.0];
            #[inline(always)]
            fn add(carry: f64, x: $t) -> f64 {
                carry + f64::from(x)
            }
            #[inline(always)]
            fn multiply(carry: f64, x: $t) -> f64 {
                carry * f64::from(x)
            }
            #[inline(always)]
            #[allow(clippy::cast_possible_truncation)]
            fn narrow(carry: f64) -> $t {
                carry as $t
            }
        })*
    };
}
floats! { f32 f64 }

/// The tiles of `[outer, length, inner]` and their share among chunks.
#[derive(Clone, Debug)]
struct Tiles {
    outer: usize,
    length: usize,
    inner: usize,
    units: usize,
    chunks: usize,
}

impl Tiles {
    fn new(outer: usize, length: usize, inner: usize, element_size: usize) -> Self {
        let units = outer * inner.div_ceil(TILE);
        let traffic = (outer * inner).saturating_mul(length).saturating_mul(element_size);
        Self { outer, length, inner, units, chunks: (traffic / CHUNK).clamp(1, MAX_CHUNKS).min(units.max(1)) }
    }

    fn elements(&self) -> usize {
        self.outer * self.length * self.inner
    }

    /// Calls `visit(first element, columns)` for the chunk's tiles.
    fn visit(&self, chunk: usize, mut visit: impl FnMut(usize, usize)) {
        if self.elements() == 0 {
            return;
        }
        let tiles = self.inner.div_ceil(TILE);
        for unit in part(self.units, self.chunks, chunk, 1) {
            let column = unit % tiles * TILE;
            visit(unit / tiles * self.length * self.inner + column, TILE.min(self.inner - column));
        }
    }

    /// The rows of the axis in the order of the walk.
    #[inline(always)]
    fn row(&self, step: usize, reverse: bool) -> usize {
        if reverse { self.length - 1 - step } else { step }
    }
}

/// Running sums or products along the axis.
#[derive(Clone, Debug)]
pub struct Cumulate<T> {
    running: Running,
    /// From the end to the start.
    reverse: bool,
    /// An element's own value is not in its result.
    exclusive: bool,
    tiles: Tiles,
    element: PhantomData<T>,
}

impl<T: Cumulative> Cumulate<T> {
    pub fn new(running: Running, reverse: bool, exclusive: bool, [outer, length, inner]: [usize; 3]) -> Self {
        let tiles = Tiles::new(outer, length, inner, size_of::<T>());
        Self { running, reverse, exclusive, tiles, element: PhantomData }
    }

    pub fn chunks(&self) -> usize {
        self.tiles.chunks
    }

    /// # Panics
    /// When a slice is not as long as the geometry says.
    pub fn run(&self, chunk: usize, x: &[T], out: Disjoint<'_, T>) {
        assert_eq!((x.len(), out.len()), (self.tiles.elements(), self.tiles.elements()), "elements");
        match (self.running, self.exclusive) {
            (Running::Sum, false) => self.walk::<false>(chunk, x, out, T::NEUTRAL[0], T::add),
            (Running::Sum, true) => self.walk::<true>(chunk, x, out, T::NEUTRAL[0], T::add),
            (Running::Product, false) => self.walk::<false>(chunk, x, out, T::NEUTRAL[1], T::multiply),
            (Running::Product, true) => self.walk::<true>(chunk, x, out, T::NEUTRAL[1], T::multiply),
        }
    }

    #[inline(always)]
    fn walk<const EXCLUSIVE: bool>(
        &self,
        chunk: usize,
        x: &[T],
        out: Disjoint<'_, T>,
        neutral: T::Carry,
        combine: impl Fn(T::Carry, T) -> T::Carry,
    ) {
        let (tiles, inner) = (&self.tiles, self.tiles.inner);
        tiles.visit(chunk, |first, columns| {
            let mut carry = [neutral; TILE];
            for step in 0..tiles.length {
                let at = first + tiles.row(step, self.reverse) * inner;
                // SAFETY: tiles are different places of the output, and chunks have different tiles.
                let own = unsafe { out.range(at..at + columns) };
                for ((own, carry), &x) in own.iter_mut().zip(&mut carry).zip(&x[at..at + columns]) {
                    let next = combine(*carry, x);
                    *own = T::narrow(if EXCLUSIVE { *carry } else { next });
                    *carry = next;
                }
            }
        });
    }
}

/// `r[k] = b[k] + a[k] r[k - 1]` along the axis, `r[0] = b[0]`; in reverse `r[k] = b[k] + a[k + 1] r[k + 1]`, `r` of the last
/// being `b`'s: `a[k]` stands between `k - 1` and `k` in both directions.
#[derive(Clone, Debug)]
pub struct Recurrence<T> {
    reverse: bool,
    tiles: Tiles,
    element: PhantomData<T>,
}

impl<T: Cumulative<Carry = f64>> Recurrence<T> {
    pub fn new(reverse: bool, [outer, length, inner]: [usize; 3]) -> Self {
        Self { reverse, tiles: Tiles::new(outer, length, inner, 2 * size_of::<T>()), element: PhantomData }
    }

    pub fn chunks(&self) -> usize {
        self.tiles.chunks
    }

    /// # Panics
    /// When a slice is not as long as the geometry says.
    pub fn run(&self, chunk: usize, a: &[T], b: &[T], out: Disjoint<'_, T>) {
        let (tiles, inner) = (&self.tiles, self.tiles.inner);
        assert_eq!((a.len(), b.len(), out.len()), (tiles.elements(), tiles.elements(), tiles.elements()), "elements");
        tiles.visit(chunk, |first, columns| {
            let mut carry = [0.0; TILE];
            for step in 0..tiles.length {
                let at = first + tiles.row(step, self.reverse) * inner;
                // SAFETY: tiles are different places of the output, and chunks have different tiles.
                let own = unsafe { out.range(at..at + columns) };
                let b = &b[at..at + columns];
                if step == 0 {
                    own.copy_from_slice(b);
                    for (carry, &b) in carry.iter_mut().zip(b) {
                        *carry = T::add(0.0, b);
                    }
                    continue;
                }
                let factors = if self.reverse { at + inner } else { at };
                for (((own, carry), &b), &a) in
                    own.iter_mut().zip(&mut carry).zip(b).zip(&a[factors..factors + columns])
                {
                    *carry = T::add(T::multiply(*carry, a), b);
                    *own = T::narrow(*carry);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Lcg(u64);
    impl Lcg {
        fn below(&mut self, bound: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) as usize % bound
        }
    }

    const GEOMETRIES: [[usize; 3]; 9] =
        [[1, 1, 1], [3, 10, 1], [2, 7, 5], [1, 500, 130], [40, 900, 1], [5, 30, 64], [0, 3, 2], [2, 0, 3], [2, 3, 0]];

    #[test]
    fn running_results_match_loops() {
        let mut random = Lcg(1);
        for geometry @ [outer, length, inner] in GEOMETRIES {
            // Integers and powers of two, so that every order of rounding gives the same.
            let x: Vec<f64> = (0..outer * length * inner).map(|_| [1.0, -1.0, 2.0, 0.5][random.below(4)]).collect();
            for (running, reverse, exclusive) in [Running::Sum, Running::Product]
                .into_iter()
                .flat_map(|r| [(r, false, false), (r, true, false), (r, false, true), (r, true, true)])
            {
                let kernel = Cumulate::<f64>::new(running, reverse, exclusive, geometry);
                let mut out = vec![f64::NAN; x.len()];
                for chunk in (0..kernel.chunks()).rev() {
                    kernel.run(chunk, &x, Disjoint::new(&mut out));
                }
                for o in 0..outer {
                    for i in 0..inner {
                        let at = |k: usize| (o * length + k) * inner + i;
                        let mut carry = if running == Running::Sum { 0.0 } else { 1.0 };
                        for step in 0..length {
                            let k = if reverse { length - 1 - step } else { step };
                            let before: f64 = carry;
                            carry = if running == Running::Sum { carry + x[at(k)] } else { carry * x[at(k)] };
                            assert_eq!(out[at(k)], if exclusive { before } else { carry }, "{running:?} {geometry:?}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn recurrences_match_loops() {
        let mut random = Lcg(2);
        for geometry @ [outer, length, inner] in GEOMETRIES {
            let mut numbers =
                || (0..outer * length * inner).map(|_| random.below(2000) as f64 / 1000.0 - 1.0).collect();
            let (a, b): (Vec<f64>, Vec<f64>) = (numbers(), numbers());
            for reverse in [false, true] {
                let kernel = Recurrence::<f64>::new(reverse, geometry);
                let mut out = vec![f64::NAN; a.len()];
                for chunk in (0..kernel.chunks()).rev() {
                    kernel.run(chunk, &a, &b, Disjoint::new(&mut out));
                }
                for o in 0..outer {
                    for i in 0..inner {
                        let at = |k: usize| (o * length + k) * inner + i;
                        let mut carry = 0.0;
                        for step in 0..length {
                            let k = if reverse { length - 1 - step } else { step };
                            let factor = if step == 0 { 0.0 } else { a[at(if reverse { k + 1 } else { k })] };
                            carry = b[at(k)] + factor * carry;
                            assert_eq!(out[at(k)], carry, "{geometry:?} {reverse}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn integers_wrap_around() {
        let mut out = [0i8; 3];
        Cumulate::<i8>::new(Running::Sum, false, false, [1, 3, 1]).run(0, &[100, 100, 1], Disjoint::new(&mut out));
        assert_eq!(out, [100, -56, -55]);
    }
}
