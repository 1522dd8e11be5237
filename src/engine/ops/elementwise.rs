//! Elementwise ops: one number out for one number (or two, or three) in, after NumPy's broadcasting.
//!
//! The rules themselves are rows of the table in `ironhorn_kernels::cpu::elementwise`; here each gets its types and its
//! derivative. `Fused` is a chain of them that runs as one kernel; the pass `fuse_elementwise` makes it.

use ironhorn_kernels::cpu::elementwise::{Family, Scalar};

use super::{Attributes, GradContext, Graph, Operation, Promotion, Value, expect_inputs};
use crate::core::{DType, Error, Result, Shape, Spec};

/// One rule applied element by element.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Elementwise {
    pub rule: Scalar,
}

/// The names of all rules.
pub fn names() -> Vec<&'static str> {
    Scalar::ALL.iter().map(|rule| rule.name()).collect()
}

impl Elementwise {
    pub fn from_name(name: &str) -> Option<Elementwise> {
        Scalar::ALL.iter().find(|rule| rule.name() == name).map(|&rule| Elementwise { rule })
    }
}

/// The type a rule gives for operands of these types.
pub fn result_dtype(rule: Scalar, dtypes: &[DType]) -> Result<DType> {
    let (name, family) = (rule.name(), rule.family());
    let operands = if family == Family::Select { &dtypes[1..] } else { dtypes };
    let dtype = operands[0];
    if let Some(other) = operands.iter().find(|&&other| other != dtype) {
        return Err(Error::dtype(format!("operands have types {dtype} and {other}; cast them to one type")));
    }
    let wants = match family {
        Family::NumberUnary | Family::NumberBinary if dtype == DType::Bool => Some("numbers"),
        Family::FloatUnary | Family::FloatBinary | Family::FloatTest if !dtype.is_float() => Some("floats"),
        Family::IntegerBinary if dtype.is_float() || dtype == DType::Bool => Some("integers"),
        Family::LogicalUnary | Family::LogicalBinary if dtype != DType::Bool => Some("booleans"),
        Family::Select if dtypes[0] != DType::Bool => Some("a boolean condition"),
        _ => None,
    };
    if let Some(wanted) = wants {
        return Err(Error::dtype(format!("{name} takes {wanted}, got {}; cast the input first", dtypes[0])));
    }
    Ok(match family {
        Family::Compare | Family::FloatTest => DType::Bool,
        _ => dtype,
    })
}

fn broadcast_all(inputs: &[&Spec]) -> Result<Shape> {
    inputs[1..].iter().try_fold(inputs[0].shape.clone(), |shape, input| shape.broadcast(&input.shape))
}

impl Operation for Elementwise {
    const NAME: &'static str = "elementwise";

    fn parse(_: &mut Attributes) -> Result<Self> {
        Err(Error::value("ask for an elementwise op by its own name"))
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, self.rule.arity())?;
        let dtypes: Vec<DType> = inputs.iter().map(|input| input.dtype).collect();
        Ok(vec![Spec::new(broadcast_all(inputs)?, result_dtype(self.rule, &dtypes)?)])
    }

    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
        let y = context.outputs[0];
        if !context.graph.dtype(y).is_float() {
            return Ok(vec![None; context.inputs.len()]);
        }
        let g = context.gradient(0)?;
        let mut gradients = derivative(self.rule, context.graph, context.inputs, y, g, context.wanted)?;
        for (gradient, &input) in gradients.iter_mut().zip(context.inputs) {
            if let Some(value) = gradient {
                *value = context.graph.sum_like(*value, input)?;
            }
        }
        Ok(gradients)
    }

    fn promotion(&self) -> Promotion {
        match self.rule.family() {
            Family::FloatUnary | Family::FloatBinary | Family::FloatTest => Promotion::Float,
            Family::LogicalUnary | Family::LogicalBinary => Promotion::Bool,
            Family::Select => Promotion::AllButCondition,
            _ => Promotion::All,
        }
    }
}

/// The gradients of `y = rule(inputs)`, before the sum over broadcast axes.
fn derivative(
    rule: Scalar,
    graph: &mut Graph,
    inputs: &[Value],
    y: Value,
    g: Value,
    wanted: &[bool],
) -> Result<Vec<Option<Value>>> {
    use Scalar as S;
    let x = inputs[0];
    let one = |value| Ok(vec![Some(value)]);
    match rule {
        S::Negative => one(graph.neg(g)?),
        S::Absolute => {
            let sign = graph.elementwise(S::Sign, &[x])?;
            one(graph.mul(g, sign)?)
        }
        S::Square => {
            let twice = graph.scale(x, 2.0)?;
            one(graph.mul(g, twice)?)
        }
        S::Sqrt => {
            let half = graph.scale(g, 0.5)?;
            one(graph.div(half, y)?)
        }
        S::Rsqrt => {
            // -1/2 x^(-3/2) = -1/2 y^3
            let square = graph.mul(y, y)?;
            let cube = graph.mul(square, y)?;
            let slope = graph.scale(cube, -0.5)?;
            one(graph.mul(g, slope)?)
        }
        S::Reciprocal => {
            let square = graph.mul(y, y)?;
            let product = graph.mul(g, square)?;
            one(graph.neg(product)?)
        }
        S::Exp => one(graph.mul(g, y)?),
        S::Expm1 => {
            let slope = graph.shift(y, 1.0)?;
            one(graph.mul(g, slope)?)
        }
        S::Log => one(graph.div(g, x)?),
        S::Log1p => {
            let below = graph.shift(x, 1.0)?;
            one(graph.div(g, below)?)
        }
        S::Sin => {
            let slope = graph.elementwise(S::Cos, &[x])?;
            one(graph.mul(g, slope)?)
        }
        S::Cos => {
            let sin = graph.elementwise(S::Sin, &[x])?;
            let slope = graph.neg(sin)?;
            one(graph.mul(g, slope)?)
        }
        S::Tan => {
            let square = graph.mul(y, y)?;
            let slope = graph.shift(square, 1.0)?;
            one(graph.mul(g, slope)?)
        }
        S::Tanh => {
            let square = graph.mul(y, y)?;
            let negative = graph.neg(square)?;
            let slope = graph.shift(negative, 1.0)?;
            one(graph.mul(g, slope)?)
        }
        S::Sigmoid => {
            let negative = graph.neg(y)?;
            let rest = graph.shift(negative, 1.0)?;
            let slope = graph.mul(y, rest)?;
            one(graph.mul(g, slope)?)
        }
        S::Relu => {
            // From y alone, so that x need not be kept: y > 0 exactly where x > 0.
            one(graph.elementwise(S::ReluGradient, &[y, g])?)
        }
        // Linear in the gradient; flat in relu's output.
        S::ReluGradient => Ok(vec![None, Some(graph.elementwise(S::ReluGradient, &[x, g])?)]),
        S::Relu6 => {
            // Likewise: 0 < y < 6 exactly where 0 < x < 6.
            one(graph.elementwise(S::Relu6Gradient, &[y, g])?)
        }
        S::Relu6Gradient => Ok(vec![None, Some(graph.elementwise(S::Relu6Gradient, &[x, g])?)]),
        S::Softplus => {
            let slope = graph.elementwise(S::Sigmoid, &[x])?;
            one(graph.mul(g, slope)?)
        }
        S::Erf => {
            // 2 / sqrt(pi) exp(-x^2)
            let square = graph.mul(x, x)?;
            let negative = graph.neg(square)?;
            let bell = graph.elementwise(S::Exp, &[negative])?;
            let slope = graph.scale(bell, std::f64::consts::FRAC_2_SQRT_PI)?;
            one(graph.mul(g, slope)?)
        }
        S::Exp2 => {
            let slope = graph.scale(y, std::f64::consts::LN_2)?;
            one(graph.mul(g, slope)?)
        }
        S::Cbrt => {
            // 1 / (3 y^2), infinite at 0.
            let square = graph.mul(y, y)?;
            let below = graph.scale(square, 3.0)?;
            one(graph.div(g, below)?)
        }
        S::Arcsin | S::Arccos => {
            let complement = one_minus_square(graph, x)?;
            let slope = graph.elementwise(S::Rsqrt, &[complement])?;
            let product = graph.mul(g, slope)?;
            one(if rule == S::Arcsin { product } else { graph.neg(product)? })
        }
        S::Arctan => {
            let square = graph.mul(x, x)?;
            let below = graph.shift(square, 1.0)?;
            one(graph.div(g, below)?)
        }
        S::Sinh | S::Cosh => {
            let slope = graph.elementwise(if rule == S::Sinh { S::Cosh } else { S::Sinh }, &[x])?;
            one(graph.mul(g, slope)?)
        }
        S::Arcsinh => {
            let square = graph.mul(x, x)?;
            let below = graph.shift(square, 1.0)?;
            let slope = graph.elementwise(S::Rsqrt, &[below])?;
            one(graph.mul(g, slope)?)
        }
        S::Arccosh => {
            // rsqrt((x - 1) (x + 1))
            let (low, high) = (graph.shift(x, -1.0)?, graph.shift(x, 1.0)?);
            let below = graph.mul(low, high)?;
            let slope = graph.elementwise(S::Rsqrt, &[below])?;
            one(graph.mul(g, slope)?)
        }
        S::Arctanh => {
            let below = one_minus_square(graph, x)?;
            one(graph.div(g, below)?)
        }
        S::Erfc => {
            // -2 / sqrt(pi) exp(-x^2)
            let square = graph.mul(x, x)?;
            let negative = graph.neg(square)?;
            let bell = graph.elementwise(S::Exp, &[negative])?;
            let slope = graph.scale(bell, -std::f64::consts::FRAC_2_SQRT_PI)?;
            one(graph.mul(g, slope)?)
        }
        S::Erfinv => {
            // sqrt(pi) / 2 exp(y^2)
            let square = graph.mul(y, y)?;
            let inverse = graph.elementwise(S::Exp, &[square])?;
            let slope = graph.scale(inverse, 1.0 / std::f64::consts::FRAC_2_SQRT_PI)?;
            one(graph.mul(g, slope)?)
        }
        S::I0 => {
            let slope = graph.elementwise(S::I1, &[x])?;
            one(graph.mul(g, slope)?)
        }
        S::I1 => {
            // I0(x) - I1(x) / x, which is 1/2 at 0.
            let dtype = graph.dtype(y);
            let (zero, one_, half) = (graph.scalar(0.0, dtype)?, graph.scalar(1.0, dtype)?, graph.scalar(0.5, dtype)?);
            let origin = graph.elementwise(S::Equal, &[x, zero])?;
            let safe = graph.select(origin, one_, x)?;
            let ratio = graph.div(y, safe)?;
            let ratio = graph.select(origin, half, ratio)?;
            let order_0 = graph.elementwise(S::I0, &[x])?;
            let slope = graph.elementwise(S::Subtract, &[order_0, ratio])?;
            one(graph.mul(g, slope)?)
        }
        S::Sign | S::Floor | S::Ceil | S::Trunc | S::Round => one(graph.zeros_like(x)?),
        S::Add => Ok(vec![Some(g), Some(g)]),
        S::Subtract => {
            let db = if wanted[1] { Some(graph.neg(g)?) } else { None };
            Ok(vec![Some(g), db])
        }
        S::Multiply => {
            let da = if wanted[0] { Some(graph.mul(g, inputs[1])?) } else { None };
            let db = if wanted[1] { Some(graph.mul(g, x)?) } else { None };
            Ok(vec![da, db])
        }
        S::Divide => {
            let da = if wanted[0] { Some(graph.div(g, inputs[1])?) } else { None };
            let db = if wanted[1] {
                let ratio = graph.div(y, inputs[1])?;
                let product = graph.mul(g, ratio)?;
                Some(graph.neg(product)?)
            } else {
                None
            };
            Ok(vec![da, db])
        }
        S::Modulo => {
            // a - b floor(a / b)
            let db = if wanted[1] {
                let quotient = graph.elementwise(S::FloorDivide, &[x, inputs[1]])?;
                let product = graph.mul(g, quotient)?;
                Some(graph.neg(product)?)
            } else {
                None
            };
            Ok(vec![Some(g), db])
        }
        S::Fmod => {
            // a - b trunc(a / b)
            let db = if wanted[1] {
                let ratio = graph.div(x, inputs[1])?;
                let quotient = graph.elementwise(S::Trunc, &[ratio])?;
                let product = graph.mul(g, quotient)?;
                Some(graph.neg(product)?)
            } else {
                None
            };
            Ok(vec![Some(g), db])
        }
        S::Hypot => {
            // a / y and b / y, 0 where y is.
            let dtype = graph.dtype(y);
            let (zero, one) = (graph.scalar(0.0, dtype)?, graph.scalar(1.0, dtype)?);
            let origin = graph.elementwise(S::Equal, &[y, zero])?;
            let safe = graph.select(origin, one, y)?;
            let scaled = graph.div(g, safe)?;
            Ok(vec![Some(graph.mul(scaled, x)?), Some(graph.mul(scaled, inputs[1])?)])
        }
        S::LogAddExp => {
            // exp(a - y) and exp(b - y), as sigmoids of the difference, which is 0 where both are the same infinity.
            let zero = graph.scalar(0.0, graph.dtype(y))?;
            let equal = graph.elementwise(S::Equal, &[x, inputs[1]])?;
            let difference = graph.elementwise(S::Subtract, &[x, inputs[1]])?;
            let difference = graph.select(equal, zero, difference)?;
            let first = graph.elementwise(S::Sigmoid, &[difference])?;
            let opposite = graph.neg(difference)?;
            let second = graph.elementwise(S::Sigmoid, &[opposite])?;
            Ok(vec![Some(graph.mul(g, first)?), Some(graph.mul(g, second)?)])
        }
        S::FloorDivide | S::NextAfter => Ok(vec![None, None]),
        S::Power => power(graph, x, inputs[1], y, g, wanted),
        S::Maximum | S::Minimum => {
            // Equal operands share the gradient, as in JAX.
            let test = if rule == S::Maximum { S::Greater } else { S::Less };
            let (zero, half) = (graph.scalar(0.0, graph.dtype(y))?, graph.scale(g, 0.5)?);
            let equal = graph.elementwise(S::Equal, &[x, inputs[1]])?;
            let first = graph.elementwise(test, &[x, inputs[1]])?;
            let second = graph.elementwise(test, &[inputs[1], x])?;
            let da = graph.select(first, g, zero)?;
            let da = graph.select(equal, half, da)?;
            let db = graph.select(second, g, zero)?;
            let db = graph.select(equal, half, db)?;
            Ok(vec![Some(da), Some(db)])
        }
        S::Arctan2 => {
            let (a, b) = (x, inputs[1]);
            let (aa, bb) = (graph.mul(a, a)?, graph.mul(b, b)?);
            let below = graph.add(aa, bb)?;
            let scaled = graph.div(g, below)?;
            let da = graph.mul(scaled, b)?;
            let product = graph.mul(scaled, a)?;
            Ok(vec![Some(da), Some(graph.neg(product)?)])
        }
        S::Select => {
            let zero = graph.scalar(0.0, graph.dtype(y))?;
            let da = graph.select(x, g, zero)?;
            let db = graph.select(x, zero, g)?;
            Ok(vec![None, Some(da), Some(db)])
        }
        S::Log2 | S::Log10 => {
            let base = if rule == S::Log2 { std::f64::consts::LN_2 } else { std::f64::consts::LN_10 };
            let below = graph.scale(x, base)?;
            one(graph.div(g, below)?)
        }
        other => Err(Error::unsupported(format!(
            "{} has no derivative; wrap it in stop_gradient or use another op",
            other.name()
        ))),
    }
}

/// `1 - x^2` as `(1 - x) (1 + x)`, accurate near the ends.
fn one_minus_square(graph: &mut Graph, x: Value) -> Result<Value> {
    let negative = graph.neg(x)?;
    let (low, high) = (graph.shift(negative, 1.0)?, graph.shift(x, 1.0)?);
    graph.mul(low, high)
}

/// `d a^b`: `g b a^(b-1)` and `g y log(a)`, the latter 0 where `a` is not positive.
fn power(graph: &mut Graph, a: Value, b: Value, y: Value, g: Value, wanted: &[bool]) -> Result<Vec<Option<Value>>> {
    use Scalar as S;
    let dtype = graph.dtype(y);
    let da = if wanted[0] {
        let lower = graph.shift(b, -1.0)?;
        let slope = graph.elementwise(S::Power, &[a, lower])?;
        let slope = graph.mul(b, slope)?;
        // b = 0 gives 0 even where a^(-1) is infinite.
        let zero = graph.scalar(0.0, dtype)?;
        let flat = graph.elementwise(S::Equal, &[b, zero])?;
        let slope = graph.select(flat, zero, slope)?;
        Some(graph.mul(g, slope)?)
    } else {
        None
    };
    let db = if wanted[1] {
        let (zero, one) = (graph.scalar(0.0, dtype)?, graph.scalar(1.0, dtype)?);
        let positive = graph.elementwise(S::Greater, &[a, zero])?;
        let safe = graph.select(positive, a, one)?;
        let log = graph.elementwise(S::Log, &[safe])?;
        let slope = graph.mul(y, log)?;
        Some(graph.mul(g, slope)?)
    } else {
        None
    };
    Ok(vec![da, db])
}

/// What one step of a fused chain does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum StepRule {
    Scalar(Scalar),
    Cast,
}

/// One step: a rule over operands, which are the op's inputs first and earlier steps after them.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Step {
    pub rule: StepRule,
    pub operands: Vec<usize>,
    /// The type of the step's result.
    pub dtype: DType,
}

/// A chain of elementwise ops with a common output shape, run as one kernel.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Fused {
    pub inputs: usize,
    pub steps: Vec<Step>,
    /// Which operands (inputs first, then steps) leave the kernel.
    pub outputs: Vec<usize>,
}

impl Operation for Fused {
    const NAME: &'static str = "fused_elementwise";

    fn parse(_: &mut Attributes) -> Result<Self> {
        Err(Error::value("fused ops are made by passes, not by callers"))
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
        expect_inputs(inputs, self.inputs)?;
        let shape = broadcast_all(inputs)?;
        Ok(self.outputs.iter().map(|&out| Spec::new(shape.clone(), self.steps[out - self.inputs].dtype)).collect())
    }

    fn vjp(&self, _: &mut GradContext) -> Result<Vec<Option<Value>>> {
        Err(Error::internal("gradients are written before chains are fused"))
    }

    fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        let mut run = || -> Result<Vec<Value>> {
            let mut operands = inputs.to_vec();
            for step in &self.steps {
                let chosen: Vec<Value> = step.operands.iter().map(|&operand| operands[operand]).collect();
                operands.push(match step.rule {
                    StepRule::Scalar(rule) => graph.elementwise(rule, &chosen)?,
                    StepRule::Cast => graph.cast(chosen[0], step.dtype)?,
                });
            }
            Ok(self.outputs.iter().map(|&out| operands[out]).collect())
        };
        Some(run())
    }
}
