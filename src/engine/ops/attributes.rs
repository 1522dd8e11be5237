//! Attributes as they come from a caller: a small map of names to plain values, which an op's `parse` empties.

use std::collections::BTreeMap;

use crate::core::{DType, Dim, Error, Result};

/// One attribute's value.
#[derive(Clone, Debug, PartialEq)]
pub enum Attribute {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    /// A list of integers or symbolic lengths.
    Dims(Vec<Option<Dim>>),
    Ints(Vec<i64>),
    Floats(Vec<f64>),
    /// A list in which numbers may be missing.
    OptionalInts(Vec<Option<i64>>),
    /// Slice bounds some of which depend on lengths.
    Ends(Vec<End>),
}

/// A slice bound from a caller.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum End {
    Open,
    At(i64),
    /// A length, counted from the front.
    Dim(Dim),
    /// A length, counted from the end.
    Back(Dim),
}

/// A number that can be compared and hashed: by its bits.
#[derive(Clone, Copy, Debug)]
pub struct Real(pub f64);

impl PartialEq for Real {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}
impl Eq for Real {}
impl std::hash::Hash for Real {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

/// The attributes of one call. Each getter takes its attribute out; what is left over is an error.
#[derive(Clone, Debug, Default)]
pub struct Attributes(pub BTreeMap<String, Attribute>);

impl Attributes {
    pub fn new() -> Attributes {
        Attributes::default()
    }

    #[must_use]
    pub fn with(mut self, name: &str, value: Attribute) -> Attributes {
        self.0.insert(name.to_string(), value);
        self
    }

    fn take(&mut self, name: &str) -> Attribute {
        self.0.remove(name).unwrap_or(Attribute::None)
    }

    pub fn bool(&mut self, name: &str, default: bool) -> Result<bool> {
        match self.take(name) {
            Attribute::None => Ok(default),
            Attribute::Bool(value) => Ok(value),
            other => Err(wrong(name, "True or False", &other)),
        }
    }

    pub fn optional_int(&mut self, name: &str) -> Result<Option<i64>> {
        match self.take(name) {
            Attribute::None => Ok(None),
            Attribute::Int(value) => Ok(Some(value)),
            Attribute::Bool(value) => Ok(Some(i64::from(value))),
            other => Err(wrong(name, "an integer", &other)),
        }
    }

    pub fn int(&mut self, name: &str, default: i64) -> Result<i64> {
        Ok(self.optional_int(name)?.unwrap_or(default))
    }

    pub fn float(&mut self, name: &str, default: f64) -> Result<f64> {
        match self.take(name) {
            Attribute::None => Ok(default),
            Attribute::Int(value) => Ok(value as f64),
            Attribute::Float(value) => Ok(value),
            other => Err(wrong(name, "a number", &other)),
        }
    }

    pub fn text(&mut self, name: &str, default: &str) -> Result<String> {
        match self.take(name) {
            Attribute::None => Ok(default.to_string()),
            Attribute::Text(value) => Ok(value),
            other => Err(wrong(name, "a string", &other)),
        }
    }

    pub fn dtype(&mut self, name: &str) -> Result<Option<DType>> {
        match self.take(name) {
            Attribute::None => Ok(None),
            Attribute::Text(text) => DType::from_name(&text).map(Some).ok_or_else(|| {
                let known: Vec<_> = DType::ALL.iter().map(|dtype| dtype.name()).collect();
                Error::dtype(format!("unknown dtype '{text}'; known are {}", known.join(", ")))
            }),
            other => Err(wrong(name, "the name of a dtype", &other)),
        }
    }

    /// A list of integers; one integer stands for a list of one.
    pub fn optional_ints(&mut self, name: &str) -> Result<Option<Vec<i64>>> {
        match self.take(name) {
            Attribute::None => Ok(None),
            Attribute::Int(value) => Ok(Some(vec![value])),
            Attribute::Ints(values) => Ok(Some(values)),
            other => Err(wrong(name, "an integer or a list of integers", &other)),
        }
    }

    pub fn ints(&mut self, name: &str) -> Result<Vec<i64>> {
        self.optional_ints(name)?.ok_or_else(|| Error::value(format!("attribute '{name}' is missing")))
    }

    /// A list of numbers, or an empty one.
    pub fn floats(&mut self, name: &str) -> Result<Vec<f64>> {
        match self.take(name) {
            Attribute::None => Ok(Vec::new()),
            Attribute::Ints(values) => Ok(values.into_iter().map(|value| value as f64).collect()),
            Attribute::Floats(values) => Ok(values),
            other => Err(wrong(name, "a list of numbers", &other)),
        }
    }

    /// `ints` whose values cannot be negative.
    pub fn sizes(&mut self, name: &str) -> Result<Vec<usize>> {
        to_sizes(name, &self.ints(name)?)
    }

    pub fn sizes_or(&mut self, name: &str, default: &[usize]) -> Result<Vec<usize>> {
        self.optional_ints(name)?.map_or_else(|| Ok(default.to_vec()), |values| to_sizes(name, &values))
    }

    /// Slice bounds: a list in which `None` means "to the end".
    pub fn bounds(&mut self, name: &str) -> Result<Vec<End>> {
        match self.take(name) {
            Attribute::Ints(values) => Ok(values.into_iter().map(End::At).collect()),
            Attribute::OptionalInts(values) => {
                Ok(values.into_iter().map(|value| value.map_or(End::Open, End::At)).collect())
            }
            Attribute::Ends(values) => Ok(values),
            other => Err(wrong(name, "a list of integers or None", &other)),
        }
    }

    /// Axis lengths; `None` in the list (or -1) stands for the one length that follows from the others.
    pub fn dims(&mut self, name: &str) -> Result<Vec<Option<Dim>>> {
        match self.take(name) {
            Attribute::Dims(dims) => Ok(dims),
            Attribute::Int(value) => to_dims(name, &[value]),
            Attribute::Ints(values) => to_dims(name, &values),
            other => Err(wrong(name, "a list of axis lengths", &other)),
        }
    }

    /// Refuses attributes that no getter asked for.
    pub fn finish(self) -> Result<()> {
        match self.0.into_keys().next() {
            None => Ok(()),
            Some(name) => Err(Error::value(format!("there is no attribute '{name}'"))),
        }
    }
}

fn to_sizes(name: &str, values: &[i64]) -> Result<Vec<usize>> {
    values
        .iter()
        .map(|&value| {
            usize::try_from(value).map_err(|_| Error::value(format!("{name} cannot be negative, got {values:?}")))
        })
        .collect()
}

fn to_dims(name: &str, values: &[i64]) -> Result<Vec<Option<Dim>>> {
    values
        .iter()
        .map(|&value| match value {
            -1 => Ok(None),
            value => usize::try_from(value)
                .map(|size| Some(Dim::Known(size)))
                .map_err(|_| Error::shape(format!("{name} may hold lengths and one -1, got {values:?}"))),
        })
        .collect()
}

fn wrong(name: &str, wanted: &str, got: &Attribute) -> Error {
    Error::value(format!("{name} must be {wanted}, got {got:?}"))
}
