//! Moves what surrounds a batch normalisation in training into its passes over memory.
//!
//! ```text
//! relu(batch_norm(x) + residual)                one node: the sum and relu are part of the store; either may be missing
//! batch_norm_grad(relu_grad(y, a + b), x)       one node, which forms the gradient as it reads, and gives it as a further
//!                                               result where others want it; the sum may be missing
//! ```
//!
//! Where `y` is the relu of this very normalisation and nothing was added to it, its sign is made again from `x`: the
//! gradient does not read `y`.

use ironhorn_kernels::cpu::elementwise::Scalar;

use super::rebuild::{Rebuild, uses};
use crate::core::Result;
use crate::ops::elementwise::Elementwise;
use crate::ops::nn::batch_norm::{BatchNormGrad, BatchNormTrain, Gate};
use crate::ops::{Graph, Node, Op, Producer, Value};
use crate::program::Program;

pub fn run(program: &Program) -> Result<Program> {
    let graph = &program.graph;
    let is_norm = |node: &Node| matches!(node.op, Op::BatchNormTrain(_) | Op::BatchNormGrad(_));
    if !graph.nodes.iter().any(is_norm) {
        return Ok(program.clone());
    }
    let mut pass = Fuse {
        graph,
        uses: uses(program),
        readers: readers(graph),
        written: vec![None; graph.nodes.len()],
        gone: vec![false; graph.nodes.len()],
    };
    for index in 0..graph.nodes.len() {
        pass.forward(index);
    }
    for index in 0..graph.nodes.len() {
        pass.backward(index);
    }
    let Fuse { written, gone, .. } = pass;
    let mut rebuild = Rebuild::new(program);
    for (index, node) in graph.nodes.iter().enumerate() {
        match &written[index] {
            Some(written) => written.write(&mut rebuild, graph),
            None if gone[index] => {}
            None => rebuild.copy(node),
        }
    }
    rebuild.finish()
}

/// A node that takes the place of others.
#[derive(Clone)]
struct Written {
    op: Op,
    inputs: Vec<Value>,
    /// The value before the pass that each result is.
    results: Vec<Value>,
    /// The node whose scope it has.
    origin: usize,
}

impl Written {
    fn write(&self, rebuild: &mut Rebuild, graph: &Graph) {
        let inputs = rebuild.get_all(&self.inputs);
        let specs = self.results.iter().map(|&result| graph.spec(result).clone()).collect();
        let scope = graph.nodes[self.origin].scope.clone();
        let outputs = rebuild.new.append_inferred(self.op.clone(), &inputs, specs, scope);
        for (&old, new) in self.results.iter().zip(outputs) {
            rebuild.set(old, new);
        }
    }
}

struct Fuse<'a> {
    graph: &'a Graph,
    uses: Vec<u32>,
    /// The nodes that read every value.
    readers: Vec<Vec<usize>>,
    /// What stands where a node stood.
    written: Vec<Option<Written>>,
    /// Nodes that are part of another.
    gone: Vec<bool>,
}

impl Fuse<'_> {
    /// Takes a sum and a relu behind the normalisation `index` in.
    fn forward(&mut self, index: usize) {
        let graph = self.graph;
        let node = &graph.nodes[index];
        let Op::BatchNormTrain(op) = &node.op else { return };
        if op.residual || op.relu {
            return;
        }
        let (mut op, mut inputs, mut y) = (op.clone(), node.inputs.clone(), node.outputs[0]);
        if let Some((reader, residual)) = self.only_sum(y).filter(|&(_, residual)| self.is_before(residual, index)) {
            self.gone[reader] = true;
            op.residual = true;
            inputs.push(residual);
            y = graph.nodes[reader].outputs[0];
        }
        if let Some(reader) = self.only_reader(y, Scalar::Relu) {
            self.gone[reader] = true;
            op.relu = true;
            y = graph.nodes[reader].outputs[0];
        }
        if op.residual || op.relu {
            let results = [&[y], &node.outputs[1..]].concat();
            self.written[index] = Some(Written { op: Op::BatchNormTrain(op), inputs, results, origin: index });
        }
    }

    /// Takes the derivative of relu at `index`, and a sum before it, into a normalisation's gradient that reads it.
    fn backward(&mut self, index: usize) {
        let graph = self.graph;
        let node = &graph.nodes[index];
        if !is_rule(&node.op, Scalar::ReluGradient) {
            return;
        }
        let (y, mut g, passed) = (node.inputs[0], node.inputs[1], node.outputs[0]);
        if [y, g].iter().any(|&input| graph.spec(input) != graph.spec(passed)) {
            return;
        }
        let reads_it = |&reader: &usize| {
            let reader = &graph.nodes[reader];
            matches!(&reader.op, Op::BatchNormGrad(op) if !op.passes_on()) && reader.inputs[0] == passed
        };
        let Some(reader) = self.readers[passed.0 as usize].iter().copied().find(reads_it) else { return };
        let norm = &graph.nodes[reader];
        let Op::BatchNormGrad(op) = &norm.op else { return };
        // The node stands here, where every reader of its results is still to come.
        if norm.inputs[1..].iter().any(|&input| input == passed || !self.is_before(input, index)) {
            return;
        }
        let (mut op, mut inputs) = (op.clone(), norm.inputs.clone());
        let beta = self.beta(y, &norm.inputs, &op);
        op.gate = if beta.is_some() { Gate::Beta } else { Gate::Output };
        inputs.push(beta.unwrap_or(y));
        if let Some((sum, terms)) = self.sum(g) {
            self.gone[sum] = true;
            op.addend = true;
            g = terms[0];
            inputs.push(terms[1]);
        }
        inputs[0] = g;
        self.gone[reader] = true;
        let results = norm.outputs.iter().copied().chain([passed]).collect();
        self.written[index] = Some(Written { op: Op::BatchNormGrad(op), inputs, results, origin: reader });
    }

    /// The offset of the normalisation whose relu is `y`, if `norm` are the operands of its gradient and it adds nothing.
    fn beta(&self, y: Value, norm: &[Value], op: &BatchNormGrad) -> Option<Value> {
        self.written.iter().flatten().find_map(|written| {
            let Op::BatchNormTrain(BatchNormTrain { epsilon, residual: false, relu: true }) = written.op else {
                return None;
            };
            let [x, gamma, beta] = *written.inputs.first_chunk()?;
            let [made, mean, variance] = *written.results.first_chunk()?;
            (made == y && epsilon == op.epsilon && norm[1..5] == [x, gamma, mean, variance]).then_some(beta)
        })
    }

    /// The node of `rule` that is the only reader of a value, and gives as many elements.
    fn only_reader(&self, value: Value, rule: Scalar) -> Option<usize> {
        let [reader] = *self.readers[value.0 as usize].as_slice() else { return None };
        let node = &self.graph.nodes[reader];
        let fits = is_rule(&node.op, rule) && self.graph.spec(node.outputs[0]) == self.graph.spec(value);
        (fits && self.uses[value.0 as usize] == 1).then_some(reader)
    }

    /// The sum that is the only reader of a value, and what it adds, if that is of the same shape.
    fn only_sum(&self, value: Value) -> Option<(usize, Value)> {
        let sum = self.only_reader(value, Scalar::Add)?;
        let inputs = &self.graph.nodes[sum].inputs;
        let other = inputs[usize::from(inputs[0] == value)];
        (other != value && self.graph.spec(other) == self.graph.spec(value)).then_some((sum, other))
    }

    /// The sum that a value is, where nobody else reads it, and its terms, if they are of the same shape.
    fn sum(&self, value: Value) -> Option<(usize, [Value; 2])> {
        let Producer::Node(index, _) = *self.graph.producer(value) else { return None };
        let node = &self.graph.nodes[index];
        let terms = *node.inputs.first_chunk::<2>()?;
        let fits = is_rule(&node.op, Scalar::Add)
            && self.uses[value.0 as usize] == 1
            && terms[0] != terms[1]
            && terms.iter().all(|&term| self.graph.spec(term) == self.graph.spec(value));
        (fits && !self.gone[index]).then_some((index, terms))
    }

    /// Whether a value is known before node `index` runs.
    fn is_before(&self, value: Value, index: usize) -> bool {
        !matches!(*self.graph.producer(value), Producer::Node(producer, _) if producer >= index)
    }
}

fn is_rule(op: &Op, rule: Scalar) -> bool {
    matches!(op, Op::Elementwise(Elementwise { rule: found }) if *found == rule)
}

fn readers(graph: &Graph) -> Vec<Vec<usize>> {
    let mut readers = vec![Vec::new(); graph.values.len()];
    for (index, node) in graph.nodes.iter().enumerate() {
        for input in &node.inputs {
            readers[input.0 as usize].push(index);
        }
    }
    readers
}
