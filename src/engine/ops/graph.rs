//! The graph that ops are written into: single assignment, in order of appending, shapes inferred on the way.
//!
//! One structure serves tracing, the eager tape, gradients and passes. A value is made once, by an input, a variable's
//! read, a constant or a node; a node's inputs always stand before it.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Op, elementwise};
use crate::core::shape::Bindings;
use crate::core::{Array, DType, Dim, Error, Result, Shape, Spec, Symbol};
use ironhorn_kernels::cpu::elementwise::Scalar;

/// A value of a graph.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Value(pub u32);

/// Where a value comes from.
#[derive(Clone, Debug)]
pub enum Producer {
    /// The program's input number.
    Input(usize),
    /// What the program's variable number holds when the program starts.
    Variable(usize),
    /// Known when the graph is made.
    Constant(Array),
    /// A node's output number.
    Node(usize, usize),
}

#[derive(Clone, Debug)]
pub struct ValueInfo {
    pub spec: Spec,
    pub producer: Producer,
}

/// One op applied to values.
#[derive(Clone, Debug)]
pub struct Node {
    pub op: Op,
    pub inputs: Vec<Value>,
    pub outputs: Vec<Value>,
    /// The path of the layer that was being called, for errors and profiles.
    pub scope: Arc<str>,
}

/// How a derived symbol follows from other lengths.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DimRule {
    Add,
    Subtract,
    Multiply,
    FloorDivide,
    Minimum,
}

impl DimRule {
    fn apply(self, a: usize, b: usize) -> Option<usize> {
        match self {
            DimRule::Add => a.checked_add(b),
            DimRule::Subtract => a.checked_sub(b),
            DimRule::Multiply => a.checked_mul(b),
            DimRule::FloorDivide => a.checked_div(b),
            DimRule::Minimum => Some(a.min(b)),
        }
    }
}

#[derive(Clone, Debug)]
pub struct DerivedDim {
    pub symbol: Symbol,
    pub rule: DimRule,
    pub a: Dim,
    pub b: Dim,
}

/// A program under construction, or finished.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    pub nodes: Vec<Node>,
    pub values: Vec<ValueInfo>,
    pub inputs: Vec<Value>,
    pub variables: Vec<Value>,
    pub derived: Vec<DerivedDim>,
    scope: Option<Arc<str>>,
    scalars: HashMap<(u64, DType), Value>,
}

impl Graph {
    pub fn new() -> Graph {
        Graph::default()
    }

    /// Names the layer that appends from now on.
    pub fn set_scope(&mut self, scope: Arc<str>) {
        self.scope = Some(scope);
    }

    pub fn scope(&self) -> Arc<str> {
        self.scope.clone().unwrap_or_else(|| Arc::from(""))
    }

    fn push(&mut self, spec: Spec, producer: Producer) -> Value {
        self.values.push(ValueInfo { spec, producer });
        Value(self.values.len() as u32 - 1)
    }

    pub fn input(&mut self, spec: Spec) -> Value {
        let value = self.push(spec, Producer::Input(self.inputs.len()));
        self.inputs.push(value);
        value
    }

    pub fn variable(&mut self, spec: Spec) -> Value {
        let value = self.push(spec, Producer::Variable(self.variables.len()));
        self.variables.push(value);
        value
    }

    pub fn constant(&mut self, array: Array) -> Value {
        self.push(array.spec(), Producer::Constant(array))
    }

    /// A scalar constant; equal ones are shared.
    pub fn scalar(&mut self, number: f64, dtype: DType) -> Result<Value> {
        if let Some(&value) = self.scalars.get(&(number.to_bits(), dtype)) {
            return Ok(value);
        }
        let value = self.constant(Array::scalar(number, dtype)?);
        self.scalars.insert((number.to_bits(), dtype), value);
        Ok(value)
    }

    /// The length that `rule` makes of two lengths: known when both are, else a symbol that plans can compute.
    pub fn derive_dim(&mut self, rule: DimRule, a: Dim, b: Dim) -> Result<Dim> {
        if let (Dim::Known(a), Dim::Known(b)) = (a, b) {
            return rule
                .apply(a, b)
                .map(Dim::Known)
                .ok_or_else(|| Error::shape(format!("{rule:?} of lengths {a} and {b}")));
        }
        let symbol = Symbol::fresh();
        self.derived.push(DerivedDim { symbol, rule, a, b });
        Ok(Dim::Symbol(symbol))
    }

    /// Binds every derived symbol whose parts are bound.
    pub fn bind_derived(&self, bindings: &mut Bindings) {
        for derived in &self.derived {
            let value = |dim: Dim, bindings: &Bindings| match dim {
                Dim::Known(size) => Some(size),
                Dim::Symbol(symbol) => bindings.get(&symbol).copied(),
            };
            if let (Some(a), Some(b)) = (value(derived.a, bindings), value(derived.b, bindings))
                && let Some(size) = derived.rule.apply(a, b)
            {
                bindings.insert(derived.symbol, size);
            }
        }
    }

    pub fn spec(&self, value: Value) -> &Spec {
        &self.values[value.0 as usize].spec
    }

    pub fn shape(&self, value: Value) -> &Shape {
        &self.spec(value).shape
    }

    pub fn dtype(&self, value: Value) -> DType {
        self.spec(value).dtype
    }

    pub fn producer(&self, value: Value) -> &Producer {
        &self.values[value.0 as usize].producer
    }

    /// The node that makes `value`, if one does.
    pub fn node_of(&self, value: Value) -> Option<&Node> {
        match self.producer(value) {
            Producer::Node(index, _) => Some(&self.nodes[*index]),
            _ => None,
        }
    }

    /// The number that `value` is known to hold in every element, when it is a scalar constant.
    pub fn scalar_value(&self, value: Value) -> Option<f64> {
        match self.producer(value) {
            Producer::Constant(array) if array.len() == 1 => array.item().ok(),
            _ => None,
        }
    }

    /// Appends `op` and returns its outputs; errors name the layer and the op.
    pub fn append(&mut self, op: impl Into<Op>, inputs: &[Value]) -> Result<Vec<Value>> {
        let op = op.into();
        let scope = self.scope();
        let specs: Vec<&Spec> = inputs.iter().map(|&input| self.spec(input)).collect();
        let outputs = op.infer(&specs).map_err(|error| error.at(&scope, op.name()))?;
        Ok(self.append_inferred(op, inputs, outputs, scope))
    }

    /// Appends a node whose output specs are known already.
    pub fn append_inferred(&mut self, op: Op, inputs: &[Value], specs: Vec<Spec>, scope: Arc<str>) -> Vec<Value> {
        let index = self.nodes.len();
        let outputs: Vec<Value> =
            specs.into_iter().enumerate().map(|(i, spec)| self.push(spec, Producer::Node(index, i))).collect();
        self.nodes.push(Node { op, inputs: inputs.to_vec(), outputs: outputs.clone(), scope });
        outputs
    }

    /// Appends an op with one output.
    pub fn apply(&mut self, op: impl Into<Op>, inputs: &[Value]) -> Result<Value> {
        Ok(self.append(op, inputs)?[0])
    }
}

/// The vocabulary that derivatives and decompositions are written in.
impl Graph {
    pub fn elementwise(&mut self, rule: Scalar, inputs: &[Value]) -> Result<Value> {
        self.apply(elementwise::Elementwise { rule }, inputs)
    }

    pub fn add(&mut self, a: Value, b: Value) -> Result<Value> {
        self.elementwise(Scalar::Add, &[a, b])
    }

    pub fn sub(&mut self, a: Value, b: Value) -> Result<Value> {
        self.elementwise(Scalar::Subtract, &[a, b])
    }

    pub fn mul(&mut self, a: Value, b: Value) -> Result<Value> {
        self.elementwise(Scalar::Multiply, &[a, b])
    }

    pub fn div(&mut self, a: Value, b: Value) -> Result<Value> {
        self.elementwise(Scalar::Divide, &[a, b])
    }

    pub fn neg(&mut self, a: Value) -> Result<Value> {
        self.elementwise(Scalar::Negative, &[a])
    }

    /// `a * number`, in `a`'s type.
    pub fn scale(&mut self, a: Value, number: f64) -> Result<Value> {
        let factor = self.scalar(number, self.dtype(a))?;
        self.mul(a, factor)
    }

    /// `a + number`, in `a`'s type.
    pub fn shift(&mut self, a: Value, number: f64) -> Result<Value> {
        let term = self.scalar(number, self.dtype(a))?;
        self.add(a, term)
    }

    /// `condition ? a : b`, element by element.
    pub fn select(&mut self, condition: Value, a: Value, b: Value) -> Result<Value> {
        self.elementwise(Scalar::Select, &[condition, a, b])
    }

    pub fn cast(&mut self, a: Value, dtype: DType) -> Result<Value> {
        if self.dtype(a) == dtype { Ok(a) } else { self.apply(super::math::cast::Cast { dtype }, &[a]) }
    }

    /// Sums `a` over the axes in which `like` was broadcast to get `a`'s shape.
    pub fn sum_like(&mut self, a: Value, like: Value) -> Result<Value> {
        if self.shape(a) == self.shape(like) {
            return Ok(a);
        }
        self.apply(super::reduce::sum_like::SumLike, &[a, like])
    }

    /// Broadcasts `a` to the shape of `like`.
    pub fn broadcast_like(&mut self, a: Value, like: Value) -> Result<Value> {
        if self.shape(a) == self.shape(like) {
            return Ok(a);
        }
        self.apply(super::shape::broadcast::BroadcastLike, &[a, like])
    }

    /// The elements of `a` under the shape of `like`.
    pub fn reshape_like(&mut self, a: Value, like: Value) -> Result<Value> {
        if self.shape(a) == self.shape(like) {
            return Ok(a);
        }
        self.apply(super::shape::reshape::ReshapeLike, &[a, like])
    }

    pub fn transpose(&mut self, a: Value, permutation: &[usize]) -> Result<Value> {
        self.apply(super::shape::transpose::Transpose { permutation: permutation.to_vec() }, &[a])
    }

    /// Zeros of the shape and type of `like`.
    pub fn zeros_like(&mut self, like: Value) -> Result<Value> {
        let zero = self.scalar(0.0, self.dtype(like))?;
        self.broadcast_like(zero, like)
    }

    pub fn ones_like(&mut self, like: Value) -> Result<Value> {
        let one = self.scalar(1.0, self.dtype(like))?;
        self.broadcast_like(one, like)
    }

    pub fn reduce(&mut self, kind: super::reduce::ReduceKind, a: Value, axes: &[i64], keepdims: bool) -> Result<Value> {
        self.apply(super::reduce::reduce::Reduce { kind, axes: Some(axes.to_vec()), keepdims }, &[a])
    }
}
