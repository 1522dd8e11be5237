//! Recommenders: models on (user, item, rating) triples.
//!
//! They are not programs: sparse, irregular, thousands of small steps in a fixed order. So they call the kernels
//! themselves and know neither ops nor plans. Training is a task object ([`svd::Svd`]) that is run epoch by epoch,
//! tells a [`fit::Monitor`] how far it is, and asks it whether to stop.

pub mod fit;
pub mod ratings;
pub mod svd;

pub use fit::{Monitor, Progress};
pub use ratings::Ratings;
pub use svd::{Estimates, Svd, SvdModel, SvdOptions};
