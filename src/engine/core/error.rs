//! The one error type. Every variant maps to one class of `ironhorn.errors`.

use std::fmt;

pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong; the text says where, with which shapes, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// Shapes do not fit together, or an attribute does not fit a shape.
    Shape(String),
    /// An element type that the op does not take.
    DType(String),
    /// A value out of its range: a label, a rate, a parameter.
    Value(String),
    /// An index outside an axis.
    Index(String),
    /// Data of a traced value was asked for.
    Traced(String),
    /// Not in this version; the text says what to do instead.
    Unsupported(String),
    /// A size that cannot be allocated.
    OutOfMemory(String),
    /// The user interrupted.
    Cancelled,
    /// A bug in Ironhorn.
    Internal(String),
}

impl Error {
    pub fn shape(text: impl Into<String>) -> Self {
        Error::Shape(text.into())
    }
    pub fn dtype(text: impl Into<String>) -> Self {
        Error::DType(text.into())
    }
    pub fn value(text: impl Into<String>) -> Self {
        Error::Value(text.into())
    }
    pub fn index(text: impl Into<String>) -> Self {
        Error::Index(text.into())
    }
    pub fn unsupported(text: impl Into<String>) -> Self {
        Error::Unsupported(text.into())
    }
    pub fn internal(text: impl Into<String>) -> Self {
        Error::Internal(text.into())
    }

    /// The same error with the place it happened in front: the layer's path (may be empty) and the op.
    #[must_use]
    pub fn at(self, scope: &str, op: &str) -> Self {
        let prefix = |text: String| match (text.starts_with("layer '"), text.starts_with(op)) {
            (true, _) => text,
            (false, true) if scope.is_empty() => text,
            (false, true) => format!("layer '{scope}', {text}"),
            (false, false) if scope.is_empty() => format!("{op}: {text}"),
            (false, false) => format!("layer '{scope}', {op}: {text}"),
        };
        match self {
            Error::Shape(text) => Error::Shape(prefix(text)),
            Error::DType(text) => Error::DType(prefix(text)),
            Error::Value(text) => Error::Value(prefix(text)),
            Error::Index(text) => Error::Index(prefix(text)),
            Error::Traced(text) => Error::Traced(prefix(text)),
            Error::Unsupported(text) => Error::Unsupported(prefix(text)),
            Error::OutOfMemory(text) => Error::OutOfMemory(prefix(text)),
            Error::Internal(text) => Error::Internal(prefix(text)),
            Error::Cancelled => Error::Cancelled,
        }
    }

    pub fn message(&self) -> &str {
        match self {
            Error::Shape(text)
            | Error::DType(text)
            | Error::Value(text)
            | Error::Index(text)
            | Error::Traced(text)
            | Error::Unsupported(text)
            | Error::OutOfMemory(text)
            | Error::Internal(text) => text,
            Error::Cancelled => "interrupted",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for Error {}
