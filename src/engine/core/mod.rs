//! What everything else is made of: element types, shapes with symbolic axes, host arrays, errors.

pub mod array;
pub mod dtype;
pub mod error;
pub mod shape;
pub mod stop;

pub use array::{Array, Storage};
pub use dtype::DType;
pub use error::{Error, Result};
pub use shape::{Dim, Shape, Spec, Symbol};
