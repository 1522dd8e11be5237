//! Whether a program makes row `i` of its outputs of rows `i` of its inputs alone, so that a batch may be cut into slices
//! that run one by one.
//!
//! ```text
//! own       axis 0 is the batch, and row i is made of the inputs' rows i
//! shared    made of variables and constants alone, with no axis as long as the batch
//! ```
//!
//! Every value must be one of the two. An op that is not in the list below, or mixes rows, says no: then batches run whole.

use crate::core::{Dim, Spec};
use crate::ops::shape::slice::{Bound, Range};
use crate::ops::{Effects, Op};
use crate::program::Program;

/// Whether `program` may run on slices of its inputs, cut along axis 0.
pub fn by_rows(program: &Program) -> bool {
    let graph = &program.graph;
    let Some(&first) = graph.inputs.first() else { return false };
    let Some(&batch @ Dim::Symbol(_)) = graph.shape(first).0.first() else { return false };
    let has_rows = |spec: &Spec| spec.shape.0.first() == Some(&batch) && !spec.shape.0[1..].contains(&batch);
    let derives = graph.derived.iter().any(|derived| derived.a == batch || derived.b == batch);
    if derives || !program.writes.is_empty() || !graph.inputs.iter().all(|&input| has_rows(graph.spec(input))) {
        return false;
    }
    let mut own = vec![false; graph.values.len()];
    graph.inputs.iter().for_each(|input| own[input.0 as usize] = true);
    for node in &graph.nodes {
        let inputs: Vec<&Spec> = node.inputs.iter().map(|&input| graph.spec(input)).collect();
        let of_rows: Vec<bool> = node.inputs.iter().map(|input| own[input.0 as usize]).collect();
        let outputs: Vec<&Spec> = node.outputs.iter().map(|&output| graph.spec(output)).collect();
        let counts = matches!(&node.op, Op::DimValue(value) if value.dim == batch);
        if node.op.effects() != Effects::Pure || counts {
            return false;
        }
        let needs_rows = outputs.iter().any(|output| output.shape.0.contains(&batch));
        if !needs_rows && !of_rows.contains(&true) {
            continue;
        }
        if !outputs.iter().all(|output| has_rows(output)) || !keeps_rows(&node.op, &inputs, &of_rows, outputs[0], batch)
        {
            return false;
        }
        node.outputs.iter().for_each(|output| own[output.0 as usize] = true);
    }
    program.outputs.iter().all(|output| own[output.0 as usize])
}

/// Whether an operand is read by the row where the result has `rank` axes: its own row, or the same for all rows.
fn broadcasts(input: &Spec, own: bool, rank: usize) -> bool {
    if own { input.rank() == rank } else { input.rank() < rank || input.shape.0[0] == Dim::Known(1) }
}

/// Whether row `i` of the outputs of `op` is made of rows `i` of the inputs that are `own`, and of the others as a whole. All
/// outputs have the batch as their axis 0, and no other axis of that length.
fn keeps_rows(op: &Op, inputs: &[&Spec], own: &[bool], output: &Spec, batch: Dim) -> bool {
    let rank = output.rank();
    let all_broadcast = |from: usize| inputs[from..].iter().zip(&own[from..]).all(|(i, &own)| broadcasts(i, own, rank));
    let only_first = || own[0] && !own[1..].contains(&true);
    let apart = |axis: i64, rank: usize| (if axis < 0 { axis + rank as i64 } else { axis }) > 0;
    match op {
        Op::MatMul(op) if rank == 2 => own[0] && !op.transpose_a && !own[1] && all_broadcast(2),
        Op::Elementwise(_) | Op::Fused(_) | Op::Broadcast(_) | Op::BroadcastLike(_) | Op::MatMul(_) => all_broadcast(0),
        // A reshape keeps the row-major order: where axis 0 stays, rows stay.
        Op::Reshape(_) | Op::ReshapeLike(_) | Op::Cast(_) | Op::StopGradient(_) | Op::Pool(_) => own[0],
        Op::Transpose(op) => own[0] && op.permutation.first() == Some(&0),
        Op::Concat(op) => !own.contains(&false) && apart(op.axis, rank),
        Op::Slice(op) => {
            let counts = |bound| matches!(bound, Bound::Dim(dim) | Bound::Back(dim) if dim == batch);
            own[0]
                && op.ranges.first().is_none_or(Range::is_full)
                && !op.ranges.iter().any(|range| counts(range.start) || counts(range.stop))
        }
        Op::Pad(op) => own[0] && op.low.first() == Some(&0) && op.high.first() == Some(&0),
        Op::Reduce(op) => {
            own[0] && op.axes.as_ref().is_some_and(|axes| axes.iter().all(|&axis| apart(axis, inputs[0].rank())))
        }
        Op::ArgReduce(op) => own[0] && apart(op.axis, inputs[0].rank()),
        Op::Conv(_) => own[0] && !own[1] && all_broadcast(2),
        Op::ConvTranspose(_) | Op::PointwiseDepthwise(_) | Op::LayerNorm(_) if rank > 1 => only_first(),
        Op::Resample(op) => own[0] && apart(op.axis, rank),
        Op::Softmax(_) | Op::LogSoftmax(_) => own[0] && rank > 1,
        Op::Take(op) if own[0] => only_first() && apart(op.axis, inputs[0].rank()),
        Op::Take(op) => !apart(op.axis, inputs[0].rank()),
        Op::OneHot(op) => own[0] && apart(op.axis, rank),
        Op::Lstm(op) => op.takes_rows(own),
        Op::Gru(op) => op.takes_rows(own),
        Op::SimpleRnn(op) => op.takes_rows(own),
        _ => false,
    }
}
