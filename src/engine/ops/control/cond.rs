//! `cond(condition, operands..)`: what one of two bodies makes of the operands; only that one runs.
//!
//! The condition is a boolean scalar. Both bodies take all operands and give outputs of the same shapes and types. Where an
//! output is what a variable is worth afterwards and an operand what it was worth before, a plan may let the bodies work on the
//! variable itself: a body that returns the operand then leaves the variable alone.
//!
//! Gradient: a `cond` of the bodies' derivatives, with zeros where a body does not read an operand.

use super::body::Body;
use crate::core::shape::Bindings;
use crate::core::{DType, Error, Result, Shape, Spec};
use crate::ops::gradients::gradients;
use crate::ops::{Attributes, GradContext, Graph, Op, Operation, Value};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Cond {
    pub on_true: Body,
    pub on_false: Body,
    /// Outputs that are what variables are worth afterwards, each with the operand that is what it was worth before.
    pub written: Vec<(usize, usize)>,
}

impl Cond {
    pub fn new(on_true: Body, on_false: Body) -> Cond {
        Cond { on_true, on_false, written: Vec::new() }
    }

    /// Whether a body may run in a program's final phase, which no error and no interrupt may end.
    fn is_safe_at_the_end(body: &Body) -> bool {
        body.graph().nodes.iter().all(|node| match &node.op {
            Op::Scan(_) | Op::WhileLoop(_) | Op::HostCall(_) => false,
            Op::Cond(cond) => Cond::is_safe_at_the_end(&cond.on_true) && Cond::is_safe_at_the_end(&cond.on_false),
            _ => true,
        })
    }
}

impl Operation for Cond {
    const NAME: &'static str = "cond";

    fn parse(_: &mut Attributes) -> Result<Self> {
        Err(Error::value("a cond is made from two functions, with ops.cond"))
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        let Some((condition, operands)) = inputs.split_first() else { return Err(Error::value("needs a condition")) };
        if condition.dtype != DType::Bool || condition.rank() != 0 {
            return Err(Error::shape(format!("the condition must be a boolean scalar, got {condition}")));
        }
        let operands: Vec<Spec> = operands.iter().map(|spec| (*spec).clone()).collect();
        let (first, second) = (self.on_true.infer(&operands)?, self.on_false.infer(&operands)?);
        if first.len() != second.len() {
            return Err(Error::shape(format!("the functions return {} and {} values", first.len(), second.len())));
        }
        let mut outputs = Vec::with_capacity(first.len());
        for (a, b) in first.into_iter().zip(second) {
            if a.dtype != b.dtype || !a.shape.agrees(&b.shape) {
                return Err(Error::shape(format!(
                    "one function returns {a} and the other {b}; both must return the same shapes and types"
                )));
            }
            let dims = a.shape.0.iter().zip(&b.shape.0).map(|(&a, &b)| if a.known().is_some() { a } else { b });
            outputs.push(Spec::new(Shape(dims.collect()), a.dtype));
        }
        Ok(outputs)
    }

    fn updated_inputs(&self) -> Vec<Option<usize>> {
        let mut updated = vec![None; self.on_true.outputs().len()];
        if Cond::is_safe_at_the_end(&self.on_true) && Cond::is_safe_at_the_end(&self.on_false) {
            for &(output, operand) in &self.written {
                updated[output] = Some(operand + 1);
            }
        }
        updated
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        let count = context.inputs.len() - 1;
        let sources: Vec<usize> =
            (0..count).filter(|&i| context.wanted[i + 1] && self.on_true.input(i).dtype.is_float()).collect();
        let reached: Vec<usize> = (0..context.outputs.len()).filter(|&i| context.gradients[i].is_some()).collect();
        let scope = context.graph.scope();
        let backwards = |body: &Body| -> Result<Body> {
            let mut graph = Graph::new();
            graph.set_scope(scope.clone());
            let operands: Vec<Value> = (0..count).map(|i| graph.input(body.input(i).clone())).collect();
            let arriving: Vec<Value> = reached.iter().map(|&i| graph.input(body.output(i).clone())).collect();
            let made = body.inline(&mut graph, &operands);
            let targets: Vec<_> =
                reached.iter().zip(arriving).map(|(&i, gradient)| (made[i], Some(gradient))).collect();
            let wanted: Vec<Value> = sources.iter().map(|&i| operands[i]).collect();
            let mut results = Vec::with_capacity(wanted.len());
            for (&source, gradient) in wanted.iter().zip(gradients(&mut graph, &targets, &wanted)?) {
                results.push(match gradient {
                    Some(gradient) => gradient,
                    None => graph.zeros_like(source)?,
                });
            }
            Body::new(graph, results)
        };
        let cond = Cond::new(backwards(&self.on_true)?, backwards(&self.on_false)?);
        let arriving = reached.iter().filter_map(|&i| context.gradients[i]);
        let operands: Vec<Value> = context.inputs.iter().copied().chain(arriving).collect();
        let found = context.graph.append(cond, &operands)?;
        let mut all = vec![None; context.inputs.len()];
        for (&i, gradient) in sources.iter().zip(found) {
            all[i + 1] = Some(gradient);
        }
        Ok(all)
    }

    fn bind(&self, bindings: &Bindings) -> Self {
        let (on_true, on_false) = (self.on_true.bind(bindings), self.on_false.bind(bindings));
        Cond { on_true, on_false, written: self.written.clone() }
    }
}
