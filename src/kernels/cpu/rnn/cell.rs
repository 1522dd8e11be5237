//! What sets one recurrent cell apart from another: its products, and how the weights are stacked for them.
//!
//! A step of any cell multiplies rows of a *stacked* input by stacked weights, which gives the columns of z, and applies
//! pointwise functions to z (see `gates`). z has one column for each gate and unit:
//!
//! ```text
//!                     columns of z    products: stacked rows -> columns
//! LSTM                i f g o         [1, x, h] -> all
//! simple              h               [1, x, h] -> all
//! GRU, reset after    n z r c         [1, x] -> z r c      [1, h] -> n z r
//! GRU, reset before   z r c           [1, x] -> z r c      h -> z r             then r h -> c
//! ```
//!
//! With reset after, the candidate is `tanh(c + r n)`: its parts from x and from h stay apart, and no product is made with
//! zeros. The gates of a GRU stand in Keras' weights as z, r, candidate.

use std::ops::Range;

use super::gates::LANES;

/// What a unit computes at each step.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Cell {
    Lstm,
    /// Whether the reset gate acts on the product with the recurrent kernel, or on the state before that product.
    Gru {
        reset_after: bool,
    },
    Simple(Activation),
}

/// The function of a simple cell.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Activation {
    Tanh,
    Relu,
}

/// One product of a step: some of 1, x and h, side by side, by a run of z's columns.
#[derive(Debug)]
pub(super) struct Product {
    /// Which row of the bias belongs to the product.
    pub bias: Option<usize>,
    pub kernel: bool,
    pub recurrent: bool,
    /// First and last-but-one gate of z.
    pub gates: Range<usize>,
    /// Whether its operand is `r h` instead of `h`: the product waits for the reset gate of all units.
    pub resets: bool,
}

const WHOLE: Product = Product { bias: Some(0), kernel: true, recurrent: true, gates: 0..4, resets: false };
const FROM_INPUT: Product = Product { bias: Some(0), kernel: true, recurrent: false, gates: 0..3, resets: false };
const FROM_STATE: Product = Product { bias: None, kernel: false, recurrent: true, gates: 0..2, resets: false };

static LSTM: [Product; 1] = [WHOLE];
static SIMPLE: [Product; 1] = [Product { gates: 0..1, ..WHOLE }];
static RESET_AFTER: [Product; 2] =
    [Product { gates: 1..4, ..FROM_INPUT }, Product { bias: Some(1), gates: 0..3, ..FROM_STATE }];
static RESET_BEFORE: [Product; 3] = [FROM_INPUT, FROM_STATE, Product { gates: 2..3, resets: true, ..FROM_STATE }];

impl Cell {
    /// Gates that stand side by side in the weights.
    pub fn gates(self) -> usize {
        match self {
            Cell::Lstm => 4,
            Cell::Gru { .. } => 3,
            Cell::Simple(_) => 1,
        }
    }

    /// Rows of the bias.
    pub fn bias_rows(self) -> usize {
        match self {
            Cell::Gru { reset_after: true } => 2,
            _ => 1,
        }
    }

    /// Values for each unit and step that the forward pass saves beside outputs and memory.
    pub fn saved(self) -> usize {
        match self {
            Cell::Simple(_) => 0,
            _ => self.columns(),
        }
    }

    /// Whether there is a second state, the memory (Keras' `c`).
    pub fn has_memory(self) -> bool {
        self == Cell::Lstm
    }

    /// Columns of z for each unit.
    pub(super) fn columns(self) -> usize {
        match self {
            Cell::Lstm | Cell::Gru { reset_after: true } => 4,
            Cell::Gru { reset_after: false } => 3,
            Cell::Simple(_) => 1,
        }
    }

    /// Which gate of the weights column `column` of z is made with.
    pub(super) fn gate(self, column: usize) -> usize {
        match self {
            Cell::Gru { reset_after: true } => (column + 2) % 3,
            _ => column,
        }
    }

    pub(super) fn products(self) -> &'static [Product] {
        match self {
            Cell::Lstm => &LSTM,
            Cell::Gru { reset_after: true } => &RESET_AFTER,
            Cell::Gru { reset_after: false } => &RESET_BEFORE,
            Cell::Simple(_) => &SIMPLE,
        }
    }

    /// The columns of z that the first product leaves out; later products add to all that they cover.
    pub(super) fn left_out(self) -> Range<usize> {
        match self {
            Cell::Gru { reset_after: true } => 0..1,
            _ => 0..0,
        }
    }

    /// Whether a product waits for the reset gates of all units.
    pub(super) fn has_two_stages(self) -> bool {
        self == Cell::Gru { reset_after: false }
    }

    /// Units of a packed block: what fills whole panels of 64 columns.
    pub(super) fn block(self) -> usize {
        if self.columns() == 4 && self.products().len() == 1 { LANES } else { 4 * LANES }
    }
}

/// What a layer computes on: `x [batch, time, features]`, `kernel [features, gates units]`, `recurrent [units, gates units]`,
/// `bias [bias_rows, gates units]`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Shape {
    pub cell: Cell,
    pub batch: usize,
    pub time: usize,
    pub features: usize,
    pub units: usize,
    pub has_bias: bool,
    /// Step `s` reads `x[:, time - 1 - s]`.
    pub go_backwards: bool,
    /// Masked steps put out zeros instead of the hidden state.
    pub zero_output_for_mask: bool,
}

impl Shape {
    /// Columns of a weight matrix.
    pub fn width(&self) -> usize {
        self.cell.gates() * self.units
    }

    /// Elements of the bias.
    pub fn bias(&self) -> usize {
        if self.has_bias { self.cell.bias_rows() * self.width() } else { 0 }
    }

    /// Rows of a product's stacked weights.
    pub(super) fn depth(&self, product: &Product) -> usize {
        usize::from(self.has_bias && product.bias.is_some())
            + usize::from(product.kernel) * self.features
            + usize::from(product.recurrent) * self.units
    }

    /// The columns of a stacked row that a product reads.
    pub(super) fn operand(&self, index: usize) -> Range<usize> {
        let products = self.cell.products();
        let start = products[..index].iter().map(|product| self.depth(product)).sum();
        start..start + self.depth(&products[index])
    }

    /// Length of a stacked row.
    pub(super) fn stacked(&self) -> usize {
        self.operand(self.cell.products().len() - 1).end
    }

    /// Where x stands in a stacked row.
    pub(super) fn input_columns(&self) -> Range<usize> {
        let start = usize::from(self.has_bias);
        start..start + self.features
    }

    /// Where the hidden state stands in a stacked row.
    pub(super) fn hidden_columns(&self) -> Range<usize> {
        let end = self.operand(self.cell.products().len().min(2) - 1).end;
        end - self.units..end
    }

    /// Sets the ones of a stacked row.
    pub(super) fn stack_ones<T: super::Recurrent>(&self, stacked: &mut [T]) {
        if self.has_bias {
            for (index, product) in self.cell.products().iter().enumerate() {
                if product.bias.is_some() {
                    stacked[self.operand(index).start] = T::ONE;
                }
            }
        }
    }

    /// Sets the ones and x of a stacked row.
    pub(super) fn stack_input<T: super::Recurrent>(&self, stacked: &mut [T], x: &[T]) {
        self.stack_ones(stacked);
        stacked[self.input_columns()].copy_from_slice(x);
    }

    /// Where step `s` reads the input.
    pub(super) fn input_step(&self, step: usize) -> usize {
        if self.go_backwards { self.time - 1 - step } else { step }
    }

    /// Multiplications and additions of one row's step.
    fn step_flops(&self) -> usize {
        let products = self.cell.products().iter();
        products.map(|product| 2 * self.depth(product) * product.gates.len() * self.units).sum()
    }

    pub(super) fn flops(&self) -> usize {
        self.batch * self.time * self.step_flops()
    }

    pub(super) fn check_weights<T>(&self, kernel: &[T], recurrent: &[T]) {
        assert_eq!(kernel.len(), self.features * self.width(), "kernel of {self:?}");
        assert_eq!(recurrent.len(), self.units * self.width(), "recurrent kernel of {self:?}");
    }
}

/// What both passes read.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a, T> {
    /// `[batch, time, features]`
    pub x: &'a [T],
    /// `[batch, time]`, 0 where a step is masked.
    pub mask: Option<&'a [u8]>,
    /// `[batch, units]`; zeros if absent.
    pub initial_hidden: Option<&'a [T]>,
    /// `[batch, units]`; zeros if absent.
    pub initial_memory: Option<&'a [T]>,
}

impl<T> Inputs<'_, T> {
    pub(super) fn check(&self, shape: &Shape) {
        let Shape { batch, time, features, units, .. } = *shape;
        assert_eq!(self.x.len(), batch * time * features, "x of {shape:?}");
        assert!(self.mask.is_none_or(|mask| mask.len() == batch * time), "mask of {shape:?}");
        assert!(self.initial_hidden.is_none_or(|h| h.len() == batch * units), "initial hidden state of {shape:?}");
        assert!(self.initial_memory.is_none_or(|c| c.len() == batch * units), "initial memory of {shape:?}");
    }

    pub(super) fn is_masked(&self, shape: &Shape, row: usize, step: usize) -> bool {
        self.mask.is_some_and(|mask| mask[row * shape.time + shape.input_step(step)] == 0)
    }
}
