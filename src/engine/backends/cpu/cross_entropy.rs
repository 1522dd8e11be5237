//! Cross-entropy over rows.

use ironhorn_kernels::cpu::cross_entropy::{self as kernels, LabelError, Results, Scores, Seed, Targets};
use ironhorn_kernels::cpu::disjoint::Disjoint;
use ironhorn_kernels::cpu::simd::Isa;

use super::softmax::rows;
use super::{Io, Lowered, Lowering, floats, streaming};
use crate::core::{DType, Error, Result, Spec};
use crate::ops::Real;
use crate::ops::nn::cross_entropy::CrossEntropy;

/// Operations of one exponential.
const FLOPS: f64 = 12.0;

fn out_of_range(error: LabelError) -> Error {
    let LabelError { row, label, classes } = error;
    let range = match classes {
        0 => "there are no classes".to_string(),
        _ => format!("is outside 0..{}", classes - 1),
    };
    Error::value(format!(
        "label {label} at row {row} {range}; give the model's last layer one output for every class, and count labels \
         from 0"
    ))
}

/// Which result is which output of an op.
#[derive(Clone, Copy)]
enum Outputs {
    Losses,
    Gradient,
    /// Losses, gradient, probabilities and hits.
    All,
}

impl Outputs {
    /// The outputs that somebody reads.
    ///
    /// # Safety
    /// The outputs have room for the elements of the op's results.
    unsafe fn results<'a, T>(self, io: &'a Io, rows: usize, elements: usize) -> Results<'a, T> {
        let output = |index: usize, length: usize| -> Option<Disjoint<'a, T>> {
            // SAFETY: by this function's contract.
            io.wants(index).then(|| unsafe { io.output::<T>(index, length) })
        };
        match self {
            Outputs::Losses => Results { losses: output(0, rows), ..Results::none() },
            Outputs::Gradient => Results { gradient: output(0, elements), ..Results::none() },
            Outputs::All => Results {
                losses: output(0, rows),
                gradient: output(1, elements),
                probabilities: output(2, elements),
                hits: output(3, rows),
            },
        }
    }
}

/// Targets as their type has them.
///
/// # Safety
/// Input 1 has `rows` labels of type `labels`, or `elements` elements of `T` where there is none.
unsafe fn targets<T>(labels: Option<DType>, io: &Io, rows: usize, elements: usize) -> Targets<'_, T> {
    // SAFETY: by this function's contract.
    unsafe {
        match labels {
            None => Targets::Rows(io.input::<T>(1, elements)),
            Some(DType::Int32) => Targets::Int32(io.input::<i32>(1, rows)),
            Some(DType::Uint8) => Targets::Uint8(io.input::<u8>(1, rows)),
            Some(_) => Targets::Int64(io.input::<i64>(1, rows)),
        }
    }
}

fn lower(isa: Isa, op: &CrossEntropy, scores: Scores, made: Outputs, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let labels = op.sparse.then_some(inputs[1].dtype);
    if labels.is_some_and(|labels| !matches!(labels, DType::Int64 | DType::Int32 | DType::Uint8)) {
        return Ok(None);
    }
    let (rows, classes) = rows(&inputs[0])?;
    let elements = rows * classes;
    let one_seed = inputs.get(2).map(|seed| seed.rank() == 0);
    let cost = streaming(inputs, outputs, 0.0)?;
    let cost = super::Cost { flops: FLOPS * elements as f64, ..cost };
    floats!(inputs[0].dtype, T => {
        let kernel = kernels::CrossEntropy::<T>::new(rows, classes, scores);
        let run = move |_: usize, chunk: usize, io: &Io| -> Result<()> {
            // SAFETY: by the contract of `Kernel::run`.
            unsafe {
                let seed = match one_seed {
                    None => Seed::One(0.0),
                    Some(true) => Seed::One(io.input::<T>(2, 1)[0]),
                    Some(false) => Seed::Rows(io.input::<T>(2, rows)),
                };
                let (x, targets) = (io.input::<T>(0, elements), targets::<T>(labels, io, rows, elements));
                kernel.run(isa, chunk, x, targets, seed, made.results(io, rows, elements)).map_err(out_of_range)
            }
        };
        Ok(Some(Lowered::new(kernel.chunks(), run).cost(cost)))
    })
}

/// What `x` of the op holds.
fn scores(op: &CrossEntropy) -> Scores {
    op.margin.map_or(Scores::Logits, |Real(margin)| Scores::Probabilities { margin })
}

pub fn losses(isa: Isa, op: &CrossEntropy, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    lower(isa, op, scores(op), Outputs::Losses, inputs, outputs)
}

pub fn gradient(isa: Isa, op: &CrossEntropy, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    lower(isa, op, scores(op), Outputs::Gradient, inputs, outputs)
}

pub fn with_softmax(isa: Isa, op: &CrossEntropy, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let scores = op.margin.map_or(Scores::Logits, |Real(margin)| Scores::Softmax { margin });
    lower(isa, op, scores, Outputs::All, inputs, outputs)
}
