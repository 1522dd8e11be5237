//! The one door from Python into work that takes time: the GIL is released, signals are looked at, panics are caught, and
//! errors become exceptions.

use std::panic::{AssertUnwindSafe, catch_unwind};

use ironhorn_engine::core::{Error, Result};
use ironhorn_engine::runtime::cancel::Interrupt;
use ironhorn_engine::runtime::executor::panic_text;
use ironhorn_engine::runtime::{arena, fork, threads};
use ironhorn_kernels::cpu::conv::Tiling;
use ironhorn_kernels::cpu::simd::Isa;
use pyo3::prelude::*;

use super::errors::{OrRaise, to_python};

/// Runs `work` without the GIL. `work` asks its interrupt whether the user pressed Ctrl-C; if so it returns
/// `Error::Cancelled` and Python raises what its signal handler raised.
pub fn enter<T: Send>(py: Python<'_>, work: impl FnOnce(&mut Interrupt) -> Result<T> + Send) -> PyResult<T> {
    let (result, raised) = py.detach(|| {
        let mut raised: Option<PyErr> = None;
        let mut ask = || {
            Python::attach(|py| match py.check_signals() {
                Ok(()) => false,
                Err(error) => {
                    raised = Some(error);
                    true
                }
            })
        };
        let result = catch_unwind(AssertUnwindSafe(|| work(&mut Interrupt::new(&mut ask))))
            .unwrap_or_else(|panic| Err(Error::internal(panic_text(&panic))));
        (result, raised)
    });
    match (result, raised) {
        // Work that is `Ok` all the same ended before it looked at its interrupt again.
        (Err(Error::Cancelled) | Ok(_), Some(raised)) => Err(raised),
        (Ok(value), None) => Ok(value),
        (Err(error), _) => Err(to_python(py, &error)),
    }
}

/// Work that holds the GIL because it is short; panics still do not reach Python.
pub fn guarded<T>(py: Python<'_>, work: impl FnOnce() -> Result<T>) -> PyResult<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(Error::internal(panic_text(&panic)))).or_raise(py)
}

/// Refuses environment variables that ask for what cannot be had.
pub fn check_environment() -> PyResult<()> {
    let refuse = pyo3::exceptions::PyValueError::new_err::<String>;
    Isa::requested().map_err(refuse)?;
    Tiling::requested().map_err(refuse)?;
    threads::requested().map_err(refuse)?;
    Ok(())
}

/// The number of threads that runs use.
#[pyfunction]
pub fn thread_count() -> usize {
    threads::count()
}

/// The instruction set of the kernels: "scalar", "avx2", "avx512" or "neon".
#[pyfunction]
pub fn instruction_set() -> &'static str {
    Isa::active().name()
}

/// Called before a fork, by the thread that forks.
#[pyfunction]
pub fn before_fork() {
    fork::before();
}

/// Called after a fork, in the parent and in the child.
#[pyfunction]
pub fn after_fork() {
    fork::after();
}

/// Gives memory that no running program uses back to the system.
#[pyfunction]
pub fn release_memory() {
    arena::release();
}
