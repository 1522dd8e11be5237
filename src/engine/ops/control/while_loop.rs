//! `while_loop`: a loop as long as a condition on the carried values holds, or until `limit` steps were made.
//!
//! ```text
//! while condition(carry, captures):
//!     carry = body(carry, captures)
//! ```
//!
//! Inputs are carries and captures; outputs are the last carries.
//!
//! Gradient: with a limit, that of a scan of so many steps, those after the end of the loop leaving the carries alone. Without
//! one there is none: the number of steps is known only when the loop ends, so the memory that going backwards needs cannot
//! be planned.

use super::body::Body;
use super::cond::Cond;
use super::scan::Scan;
use crate::core::shape::Bindings;
use crate::core::{DType, Dim, Error, Result, Spec};
use crate::ops::gradients::through_decompose;
use crate::ops::{Attributes, GradContext, Graph, Operation, Value};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct WhileLoop {
    /// Both take all inputs. The condition gives one boolean scalar, the body the next carries.
    pub condition: Body,
    pub body: Body,
    /// How many inputs are carries.
    pub carries: usize,
    /// The largest number of steps.
    pub limit: Option<u64>,
}

impl Operation for WhileLoop {
    const NAME: &'static str = "while_loop";

    fn parse(_: &mut Attributes) -> Result<Self> {
        Err(Error::value("a while_loop is made from two functions, with ops.while_loop"))
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        let operands: Vec<Spec> = inputs.iter().map(|spec| (*spec).clone()).collect();
        let test = self.condition.infer(&operands)?;
        if test.len() != 1 || test[0].dtype != DType::Bool || test[0].rank() != 0 {
            return Err(Error::shape(format!("the condition must return one boolean scalar, got {test:?}")));
        }
        let made = self.body.infer(&operands)?;
        if made.len() != self.carries || inputs.len() < self.carries {
            return Err(Error::value(format!(
                "the function returns {} values for {} carries",
                made.len(),
                self.carries
            )));
        }
        for (i, (before, after)) in operands.iter().zip(&made).enumerate() {
            if before.dtype != after.dtype || !before.shape.agrees(&after.shape) {
                return Err(Error::shape(format!(
                    "loop variable {i} starts as {before} and is {after} after one step; every step must return the same \
                     shapes and types"
                )));
            }
        }
        Ok(operands[..self.carries].to_vec())
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        if self.limit.is_some() {
            return through_decompose(&self.clone().into(), context);
        }
        Err(Error::unsupported(
            "a while_loop has no derivative, because the number of its steps is not known beforehand; give it \
             maximum_iterations, use ops.scan with a fixed length, or wrap the inputs in stop_gradient",
        ))
    }

    fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        let limit = usize::try_from(self.limit?).ok()?;
        let mut scan = || -> Result<Vec<Value>> {
            let mut step = Graph::new();
            step.set_scope(graph.scope());
            let operands = |graph: &mut Graph| -> Vec<Value> {
                (0..inputs.len()).map(|i| graph.input(self.body.input(i).clone())).collect()
            };
            let mut ended = Graph::new();
            let unchanged = operands(&mut ended)[..self.carries].to_vec();
            let given = operands(&mut step);
            let test = self.condition.inline(&mut step, &given)[0];
            let choice = Cond::new(self.body.clone(), Body::new(ended, unchanged)?);
            let chosen: Vec<Value> = std::iter::once(test).chain(given).collect();
            let next = step.append(choice, &chosen)?;
            let body = Body::new(step, next)?;
            let scan = Scan { body, carries: self.carries, sequences: 0, length: Dim::Known(limit), reverse: false };
            Ok(graph.append(scan, inputs)?[..self.carries].to_vec())
        };
        Some(scan())
    }

    fn bind(&self, bindings: &Bindings) -> Self {
        WhileLoop { condition: self.condition.bind(bindings), body: self.body.bind(bindings), ..self.clone() }
    }
}
