//! Recommenders: models on (user, item, rating) triples.
//!
//! They are not programs: sparse, irregular, thousands of small steps in a fixed order. So they call the kernels
//! themselves and know neither ops nor plans. Training is a task object (such as [`svd::Svd`]) that is run epoch by epoch,
//! tells a [`fit::Monitor`] how far it is, and asks it whether to stop. A fitted model is an [`estimator::Estimator`] on
//! borrowed arrays, which [`estimator::pairs`] and [`estimator::best_items`] ask on all threads.

pub mod baselines;
mod blocks;
pub mod co_clustering;
pub mod estimator;
pub mod factors;
pub mod fit;
pub mod knn;
pub mod nmf;
pub mod nmf_blocks;
mod parallel;
pub mod ratings;
pub mod similarity;
pub mod slope_one;
pub mod start;
pub mod svd;
pub mod svd_blocks;
pub mod svdpp;

pub use fit::{Monitor, Progress, Task};
pub use ratings::Ratings;
pub use svd::{Svd, SvdOptions};
