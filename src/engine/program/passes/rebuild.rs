//! Copies a program node by node, letting a rule replace what it likes.

use crate::core::Result;
use crate::ops::{Graph, Node, Producer, Value};
use crate::program::Program;

/// The program being written, and what every old value became.
pub struct Rebuild<'a> {
    pub old: &'a Program,
    pub new: Graph,
    map: Vec<Option<Value>>,
}

impl<'a> Rebuild<'a> {
    /// Inputs, variables and constants are copied at once: inputs and variable slots keep their numbers.
    pub fn new(old: &'a Program) -> Self {
        let mut new = Graph::new();
        new.derived.clone_from(&old.graph.derived);
        let mut map = vec![None; old.graph.values.len()];
        for &input in &old.graph.inputs {
            map[input.0 as usize] = Some(new.input(old.graph.spec(input).clone()));
        }
        for &variable in &old.graph.variables {
            map[variable.0 as usize] = Some(new.variable(old.graph.spec(variable).clone()));
        }
        Rebuild { old, new, map }
    }

    /// What an old value became.
    pub fn get(&mut self, value: Value) -> Value {
        if let Some(found) = self.map[value.0 as usize] {
            return found;
        }
        let copied = match self.old.graph.producer(value) {
            Producer::Constant(array) => match array.len() {
                1 if array.sizes().is_empty() => {
                    let number = array.item().unwrap_or(f64::NAN);
                    match self.new.scalar(number, array.dtype()) {
                        Ok(shared) if exact(array.dtype(), number) => shared,
                        _ => self.new.constant(array.clone()),
                    }
                }
                _ => self.new.constant(array.clone()),
            },
            other => unreachable!("value {value:?} ({other:?}) is read before it is rebuilt"),
        };
        self.map[value.0 as usize] = Some(copied);
        copied
    }

    pub fn get_all(&mut self, values: &[Value]) -> Vec<Value> {
        values.iter().map(|&value| self.get(value)).collect()
    }

    /// Says what an old value became.
    pub fn set(&mut self, old: Value, new: Value) {
        self.map[old.0 as usize] = Some(new);
    }

    /// Copies a node as it is.
    pub fn copy(&mut self, node: &Node) {
        let inputs = self.get_all(&node.inputs);
        self.copy_with(node, &inputs);
    }

    /// Copies a node, which reads other values.
    pub fn copy_with(&mut self, node: &Node, inputs: &[Value]) {
        let specs = node.outputs.iter().map(|&output| self.old.graph.spec(output).clone()).collect();
        let outputs = self.new.append_inferred(node.op.clone(), inputs, specs, node.scope.clone());
        for (&old, new) in node.outputs.iter().zip(outputs) {
            self.set(old, new);
        }
    }

    pub fn finish(mut self) -> Result<Program> {
        let outputs = self.get_all(&self.old.outputs.clone());
        let writes = self.old.writes.clone().into_iter().map(|(slot, value)| (slot, self.get(value))).collect();
        Ok(Program::new(self.new, outputs, writes))
    }
}

/// Whether a number of this type survives a trip through a double.
fn exact(dtype: crate::core::DType, number: f64) -> bool {
    !matches!(dtype, crate::core::DType::Int64 | crate::core::DType::Uint64) || number.abs() < 9_007_199_254_740_992.0
}

/// How often every value is read, roots included.
pub fn uses(program: &Program) -> Vec<u32> {
    let mut uses = vec![0; program.graph.values.len()];
    for node in &program.graph.nodes {
        for input in &node.inputs {
            uses[input.0 as usize] += 1;
        }
    }
    for root in program.roots() {
        uses[root.0 as usize] += 1;
    }
    uses
}
