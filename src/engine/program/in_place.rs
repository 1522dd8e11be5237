//! Which updates of variables may write over them.

use super::Program;
use crate::ops::{Op, Producer, Value};

/// The variable slots that an op may write in place: it makes the variable's final value from its first one, and
/// nobody reads the first one afterwards.
pub(super) fn in_place_updates(program: &Program) -> Vec<(usize, Value)> {
    let graph = &program.graph;
    let mut found = Vec::new();
    for &(slot, value) in &program.writes {
        let Producer::Node(index, output) = *graph.producer(value) else { continue };
        let node = &graph.nodes[index];
        let Some(&Some(input)) = node.op.updated_inputs().get(output) else { continue };
        let before = graph.variables[slot];
        if node.inputs[input] != before {
            continue;
        }
        // Views of the variable read it too.
        let mut aliases = vec![before];
        for node in &graph.nodes {
            let view = matches!(
                node.op,
                Op::Reshape(_)
                    | Op::ReshapeLike(_)
                    | Op::Transpose(_)
                    | Op::Broadcast(_)
                    | Op::BroadcastLike(_)
                    | Op::SumLike(_)
                    | Op::StopGradient(_)
                    | Op::Cast(_)
            );
            if view && aliases.contains(&node.inputs[0]) {
                aliases.push(node.outputs[0]);
            }
            if let Op::CustomGradient(_) = node.op {
                let same = node.outputs.iter().zip(&node.inputs).filter(|(_, input)| aliases.contains(input));
                let same: Vec<Value> = same.map(|(&output, _)| output).collect();
                aliases.extend(same);
            }
        }
        if node.inputs.iter().filter(|other| aliases.contains(other)).count() > 1 {
            continue;
        }
        let read_later = graph.nodes[index + 1..]
            .iter()
            .flat_map(|node| &node.inputs)
            .chain(&program.outputs)
            .chain(program.writes.iter().map(|(_, value)| value))
            .any(|value| aliases.contains(value));
        if !read_later {
            found.push((slot, value));
        }
    }
    found
}
