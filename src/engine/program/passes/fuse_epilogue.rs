//! Moves what follows a product, or a convolution, into its store: a bias, a residual, an activation.
//!
//! `relu(matmul(a, b) + bias)` becomes one node when nobody else reads the values in between and the bias is a vector
//! along the last axis. A residual has the product's shape: `relu(conv(x, w) + y)`. Activations are recognised by the ops
//! that they consist of. Derivatives of relu, relu6, sigmoid and tanh read the output, so training programs fuse too.
//!
//! A product of bfloat16 that was kept in float32 for what follows is rounded in its store, where it is only read rounded.

use ironhorn_kernels::cpu::elementwise::Scalar;
use ironhorn_kernels::cpu::gemm::Activation;

use super::rebuild::{Rebuild, uses};
use crate::core::{DType, Result, Shape, Spec};
use crate::ops::elementwise::Elementwise;
use crate::ops::linalg::epilogue::{Epilogue, activate};
use crate::ops::linalg::matmul::MatMul;
use crate::ops::math::cast::Cast;
use crate::ops::nn::conv::Conv;
use crate::ops::{Graph, Op, Producer, Value};
use crate::program::Program;

pub fn run(program: &Program) -> Result<Program> {
    let graph = &program.graph;
    let patterns = patterns(graph)?;
    let uses = uses(program);
    // A node that was absorbed is written where its last part stood.
    let mut absorbed = vec![false; graph.nodes.len()];
    let mut fused: Vec<Option<(Op, Vec<Value>)>> = vec![None; graph.nodes.len()];
    for index in 0..graph.nodes.len() {
        let product = |value: Value| {
            let Producer::Node(producer, _) = *graph.producer(value) else { return None };
            if graph.dtype(value).is_half() {
                return None;
            }
            let node = &graph.nodes[producer];
            let (op, inputs) = match &fused[producer] {
                Some((op, inputs)) => (op, inputs),
                None => (&node.op, &node.inputs),
            };
            Some((producer, op, epilogue(op).filter(|_| !absorbed[producer])?, inputs))
        };
        if let Op::Cast(Cast { dtype }) = graph.nodes[index].op {
            let input = graph.nodes[index].inputs[0];
            let rounded = product(input).filter(|_| uses[input.0 as usize] == 1);
            if let Some((producer, Op::MatMul(op), _, inputs)) = rounded
                && op.result.is_some()
                && graph.dtype(inputs[0]) == dtype
            {
                let (op, inputs) = (Op::MatMul(MatMul { result: None, ..op.clone() }), inputs.clone());
                absorbed[producer] = true;
                fused[index] = Some((op, inputs));
            }
            continue;
        }
        let Op::Elementwise(Elementwise { rule }) = graph.nodes[index].op else { continue };
        let mut wider = None;
        if rule == Scalar::Add {
            let inputs = &graph.nodes[index].inputs;
            wider = [(inputs[0], inputs[1]), (inputs[1], inputs[0])].into_iter().find_map(|(input, other)| {
                let (producer, op, epilogue, inputs) = product(input).filter(|_| uses[input.0 as usize] == 1)?;
                if epilogue.activation != Activation::Linear {
                    return None;
                }
                let mut inputs = inputs.clone();
                let epilogue = if !epilogue.bias && is_bias(graph, other, input) {
                    inputs.insert(2, other);
                    Epilogue { bias: true, ..epilogue }
                } else if !epilogue.residual && takes_residual(op) && graph.spec(other) == graph.spec(input) {
                    inputs.push(other);
                    Epilogue { residual: true, ..epilogue }
                } else {
                    return None;
                };
                Some((vec![producer], with_epilogue(op, epilogue), inputs))
            });
        }
        if wider.is_none() {
            wider = patterns.iter().find_map(|pattern| {
                let found = pattern.find(graph, index, &uses)?;
                let (producer, op, epilogue, inputs) = product(found.x)?;
                if epilogue.activation != pattern.before {
                    return None;
                }
                let op = with_epilogue(op, Epilogue { activation: pattern.after, ..epilogue });
                Some((found.inner.into_iter().chain([producer]).collect(), op, inputs.clone()))
            });
        }
        if let Some((members, op, inputs)) = wider {
            for member in members {
                absorbed[member] = true;
            }
            fused[index] = Some((op, inputs));
        }
    }
    let mut rebuild = Rebuild::new(program);
    for (index, node) in graph.nodes.iter().enumerate() {
        if absorbed[index] {
            continue;
        }
        match &fused[index] {
            None => rebuild.copy(node),
            Some((op, inputs)) => {
                let inputs = rebuild.get_all(inputs);
                let spec = graph.spec(node.outputs[0]).clone();
                let output = rebuild.new.append_inferred(op.clone(), &inputs, vec![spec], node.scope.clone());
                rebuild.set(node.outputs[0], output[0]);
            }
        }
    }
    rebuild.finish()
}

/// The epilogue of an op that can have one.
fn epilogue(op: &Op) -> Option<Epilogue> {
    match op {
        Op::MatMul(matmul) => Some(matmul.epilogue),
        Op::Conv(conv) => Some(conv.epilogue),
        _ => None,
    }
}

fn with_epilogue(op: &Op, epilogue: Epilogue) -> Op {
    match op {
        Op::MatMul(matmul) => Op::MatMul(MatMul { epilogue, ..matmul.clone() }),
        Op::Conv(conv) => Op::Conv(Conv { epilogue, ..conv.clone() }),
        other => other.clone(),
    }
}

/// Depthwise convolutions have no residual in their store.
fn takes_residual(op: &Op) -> bool {
    !matches!(op, Op::Conv(conv) if conv.groups > 1)
}

/// Whether `bias` is a vector as long as the product's last axis.
fn is_bias(graph: &Graph, bias: Value, product: Value) -> bool {
    let (bias, product) = (graph.spec(bias), graph.spec(product));
    bias.rank() == 1 && bias.shape.0.last() == product.shape.0.last() && bias.shape.0[0].known().is_some()
}

/// What an activation looks like: ops over one input.
struct Pattern {
    /// What is applied before it, often nothing, and what the two are together.
    before: Activation,
    after: Activation,
    graph: Graph,
    root: Value,
}

/// Where a pattern was found: the nodes of it but for the last, and what they are applied to.
struct Found {
    x: Value,
    inner: Vec<usize>,
}

/// All activations in the types in which products of this graph compute.
fn patterns(graph: &Graph) -> Result<Vec<Pattern>> {
    let mut types: Vec<DType> = Vec::new();
    for node in graph.nodes.iter().filter(|node| epilogue(&node.op).is_some()) {
        let dtype = graph.dtype(node.outputs[0]);
        if !types.contains(&dtype) {
            types.push(dtype);
        }
    }
    let mut patterns = Vec::new();
    for dtype in types {
        let mut add = |before, after, build: &dyn Fn(&mut Graph, Value) -> Result<Value>| -> Result<()> {
            let mut graph = Graph::new();
            let x = graph.input(Spec::new(Shape(Vec::new()), dtype));
            let root = build(&mut graph, x)?;
            patterns.push(Pattern { before, after, graph, root });
            Ok(())
        };
        let bounded = |graph: &mut Graph, rule, x, bound| {
            let bound = graph.scalar(bound, dtype)?;
            graph.elementwise(rule, &[x, bound])
        };
        for activation in Activation::ALL.into_iter().filter(|&activation| activation != Activation::Linear) {
            add(Activation::Linear, activation, &|graph, x| activate(graph, activation, x))?;
        }
        add(Activation::Linear, Activation::Relu, &|graph, x| bounded(graph, Scalar::Maximum, x, 0.0))?;
        add(Activation::Relu, Activation::Relu6, &|graph, x| bounded(graph, Scalar::Minimum, x, 6.0))?;
    }
    Ok(patterns)
}

impl Pattern {
    /// The pattern that ends in node `root`, if nobody but its nodes reads its input and what is between.
    fn find(&self, graph: &Graph, root: usize, uses: &[u32]) -> Option<Found> {
        let mut matching = Match { pattern: &self.graph, graph, x: None, nodes: Vec::new() };
        let [output] = graph.nodes[root].outputs[..] else { return None };
        if !matching.value(self.root, output) {
            return None;
        }
        let Match { x, mut nodes, .. } = matching;
        let x = x.filter(|&x| graph.spec(x) == graph.spec(output))?;
        nodes.sort_unstable();
        nodes.dedup();
        let reads = |value: Value| {
            let inputs = nodes.iter().flat_map(|&node| &graph.nodes[node].inputs);
            inputs.filter(|&&input| input == value).count() as u32
        };
        let own = |value: Value| reads(value) == uses[value.0 as usize];
        let inner: Vec<usize> = nodes.iter().copied().filter(|&node| node != root).collect();
        (own(x) && inner.iter().all(|&node| own(graph.nodes[node].outputs[0]))).then_some(Found { x, inner })
    }
}

/// A comparison of a pattern with a graph, from the pattern's end backwards.
struct Match<'a> {
    pattern: &'a Graph,
    graph: &'a Graph,
    x: Option<Value>,
    nodes: Vec<usize>,
}

impl Match<'_> {
    fn value(&mut self, wanted: Value, found: Value) -> bool {
        match (self.pattern.producer(wanted), self.graph.producer(found)) {
            (Producer::Constant(_), _) => self.pattern.scalar_value(wanted) == self.graph.scalar_value(found),
            (Producer::Node(wanted, _), Producer::Node(found, _)) => {
                let (wanted, index) = (&self.pattern.nodes[*wanted], *found);
                let found = &self.graph.nodes[index];
                if wanted.op != found.op || wanted.inputs.len() != found.inputs.len() {
                    return false;
                }
                let (x, count) = (self.x, self.nodes.len());
                self.nodes.push(index);
                if self.values(wanted.inputs.iter().zip(&found.inputs)) {
                    return true;
                }
                self.x = x;
                self.nodes.truncate(count + 1);
                if commutes(&wanted.op) && self.values(wanted.inputs.iter().zip(found.inputs.iter().rev())) {
                    return true;
                }
                self.x = x;
                self.nodes.truncate(count);
                false
            }
            (Producer::Node(..), _) => false,
            _ => *self.x.get_or_insert(found) == found,
        }
    }

    fn values<'b>(&mut self, mut pairs: impl Iterator<Item = (&'b Value, &'b Value)>) -> bool {
        pairs.all(|(&wanted, &found)| self.value(wanted, found))
    }
}

fn commutes(op: &Op) -> bool {
    let Op::Elementwise(Elementwise { rule }) = op else { return false };
    matches!(rule, Scalar::Add | Scalar::Multiply | Scalar::Maximum | Scalar::Minimum)
}
