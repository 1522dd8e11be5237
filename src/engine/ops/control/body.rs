//! A program inside an op: what `scan` and `while_loop` repeat and `cond` chooses from.
//!
//! A body reads nothing but its inputs: what a function read from around it has become an input. Bodies are compared by
//! identity. Their shapes may hold symbols of the program around them, which `bind` replaces.

use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::core::shape::{Bindings, bind_dim};
use crate::core::{Dim, Error, Result, Shape, Spec, Symbol};
use crate::ops::{Graph, Producer, Value};

struct Parts {
    graph: Graph,
    outputs: Vec<Value>,
}

#[derive(Clone)]
pub struct Body(Arc<Parts>);

impl PartialEq for Body {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
impl Eq for Body {}
impl Hash for Body {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}
impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.graph.nodes.iter().map(|node| node.op.name()).collect();
        write!(f, "{{{}}}", names.join(" "))
    }
}

impl Body {
    /// The graph's inputs are the body's, in their order.
    pub fn new(graph: Graph, outputs: Vec<Value>) -> Result<Body> {
        if !graph.variables.is_empty() {
            return Err(Error::internal("a body reads a variable itself"));
        }
        Ok(Body(Arc::new(Parts { graph, outputs })))
    }

    pub fn graph(&self) -> &Graph {
        &self.0.graph
    }

    pub fn outputs(&self) -> &[Value] {
        &self.0.outputs
    }

    /// What input `index` was declared as.
    pub fn input(&self, index: usize) -> &Spec {
        self.0.graph.spec(self.0.graph.inputs[index])
    }

    /// What output `index` was found to be when the body was written.
    pub fn output(&self, index: usize) -> &Spec {
        self.0.graph.spec(self.0.outputs[index])
    }

    /// The outputs for inputs of these specs: with lengths where all inputs have them.
    pub fn infer(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let graph = self.graph();
        if inputs.len() != graph.inputs.len() {
            return Err(Error::value(format!(
                "the function takes {} operands, got {}",
                graph.inputs.len(),
                inputs.len()
            )));
        }
        let mut renamed: HashMap<Symbol, Dim> = HashMap::new();
        for (index, input) in inputs.iter().enumerate() {
            let declared = self.input(index);
            if declared.dtype != input.dtype || !declared.shape.agrees(&input.shape) {
                return Err(Error::shape(format!("the function was traced for an operand {declared} and got {input}")));
            }
            for (&dim, &found) in declared.shape.0.iter().zip(&input.shape.0) {
                if let Dim::Symbol(symbol) = dim {
                    renamed.insert(symbol, found);
                }
            }
        }
        if inputs.iter().all(|input| input.shape.sizes().is_some()) {
            return self.infer_known(inputs);
        }
        let rename = |dim: &Dim| match dim {
            Dim::Symbol(symbol) => renamed.get(symbol).copied().unwrap_or(*dim),
            Dim::Known(_) => *dim,
        };
        let outputs = self.outputs().iter().map(|&output| graph.spec(output));
        Ok(outputs.map(|spec| Spec::new(Shape(spec.shape.0.iter().map(rename).collect()), spec.dtype)).collect())
    }

    /// `infer` node by node, for inputs whose lengths are all known.
    fn infer_known(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let graph = self.graph();
        let mut bindings = Bindings::new();
        let mut found: Vec<Spec> = graph.values.iter().map(|value| value.spec.clone()).collect();
        let learn = |declared: &Shape, spec: &Spec, bindings: &mut Bindings| {
            for (&dim, size) in declared.0.iter().zip(&spec.shape.0) {
                if let (Dim::Symbol(symbol), Some(size)) = (dim, size.known()) {
                    bindings.insert(symbol, size);
                }
            }
        };
        for (&value, spec) in graph.inputs.iter().zip(inputs) {
            learn(graph.shape(value), spec, &mut bindings);
            found[value.0 as usize] = spec.clone();
        }
        graph.bind_derived(&mut bindings);
        for node in &graph.nodes {
            let specs: Vec<&Spec> = node.inputs.iter().map(|input| &found[input.0 as usize]).collect();
            let op = node.op.bind(&bindings);
            let outputs = op.infer(&specs).map_err(|error| error.at(&node.scope, op.name()))?;
            for (&value, spec) in node.outputs.iter().zip(outputs) {
                learn(graph.shape(value), &spec, &mut bindings);
                found[value.0 as usize] = spec;
            }
            graph.bind_derived(&mut bindings);
        }
        Ok(self.outputs().iter().map(|output| found[output.0 as usize].clone()).collect())
    }

    /// The body with the symbols that are known replaced by their lengths; itself where it speaks of none of them.
    #[must_use]
    pub fn bind(&self, bindings: &Bindings) -> Body {
        if bindings.is_empty() {
            return self.clone();
        }
        let own = self.graph();
        let speaks = |dim: &Dim| matches!(dim, Dim::Symbol(symbol) if bindings.contains_key(symbol));
        let is_bound = own.values.iter().any(|value| value.spec.shape.0.iter().any(speaks))
            || own.derived.iter().any(|derived| speaks(&derived.a) || speaks(&derived.b))
            || own.nodes.iter().any(|node| node.op.bind(bindings) != node.op);
        if !is_bound {
            return self.clone();
        }
        let mut graph = own.clone();
        for value in &mut graph.values {
            value.spec.shape = value.spec.shape.bind(bindings);
        }
        for node in &mut graph.nodes {
            node.op = node.op.bind(bindings);
        }
        for derived in &mut graph.derived {
            derived.a = bind_dim(derived.a, bindings);
            derived.b = bind_dim(derived.b, bindings);
        }
        Body(Arc::new(Parts { graph, outputs: self.outputs().to_vec() }))
    }

    /// Writes the body's nodes into another graph, over the values given; returns what its outputs became.
    pub fn inline(&self, graph: &mut Graph, inputs: &[Value]) -> Vec<Value> {
        let own = self.graph();
        graph.derived.extend(own.derived.iter().cloned());
        let mut map: Vec<Value> = Vec::with_capacity(own.values.len());
        let mut written: HashMap<(usize, usize), Value> = HashMap::new();
        let mut next = 0;
        for info in &own.values {
            map.push(match &info.producer {
                Producer::Input(index) => inputs[*index],
                Producer::Variable(_) => unreachable!("bodies have no variables"),
                Producer::Constant(array) => graph.constant(array.clone()),
                Producer::Node(index, output) => {
                    // Nodes come in order, and the values of their inputs before them.
                    while next <= *index {
                        let node = &own.nodes[next];
                        let operands: Vec<Value> = node.inputs.iter().map(|input| map[input.0 as usize]).collect();
                        let specs = node.outputs.iter().map(|&value| own.spec(value).clone()).collect();
                        let made = graph.append_inferred(node.op.clone(), &operands, specs, node.scope.clone());
                        written.extend(made.into_iter().enumerate().map(|(i, value)| ((next, i), value)));
                        next += 1;
                    }
                    written[&(*index, *output)]
                }
            });
        }
        self.outputs().iter().map(|output| map[output.0 as usize]).collect()
    }
}
