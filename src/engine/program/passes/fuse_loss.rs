//! Makes one node of the end of a training step: softmax, cross-entropy, its gradient, and whether predictions are right.
//!
//! ```text
//! p = softmax(x)                                              loss, dx, p, hits = softmax_cross_entropy(x, targets, g)
//! loss = cross_entropy(p, targets)
//! dx = softmax_grad(p, cross_entropy_grad(p, targets, g))
//! hits = cast(argmax(p) == targets)
//! ```
//!
//! The same for losses of logits `x`, where softmax and its gradient are parts of the cross-entropy. Gradient and hits may be
//! missing. `g` is a number of its own for every row, or one for all; it may not depend on the loss, because all is done
//! where the loss is made. What has to be known by then is moved ahead.

use ironhorn_kernels::cpu::elementwise::Scalar;

use super::rebuild::{Rebuild, uses};
use super::share_scalars::Shared;
use crate::core::{DType, Result, Spec};
use crate::ops::elementwise::Elementwise;
use crate::ops::math::cast::Cast;
use crate::ops::nn::cross_entropy::{CrossEntropy, CrossEntropyGrad, SoftmaxCrossEntropy};
use crate::ops::nn::softmax::SoftmaxGrad;
use crate::ops::reduce::arg_reduce::ArgReduce;
use crate::ops::shape::reshape::Reshape;
use crate::ops::{Effects, Graph, Node, Op, Producer, Value};
use crate::program::Program;

/// Class numbers below this are exact in float32.
const EXACT: usize = 1 << 24;

/// The nodes that become one.
#[derive(Clone)]
struct End {
    loss: CrossEntropy,
    x: Value,
    targets: Value,
    /// Class numbers before they were cast, and the shape that they have then.
    labels: Option<(Value, Option<Reshape>)>,
    seed: Option<Value>,
    /// Losses, gradient, probabilities, hits.
    results: [Option<Value>; 4],
    nodes: Vec<usize>,
    /// The node whose scope it has.
    origin: usize,
}

pub fn run(program: &Program) -> Result<Program> {
    let graph = &program.graph;
    if !graph.nodes.iter().any(|node| matches!(node.op, Op::CrossEntropy(_))) {
        return Ok(program.clone());
    }
    let find = Find { graph, uses: uses(program), shared: Shared::new(graph) };
    let mut ends: Vec<End> = Vec::new();
    for index in 0..graph.nodes.len() {
        if let Some(end) = find.end(index)
            && !ends.iter().any(|other| end.nodes.iter().any(|node| other.nodes.contains(node)))
        {
            ends.push(end);
        }
    }
    if ends.is_empty() {
        return Ok(program.clone());
    }
    let mut write = Write {
        graph,
        rebuild: Rebuild::new(program),
        shared: find.shared,
        done: vec![false; graph.nodes.len()],
        ends,
    };
    for index in 0..graph.nodes.len() {
        write.node(index)?;
    }
    write.rebuild.finish()
}

struct Find<'a> {
    graph: &'a Graph,
    uses: Vec<u32>,
    shared: Shared<'a>,
}

impl Find<'_> {
    /// What the loss at node `index` can become a part of.
    fn end(&self, index: usize) -> Option<End> {
        let graph = self.graph;
        let node = &graph.nodes[index];
        let Op::CrossEntropy(loss) = &node.op else { return None };
        let (scores, targets) = (node.inputs[0], node.inputs[1]);
        let classes = graph.shape(scores).0.last()?.known()?;
        if !graph.dtype(scores).is_compute_float() || classes > EXACT {
            return None;
        }
        let softmax = self.softmax(loss, scores);
        let x = match softmax {
            Some(softmax) => graph.nodes[softmax].inputs[0],
            None if loss.margin.is_some() => return None,
            None => scores,
        };
        let mut end = End {
            loss: loss.clone(),
            x,
            targets,
            labels: loss.sparse.then(|| self.labels(targets)),
            seed: None,
            results: [Some(node.outputs[0]), None, None, None],
            nodes: vec![index],
            origin: index,
        };
        if let Some(softmax) = softmax {
            end.nodes.push(softmax);
            end.results[2] = Some(graph.nodes[softmax].outputs[0]);
        }
        if let Some((nodes, seed, dx)) = self.gradient(loss, scores, targets) {
            let with = End { seed: Some(seed), ..end.clone() };
            let all: Vec<usize> = nodes.iter().chain(&end.nodes).copied().collect();
            if self.is_known_before(&with, &all) {
                end = End { nodes: all, ..with };
                end.results[1] = Some(dx);
            }
        }
        if let Some((nodes, hits)) = self.hits(&end, scores) {
            let all: Vec<usize> = nodes.iter().chain(&end.nodes).copied().collect();
            if self.is_known_before(&end, &all) {
                end.nodes = all;
                end.results[3] = Some(hits);
            }
        }
        (end.nodes.len() > 1 && self.is_known_before(&end, &end.nodes)).then_some(end)
    }

    /// Whether what an end reads can be known before `nodes` run.
    fn is_known_before(&self, end: &End, nodes: &[usize]) -> bool {
        let seed = end.seed.filter(|&seed| !self.shared.is(seed));
        [Some(end.x), Some(end.targets), seed].into_iter().flatten().all(|value| is_before(self.graph, value, nodes))
    }

    /// The softmax that made the scores of a loss of probabilities.
    fn softmax(&self, loss: &CrossEntropy, scores: Value) -> Option<usize> {
        loss.margin.as_ref()?;
        let Producer::Node(index, _) = *self.graph.producer(scores) else { return None };
        matches!(self.graph.nodes[index].op, Op::Softmax(_)).then_some(index)
    }

    /// The nodes of the gradient of the logits, the losses' gradients, and the result.
    fn gradient(&self, loss: &CrossEntropy, scores: Value, targets: Value) -> Option<(Vec<usize>, Value, Value)> {
        let is_gradient = |node: &Node| {
            matches!(&node.op, Op::CrossEntropyGrad(CrossEntropyGrad { loss: other }) if other == loss)
                && node.inputs[..2] == [scores, targets]
        };
        let (gradient, node) = self.only(is_gradient)?;
        if loss.margin.is_none() {
            return Some((vec![gradient], node.inputs[2], node.outputs[0]));
        }
        let passed = node.outputs[0];
        let is_through = |node: &Node| {
            matches!(node.op, Op::SoftmaxGrad(SoftmaxGrad { log: false })) && node.inputs == [scores, passed]
        };
        let (through, last) = self.only(is_through)?;
        let alone = self.uses[passed.0 as usize] == 1;
        alone.then(|| (vec![gradient, through], node.inputs[2], last.outputs[0]))
    }

    /// The nodes that compare the largest scores' places with the targets, and what they make.
    fn hits(&self, end: &End, scores: Value) -> Option<(Vec<usize>, Value)> {
        let graph = self.graph;
        let (found, place) = self.only(|node| self.is_argmax(node) && node.inputs[0] == scores)?;
        let mut nodes = vec![found];
        let mut value = place.outputs[0];
        let equal = loop {
            let (index, reader) = self.only_reader(value)?;
            nodes.push(index);
            match &reader.op {
                Op::Cast(Cast { dtype }) if is_exact(*dtype) => value = reader.outputs[0],
                Op::Elementwise(Elementwise { rule: Scalar::Equal }) => break reader,
                _ => return None,
            }
        };
        let other = equal.inputs[usize::from(equal.inputs[0] == value)];
        let same = match &end.labels {
            Some((base, _)) => {
                let found = self.labels(other).0;
                found == *base && graph.dtype(found).is_integer()
            }
            None => self.argmax_of(other, end.targets, &mut nodes),
        };
        let losses = end.results[0]?;
        if other == value || !same || graph.shape(equal.outputs[0]) != graph.shape(losses) {
            return None;
        }
        let (last, cast) = self.only_reader(equal.outputs[0])?;
        if graph.spec(cast.outputs[0]) != graph.spec(losses) || !matches!(cast.op, Op::Cast(_)) {
            return None;
        }
        nodes.push(last);
        Some((nodes, cast.outputs[0]))
    }

    fn is_argmax(&self, node: &Node) -> bool {
        let Op::ArgReduce(ArgReduce { largest: true, axis, keepdims: false }) = &node.op else { return false };
        let rank = self.graph.spec(node.inputs[0]).rank();
        self.graph.shape(node.inputs[0]).axis(*axis).is_ok_and(|axis| axis + 1 == rank)
    }

    /// Whether `value` is the places of the largest targets, and read once; adds the nodes that make it.
    fn argmax_of(&self, value: Value, targets: Value, nodes: &mut Vec<usize>) -> bool {
        let Producer::Node(index, _) = *self.graph.producer(value) else { return false };
        let node = &self.graph.nodes[index];
        nodes.push(index);
        let fits = match &node.op {
            Op::Cast(Cast { dtype }) => is_exact(*dtype) && self.argmax_of(node.inputs[0], targets, nodes),
            _ => self.is_argmax(node) && node.inputs[0] == targets,
        };
        fits && self.is_read_once(value)
    }

    fn is_read_once(&self, value: Value) -> bool {
        self.uses[value.0 as usize] == 1
    }

    /// Class numbers as they were before casts that keep them, and the shape that they were given since.
    fn labels(&self, value: Value) -> (Value, Option<Reshape>) {
        let (mut best, mut at, mut shape) = ((value, None), value, None);
        while let Some(node) = self.graph.node_of(at) {
            match &node.op {
                Op::Cast(Cast { dtype }) if is_exact(*dtype) => {}
                Op::Reshape(reshape) if reshape.shape.iter().all(Option::is_some) => {
                    shape = shape.or_else(|| Some(reshape.clone()));
                }
                _ => break,
            }
            at = node.inputs[0];
            if self.graph.dtype(at).is_integer() {
                best = (at, shape.clone());
            }
        }
        best
    }

    /// The only node of a kind.
    fn only(&self, fits: impl Fn(&Node) -> bool) -> Option<(usize, &Node)> {
        let mut all = self.graph.nodes.iter().enumerate().filter(|(_, node)| fits(node));
        all.next().filter(|_| all.next().is_none())
    }

    /// The only reader of a value.
    fn only_reader(&self, value: Value) -> Option<(usize, &Node)> {
        self.only(|node| node.inputs.contains(&value)).filter(|_| self.is_read_once(value))
    }
}

/// Whether class numbers of this type are what they were.
fn is_exact(dtype: DType) -> bool {
    dtype.is_compute_float() || matches!(dtype, DType::Int32 | DType::Int64)
}

/// Whether a value can be known before `nodes` run.
fn is_before(graph: &Graph, value: Value, nodes: &[usize]) -> bool {
    let mut seen = vec![false; graph.nodes.len()];
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        let Producer::Node(index, _) = *graph.producer(value) else { continue };
        if nodes.contains(&index) || graph.nodes[index].op.effects() == Effects::Updates {
            return false;
        }
        if !std::mem::replace(&mut seen[index], true) {
            open.extend(&graph.nodes[index].inputs);
        }
    }
    true
}

struct Write<'a> {
    graph: &'a Graph,
    rebuild: Rebuild<'a>,
    shared: Shared<'a>,
    done: Vec<bool>,
    ends: Vec<End>,
}

impl Write<'_> {
    /// Writes a node, or the end that it is a part of, behind what it reads.
    fn node(&mut self, index: usize) -> Result<()> {
        if self.done[index] {
            return Ok(());
        }
        if let Some(end) = self.ends.iter().position(|end| end.nodes.contains(&index)) {
            let end = self.ends.swap_remove(end);
            return self.end(&end);
        }
        for input in &self.graph.nodes[index].inputs {
            self.value(*input)?;
        }
        self.rebuild.copy(&self.graph.nodes[index]);
        self.done[index] = true;
        Ok(())
    }

    fn value(&mut self, value: Value) -> Result<()> {
        match *self.graph.producer(value) {
            Producer::Node(index, _) => self.node(index),
            _ => Ok(()),
        }
    }

    fn end(&mut self, end: &End) -> Result<()> {
        let graph = self.graph;
        let (labels, reshape) = end.labels.clone().unwrap_or((end.targets, None));
        self.value(end.x)?;
        self.value(labels)?;
        let seed = self.seed(end)?;
        let scope = graph.nodes[end.origin].scope.clone();
        let x = self.rebuild.get(end.x);
        let mut targets = self.rebuild.get(labels);
        if let Some(reshape) = reshape {
            let spec = Spec::new(graph.shape(end.targets).clone(), graph.dtype(labels));
            targets = self.rebuild.new.append_inferred(Op::Reshape(reshape), &[targets], vec![spec], scope.clone())[0];
        }
        let (x_spec, losses) = (graph.spec(end.x).clone(), graph.nodes[end.origin].outputs[0]);
        let losses = graph.spec(losses).clone();
        let specs = vec![losses.clone(), x_spec.clone(), x_spec, losses];
        let op = Op::SoftmaxCrossEntropy(SoftmaxCrossEntropy { loss: end.loss.clone() });
        let made = self.rebuild.new.append_inferred(op, &[x, targets, seed], specs, scope);
        for (old, new) in end.results.iter().zip(made) {
            if let Some(old) = old {
                self.rebuild.set(*old, new);
            }
        }
        end.nodes.iter().for_each(|&node| self.done[node] = true);
        Ok(())
    }

    /// The gradients of the losses: one for all where all share it.
    fn seed(&mut self, end: &End) -> Result<Value> {
        let Some(seed) = end.seed else {
            return self.rebuild.new.scalar(0.0, self.graph.dtype(end.x));
        };
        if self.shared.is(seed) {
            return self.shared.write(&mut self.rebuild, seed);
        }
        self.value(seed)?;
        Ok(self.rebuild.get(seed))
    }
}
