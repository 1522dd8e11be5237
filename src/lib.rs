//! The Python extension `ironhorn._core`.
//!
//! [`py`] holds the bindings and no maths; the engine (`ironhorn-engine`) holds ops, programs, their runtime and the
//! recommenders and knows nothing of Python; the kernels (`ironhorn-kernels`) hold the loops and know nothing of either.

mod py;
