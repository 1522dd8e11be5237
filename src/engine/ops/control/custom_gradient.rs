//! `custom_gradient(outputs.., arguments.., captures..)`: the outputs as they are, with a derivative by the arguments that
//! somebody has written.
//!
//! How the outputs came about does not matter to derivatives: no gradient goes on to them, nor to the captures.
//!
//! Gradient: the rule, a body that takes the gradients of the outputs and the captures, and gives those of the arguments. It
//! is written into the graph, so that its own derivatives are those of its ops.

use super::body::Body;
use crate::core::shape::Bindings;
use crate::core::{Error, Result, Spec};
use crate::ops::{Attributes, GradContext, Operation, Value};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct CustomGradient {
    /// `None` where rules that use themselves were no longer followed.
    pub rule: Option<Body>,
    /// How many inputs are outputs, and how many after them are arguments.
    pub outputs: usize,
    pub arguments: usize,
    /// The argument that each result of the rule is the gradient of.
    pub of: Vec<usize>,
}

impl Operation for CustomGradient {
    const NAME: &'static str = "custom_gradient";

    fn parse(_: &mut Attributes) -> Result<Self> {
        Err(Error::value("a custom gradient is made from a function, with ops.custom_gradient"))
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        if inputs.len() < self.outputs + self.arguments {
            return Err(Error::value(format!(
                "takes at least {} inputs, got {}",
                self.outputs + self.arguments,
                inputs.len()
            )));
        }
        Ok(inputs[..self.outputs].iter().map(|spec| (*spec).clone()).collect())
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        let Some(rule) = &self.rule else {
            return Err(Error::unsupported(
                "a gradient function that calls its own function was followed for its first derivatives only; write the \
                 higher ones with ops that do not use the function itself",
            ));
        };
        let mut operands = (0..self.outputs).map(|i| context.gradient(i)).collect::<Result<Vec<_>>>()?;
        operands.extend(&context.inputs[self.outputs + self.arguments..]);
        let made = rule.inline(context.graph, &operands);
        let mut all = vec![None; context.inputs.len()];
        for (&argument, gradient) in self.of.iter().zip(made) {
            all[self.outputs + argument] = Some(gradient);
        }
        Ok(all)
    }

    fn bind(&self, bindings: &Bindings) -> Self {
        CustomGradient { rule: self.rule.as_ref().map(|rule| rule.bind(bindings)), ..self.clone() }
    }
}
