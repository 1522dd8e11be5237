//! What the elementwise machine is told to compute: a list of values, each made once from earlier ones.

use super::element::Element;
use super::scalar::{Family, Scalar};
use half::{bf16, f16};

/// A value of a [`Program`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Register(pub(super) usize);

/// A number written into a program.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Literal {
    Float(f64),
    Integer(i128),
}

/// How a value comes about.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Definition {
    /// Element by element from operand `index`, which holds `element`.
    Operand {
        index: usize,
        element: Element,
    },
    Constant(Literal),
    Apply {
        op: Scalar,
        element: Element,
        inputs: [Register; 3],
    },
    /// `from` is the type of `input`; a 16-bit float `to` rounds to it.
    Cast {
        input: Register,
        from: Element,
        to: Element,
    },
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Value {
    pub definition: Definition,
    /// The type it is computed in, never a 16-bit float.
    pub element: Element,
}

/// A straight-line program over the elements of its operands.
///
/// Values of 16-bit floats are held as `F32` from the moment they are read until an output (or a [`Program::cast`])
/// rounds them.
///
/// ```
/// use ironhorn_kernels::cpu::elementwise::{Element, Literal, Program, Scalar};
///
/// let mut program = Program::default();
/// let x = program.operand(Element::F32);
/// let one = program.constant(Element::F32, Literal::Float(1.0));
/// let sum = program.apply(Scalar::Add, &[x, one])?;
/// program.output(sum, Element::F32)?;
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Program {
    pub(super) values: Vec<Value>,
    pub(super) operands: Vec<Element>,
    pub(super) outputs: Vec<(Register, Element)>,
}

impl Program {
    fn push(&mut self, definition: Definition, element: Element) -> Register {
        self.values.push(Value { definition, element });
        Register(self.values.len() - 1)
    }

    /// The next operand; the first call names the first input.
    pub fn operand(&mut self, element: Element) -> Register {
        let index = self.operands.len();
        self.operands.push(element);
        self.push(Definition::Operand { index, element }, element.compute())
    }

    /// `literal` as an `element`, converted as [`crate::cpu::cast`] would.
    pub fn constant(&mut self, element: Element, literal: Literal) -> Register {
        let value = match literal {
            Literal::Float(value) => value,
            Literal::Integer(value) => value as f64,
        };
        let literal = match element {
            Element::F16 => Literal::Float(f16::from_f64(value).to_f64()),
            Element::Bf16 => Literal::Float(bf16::from_f64(value).to_f64()),
            _ => literal,
        };
        self.push(Definition::Constant(literal), element.compute())
    }

    /// `op` of `inputs`, computed in their common type.
    pub fn apply(&mut self, op: Scalar, inputs: &[Register]) -> Result<Register, String> {
        if inputs.len() != op.arity() {
            return Err(format!("{} takes {} inputs, but got {}", op.name(), op.arity(), inputs.len()));
        }
        let elements: Vec<Element> = inputs.iter().map(|&input| self.element(input)).collect();
        let (condition, data) = elements.split_at(usize::from(op.family() == Family::Select));
        if condition.iter().any(|&element| element != Element::Bool) {
            return Err(format!("{}: the condition is {}, but must be bool", op.name(), condition[0].name()));
        }
        let element = data[0];
        if let Some(other) = data.iter().find(|&&other| other != element) {
            return Err(format!("{}: the inputs are {} and {}; cast one", op.name(), element.name(), other.name()));
        }
        if !op.accepts(element) {
            return Err(format!("{} is not defined on {}; cast the input", op.name(), element.name()));
        }
        let mut registers = [Register(0); 3];
        registers[..inputs.len()].copy_from_slice(inputs);
        Ok(self.push(Definition::Apply { op, element, inputs: registers }, op.result(element)))
    }

    /// `input` as a `to`.
    pub fn cast(&mut self, input: Register, to: Element) -> Register {
        let from = self.element(input);
        if from == to {
            return input;
        }
        self.push(Definition::Cast { input, from, to }, to.compute())
    }

    /// The next output: `register`, stored as `element`, which is the register's type or, for `F32`, a 16-bit float.
    pub fn output(&mut self, register: Register, element: Element) -> Result<(), String> {
        let computed = self.element(register);
        if computed != element.compute() {
            return Err(format!("a {} value cannot be stored as {}; cast it", computed.name(), element.name()));
        }
        self.outputs.push((register, element));
        Ok(())
    }

    /// The type in which a value is computed.
    pub fn element(&self, register: Register) -> Element {
        self.values[register.0].element
    }

    /// The operands' types, in order.
    pub fn operands(&self) -> &[Element] {
        &self.operands
    }

    /// The outputs' types, in order.
    pub fn outputs(&self) -> impl ExactSizeIterator<Item = Element> {
        self.outputs.iter().map(|&(_, element)| element)
    }

    /// The values that value `index` is made from.
    pub(super) fn inputs(&self, index: usize) -> impl Iterator<Item = usize> {
        let (inputs, count) = match self.values[index].definition {
            Definition::Apply { op, inputs, .. } => (inputs, op.arity()),
            Definition::Cast { input, .. } => ([input; 3], 1),
            Definition::Operand { .. } | Definition::Constant(_) => ([Register(0); 3], 0),
        };
        (0..count).map(move |i| inputs[i].0)
    }
}
