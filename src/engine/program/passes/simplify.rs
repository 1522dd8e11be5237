//! Leaves out work whose result is known: repeated nodes, neutral elements, casts and transposes that cancel, broadcasts
//! that an elementwise op and transposes that a product does by itself, and marks that only derivatives read.

use std::collections::HashMap;

use ironhorn_kernels::cpu::elementwise::Scalar;

use super::rebuild::Rebuild;
use crate::core::{Dim, Result};
use crate::ops::elementwise::Elementwise;
use crate::ops::graph::{DerivedDim, DimRule};
use crate::ops::reduce::reduce::Reduce;
use crate::ops::reduce::{ReduceKind, reduced_axes, reduced_shape};
use crate::ops::shape::reshape::Reshape;
use crate::ops::{Effects, Graph, Node, Op, Value};
use crate::program::Program;

pub fn run(program: &Program) -> Result<Program> {
    let mut rebuild = Rebuild::new(program);
    let mut seen: HashMap<(Op, Vec<Value>), Vec<Value>> = HashMap::new();
    for node in &program.graph.nodes {
        let mut inputs = rebuild.get_all(&node.inputs);
        if let Op::CustomGradient(_) = node.op {
            for (&output, &same) in node.outputs.iter().zip(&inputs) {
                rebuild.set(output, same);
            }
            continue;
        }
        skip_broadcasts(&rebuild.new, &node.op, &mut inputs);
        if let Some(same) = neutral(&rebuild.new, &node.op, &inputs) {
            rebuild.set(node.outputs[0], same);
            continue;
        }
        let op = composed(&rebuild.new, &node.op, &mut inputs);
        if let Some(same) = neutral(&rebuild.new, &op, &inputs) {
            rebuild.set(node.outputs[0], same);
            continue;
        }
        let key = (op.clone(), inputs.clone());
        let shared = seen.get(&key).filter(|_| op.effects() != Effects::Updates).cloned();
        let outputs = if let Some(outputs) = shared {
            same_lengths(&mut rebuild.new, &program.graph, &node.outputs, &outputs);
            outputs
        } else {
            let specs = node.outputs.iter().map(|&output| program.graph.spec(output).clone()).collect();
            let outputs = rebuild.new.append_inferred(op, &inputs, specs, node.scope.clone());
            seen.insert(key, outputs.clone());
            outputs
        };
        for (&old, new) in node.outputs.iter().zip(outputs) {
            rebuild.set(old, new);
        }
    }
    rebuild.finish()
}

/// Lets plans know the lengths of values that were left out: those of the values that take their places.
fn same_lengths(new: &mut Graph, old: &Graph, left_out: &[Value], kept: &[Value]) {
    for (&before, &after) in left_out.iter().zip(kept) {
        for (a, b) in old.shape(before).0.iter().zip(new.shape(after).0.clone()) {
            if let Dim::Symbol(symbol) = *a
                && *a != b
                && new.derived.iter().all(|derived| derived.symbol != symbol)
            {
                // First, because others may follow from it.
                new.derived.insert(0, DerivedDim { symbol, rule: DimRule::Add, a: b, b: Dim::Known(0) });
            }
        }
    }
}

/// The input that an op returns unchanged, if it does.
fn neutral(graph: &Graph, op: &Op, inputs: &[Value]) -> Option<Value> {
    let is = |value: Value, number: f64| graph.scalar_value(value) == Some(number);
    let keeps = |kept: Value, other: Value| {
        graph.shape(kept).broadcast(graph.shape(other)).is_ok_and(|shape| shape == *graph.shape(kept))
    };
    match op {
        Op::StopGradient(_) => Some(inputs[0]),
        Op::Cast(cast) if graph.dtype(inputs[0]) == cast.dtype => Some(inputs[0]),
        Op::BroadcastLike(_) | Op::ReshapeLike(_) | Op::SumLike(_)
            if graph.shape(inputs[0]) == graph.shape(inputs[1]) =>
        {
            Some(inputs[0])
        }
        Op::Transpose(transpose) if transpose.permutation.iter().copied().eq(0..transpose.permutation.len()) => {
            Some(inputs[0])
        }
        Op::Elementwise(Elementwise { rule }) => {
            let (a, b) = (inputs[0], *inputs.get(1).unwrap_or(&inputs[0]));
            match rule {
                Scalar::Add | Scalar::Subtract if is(b, 0.0) && keeps(a, b) => Some(a),
                Scalar::Add if is(a, 0.0) && keeps(b, a) => Some(b),
                Scalar::Multiply | Scalar::Divide if is(b, 1.0) && keeps(a, b) => Some(a),
                Scalar::Multiply if is(a, 1.0) && keeps(b, a) => Some(b),
                Scalar::Negative => match graph.node_of(a) {
                    Some(Node { op: Op::Elementwise(Elementwise { rule: Scalar::Negative }), inputs, .. }) => {
                        Some(inputs[0])
                    }
                    _ => None,
                },
                _ => None,
            }
        }
        _ => None,
    }
}

/// An op and its input's op as one, where the two are of a kind.
fn composed(graph: &Graph, op: &Op, inputs: &mut [Value]) -> Op {
    let inner = inputs.first().and_then(|&input| graph.node_of(input)).cloned();
    match (op, inner) {
        (Op::Transpose(outer), Some(Node { op: Op::Transpose(inner), inputs: from, .. })) => {
            inputs[0] = from[0];
            let permutation = outer.permutation.iter().map(|&axis| inner.permutation[axis]).collect();
            Op::Transpose(crate::ops::shape::transpose::Transpose { permutation })
        }
        (
            Op::Reshape(_) | Op::ReshapeLike(_),
            Some(Node { op: Op::Reshape(_) | Op::ReshapeLike(_), inputs: from, .. }),
        ) if !matches!(op, Op::Reshape(reshape) if reshape.shape.iter().any(Option::is_none)) => {
            inputs[0] = from[0];
            op.clone()
        }
        (Op::Reduce(Reduce { axes: Some(_), .. }), _) => single(graph, op, inputs[0]).unwrap_or_else(|| op.clone()),
        (Op::MatMul(matmul), _) => {
            let mut matmul = matmul.clone();
            for (input, transposed) in inputs.iter_mut().zip([&mut matmul.transpose_a, &mut matmul.transpose_b]) {
                if let Some(source) = transposed_matrix(graph, *input) {
                    *input = source;
                    *transposed = !*transposed;
                }
            }
            Op::MatMul(matmul)
        }
        _ => op.clone(),
    }
}

/// The reshape that a reduction over axes of length 1 is.
fn single(graph: &Graph, op: &Op, input: Value) -> Option<Op> {
    let Op::Reduce(Reduce { kind, axes, keepdims }) = op else { return None };
    let from = graph.shape(input);
    let axes = reduced_axes(axes.as_deref(), from.rank()).ok()?;
    let fits = axes.iter().all(|&axis| from.0[axis] == Dim::Known(1)) && !graph.dtype(input).is_half();
    let shape = reduced_shape(from, &axes, *keepdims).0.into_iter().map(Some).collect();
    (fits && !matches!(kind, ReduceKind::Any | ReduceKind::All)).then_some(Op::Reshape(Reshape { shape }))
}

/// What `value` is the transpose of, in its last two axes.
fn transposed_matrix(graph: &Graph, value: Value) -> Option<Value> {
    let Node { op: Op::Transpose(transpose), inputs, .. } = graph.node_of(value)? else { return None };
    let (tail, lead) = (transpose.permutation.len().checked_sub(2)?, &transpose.permutation);
    let (batch, matrix) = lead.split_at(tail);
    (batch.iter().copied().eq(0..tail) && *matrix == [tail + 1, tail]).then_some(inputs[0])
}

/// Lets an elementwise op read the source of a broadcast when the other operands give the full shape.
fn skip_broadcasts(graph: &Graph, op: &Op, inputs: &mut [Value]) {
    if !matches!(op, Op::Elementwise(_)) || inputs.len() < 2 {
        return;
    }
    for i in 0..inputs.len() {
        let Some(Node { op: Op::BroadcastLike(_) | Op::Broadcast(_), inputs: from, .. }) = graph.node_of(inputs[i])
        else {
            continue;
        };
        let source = from[0];
        let full = graph.shape(inputs[i]);
        let covered = (0..inputs.len()).any(|j| j != i && graph.shape(inputs[j]) == full);
        if covered {
            inputs[i] = source;
        }
    }
}
