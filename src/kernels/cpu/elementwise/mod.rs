//! The elementwise machine: a fused chain of scalar instructions, with broadcasting, in one pass over memory.
//!
//! Data: operands of any strides (0 where they are broadcast), contiguous outputs. A chunk is cut into blocks of 512 or
//! 1,024 elements; a value that is neither an operand used in place nor an output written in place lives in a block-sized
//! slot, and slots are reused as values die, so that the whole chain stays in the first-level cache:
//!
//! ```text
//! chunk:
//!   fill constants, scalars, repeated rows                      once
//!   for block in chunk:                                         1,024 elements
//!     for step in steps:                                        load | apply | cast
//!       for i in block: slot[i] = rule(a[i], b[i], c[i])        vectorised
//!     for output: store, if it was not written in place
//! ```
//!
//! Limit: memory bandwidth for cheap chains over large arrays, the first-level cache for long cheap chains, arithmetic
//! for elementary functions. A single instruction on contiguous operands reads and writes the arrays themselves.

pub mod element;
mod load;
mod program;
pub(crate) mod scalar;
#[cfg(test)]
mod tests;

pub use element::Element;
pub use program::{Literal, Program, Register};
pub use scalar::{Family, Scalar};

use super::cast::convert;
use super::disjoint::part;
use super::simd::Isa;
use super::workspace;
use load::{Access, MAX_AXES, collapse, gather, load};
use program::Definition;
use scalar::Loop;

/// Longest repeated row that is tiled, in elements.
const LONGEST_TILED: usize = 1024;

/// Where a value of the block at hand is.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// Not needed.
    Nowhere,
    /// At this offset of the workspace.
    Slot(usize),
    /// In the operand's own memory, block after block.
    Operand(usize),
    /// A window of a repeated row: tiled at `offset` of the workspace.
    Window { offset: usize, period: usize },
    /// In output `output`'s own memory, unless that overlaps an input: then at `slot` of the workspace.
    Output { output: usize, slot: usize },
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Load { value: usize, operand: usize },
    Apply { value: usize, op: Scalar, body: Loop, inputs: [usize; 3] },
    Cast { value: usize, input: usize, from: Element, to: Element },
}

/// A [`Program`] bound to a shape.
#[derive(Clone, Debug)]
pub struct Elementwise {
    program: Program,
    /// The collapsed output shape.
    lengths: Vec<usize>,
    access: Vec<Access>,
    elements: usize,
    block: usize,
    chunks: usize,
    places: Vec<Place>,
    /// Constants, scalars and tiled rows: prepared once a chunk.
    prepared: Vec<usize>,
    steps: Vec<Step>,
    workspace: usize,
}

impl Elementwise {
    /// `strides` has for each operand its strides in elements along the axes of `shape`, 0 where it is broadcast.
    pub fn new(program: Program, shape: &[usize], strides: &[Vec<isize>]) -> Result<Self, String> {
        if strides.len() != program.operands.len() {
            return Err(format!("the program has {} operands, but got {}", program.operands.len(), strides.len()));
        }
        if let Some((i, strides)) = strides.iter().enumerate().find(|(_, strides)| strides.len() != shape.len()) {
            return Err(format!("operand {i} has {} strides for the shape {shape:?}", strides.len()));
        }
        let elements: usize = shape.iter().product();
        let (lengths, strides) = collapse(shape, strides);
        if lengths.len() > MAX_AXES {
            return Err(format!(
                "operands of shape {shape:?} take {} separate axes, more than {MAX_AXES}",
                lengths.len()
            ));
        }
        let access: Vec<Access> = strides.into_iter().map(|strides| Access::new(&lengths, strides)).collect();
        let widest = program.values.iter().map(|value| value.element.size()).max().unwrap_or(1);
        let block = if widest > 4 { 512 } else { 1024 };

        let traffic: usize = program
            .operands
            .iter()
            .zip(&access)
            .map(|(element, access)| match access {
                Access::Contiguous | Access::Strided(_) => element.size(),
                Access::Scalar | Access::Periodic(_) => 0,
            })
            .sum::<usize>()
            + program.outputs().map(Element::size).sum::<usize>();
        let arithmetic: usize = program
            .values
            .iter()
            .map(|value| match value.definition {
                Definition::Apply { op, element, .. } => op.cost(element),
                Definition::Cast { .. } => 2,
                Definition::Operand { .. } | Definition::Constant(_) => 0,
            })
            .sum();
        let chunks = (elements.saturating_mul(traffic + arithmetic) / (64 << 10)).min(elements / block).clamp(1, 64);

        let mut kernel = Self {
            lengths,
            access,
            elements,
            block,
            chunks,
            places: vec![Place::Nowhere; program.values.len()],
            prepared: Vec::new(),
            steps: Vec::new(),
            workspace: 0,
            program,
        };
        kernel.place(widest);
        Ok(kernel)
    }

    /// Decides where every value is and in which order the steps run.
    fn place(&mut self, widest: usize) {
        let count = self.program.values.len();
        // Values that lead to an output, and after which value each is no longer read.
        let mut needed = vec![false; count];
        let mut last_use: Vec<usize> = (0..count).collect();
        for &(register, _) in &self.program.outputs {
            needed[register.0] = true;
            last_use[register.0] = usize::MAX;
        }
        for index in (0..count).rev() {
            if needed[index] {
                for input in self.program.inputs(index) {
                    needed[input] = true;
                    last_use[input] = last_use[input].max(index);
                }
            }
        }

        // The output that holds value `index` as it is computed: it is then written there directly.
        let direct = |program: &Program, index: usize| {
            let element = program.values[index].element;
            program.outputs.iter().position(|&(value, stored)| value.0 == index && stored == element)
        };
        let is_output = |program: &Program, index: usize| program.outputs.iter().any(|&(value, _)| value.0 == index);

        let slot_bytes = (self.block * widest).next_multiple_of(64);
        let mut workspace = 0;
        let mut reserve = |bytes: usize| {
            let offset = workspace;
            workspace += bytes.next_multiple_of(64);
            offset
        };
        for index in (0..count).filter(|&index| needed[index]) {
            match self.program.values[index].definition {
                Definition::Constant(_) => {
                    self.places[index] = Place::Slot(reserve(slot_bytes));
                    self.prepared.push(index);
                }
                Definition::Operand { index: operand, element } => match self.access[operand] {
                    // One that is also an output is read like any other: storing may change it in place.
                    Access::Contiguous if element == element.compute() && !is_output(&self.program, index) => {
                        self.places[index] = Place::Operand(operand);
                    }
                    Access::Scalar => {
                        self.places[index] = Place::Slot(reserve(slot_bytes));
                        self.prepared.push(index);
                    }
                    Access::Periodic(period) if period <= LONGEST_TILED => {
                        let offset = reserve((self.block + period) * element.compute().size());
                        self.places[index] = Place::Window { offset, period };
                        self.prepared.push(index);
                    }
                    _ => {}
                },
                Definition::Apply { .. } | Definition::Cast { .. } => {}
            }
        }

        let mut free: Vec<usize> = Vec::new();
        let mut held: Vec<(usize, usize)> = Vec::new();
        for index in (0..count).filter(|&index| needed[index]) {
            // Operands that must be read are read just before they are first used; outputs are used here, as it were.
            let mut made: Vec<usize> = self.program.inputs(index).collect();
            made.push(index);
            for value in made {
                let step = match self.program.values[value].definition {
                    Definition::Constant(_) => continue,
                    Definition::Operand { index: operand, .. } => {
                        if !matches!(self.places[value], Place::Nowhere)
                            || (value == index && !is_output(&self.program, value))
                        {
                            continue;
                        }
                        Step::Load { value, operand }
                    }
                    Definition::Apply { .. } | Definition::Cast { .. } if value != index => continue,
                    Definition::Apply { op, element, inputs } => {
                        Step::Apply { value, op, body: op.block_loop(element), inputs: inputs.map(|input| input.0) }
                    }
                    Definition::Cast { input, from, to } => Step::Cast { value, input: input.0, from, to },
                };
                let slot = free.pop().unwrap_or_else(|| reserve(slot_bytes));
                held.push((slot, last_use[value]));
                self.places[value] = match direct(&self.program, value) {
                    Some(output) => Place::Output { output, slot },
                    None => Place::Slot(slot),
                };
                self.steps.push(step);
            }
            held.retain(|&(slot, until)| {
                if until <= index {
                    free.push(slot);
                }
                until > index
            });
        }
        self.workspace = workspace;
    }

    /// How many chunks the work is cut into.
    pub fn chunks(&self) -> usize {
        self.chunks
    }

    /// The number of elements of each output.
    pub fn elements(&self) -> usize {
        self.elements
    }

    /// The program that it runs.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Computes chunk `chunk` of every output.
    ///
    /// # Safety
    /// - `inputs` and `outputs` point to the program's operands and outputs, in order, aligned to their elements; operand
    ///   `i` is valid at every offset that the shape and its strides reach, output `i` for `elements()` elements.
    /// - Outputs do not overlap each other. An output overlaps an input only if that is contiguous, of the same element
    ///   type, and starts at the same address.
    /// - No two threads run the same chunk at once, and nothing else writes the arrays meanwhile.
    ///
    /// # Panics
    /// When the number of inputs or outputs is not the program's, or `chunk` is not below `chunks()`.
    pub unsafe fn run(&self, isa: Isa, chunk: usize, inputs: &[*const u8], outputs: &[*mut u8]) {
        assert_eq!(inputs.len(), self.program.operands.len(), "inputs");
        assert_eq!(outputs.len(), self.program.outputs.len(), "outputs");
        assert!(chunk < self.chunks, "chunk {chunk} of {}", self.chunks);
        let range = part(self.elements, self.chunks, chunk, self.block);
        if range.is_empty() {
            return;
        }
        // A word for each value's current address, then the slots, 64-byte aligned.
        let table = self.places.len().next_multiple_of(8);
        workspace::with(table + self.workspace / size_of::<usize>(), |room: &mut [usize]| {
            let (addresses, slots) = room.split_at_mut(table);
            let mut block = Block { kernel: self, isa, inputs, outputs, addresses, slots: slots.as_mut_ptr().cast() };
            // SAFETY: this function's contract; the workspace holds what `place` reserved.
            unsafe {
                block.prepare(range.start, range.len().min(self.block));
                for start in range.clone().step_by(self.block) {
                    block.run(start, (range.end - start).min(self.block));
                }
            }
        });
    }
}

/// The state of one chunk.
struct Block<'a> {
    kernel: &'a Elementwise,
    isa: Isa,
    inputs: &'a [*const u8],
    outputs: &'a [*mut u8],
    addresses: &'a mut [usize],
    slots: *mut u8,
}

impl Block<'_> {
    fn element(&self, value: usize) -> Element {
        self.kernel.program.values[value].element
    }

    /// Whether an output may overlap an input; it then goes through a slot, so that every block is read before it is
    /// written and no loop sees the same memory as input and output.
    fn overlaps(&self, output: usize) -> bool {
        let kernel = self.kernel;
        let start = self.outputs[output] as usize;
        let end = start + kernel.elements * kernel.program.outputs[output].1.size();
        let mut operands = self.inputs.iter().zip(&kernel.program.operands).zip(&kernel.access);
        operands.any(|((&input, element), access)| {
            let input = input as usize;
            let extent = match access {
                Access::Contiguous => kernel.elements,
                Access::Scalar => 1,
                &Access::Periodic(period) => period,
                // Such an operand is read into a slot, and by contract overlaps no output.
                Access::Strided(_) => 0,
            };
            input < end && start < input + extent * element.size()
        })
    }

    /// Fills what stays the same for all blocks of the chunk: `width` is the longest block.
    ///
    /// # Safety
    /// As [`Elementwise::run`].
    unsafe fn prepare(&mut self, start: usize, width: usize) {
        let kernel = self.kernel;
        for (value, place) in kernel.places.iter().enumerate() {
            self.addresses[value] = match *place {
                Place::Slot(slot) => self.slots as usize + slot,
                Place::Output { output, slot } if self.overlaps(output) => self.slots as usize + slot,
                _ => 0,
            };
        }
        for &value in &kernel.prepared {
            let (offset, length) = match kernel.places[value] {
                Place::Slot(offset) => (offset, width),
                Place::Window { offset, period } => (offset, width + period),
                Place::Nowhere | Place::Operand(_) | Place::Output { .. } => unreachable!("only these are prepared"),
            };
            // SAFETY: `place` reserved that much at the offset.
            let output = unsafe { self.slots.add(offset) };
            match kernel.program.values[value].definition {
                Definition::Operand { index, element } => {
                    let start = if matches!(kernel.access[index], Access::Periodic(_)) { 0 } else { start };
                    // SAFETY: this function's contract; a repeated row is valid at any position.
                    unsafe {
                        load(
                            &kernel.access[index],
                            &kernel.lengths,
                            element,
                            self.inputs[index],
                            start,
                            length,
                            output,
                        );
                    }
                }
                // SAFETY: one element at the offset, then `length` of them, from the first on.
                Definition::Constant(literal) => unsafe { fill(literal, self.element(value), output, length) },
                Definition::Apply { .. } | Definition::Cast { .. } => unreachable!("only these are prepared"),
            }
        }
    }

    /// # Safety
    /// As [`Elementwise::run`], with `start .. start + length` inside the chunk.
    unsafe fn run(&mut self, start: usize, length: usize) {
        let kernel = self.kernel;
        for (value, place) in kernel.places.iter().enumerate() {
            let size = self.element(value).size();
            match *place {
                Place::Operand(operand) => self.addresses[value] = self.inputs[operand] as usize + start * size,
                Place::Window { offset, period } => {
                    self.addresses[value] = self.slots as usize + offset + (start % period) * size;
                }
                Place::Output { output, slot } if self.addresses[value] != self.slots as usize + slot => {
                    self.addresses[value] = self.outputs[output] as usize + start * size;
                }
                Place::Nowhere | Place::Slot(_) | Place::Output { .. } => {}
            }
        }
        for step in &kernel.steps {
            // SAFETY: every value's address is valid for `length` elements of its type: in-place operands and outputs by
            // the contract, slots because they are `block` elements long. A step's result is in a slot that none of its
            // inputs holds, or in an output that overlaps no input.
            unsafe {
                match *step {
                    Step::Load { value, operand } => {
                        let element = kernel.program.operands[operand];
                        let output = self.addresses[value] as *mut u8;
                        load(
                            &kernel.access[operand],
                            &kernel.lengths,
                            element,
                            self.inputs[operand],
                            start,
                            length,
                            output,
                        );
                    }
                    Step::Apply { value, op, body, inputs } => {
                        let inputs = inputs.map(|input| self.addresses[input] as *const u8);
                        body(self.isa, op, inputs, self.addresses[value] as *mut u8, length);
                    }
                    Step::Cast { value, input, from, to } => {
                        let (input, output) = (self.addresses[input] as *const u8, self.addresses[value] as *mut u8);
                        convert_or_round(from, to, input, output, length);
                    }
                }
            }
        }
        for (output, &(register, element)) in kernel.program.outputs.iter().enumerate() {
            // SAFETY: the output has room for the block at `start`.
            let to = unsafe { self.outputs[output].add(start * element.size()) };
            let from = self.addresses[register.0] as *const u8;
            if from != to {
                // SAFETY: as for the steps; an in-place operand at the same address was excluded just above.
                unsafe { convert(self.element(register.0), element, from, to, length) };
            }
        }
    }
}

/// [`convert`], where a 16-bit float target rounds and stays an `F32`.
///
/// # Safety
/// As [`convert`], with room for `to.compute()`.
unsafe fn convert_or_round(from: Element, to: Element, input: *const u8, output: *mut u8, length: usize) {
    if to == to.compute() {
        // SAFETY: this function's contract.
        unsafe { convert(from, to, input, output, length) };
        return;
    }
    let mut narrow = [0u16; 256];
    for start in (0..length).step_by(narrow.len()) {
        let run = (length - start).min(narrow.len());
        // SAFETY: inside the arrays of this function's contract, and `run` fits `narrow`.
        unsafe {
            convert(from, to, input.add(start * from.size()), narrow.as_mut_ptr().cast(), run);
            convert(to, Element::F32, narrow.as_ptr().cast(), output.add(start * Element::F32.size()), run);
        }
    }
}

/// # Safety
/// `output` has room for `length` elements.
unsafe fn fill(literal: Literal, element: Element, output: *mut u8, length: usize) {
    let mut first = [0u64; 1];
    let to = first.as_mut_ptr().cast();
    // SAFETY: this function's contract; each source is a local of the type named.
    unsafe {
        match literal {
            Literal::Float(value) => {
                convert(Element::F64, element, std::ptr::from_ref(&value).cast(), to, 1);
            }
            Literal::Integer(value) => match u64::try_from(value) {
                Ok(value) => convert(Element::U64, element, std::ptr::from_ref(&value).cast(), to, 1),
                Err(_) => convert(Element::I64, element, std::ptr::from_ref(&(value as i64)).cast(), to, 1),
            },
        }
        gather(element, first.as_ptr().cast(), 0, length, output);
    }
}
