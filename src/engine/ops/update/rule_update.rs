//! `rule_update(learning_rate, scalars.., [scale], [kept], p.., g.., slots.., [averages..])`: one step of an optimizer on
//! many variables.
//!
//! ```text
//! p = p - p weight_decay lr                     where there is decay
//! g = g scale, at most `clip` from 0            where gradients are `scaled` or clipped; one scale, or one a variable
//! p, slots = rule(p, g, slots)                  a row of the table in `ironhorn_kernels::cpu::update`
//! average = kept average + (1 - kept) p         where `averaged`
//! ```
//!
//! Inputs are scalars, then columns: the variables, a gradient for each, then a slot of each kind for each, and an average
//! for each. Outputs are the new values of variables, slots and averages, in the same order. No gradient: it is the end
//! of a training step.

use ironhorn_kernels::cpu::update::Rule;
use std::ops::Range;

use super::no_derivative;
use crate::core::{DType, Error, Result, Spec};
use crate::ops::{Attributes, Effects, GradContext, Operation, Real, Value};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct RuleUpdate {
    pub rule: Rule,
    /// How many variables.
    pub count: usize,
    /// What the rule names.
    pub options: Vec<Real>,
    /// Of every variable.
    pub weight_decay: Vec<Real>,
    /// The largest absolute value in a gradient; infinity for any.
    pub clip: Real,
    /// Whether there is an input that scales gradients.
    pub scaled: bool,
    /// Whether averages of the variables are kept.
    pub averaged: bool,
}

impl RuleUpdate {
    /// A step of `rule` on `count` variables, and nothing else.
    pub fn new(rule: Rule, count: usize, options: &[f64]) -> RuleUpdate {
        RuleUpdate {
            rule,
            count,
            options: options.iter().copied().map(Real).collect(),
            weight_decay: vec![Real(0.0); count],
            clip: Real(f64::INFINITY),
            scaled: false,
            averaged: false,
        }
    }

    /// The inputs that the rule calls scalars.
    pub fn scalars(&self) -> Range<usize> {
        1..1 + self.rule.scalars().len()
    }

    /// The input that scales gradients.
    pub fn scale(&self) -> Option<usize> {
        self.scaled.then_some(self.scalars().end)
    }

    /// The input that says how much of the averages is kept.
    pub fn kept(&self) -> Option<usize> {
        self.averaged.then_some(self.scalars().end + usize::from(self.scaled))
    }

    /// The first variable among the inputs.
    pub fn first(&self) -> usize {
        self.scalars().end + usize::from(self.scaled) + usize::from(self.averaged)
    }

    /// Which input each output is the new value of.
    fn updated(&self) -> impl Iterator<Item = usize> {
        let (first, count) = (self.first(), self.count);
        (first..first + count).chain(first + 2 * count..first + self.columns().len() * count)
    }

    /// What each column of inputs holds.
    fn columns(&self) -> Vec<&'static str> {
        let average: &[&str] = if self.averaged { &["average"] } else { &[] };
        ["variable", "gradient"].iter().chain(self.rule.slots()).chain(average).copied().collect()
    }
}

/// The rule that a caller names.
fn parse_rule(attributes: &mut Attributes) -> Result<Rule> {
    let name = attributes.text("rule", "")?;
    Rule::ALL.iter().copied().find(|rule| rule.name() == name).ok_or_else(|| {
        let known: Vec<&str> = Rule::ALL.iter().map(|rule| rule.name()).collect();
        Error::value(format!("there is no rule '{name}'; known are {}", known.join(", ")))
    })
}

impl Operation for RuleUpdate {
    const NAME: &'static str = "rule_update";

    fn parse(attributes: &mut Attributes) -> Result<Self> {
        let rule = parse_rule(attributes)?;
        let count = attributes.int("count", 0)?;
        let count =
            usize::try_from(count).map_err(|_| Error::value(format!("count cannot be negative, got {count}")))?;
        let mut options = Vec::new();
        for name in rule.options() {
            let option = attributes.float(name, f64::NAN)?;
            if option.is_nan() {
                return Err(Error::value(format!("rule '{}' needs the number '{name}'", rule.name())));
            }
            options.push(option);
        }
        let mut op = RuleUpdate::new(rule, count, &options);
        let decay = attributes.floats("weight_decay")?;
        if !decay.is_empty() {
            if decay.len() != count {
                return Err(Error::value(format!("weight_decay has {} numbers for {count} variables", decay.len())));
            }
            op.weight_decay = decay.into_iter().map(Real).collect();
        }
        op.clip = Real(attributes.float("clip", f64::INFINITY)?);
        if op.clip.0.is_nan() || op.clip.0 <= 0.0 {
            return Err(Error::value(format!("clip must be above 0, got {}", op.clip.0)));
        }
        op.scaled = attributes.bool("scaled", false)?;
        op.averaged = attributes.bool("averaged", false)?;
        Ok(op)
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        let (first, columns) = (self.first(), self.columns());
        let expected = first + columns.len() * self.count;
        if self.count == 0 || inputs.len() != expected {
            return Err(Error::value(format!(
                "takes {first} scalars, then {} of each of {} variables, {expected} inputs in all, got {}",
                columns.join(", "),
                self.count,
                inputs.len()
            )));
        }
        let rate = inputs[0];
        if rate.rank() != 0 || !rate.dtype.is_compute_float() {
            return Err(Error::value(format!("the learning rate must be a float32 or float64 scalar, got {rate}")));
        }
        for (index, name) in self.scalars().zip(self.rule.scalars()) {
            let found = inputs[index];
            let counts = matches!(found.dtype, DType::Int32 | DType::Int64 | DType::Uint32 | DType::Uint64);
            let fits = if *name == "step" { counts } else { found.dtype.is_compute_float() };
            if found.rank() != 0 || !fits {
                let wanted = if *name == "step" { "int32, int64, uint32 or uint64" } else { "float32 or float64" };
                return Err(Error::value(format!("the {name} must be a scalar of {wanted}, got {found}")));
            }
        }
        if let Some(scale) = self.scale().map(|index| inputs[index]) {
            let fits = scale.rank() == 0 || scale.shape.sizes().is_some_and(|sizes| sizes == [self.count]);
            if !fits || !scale.dtype.is_compute_float() {
                return Err(Error::value(format!(
                    "the scale must be one float32 or float64, or {}, got {scale}",
                    self.count
                )));
            }
        }
        if let Some(kept) = self.kept().map(|index| inputs[index])
            && (kept.rank() != 0 || !kept.dtype.is_compute_float())
        {
            return Err(Error::value(format!("the kept share must be a float32 or float64 scalar, got {kept}")));
        }
        let variables = &inputs[first..first + self.count];
        let dtype = variables[0].dtype;
        if !dtype.is_compute_float() {
            return Err(Error::dtype(format!("updates variables of float32 or float64, got {dtype}")));
        }
        for (column, name) in columns.iter().enumerate() {
            for (i, variable) in variables.iter().enumerate() {
                let found = inputs[first + column * self.count + i];
                if found.dtype != dtype || !found.shape.agrees(&variable.shape) {
                    return Err(Error::shape(format!(
                        "{name} {i} is {found}; it must have type {dtype}, as variable 0, and shape {}, as variable {i}",
                        variable.shape
                    )));
                }
            }
        }
        Ok(self.updated().map(|input| inputs[input].clone()).collect())
    }

    fn vjp(&self, _: &mut GradContext) -> Result<Vec<Option<Value>>> {
        Err(no_derivative(Self::NAME))
    }

    fn effects(&self) -> Effects {
        Effects::Updates
    }

    fn updated_inputs(&self) -> Vec<Option<usize>> {
        self.updated().map(Some).collect()
    }
}
