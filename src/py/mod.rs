//! What Python sees of the engine: the full list is in [`_core`].

// pyo3 hands arguments over by value.
#![allow(clippy::needless_pass_by_value)]

mod control;
mod convert;
mod enter;
mod errors;
mod host;
mod numpy_array;
mod op_handle;
mod predictions;
mod profile;
mod program;
mod recommend;
mod recording;
mod symbolic_dim;
mod tape;
mod tensor;
mod trace;
mod variable;

use pyo3::prelude::*;

/// The native part of Ironhorn.
#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    enter::check_environment()?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<tensor::Tensor>()?;
    module.add_class::<variable::VariableStorage>()?;
    module.add_class::<symbolic_dim::SymbolicDim>()?;
    module.add_class::<symbolic_dim::NegatedDim>()?;
    module.add_class::<op_handle::OpHandle>()?;
    module.add_class::<trace::Trace>()?;
    module.add_class::<program::Program>()?;
    module.add_class::<program::Source>()?;
    module.add_class::<program::Order>()?;
    module.add_class::<tape::Tape>()?;
    module.add_class::<recommend::RatingEstimator>()?;
    module.add_class::<recommend::RatingTable>()?;
    module.add_class::<recommend::RecommenderFit>()?;
    module.add_class::<recommend::SimilarityTable>()?;
    module.add_class::<recording::Paused>()?;
    module.add_class::<control::Body>()?;
    module.add_function(wrap_pyfunction!(control::scan, module)?)?;
    module.add_function(wrap_pyfunction!(control::cond, module)?)?;
    module.add_function(wrap_pyfunction!(control::while_loop, module)?)?;
    module.add_function(wrap_pyfunction!(control::custom_gradient, module)?)?;
    module.add_class::<host::HostFunction>()?;
    module.add_function(wrap_pyfunction!(host::host_call, module)?)?;
    module.add_function(wrap_pyfunction!(op_handle::op, module)?)?;
    module.add_function(wrap_pyfunction!(op_handle::op_names, module)?)?;
    module.add_function(wrap_pyfunction!(convert::tensor, module)?)?;
    module.add_function(wrap_pyfunction!(convert::symbolic_shape, module)?)?;
    module.add_function(wrap_pyfunction!(recording::push_scope, module)?)?;
    module.add_function(wrap_pyfunction!(recording::set_autocast, module)?)?;
    module.add_function(wrap_pyfunction!(recording::pop_scope, module)?)?;
    module.add_function(wrap_pyfunction!(recording::is_tracing, module)?)?;
    module.add_function(wrap_pyfunction!(recording::is_recording, module)?)?;
    module.add_function(wrap_pyfunction!(predictions::inner_ids, module)?)?;
    module.add_function(wrap_pyfunction!(predictions::make_predictions, module)?)?;
    module.add_function(wrap_pyfunction!(recommend::baselines_als, module)?)?;
    module.add_function(wrap_pyfunction!(recommend::baselines_sgd, module)?)?;
    module.add_function(wrap_pyfunction!(recommend::slope_one_deviations, module)?)?;
    module.add_function(wrap_pyfunction!(enter::thread_count, module)?)?;
    module.add_function(wrap_pyfunction!(enter::instruction_set, module)?)?;
    module.add_function(wrap_pyfunction!(enter::before_fork, module)?)?;
    module.add_function(wrap_pyfunction!(enter::after_fork, module)?)?;
    module.add_function(wrap_pyfunction!(enter::release_memory, module)?)?;
    module.add_function(wrap_pyfunction!(profile::profile_start, module)?)?;
    module.add_function(wrap_pyfunction!(profile::profile_stop, module)?)?;
    module.add_function(wrap_pyfunction!(profile::machine_rates, module)?)?;
    Ok(())
}
