//! `host_call(inputs..)`: outputs that a function of the host program makes, such as a factorization that NumPy has.
//!
//! The function is given copies of the inputs and returns arrays of the shapes and types that the op declares; lengths may
//! be symbols. It depends on its inputs alone: calls may be shared, left out and repeated. Functions are compared by
//! identity.
//!
//! Gradient: what the function says, in ops ([`HostFunction::derivative`]).

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::body::Body;
use crate::core::shape::Bindings;
use crate::core::{Array, Error, Result, Spec};
use crate::ops::{Attributes, Effects, GradContext, Operation, Value};

/// A function of the host program.
pub trait HostFunction: Send + Sync {
    /// What errors and profiles call it.
    fn name(&self) -> &'static str;

    fn call(&self, inputs: Vec<Array>) -> Result<Vec<Array>>;

    /// The derivative, when gradients of the outputs `reached` have arrived and those of the inputs `wanted` are asked for.
    fn derivative(&self, inputs: &[Spec], outputs: &[Spec], reached: &[bool], wanted: &[bool]) -> Result<Derivative>;
}

/// A derivative in ops.
pub struct Derivative {
    /// Takes the inputs, the outputs, and the gradients that have arrived.
    pub body: Body,
    /// The input that each result is the gradient of.
    pub of: Vec<usize>,
}

#[derive(Clone)]
pub struct Host(pub Arc<dyn HostFunction>);

impl PartialEq for Host {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
impl Eq for Host {}
impl Hash for Host {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).cast::<()>().hash(state);
    }
}
impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
    }
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct HostCall {
    pub function: Host,
    pub outputs: Vec<Spec>,
}

impl HostCall {
    /// Refuses results that are not what the op declares.
    pub fn check(&self, made: &[Array]) -> Result<()> {
        let agree =
            |(wanted, got): (&Spec, &Array)| wanted.dtype == got.dtype() && wanted.shape.agrees(&got.spec().shape);
        if made.len() == self.outputs.len() && self.outputs.iter().zip(made).all(agree) {
            return Ok(());
        }
        let got: Vec<Spec> = made.iter().map(Array::spec).collect();
        Err(Error::internal(format!("{} returned {got:?} instead of {:?}", self.function.0.name(), self.outputs)))
    }
}

impl Operation for HostCall {
    const NAME: &'static str = "host_call";

    fn parse(_: &mut Attributes) -> Result<Self> {
        Err(Error::value("a host call is made from a function"))
    }

    fn infer(&self, _: &[&Spec]) -> Result<Vec<Spec>> {
        Ok(self.outputs.clone())
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        let specs =
            |values: &[Value]| values.iter().map(|&value| context.graph.spec(value).clone()).collect::<Vec<_>>();
        let reached: Vec<bool> = context.gradients.iter().map(Option::is_some).collect();
        let derivative =
            self.function.0.derivative(&specs(context.inputs), &specs(context.outputs), &reached, context.wanted)?;
        let arrived = context.gradients.iter().filter_map(|gradient| *gradient);
        let operands: Vec<Value> = context.inputs.iter().chain(context.outputs).copied().chain(arrived).collect();
        let made = derivative.body.inline(context.graph, &operands);
        let mut all = vec![None; context.inputs.len()];
        for (&input, gradient) in derivative.of.iter().zip(made) {
            all[input] = Some(gradient);
        }
        Ok(all)
    }

    fn effects(&self) -> Effects {
        Effects::CallsHost
    }

    fn bind(&self, bindings: &Bindings) -> Self {
        let bound = |spec: &Spec| Spec::new(spec.shape.bind(bindings), spec.dtype);
        HostCall { function: self.function.clone(), outputs: self.outputs.iter().map(bound).collect() }
    }
}
