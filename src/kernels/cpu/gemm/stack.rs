//! Tiles below each other: rows of C that one panel of B makes from rows of A whose elements are neighbours.
//!
//! ```text
//! for tile in tiles of 6 x 4, 8 x 3, 12 x 2 or 24 x 1 registers     fewer rows where that makes them equal
//!   C[i, j] = bias[j] + start[i, j]
//!   for p in 0..depth, by four
//!     b[j]    = B[p, j * LANES ..]                       VECTORS loads
//!     C[i, j] += A[i, p] * b[j]                          ROWS broadcasts, ROWS * VECTORS fused multiply-adds
//!     ask for a little of the next panel                 so that it is in L2 when its turn comes
//!   store C
//! ```
//!
//! What `tile` computes, without its tables of addresses: rows are a stride apart, so that a few pointers reach all of
//! them (where they lie in lines, each has a pointer of its own), and one call makes many tiles. A processor then begins a
//! tile while it stores the one before, which is what limits products of short reductions; multiply-adds limit the others,
//! broadcasts those of one register, and memory those that add a residual.

use super::epilogue::Activation;
use super::lines::Lines;
use super::pairs;
use super::tile::{Compute, Tiles};
use super::vector::{Vector, Work};
use crate::cpu::simd::{Isa, prefetch, prefetch_near};

/// `rows` rows of C, `columns` wide: at most what the widest tile has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stack<T> {
    pub a: *const T,
    pub a_stride: usize,
    /// Where rows of A lie in lines, which widest tiles take: `a` is where row 0 is then, and `row` which one comes first.
    pub lines: Option<Lines>,
    pub row: usize,
    pub depth: usize,
    pub b: *const T,
    pub b_stride: usize,
    pub c: *mut T,
    pub c_stride: usize,
    pub columns: usize,
    /// Null, or `columns` values that are added to every row.
    pub bias: *const T,
    /// Null, or what is added to every element: laid out like `c`, and `c` itself to add to what it holds.
    pub start: *const T,
    /// Applied if it is one of those that [`in_store`](Activation::in_store) names.
    pub activation: Activation,
    pub rows: usize,
    /// The elements of B that are read after these, as far as one wants to ask for them.
    pub ahead: *const T,
    pub ahead_length: usize,
}

/// The widest tile for `columns` columns that are left, in registers.
pub(super) fn vectors_for(tiles: Tiles, columns: usize) -> usize {
    columns.div_ceil(tiles.lanes).min(tiles.vectors)
}

impl<T: Compute> Stack<T> {
    /// Makes the rows, in tiles that are `vectors` registers wide and have at most `most_rows` rows.
    ///
    /// # Safety
    /// `isa` is available; all addresses that the loop nest above names are valid, except that lanes of B beyond `columns`
    /// need only be readable where masks are not free; `vectors` is what [`vectors_for`] says.
    pub unsafe fn run(&self, isa: Isa, vectors: usize, most_rows: usize) {
        let tiles = T::tiles(isa);
        let of_tile = pairs::rows_of_tile(isa, tiles, self.columns).filter(|&rows| rows <= most_rows);
        let pairs = of_tile.map_or(0, |rows| self.rows / rows * rows);
        if pairs > 0 {
            // SAFETY: both parts lie inside of the rows.
            unsafe {
                self.part(0, pairs).run_pairs(isa);
                self.part(pairs, self.rows - pairs).run(isa, vectors, most_rows);
            }
            return;
        }
        let most = if tiles.vectors == 4 { [24, 12, 8, 6] } else { [12, 6, 0, 0] }[vectors - 1];
        let tiles = self.rows.div_ceil(most.min(most_rows));
        let height = self.rows.checked_div(tiles).unwrap_or(0);
        let taller = self.rows - tiles * height;
        // SAFETY: both parts lie inside of the rows.
        unsafe {
            if taller > 0 {
                self.part(0, taller * (height + 1)).tiles(isa, vectors, height + 1);
            }
            if taller < tiles {
                let rest = self.part(taller * (height + 1), (tiles - taller) * height).behind(taller);
                rest.tiles(isa, vectors, height);
            }
        }
    }

    fn part(&self, first: usize, rows: usize) -> Self {
        let c_start = first * self.c_stride;
        let a_start = if self.lines.is_some() { 0 } else { first * self.a_stride };
        let start = if self.start.is_null() { self.start } else { self.start.wrapping_add(c_start) };
        let (a, c) = (self.a.wrapping_add(a_start), self.c.wrapping_add(c_start));
        Self { a, row: self.row + first, c, start, rows, ..*self }
    }

    /// Without the elements that `tiles` tiles ask for.
    fn behind(mut self, tiles: usize) -> Self {
        let asked = (tiles * asked_by_tile::<T>(self.depth)).min(self.ahead_length);
        self.ahead = self.ahead.wrapping_add(asked);
        self.ahead_length -= asked;
        self
    }

    /// # Safety
    /// As for `run`; `rows` is a multiple of `height`.
    unsafe fn tiles(&self, isa: Isa, vectors: usize, height: usize) {
        macro_rules! call {
            ($vectors:literal, $lines:literal: $($rows:literal)*) => {
                match height {
                    $($rows => T::work(isa, Equal::<T, $rows, $vectors, $lines>(*self)),)*
                    _ => unreachable!("no tile of {height} x {vectors} registers"),
                }
            };
        }
        // SAFETY: by this function's contract.
        unsafe {
            match (vectors, self.lines.is_some()) {
                (4, true) => call!(4, true: 1 2 3 4 5 6),
                (2, true) => call!(2, true: 1 2 3 4 5 6),
                (4, false) => call!(4, false: 1 2 3 4 5 6),
                (3, false) => call!(3, false: 1 2 3 4 5 6 7 8),
                (2, false) => call!(2, false: 1 2 3 4 5 6 7 8 9 10 11 12),
                (1, false) => call!(1, false: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24),
                _ => unreachable!("no tiles of {vectors} registers for rows in lines"),
            }
        }
    }
}

/// Tiles of equal height.
struct Equal<T, const ROWS: usize, const VECTORS: usize, const LINES: bool>(Stack<T>);

impl<T: Compute, const ROWS: usize, const VECTORS: usize, const LINES: bool> Work<T>
    for Equal<T, ROWS, VECTORS, LINES>
{
    #[inline(always)]
    unsafe fn run<V: Vector<Element = T>>(self) {
        // Instruction sets with few registers have no such tiles, and no code for them.
        if ROWS * VECTORS <= V::ACCUMULATORS && !(LINES && WIDEST_ROWS * VECTORS < V::ACCUMULATORS) {
            // SAFETY: by the contract of `Stack::run`.
            unsafe { compute::<V, ROWS, VECTORS, LINES>(&self.0) }
        }
    }
}

/// Steps of the reduction between two jumps.
const STEPS: usize = 4;
/// Rows of the widest tile.
const WIDEST_ROWS: usize = 6;
/// Pointers into A, at most.
const POINTERS: usize = WIDEST_ROWS;
/// Cache lines of the next panel that one asks for between two jumps.
const ASKED: usize = 2;
/// Bytes of a cache line.
const LINE: usize = 64;

/// Elements of the next panel that a tile asks for.
fn asked_by_tile<T>(depth: usize) -> usize {
    depth / STEPS * ASKED * (LINE / size_of::<T>())
}

/// Rows that one pointer reaches: an address has room for a stride and twice a stride. The many rows of tiles of one register
/// need no registers for what is broadcast, where there are many; the compiler does better alone.
const fn rows_of_pointer(vectors: usize, accumulators: usize, lines: bool) -> usize {
    if lines {
        1
    } else if vectors == 1 && accumulators > 12 {
        24
    } else {
        3
    }
}

#[inline(always)]
unsafe fn compute<V: Vector, const ROWS: usize, const VECTORS: usize, const LINES: bool>(stack: &Stack<V::Element>) {
    let near = const { rows_of_pointer(VECTORS, V::ACCUMULATORS, LINES) };
    // Tiles of few registers have no loads to spare.
    let asks = const { VECTORS * 8 >= V::ACCUMULATORS };
    // Read from memory, so that the compiler sees no stride between them, which it would make every address from.
    let offsets: [usize; POINTERS] = std::hint::black_box(std::array::from_fn(|group| group * near * stack.a_stride));
    // SAFETY: by the contract of `Stack::run`.
    unsafe {
        let tail = stack.columns - (VECTORS - 1) * V::LANES;
        let whole = tail == V::LANES;
        let mask = V::mask(tail);
        let mut bias = [V::zero(); VECTORS];
        if !stack.bias.is_null() {
            for (j, bias) in bias.iter_mut().enumerate() {
                *bias = load::<V, VECTORS>(stack.bias, j, whole, mask);
            }
        }
        let Stack { mut a, mut c, mut start, mut ahead, mut ahead_length, .. } = *stack;
        let asked = asked_by_tile::<V::Element>(stack.depth);
        let mut row_in_line = 0;
        let lines = stack.lines.unwrap_or(Lines { rows: usize::MAX, stride: 0 });
        let next_line = lines.stride.wrapping_sub(lines.rows.wrapping_mul(stack.a_stride));
        if LINES {
            row_in_line = stack.row % lines.rows;
            a = a.wrapping_add(stack.row / lines.rows * lines.stride + row_in_line * stack.a_stride);
        }
        for _ in 0..stack.rows / ROWS {
            let mut sums = [bias; ROWS];
            if !start.is_null() {
                for (row, sums) in sums.iter_mut().enumerate() {
                    for (j, sum) in sums.iter_mut().enumerate() {
                        let from = start.add(row * stack.c_stride);
                        *sum = load::<V, VECTORS>(from, j, whole, mask).add(*sum);
                    }
                }
                start = start.wrapping_add(ROWS * stack.c_stride);
                // The next tile's: nothing else announces rows that are far apart.
                for row in 0..ROWS {
                    for j in 0..VECTORS {
                        prefetch(start.wrapping_add(row * stack.c_stride + j * V::LANES), 1);
                    }
                }
            }

            let mut at = [a; POINTERS];
            if LINES {
                for at in at.iter_mut().take(ROWS) {
                    *at = a;
                    a = a.wrapping_add(stack.a_stride);
                    row_in_line += 1;
                    if row_in_line == lines.rows {
                        row_in_line = 0;
                        a = a.wrapping_add(next_line);
                    }
                }
            } else {
                for (at, offset) in at.iter_mut().zip(offsets) {
                    *at = at.wrapping_add(offset);
                }
                a = a.wrapping_add(ROWS * stack.a_stride);
            }
            let mut b = stack.b;
            // Where nothing is left, one asks for what is here.
            let (mut ask, mut ask_step) = (stack.b, 0);
            if asks && ahead_length > 0 {
                (ask, ask_step) = (ahead, ASKED * LINE / size_of::<V::Element>());
                ahead = ahead.wrapping_add(asked);
                ahead_length = ahead_length.saturating_sub(asked);
            }
            for _ in 0..stack.depth / STEPS {
                for step in 0..STEPS {
                    multiply::<V, ROWS, VECTORS, LINES>(stack, &at, b, step, mask, &mut sums);
                }
                if asks {
                    for line in 0..ASKED {
                        prefetch_near(ask.wrapping_byte_add(line * LINE));
                    }
                    ask = ask.wrapping_add(ask_step);
                }
                for at in &mut at {
                    *at = at.wrapping_add(STEPS);
                }
                b = b.wrapping_add(STEPS * stack.b_stride);
            }
            for _ in 0..stack.depth % STEPS {
                multiply::<V, ROWS, VECTORS, LINES>(stack, &at, b, 0, mask, &mut sums);
                for at in &mut at {
                    *at = at.wrapping_add(1);
                }
                b = b.wrapping_add(stack.b_stride);
            }

            match stack.activation {
                Activation::Relu => {
                    for sum in sums.as_flattened_mut() {
                        *sum = sum.relu();
                    }
                }
                Activation::Relu6 => {
                    for sum in sums.as_flattened_mut() {
                        *sum = sum.relu6();
                    }
                }
                _ => {}
            }
            for (row, sums) in sums.iter().enumerate() {
                for (j, sum) in sums.iter().enumerate() {
                    let to = c.add(row * stack.c_stride + j * V::LANES);
                    if whole || j + 1 < VECTORS {
                        sum.store(to);
                    } else {
                        sum.store_part(to, mask);
                    }
                }
            }
            c = c.wrapping_add(ROWS * stack.c_stride);
        }
    }
}

/// Register `j` of a row that starts at `from`.
#[inline(always)]
unsafe fn load<V: Vector, const VECTORS: usize>(from: *const V::Element, j: usize, whole: bool, mask: V::Mask) -> V {
    // SAFETY: by the contract of `Stack::run`.
    unsafe {
        let from = from.add(j * V::LANES);
        if whole || j + 1 < VECTORS { V::load(from) } else { V::load_part(from, mask) }
    }
}

/// Adds the products of one step of the reduction, `step` steps after those that `at` and `b` point at.
#[inline(always)]
unsafe fn multiply<V: Vector, const ROWS: usize, const VECTORS: usize, const LINES: bool>(
    stack: &Stack<V::Element>,
    at: &[*const V::Element; POINTERS],
    b: *const V::Element,
    step: usize,
    mask: V::Mask,
    sums: &mut [[V; VECTORS]; ROWS],
) {
    let near = const { rows_of_pointer(VECTORS, V::ACCUMULATORS, LINES) };
    // SAFETY: by the contract of `Stack::run`.
    unsafe {
        let mut factors = [V::zero(); VECTORS];
        for (j, factor) in factors.iter_mut().enumerate() {
            let from = b.wrapping_add(step * stack.b_stride + j * V::LANES);
            *factor = if j + 1 == VECTORS && V::MASKS_ARE_FREE { V::load_part(from, mask) } else { V::load(from) };
        }
        // Two short loops are unrolled where one long one is not.
        for (group, sums) in sums.chunks_mut(near).enumerate() {
            for (row, sums) in sums.iter_mut().enumerate() {
                let a = V::splat(at[group].wrapping_add(row * stack.a_stride + step));
                for (sum, &factor) in sums.iter_mut().zip(&factors) {
                    *sum = a.multiply_add(factor, *sum);
                }
            }
        }
    }
}
