//! `Tape`: what `GradientTape` records with.

use std::sync::Arc;

use ironhorn_engine::runtime::recorder::{GradientSource, Mode, Recorder};
use pyo3::prelude::*;

use super::errors::OrRaise;
use super::tensor::Tensor;
use super::variable::VariableStorage;
use super::{convert, recording};

/// Records eager ops while it is open. While a function is traced, the trace records anyway and the tape points to it.
#[pyclass(module = "ironhorn._core")]
pub struct Tape {
    recorder: Option<Arc<Recorder>>,
    in_trace: bool,
}

impl Tape {
    fn let_go(&mut self) {
        if let (Some(recorder), false) = (self.recorder.take(), self.in_trace) {
            recorder.release();
        }
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        self.let_go();
    }
}

#[pymethods]
impl Tape {
    #[new]
    fn new() -> Self {
        Tape { recorder: None, in_trace: false }
    }

    /// Starts recording.
    fn open(&mut self) {
        if let Some(trace) = recording::trace() {
            self.let_go();
            self.in_trace = true;
            self.recorder = Some(trace);
        } else {
            let recorder = recording::open_tape(|| Recorder::new(Mode::Tape));
            recorder.hold();
            self.let_go();
            self.in_trace = false;
            self.recorder = Some(recorder);
        }
    }

    /// Stops recording; gradients can still be asked for.
    fn close(&self) {
        if !self.in_trace {
            recording::close_tape();
        }
    }

    /// Lets gradients be taken with respect to an eager tensor.
    fn watch(&self, py: Python<'_>, tensor: &Bound<'_, Tensor>) -> PyResult<()> {
        if let (Some(recorder), false) = (&self.recorder, self.in_trace) {
            let operand = tensor.borrow().operand.clone();
            let watched = recorder.watch(&operand).or_raise(py)?;
            tensor.borrow_mut().operand = watched;
        }
        Ok(())
    }

    /// Gradients of the sum of `targets` (each weighted by its seed) with respect to tensors or variables.
    fn gradient(
        &self,
        py: Python<'_>,
        targets: Vec<Bound<'_, PyAny>>,
        seeds: Option<Vec<Option<Bound<'_, PyAny>>>>,
        sources: Vec<Bound<'_, PyAny>>,
    ) -> PyResult<Vec<Option<Tensor>>> {
        let Some(recorder) = &self.recorder else {
            return Err(pyo3::exceptions::PyRuntimeError::new_err(
                "the tape was never opened; use it in a with statement",
            ));
        };
        let mut weighted = Vec::with_capacity(targets.len());
        for (i, target) in targets.iter().enumerate() {
            let target = convert::operand(target)?.operand;
            let seed = match seeds.as_ref().and_then(|seeds| seeds[i].as_ref()) {
                Some(seed) => Some(convert::cast(py, convert::operand(seed)?.operand, target.spec.dtype)?),
                None => None,
            };
            weighted.push((target, seed));
        }
        let mut found = Vec::with_capacity(sources.len());
        for source in &sources {
            found.push(match source.cast::<VariableStorage>() {
                // A body has captured what the trace around it read.
                Ok(variable) if recorder.mode.is_body() => {
                    GradientSource::Operand(recording::read(variable.borrow().inner()?))
                }
                Ok(variable) => GradientSource::Variable(Arc::clone(variable.borrow().inner()?)),
                Err(_) => GradientSource::Operand(convert::operand(source)?.operand),
            });
        }
        let recorder = Arc::clone(recorder);
        let gradients = py.detach(|| {
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| recorder.gradients(&weighted, &found)))
                .unwrap_or_else(|panic| {
                    Err(ironhorn_engine::core::Error::internal(ironhorn_engine::runtime::executor::panic_text(&panic)))
                })
        });
        Ok(gradients.or_raise(py)?.into_iter().map(|gradient| gradient.map(Tensor::new)).collect())
    }
}
