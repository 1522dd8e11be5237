//! Reverse-mode derivatives, appended to the graph that they are derivatives of.
//!
//! The nodes are walked backwards from the targets. A node whose outputs were reached by a gradient, and of which some
//! input leads to a source, writes the gradients of its inputs (its `vjp`); gradients that meet in one value are added.

use std::collections::HashMap;

use super::shape::reshape::ReshapeLike;
use super::{GradContext, Graph, Op, Producer, Value};
use crate::core::{Error, Result};

/// The gradient of the sum of `targets` (each weighted by its seed, or by ones) with respect to each source; `None`
/// where no target depends on it.
pub fn gradients(
    graph: &mut Graph,
    targets: &[(Value, Option<Value>)],
    sources: &[Value],
) -> Result<Vec<Option<Value>>> {
    let depends = dependents(graph, sources);
    let mut reached: HashMap<Value, Value> = HashMap::new();
    for &(target, seed) in targets {
        if !depends[target.0 as usize] {
            continue;
        }
        if !graph.dtype(target).is_float() {
            let spec = graph.spec(target).clone();
            return Err(Error::dtype(format!("a gradient needs a floating-point target, got {spec}")));
        }
        let seed = match seed {
            Some(seed) => seed,
            None => graph.ones_like(target)?,
        };
        add(graph, &mut reached, target, seed)?;
    }
    let outer = graph.scope();
    let last = targets.iter().filter_map(|&(target, _)| match graph.producer(target) {
        Producer::Node(index, _) => Some(*index),
        _ => None,
    });
    for index in (0..=last.max().unwrap_or(0)).rev() {
        let Some(node) = graph.nodes.get(index) else { break };
        if !node.outputs.iter().any(|output| reached.contains_key(output) && depends[output.0 as usize]) {
            continue;
        }
        let node = node.clone();
        let wanted: Vec<bool> = node.inputs.iter().map(|input| depends[input.0 as usize]).collect();
        let incoming: Vec<Option<Value>> = node.outputs.iter().map(|output| reached.get(output).copied()).collect();
        graph.set_scope(node.scope.clone());
        let mut context =
            GradContext { graph, inputs: &node.inputs, outputs: &node.outputs, gradients: &incoming, wanted: &wanted };
        let found = node
            .op
            .vjp(&mut context)
            .map_err(|error| error.at(&node.scope, &format!("gradient of {}", node.op.name())))?;
        for ((&input, gradient), wanted) in node.inputs.iter().zip(found).zip(wanted) {
            if let (Some(gradient), true) = (gradient, wanted) {
                check(graph, &node.op, input, gradient)?;
                add(graph, &mut reached, input, gradient)?;
            }
        }
    }
    graph.set_scope(outer);
    Ok(sources.iter().map(|source| reached.get(source).copied()).collect())
}

/// The derivative of a fused op: that of what it decomposes into.
pub fn through_decompose(op: &Op, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
    let graph = &mut *context.graph;
    // Values of their own, so that one that stands in two places has a gradient for each.
    let inputs =
        context.inputs.iter().map(|&input| graph.apply(ReshapeLike, &[input, input])).collect::<Result<Vec<_>>>()?;
    let outputs = op.decompose(graph, &inputs).ok_or_else(|| {
        Error::unsupported(format!("{} has no derivative; wrap it in stop_gradient or use another op", op.name()))
    })??;
    let targets: Vec<_> = outputs
        .iter()
        .zip(context.gradients)
        .filter_map(|(&output, gradient)| gradient.map(|gradient| (output, Some(gradient))))
        .collect();
    let sources: Vec<Value> =
        inputs.iter().zip(context.wanted).filter(|(_, wanted)| **wanted).map(|(&v, _)| v).collect();
    let mut found = gradients(graph, &targets, &sources)?.into_iter();
    Ok(context.wanted.iter().map(|&wanted| if wanted { found.next().flatten() } else { None }).collect())
}

/// Which values depend on a source through differentiable ops.
fn dependents(graph: &Graph, sources: &[Value]) -> Vec<bool> {
    let mut depends = vec![false; graph.values.len()];
    for source in sources {
        depends[source.0 as usize] = true;
    }
    for node in &graph.nodes {
        if matches!(node.op, Op::StopGradient(_)) {
            continue;
        }
        if node.inputs.iter().any(|input| depends[input.0 as usize]) {
            for output in &node.outputs {
                if graph.dtype(*output).is_float() {
                    depends[output.0 as usize] = true;
                }
            }
        }
    }
    depends
}

fn add(graph: &mut Graph, reached: &mut HashMap<Value, Value>, value: Value, gradient: Value) -> Result<()> {
    let total = match reached.get(&value) {
        Some(&so_far) => graph.add(so_far, gradient)?,
        None => gradient,
    };
    reached.insert(value, total);
    Ok(())
}

fn check(graph: &Graph, op: &Op, input: Value, gradient: Value) -> Result<()> {
    let (wanted, got) = (graph.spec(input), graph.spec(gradient));
    if wanted.dtype == got.dtype && wanted.shape.agrees(&got.shape) {
        Ok(())
    } else {
        Err(Error::internal(format!("the gradient of {} is {got} for an input {wanted}", op.name())))
    }
}
