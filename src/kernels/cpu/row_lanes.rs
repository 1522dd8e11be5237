//! Rows in registers of 16 lanes, for kernels that work along rows.
//!
//! ```text
//! row of at most 16: 16 rows at once                   longer row: 16 elements at once
//!   memory   a a a b b b c c c ..                        memory   a a a a .. a a a a a a a
//!   block    column 0: a b c ..                          pieces   [    16    ][    16    ]
//!            column 1: a b c ..                          last                 . . [  16  ]
//!            column 2: a b c ..
//! ```
//!
//! In a block, a lane is a row: maxima, sums and the rest go down the columns without a shuffle, and what is one number a row
//! (a logarithm, a division) is done for 16. Elements are moved one by one on the way in and out, which is less than the folds
//! of a register a row would be. The last piece of a longer row ends where the row ends; what it shares with the piece before
//! is left out of sums by a factor of 0. Neither reads beyond the row nor has a loop over what is left.

use super::float::Float;
use super::vector_math::VectorMath;

/// Elements of a piece, and rows of a block; the longest row of a block.
pub(super) const LANES: usize = 16;
/// Pieces between two folds of a sum.
const FOLD: usize = 256;

pub(super) type Lanes<T> = [T; LANES];
/// The columns of 16 rows, each in one cache line.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct Block<T>(pub [Lanes<T>; LANES]);

/// The first `rows` rows of `columns` of `x`; the other lanes are 1.
#[inline(always)]
pub(super) fn load_block<T: Float>(x: &[T], rows: usize, columns: usize) -> Block<T> {
    let mut block = Block([[T::ONE; LANES]; LANES]);
    for (lane, row) in x.chunks_exact(columns).enumerate().take(rows.min(LANES)) {
        for (column, &x) in block.0.iter_mut().zip(row) {
            column[lane] = x;
        }
    }
    block
}

/// Writes the first `rows` lanes as rows of `columns`.
#[inline(always)]
pub(super) fn store_block<T: Float>(block: &Block<T>, rows: usize, columns: usize, y: &mut [T]) {
    for (lane, row) in y.chunks_exact_mut(columns).enumerate().take(rows.min(LANES)) {
        for (column, y) in block.0.iter().zip(row) {
            *y = column[lane];
        }
    }
}

/// The largest of every row. It may pass over a NaN, which then shows in the sum of exponentials.
#[inline(always)]
pub(super) fn block_maximum<T: Float>(block: &[Lanes<T>]) -> Lanes<T> {
    let mut largest = [T::NEG_INFINITY; LANES];
    for column in block {
        for (largest, &x) in largest.iter_mut().zip(column) {
            *largest = larger(x, *largest);
        }
    }
    largest
}

#[inline(always)]
pub(super) fn block_sum<T: Float>(block: &[Lanes<T>]) -> Lanes<T> {
    let mut sum = [T::ZERO; LANES];
    for column in block {
        for (sum, &x) in sum.iter_mut().zip(column) {
            *sum += x;
        }
    }
    sum
}

#[inline(always)]
pub(super) fn fold<T: Copy>(lanes: &Lanes<T>, mut combine: impl FnMut(T, T) -> T) -> T {
    let mut lanes = *lanes;
    let mut width = LANES;
    while width > 1 {
        width /= 2;
        for i in 0..width {
            lanes[i] = combine(lanes[i], lanes[i + width]);
        }
    }
    lanes[0]
}

#[inline(always)]
pub(super) fn larger<T: PartialOrd>(a: T, b: T) -> T {
    if a > b { a } else { b }
}

/// The pieces of a row of more than 16.
#[derive(Clone, Copy)]
pub(super) struct Pieces<T> {
    /// Where the last piece starts, if the others do not end with the row.
    pub last: Option<usize>,
    /// 1 for the elements of the last piece that are in no other, else 0.
    pub own: Lanes<T>,
}

impl<T: Float> Pieces<T> {
    #[inline(always)]
    pub(super) fn new(columns: usize) -> Self {
        let rest = columns % LANES;
        let mut own = [T::ZERO; LANES];
        for (i, own) in own.iter_mut().enumerate() {
            *own = if i + rest >= LANES { T::ONE } else { T::ZERO };
        }
        Self { last: (columns > LANES && rest > 0).then(|| columns - LANES), own }
    }

    /// The last piece of a row.
    #[inline(always)]
    pub(super) fn tail<'a>(&self, row: &'a [T]) -> Option<&'a Lanes<T>> {
        self.last.and_then(|last| row[last..].first_chunk())
    }

    #[inline(always)]
    pub(super) fn tail_mut<'a>(&self, row: &'a mut [T]) -> Option<&'a mut Lanes<T>> {
        self.last.and_then(|last| row[last..].first_chunk_mut())
    }

    /// Lanes of the last piece without those that another has.
    #[inline(always)]
    pub(super) fn own(&self, lanes: &Lanes<T>) -> Lanes<T> {
        let mut own = *lanes;
        own.iter_mut().zip(&self.own).for_each(|(lane, &own)| *lane *= own);
        own
    }
}

/// The maximum of a row of more than 16. It may pass over a NaN, which then shows in the sum of exponentials.
#[inline(always)]
pub(super) fn maximum<T: Float>(pieces: &Pieces<T>, x: &[T]) -> T {
    let mut lanes = [T::NEG_INFINITY; LANES];
    for piece in x.as_chunks::<LANES>().0.iter().chain(pieces.tail(x)) {
        for (lane, &x) in lanes.iter_mut().zip(piece) {
            *lane = larger(x, *lane);
        }
    }
    fold(&lanes, larger)
}

/// A sum in 16 lanes, folded into one number from time to time.
pub(super) struct Sum<T> {
    lanes: Lanes<T>,
    pieces: usize,
    total: T,
}

impl<T: Float> Sum<T> {
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self { lanes: [T::ZERO; LANES], pieces: 0, total: T::ZERO }
    }

    #[inline(always)]
    pub(super) fn add(&mut self, piece: &Lanes<T>) {
        for (lane, &value) in self.lanes.iter_mut().zip(piece) {
            *lane += value;
        }
        self.pieces += 1;
        if self.pieces == FOLD {
            self.total += fold(&self.lanes, |a, b| a + b);
            self.lanes = [T::ZERO; LANES];
            self.pieces = 0;
        }
    }

    #[inline(always)]
    pub(super) fn finish(&self) -> T {
        self.total + fold(&self.lanes, |a, b| a + b)
    }
}

/// How many lanes a loop of elementary functions takes: those of double precision are computed one by one.
#[inline(always)]
pub(super) fn lanes_of<T>(count: usize) -> usize {
    if size_of::<T>() == size_of::<f64>() { count } else { LANES }
}

/// `exp(x - shift)`.
#[inline(always)]
pub(super) fn exponentials<const FUSED: bool, T: VectorMath>(x: &Lanes<T>, shift: T) -> Lanes<T> {
    let mut y = [T::ZERO; LANES];
    for (y, &x) in y.iter_mut().zip(x) {
        *y = (x - shift).v_exp::<FUSED>();
    }
    y
}

/// Makes `exp(x - shift)` of a block of `rows` rows.
#[inline(always)]
pub(super) fn block_exponentials<const FUSED: bool, T: VectorMath>(
    block: &mut [Lanes<T>],
    shift: &Lanes<T>,
    rows: usize,
) {
    for column in block {
        for (x, &shift) in column.iter_mut().zip(shift).take(lanes_of::<T>(rows)) {
            *x = (*x - shift).v_exp::<FUSED>();
        }
    }
}
