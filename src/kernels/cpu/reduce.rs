//! Reductions over any set of axes: sum, mean, product, maximum, minimum, any, all, and the position of an extreme.
//!
//! Data: a contiguous array. Neighbouring axes that are all kept or all reduced are one, so that what remains alternates;
//! the last axis decides the loop nest:
//!
//! ```text
//! last axis reduced                           last axis kept
//!   for kept index:                             for kept index, tile of 512 columns:
//!     for block of 4,096 elements of a run:       for group of 32 rows of the reduced axes:
//!       for i in block: lane[i mod 64] += x[i]      for j in tile: sum[j] += row[j]
//!       fold lanes, push on the pairwise stack      push on the pairwise stack
//! ```
//!
//! Rows shorter than a vector register are taken several at a time. Partial results meet in a binary tree, so rounding
//! grows with the logarithm of the length. Where there are fewer kept positions than chunks, the reduced positions are
//! cut instead: every chunk leaves its partial results in scratch, and `finish` adds them in order.
//! Limit: memory bandwidth.

use super::disjoint::{Disjoint, part};
use super::elementwise::Element;
use super::elementwise::scalar::Number;
use super::simd::Isa;
use super::workspace;
use crate::for_each_isa_fused;
use std::marker::PhantomData;
use std::ops::Range;

/// Longest run that is reduced without the tree.
const BLOCK: usize = 4096;
/// Running results of one run.
const LANES: usize = 64;
/// Columns that are reduced together.
const TILE: usize = 512;
/// Rows that are reduced without the tree.
const ROWS: usize = 32;
/// Rows at least this wide are taken one at a time.
const WIDE: usize = 32;
/// Levels of the tree: more than there are bits in a length.
const LEVELS: usize = 64;
/// Traffic of a chunk, in bytes.
const CHUNK: usize = 128 << 10;

/// What a [`Reduce`] computes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Reduction {
    /// Integers wrap around.
    Sum,
    /// Floats only; of nothing it is NaN.
    Mean,
    Product,
    /// NaN if any element is; of nothing it is an error.
    Maximum,
    Minimum,
    /// Bytes only: 1 if any element is not 0, else 0.
    Any,
    /// Bytes only: 1 if no element is 0, else 0.
    All,
}

impl Reduction {
    pub fn name(self) -> &'static str {
        match self {
            Reduction::Sum => "sum",
            Reduction::Mean => "mean",
            Reduction::Product => "prod",
            Reduction::Maximum => "max",
            Reduction::Minimum => "min",
            Reduction::Any => "any",
            Reduction::All => "all",
        }
    }
}

/// Element types that can be reduced. Booleans are reduced as `u8`.
pub trait Reducible: Number {
    #[doc(hidden)]
    const LOWEST: Self;
    #[doc(hidden)]
    const HIGHEST: Self;
    #[doc(hidden)]
    const IS_FLOAT: bool;
    #[doc(hidden)]
    #[must_use]
    fn divided_by(self, count: usize) -> Self;
    #[doc(hidden)]
    fn reduce(isa: Isa, work: Work<Self>, stack: &mut [Self]);
    #[doc(hidden)]
    fn locate(isa: Isa, kernel: &ArgReduce<Self>, units: Range<usize>, input: &[Self], output: Disjoint<i64>);
}

macro_rules! integers {
    ($($t:ty)*) => {
        $(impl Reducible for $t {
            const LOWEST: Self = <$t>::MIN;
            const HIGHEST: Self = <$t>::MAX;
            const IS_FLOAT: bool = false;
            fn divided_by(self, _: usize) -> Self {
                unreachable!("the mean of integers is refused")
            }
            fn reduce(_: Isa, work: Work<Self>, stack: &mut [Self]) {
                reduce_body::<false, $t>(work, stack);
            }
            fn locate(_: Isa, kernel: &ArgReduce<Self>, units: Range<usize>, input: &[Self], output: Disjoint<i64>) {
                locate_body::<false, $t>(kernel, units, input, output);
            }
        })*
    };
}
integers! { u8 u16 u32 u64 i8 i16 i32 i64 }

macro_rules! floats {
    ($($t:ty)*) => {
        $(impl Reducible for $t {
            const LOWEST: Self = <$t>::NEG_INFINITY;
            const HIGHEST: Self = <$t>::INFINITY;
            const IS_FLOAT: bool = true;
            fn divided_by(self, count: usize) -> Self {
                self / count as $t
            }
            fn reduce(isa: Isa, work: Work<Self>, stack: &mut [Self]) {
                for_each_isa_fused! { fn copies(work: Work<$t>, stack: &mut [$t]) = reduce_body::<$t>; }
                copies(isa, work, stack);
            }
            fn locate(isa: Isa, kernel: &ArgReduce<Self>, units: Range<usize>, input: &[Self], output: Disjoint<i64>) {
                for_each_isa_fused! {
                    fn copies(kernel: &ArgReduce<$t>, units: Range<usize>, input: &[$t], output: Disjoint<i64>)
                        = locate_body::<$t>;
                }
                copies(isa, kernel, units, input, output);
            }
        })*
    };
}
floats! { f32 f64 }

/// An associative rule with its neutral element.
trait Rule<T> {
    const NEUTRAL: T;
    fn combine(a: T, b: T) -> T;
}
struct Sum;
struct Product;
struct Maximum;
struct Minimum;
impl<T: Reducible> Rule<T> for Sum {
    const NEUTRAL: T = T::ZERO;
    #[inline(always)]
    fn combine(a: T, b: T) -> T {
        a.add(b)
    }
}
impl<T: Reducible> Rule<T> for Product {
    const NEUTRAL: T = T::ONE;
    #[inline(always)]
    fn combine(a: T, b: T) -> T {
        a.multiply(b)
    }
}
impl<T: Reducible> Rule<T> for Maximum {
    const NEUTRAL: T = T::LOWEST;
    #[inline(always)]
    fn combine(a: T, b: T) -> T {
        a.maximum(b)
    }
}
impl<T: Reducible> Rule<T> for Minimum {
    const NEUTRAL: T = T::HIGHEST;
    #[inline(always)]
    fn combine(a: T, b: T) -> T {
        a.minimum(b)
    }
}

/// The axes of one kind except the last of all: lengths and strides, outermost first.
type Axes = Vec<(usize, usize)>;

fn count(axes: &Axes) -> usize {
    axes.iter().map(|&(length, _)| length).product()
}

/// Where position `index` of `axes` starts.
#[inline(always)]
fn offset(axes: &Axes, index: usize) -> usize {
    if let [(_, stride)] = axes[..] {
        return index * stride;
    }
    let (mut rest, mut offset) = (index, 0);
    for &(length, stride) in axes.iter().rev() {
        offset += rest % length * stride;
        rest /= length;
    }
    offset
}

/// How the last axis is walked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Inner {
    /// It is reduced: runs of `length`, `blocks` blocks each.
    Reduced { length: usize, blocks: usize },
    /// It is kept: rows of `length` elements, of which `grouped` are taken as one; `last` are in the last group of an
    /// innermost reduced axis that has `groups` of them.
    Kept { length: usize, grouped: usize, groups: usize, last: usize },
}

/// The reduction of a contiguous array over some of its axes.
#[derive(Clone, Debug)]
pub struct Reduce<T> {
    reduction: Reduction,
    elements: usize,
    /// Elements that make one result.
    reduced: usize,
    outputs: usize,
    kept_axes: Axes,
    reduced_axes: Axes,
    inner: Inner,
    /// Pieces that the results fall into, each computed as a whole.
    units: usize,
    /// Pieces that the reduced positions of one unit fall into.
    leaves: usize,
    chunks: usize,
    /// Whether chunks are parts of the reduced positions.
    split: bool,
    element: PhantomData<T>,
}

impl<T: Reducible> Reduce<T> {
    /// Reduces the axes `axes` of an array of `shape`; the result has the others, in order.
    pub fn new(reduction: Reduction, shape: &[usize], axes: &[usize]) -> Result<Self, String> {
        if let Some(axis) = axes.iter().find(|&&axis| axis >= shape.len()) {
            return Err(format!("{}: axis {axis} of an array of shape {shape:?}", reduction.name()));
        }
        if reduction == Reduction::Mean && !T::IS_FLOAT {
            return Err(format!("mean is not defined on {}; cast the input to a float", T::ELEMENT.name()));
        }
        if matches!(reduction, Reduction::Any | Reduction::All) && T::ELEMENT != Element::U8 {
            let (name, element) = (reduction.name(), T::ELEMENT.name());
            return Err(format!("{name} is not defined on {element}; compare the input with 0"));
        }
        let is_reduced = |axis: usize| axes.contains(&axis);
        let length_of = |wanted: bool| -> usize {
            (0..shape.len()).filter(|&axis| is_reduced(axis) == wanted).map(|axis| shape[axis]).product()
        };
        let (reduced, outputs) = (length_of(true), length_of(false));
        if reduced == 0 && outputs > 0 && matches!(reduction, Reduction::Maximum | Reduction::Minimum) {
            return Err(format!("{} of no elements: shape {shape:?}, axes {axes:?}", reduction.name()));
        }

        // Innermost first: (length, stride, reduced), alternating.
        let mut merged: Vec<(usize, usize, bool)> = Vec::new();
        let mut stride = 1;
        for axis in (0..shape.len()).rev().filter(|&axis| shape[axis] != 1) {
            match merged.last_mut() {
                Some(last) if last.2 == is_reduced(axis) => last.0 *= shape[axis],
                _ => merged.push((shape[axis], stride, is_reduced(axis))),
            }
            stride *= shape[axis];
        }
        let (inner_length, _, inner_reduced) = merged.first().copied().unwrap_or((1, 1, true));
        let outer = |wanted: bool| -> Axes {
            let axes = merged.iter().skip(1).rev().filter(|axis| axis.2 == wanted);
            axes.map(|&(length, stride, _)| (length, stride)).collect()
        };
        let (kept_axes, mut reduced_axes) = (outer(false), outer(true));
        let elements = stride;

        let (inner, units, leaves) = if inner_reduced {
            let blocks = inner_length.div_ceil(BLOCK);
            (Inner::Reduced { length: inner_length, blocks }, count(&kept_axes), count(&reduced_axes) * blocks)
        } else {
            // The innermost reduced axis has rows of exactly the kept length, one after the other.
            let rows = reduced_axes.last().map_or(1, |axis| axis.0);
            let grouped = if inner_length < WIDE { (LANES / inner_length.max(1)).clamp(1, rows.max(1)) } else { 1 };
            let groups = rows.div_ceil(grouped);
            let last = if groups == 0 { 0 } else { rows - (groups - 1) * grouped };
            if let Some(axis) = reduced_axes.last_mut() {
                *axis = (groups, inner_length * grouped);
            }
            let tiles = (inner_length * grouped).div_ceil(TILE);
            (
                Inner::Kept { length: inner_length, grouped, groups, last },
                count(&kept_axes) * tiles,
                count(&reduced_axes),
            )
        };
        let wanted = (elements.saturating_mul(size_of::<T>()) / CHUNK).clamp(1, 64);
        let split = units < wanted && leaves >= wanted && outputs * wanted <= elements / 8;
        let chunks = if split { wanted } else { wanted.min(units.max(1)) };
        Ok(Self {
            reduction,
            elements,
            reduced,
            outputs,
            kept_axes,
            reduced_axes,
            inner,
            units,
            leaves,
            chunks,
            split,
            element: PhantomData,
        })
    }

    pub fn chunks(&self) -> usize {
        self.chunks
    }

    /// Elements of the array.
    pub fn elements(&self) -> usize {
        self.elements
    }

    /// Elements of the result.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Bytes of scratch.
    pub fn scratch(&self) -> usize {
        if self.split { self.chunks * self.outputs * size_of::<T>() } else { 0 }
    }

    /// Computes chunk `chunk`. `scratch` is `scratch()` bytes, aligned to `T`.
    ///
    /// # Panics
    /// When a slice is not as long as the geometry says.
    pub fn run(&self, isa: Isa, chunk: usize, input: &[T], output: Disjoint<T>, scratch: Disjoint<T>) {
        assert_eq!(input.len(), self.elements, "input");
        assert_eq!(output.len(), self.outputs, "output");
        assert!(scratch.len() * size_of::<T>() >= self.scratch(), "scratch");
        if self.outputs == 0 {
            return;
        }
        let work = Work { kernel: self, chunk, input, output: if self.split { scratch } else { output } };
        let width = match self.inner {
            Inner::Reduced { .. } => 0,
            Inner::Kept { length, grouped, .. } => (length * grouped).min(TILE),
        };
        let words = (LEVELS * width * size_of::<T>()).div_ceil(size_of::<usize>());
        workspace::with(words, |room: &mut [usize]| {
            // SAFETY: the words hold that many elements, any bits are a number, and words are aligned for all of them.
            let stack = unsafe { std::slice::from_raw_parts_mut(room.as_mut_ptr().cast::<T>(), LEVELS * width) };
            T::reduce(isa, work, stack);
        });
    }

    /// Combines the chunks' results, once all have run.
    pub fn finish(&self, _: Isa, output: &mut [T], scratch: &[T]) {
        if !self.split {
            return;
        }
        for (index, output) in output.iter_mut().enumerate() {
            let partial = (0..self.chunks).map(|chunk| scratch[chunk * self.outputs + index]);
            *output = self.conclude(match self.reduction {
                Reduction::Sum | Reduction::Mean => partial.fold(T::ZERO, Sum::combine),
                Reduction::Product => partial.fold(T::ONE, Product::combine),
                Reduction::Maximum | Reduction::Any => partial.fold(T::LOWEST, Maximum::combine),
                Reduction::Minimum | Reduction::All => partial.fold(T::HIGHEST, Minimum::combine),
            });
        }
    }

    /// What a complete combination of elements becomes.
    #[inline(always)]
    fn conclude(&self, value: T) -> T {
        match self.reduction {
            Reduction::Mean => value.divided_by(self.reduced),
            Reduction::Any | Reduction::All => {
                let truth = value != T::ZERO && (self.reduced > 0 || self.reduction == Reduction::All);
                if truth { T::ONE } else { T::ZERO }
            }
            Reduction::Sum | Reduction::Product | Reduction::Maximum | Reduction::Minimum => value,
        }
    }
}

/// One chunk of a reduction.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Work<'a, T> {
    kernel: &'a Reduce<T>,
    chunk: usize,
    input: &'a [T],
    /// The result, or scratch if the reduced positions are split.
    output: Disjoint<'a, T>,
}

#[inline(always)]
fn reduce_body<const FUSED: bool, T: Reducible>(work: Work<T>, stack: &mut [T]) {
    match work.kernel.reduction {
        Reduction::Sum | Reduction::Mean => reduce_chunk::<T, Sum>(work, stack),
        Reduction::Product => reduce_chunk::<T, Product>(work, stack),
        Reduction::Maximum | Reduction::Any => reduce_chunk::<T, Maximum>(work, stack),
        Reduction::Minimum | Reduction::All => reduce_chunk::<T, Minimum>(work, stack),
    }
}

#[inline(always)]
fn reduce_chunk<T: Reducible, R: Rule<T>>(work: Work<T>, stack: &mut [T]) {
    let Work { kernel, chunk, input, output } = work;
    let (units, leaves, start) = if kernel.split {
        (0..kernel.units, part(kernel.leaves, kernel.chunks, chunk, 1), chunk * kernel.outputs)
    } else {
        (part(kernel.units, kernel.chunks, chunk, 1), 0..kernel.leaves, 0)
    };
    match kernel.inner {
        Inner::Reduced { length, blocks } => {
            // SAFETY: a unit is one result, and chunks have different units, or different parts of scratch.
            let results = unsafe { output.range(start + units.start..start + units.end) };
            for (unit, result) in units.zip(results) {
                let origin = offset(&kernel.kept_axes, unit);
                let value = if leaves == (0..1) && blocks == 1 {
                    reduce_block::<T, R>(&input[origin..origin + length])
                } else {
                    let mut tree = Tree::new();
                    for leaf in leaves.clone() {
                        let block = leaf % blocks * BLOCK;
                        let begin = origin + offset(&kernel.reduced_axes, leaf / blocks) + block;
                        tree.push::<R>(reduce_block::<T, R>(&input[begin..begin + (length - block).min(BLOCK)]));
                    }
                    tree.finish::<R>()
                };
                *result = if kernel.split { value } else { kernel.conclude(value) };
            }
        }
        Inner::Kept { length, grouped, groups, last } => {
            let width = length * grouped;
            let tiles = width.div_ceil(TILE);
            for unit in units {
                let columns = unit % tiles * TILE..(unit % tiles * TILE + TILE).min(width);
                let origin = offset(&kernel.kept_axes, unit / tiles);
                let rows = Rows { input, origin, axes: &kernel.reduced_axes, width, groups, last: last * length };
                let sums = reduce_rows::<T, R>(rows, leaves.clone(), columns.clone(), stack);
                // Fold the groups; with one row a group, this only copies.
                let begin = start + unit / tiles * length;
                // SAFETY: units are different results, chunks have different units or parts of scratch.
                let results = unsafe { output.range(begin + columns.start..begin + columns.end.min(length)) };
                for (column, result) in results.iter_mut().enumerate() {
                    let mut value = sums[column];
                    for group in 1..grouped {
                        value = R::combine(value, sums[group * length + column]);
                    }
                    *result = if kernel.split { value } else { kernel.conclude(value) };
                }
            }
        }
    }
}

/// The rows of the reduced axes of one unit.
#[derive(Clone, Copy)]
struct Rows<'a, T> {
    input: &'a [T],
    origin: usize,
    axes: &'a Axes,
    width: usize,
    groups: usize,
    /// The width of the last row of the innermost axis.
    last: usize,
}

impl<'a, T> Rows<'a, T> {
    #[inline(always)]
    fn is_full(&self, row: usize) -> bool {
        self.last == self.width || row % self.groups + 1 < self.groups
    }

    /// Columns `columns` of row `row`, as far as it goes.
    #[inline(always)]
    fn get(&self, row: usize, columns: &Range<usize>) -> &'a [T] {
        let begin = self.origin + offset(self.axes, row);
        let width = if self.is_full(row) { self.width } else { self.last };
        &self.input[begin + columns.start..begin + columns.end.min(width)]
    }
}

/// Partial results, combined in a binary tree as they arrive: level `k` stands for `2^k` of them.
struct Tree<T> {
    levels: [T; LEVELS],
    depth: usize,
    pushed: usize,
}

impl<T: Reducible> Tree<T> {
    #[inline(always)]
    fn new() -> Self {
        Self { levels: [T::ZERO; LEVELS], depth: 0, pushed: 0 }
    }

    #[inline(always)]
    fn push<R: Rule<T>>(&mut self, value: T) {
        let mut value = value;
        for _ in 0..self.pushed.trailing_ones() {
            self.depth -= 1;
            value = R::combine(self.levels[self.depth], value);
        }
        self.levels[self.depth] = value;
        self.depth += 1;
        self.pushed += 1;
    }

    #[inline(always)]
    fn finish<R: Rule<T>>(&self) -> T {
        let mut levels = self.levels[..self.depth].iter().rev();
        let last = levels.next().copied().unwrap_or(R::NEUTRAL);
        levels.fold(last, |sum, &level| R::combine(level, sum))
    }
}

/// One run of at most [`BLOCK`] elements.
#[inline(always)]
fn reduce_block<T: Reducible, R: Rule<T>>(x: &[T]) -> T {
    const SHORT: usize = 8;
    let mut short = [R::NEUTRAL; SHORT];
    let mut rest = x;
    if x.len() >= LANES {
        let mut lanes = [R::NEUTRAL; LANES];
        let pieces = x.chunks_exact(LANES);
        rest = pieces.remainder();
        for piece in pieces {
            for (lane, &value) in lanes.iter_mut().zip(piece) {
                *lane = R::combine(*lane, value);
            }
        }
        let mut width = LANES;
        while width > SHORT {
            width /= 2;
            let (low, high) = lanes.split_at_mut(width);
            for (low, &high) in low.iter_mut().zip(high.iter()) {
                *low = R::combine(*low, high);
            }
        }
        short.copy_from_slice(&lanes[..SHORT]);
    }
    let pieces = rest.chunks_exact(SHORT);
    let tail = pieces.remainder();
    for piece in pieces {
        for (lane, &value) in short.iter_mut().zip(piece) {
            *lane = R::combine(*lane, value);
        }
    }
    for (lane, &value) in short.iter_mut().zip(tail) {
        *lane = R::combine(*lane, value);
    }
    let four: [T; 4] = std::array::from_fn(|i| R::combine(short[i], short[i + 4]));
    R::combine(R::combine(four[0], four[2]), R::combine(four[1], four[3]))
}

/// Columns `columns` of rows `rows` combined; `stack` has room for [`LEVELS`] of them. A row may end early.
#[inline(always)]
fn reduce_rows<'b, T: Reducible, R: Rule<T>>(
    rows: Rows<T>,
    range: Range<usize>,
    columns: Range<usize>,
    stack: &'b mut [T],
) -> &'b [T] {
    let width = columns.len();
    let (mut depth, mut pushed, mut at) = (0, 0usize, range.start);
    while at < range.end {
        let sums = &mut stack[depth * width..(depth + 1) * width];
        sums.fill(R::NEUTRAL);
        let end = (at + ROWS).min(range.end);
        while at < end {
            let whole = rows.is_full(at) && rows.is_full(at + 1) && rows.is_full(at + 2) && rows.is_full(at + 3);
            if at + 4 <= end && whole {
                let (a, b) = (rows.get(at, &columns), rows.get(at + 1, &columns));
                let (c, d) = (rows.get(at + 2, &columns), rows.get(at + 3, &columns));
                for ((((sum, &a), &b), &c), &d) in sums.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                    *sum = R::combine(*sum, R::combine(R::combine(a, b), R::combine(c, d)));
                }
                at += 4;
            } else {
                for (sum, &value) in sums.iter_mut().zip(rows.get(at, &columns)) {
                    *sum = R::combine(*sum, value);
                }
                at += 1;
            }
        }
        for _ in 0..pushed.trailing_ones() {
            let (lower, upper) = stack[(depth - 1) * width..].split_at_mut(width);
            for (low, &high) in lower.iter_mut().zip(upper.iter()) {
                *low = R::combine(*low, high);
            }
            depth -= 1;
        }
        depth += 1;
        pushed += 1;
    }
    if depth == 0 {
        stack[..width].fill(R::NEUTRAL);
        depth = 1;
    }
    for level in (0..depth - 1).rev() {
        let (lower, upper) = stack[level * width..].split_at_mut(width);
        for (low, &high) in lower.iter_mut().zip(upper.iter()) {
            *low = R::combine(*low, high);
        }
    }
    &stack[..width]
}

/// Which extreme an [`ArgReduce`] looks for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Extreme {
    Maximum,
    Minimum,
}

/// The position of the first extreme along one axis; a NaN is the most extreme.
#[derive(Clone, Debug)]
pub struct ArgReduce<T> {
    extreme: Extreme,
    outer: usize,
    length: usize,
    inner: usize,
    /// Columns taken together.
    tile: usize,
    units: usize,
    chunks: usize,
    element: PhantomData<T>,
}

impl<T: Reducible> ArgReduce<T> {
    /// Along axis `axis` of an array of `shape`.
    pub fn new(extreme: Extreme, shape: &[usize], axis: usize) -> Result<Self, String> {
        let name = if extreme == Extreme::Maximum { "argmax" } else { "argmin" };
        if axis >= shape.len() {
            return Err(format!("{name}: axis {axis} of an array of shape {shape:?}"));
        }
        let (outer, inner): (usize, usize) = (shape[..axis].iter().product(), shape[axis + 1..].iter().product());
        let length = shape[axis];
        if length == 0 && outer * inner > 0 {
            return Err(format!("{name} of no elements: axis {axis} of an array of shape {shape:?}"));
        }
        let tile = inner.clamp(1, 256);
        let units = outer * inner.div_ceil(tile);
        let traffic = (outer * inner).saturating_mul(length).saturating_mul(size_of::<T>());
        let chunks = (traffic / CHUNK).clamp(1, 64).min(units.max(1));
        Ok(Self { extreme, outer, length, inner, tile, units, chunks, element: PhantomData })
    }

    pub fn chunks(&self) -> usize {
        self.chunks
    }

    /// Elements of the result.
    pub fn outputs(&self) -> usize {
        self.outer * self.inner
    }

    /// Computes chunk `chunk`.
    ///
    /// # Panics
    /// When a slice is not as long as the geometry says.
    pub fn run(&self, isa: Isa, chunk: usize, input: &[T], output: Disjoint<i64>) {
        assert_eq!(input.len(), self.outer * self.length * self.inner, "input");
        assert_eq!(output.len(), self.outputs(), "output");
        if self.outputs() > 0 {
            T::locate(isa, self, part(self.units, self.chunks, chunk, 1), input, output);
        }
    }
}

#[inline(always)]
fn locate_body<const FUSED: bool, T: Reducible>(
    kernel: &ArgReduce<T>,
    units: Range<usize>,
    input: &[T],
    output: Disjoint<i64>,
) {
    match kernel.extreme {
        Extreme::Maximum => locate_chunk::<T, Maximum>(kernel, units, input, output, |x, best| x > best),
        Extreme::Minimum => locate_chunk::<T, Minimum>(kernel, units, input, output, |x, best| x < best),
    }
}

#[inline(always)]
fn locate_chunk<T: Reducible, R: Rule<T>>(
    kernel: &ArgReduce<T>,
    units: Range<usize>,
    input: &[T],
    output: Disjoint<i64>,
    beats: impl Fn(T, T) -> bool,
) {
    let is_nan = |x: T| x.partial_cmp(&x).is_none();
    let (length, inner) = (kernel.length, kernel.inner);
    if inner == 1 {
        // SAFETY: a unit is one result, and chunks have different units.
        let results = unsafe { output.range(units.clone()) };
        for (result, row) in results.iter_mut().zip(input[units.start * length..].chunks_exact(length)) {
            let best = row.chunks(BLOCK).fold(R::NEUTRAL, |best, x| R::combine(best, reduce_block::<T, R>(x)));
            let found = row.iter().position(|&x| x == best || (is_nan(x) && is_nan(best)));
            *result = found.unwrap_or(0) as i64;
        }
        return;
    }
    let tiles = inner.div_ceil(kernel.tile);
    for unit in units {
        let (outer, column) = (unit / tiles, unit % tiles * kernel.tile);
        let width = kernel.tile.min(inner - column);
        // SAFETY: units are different results, and chunks have different units.
        let results = unsafe { output.range(outer * inner + column..outer * inner + column + width) };
        let mut best = [T::ZERO; 256];
        let rows = input[outer * length * inner..].chunks_exact(inner).take(length);
        for (position, row) in rows.enumerate() {
            let row = &row[column..column + width];
            if position == 0 {
                best[..width].copy_from_slice(row);
                results.fill(0);
                continue;
            }
            for ((result, best), &x) in results.iter_mut().zip(&mut best).zip(row) {
                let better = beats(x, *best) || (is_nan(x) && !is_nan(*best));
                *best = if better { x } else { *best };
                *result = if better { position as i64 } else { *result };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ArgReduce, Extreme, Reduce, Reducible, Reduction};
    use crate::cpu::disjoint::Disjoint;
    use crate::cpu::simd::Isa;

    struct Lcg(u64);
    impl Lcg {
        fn below(&mut self, bound: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) as usize % bound
        }
    }

    fn reduce<T: Reducible>(reduction: Reduction, isa: Isa, shape: &[usize], axes: &[usize], input: &[T]) -> Vec<T> {
        let kernel = Reduce::<T>::new(reduction, shape, axes).unwrap();
        let mut output = vec![T::ONE; kernel.outputs()];
        let mut scratch = vec![T::ONE; kernel.scratch() / size_of::<T>()];
        for chunk in (0..kernel.chunks()).rev() {
            kernel.run(isa, chunk, input, Disjoint::new(&mut output), Disjoint::new(&mut scratch));
        }
        kernel.finish(isa, &mut output, &scratch);
        output
    }

    /// For every element its result's index, and the number of results.
    fn targets(shape: &[usize], axes: &[usize]) -> (Vec<usize>, usize) {
        let kept: Vec<usize> = (0..shape.len()).filter(|axis| !axes.contains(axis)).collect();
        let elements: usize = shape.iter().product();
        let target = |flat: usize| {
            let (mut rest, mut index) = (flat, vec![0; shape.len()]);
            for axis in (0..shape.len()).rev() {
                index[axis] = rest % shape[axis];
                rest /= shape[axis];
            }
            kept.iter().fold(0, |sum, &axis| sum * shape[axis] + index[axis])
        };
        ((0..elements).map(target).collect(), kept.iter().map(|&axis| shape[axis]).product())
    }

    fn naive(reduction: Reduction, shape: &[usize], axes: &[usize], input: &[f64]) -> Vec<f64> {
        let (targets, outputs) = targets(shape, axes);
        let start = match reduction {
            Reduction::Sum | Reduction::Mean | Reduction::Any => 0.0,
            Reduction::Product | Reduction::All => 1.0,
            Reduction::Maximum => f64::NEG_INFINITY,
            Reduction::Minimum => f64::INFINITY,
        };
        let mut results = vec![start; outputs];
        for (&x, &target) in input.iter().zip(&targets) {
            let result = &mut results[target];
            match reduction {
                Reduction::Sum | Reduction::Mean => *result += x,
                Reduction::Product => *result *= x,
                Reduction::Maximum => *result = result.max(x),
                Reduction::Minimum => *result = result.min(x),
                Reduction::Any => *result = f64::from(u8::from(*result != 0.0 || x != 0.0)),
                Reduction::All => *result = f64::from(u8::from(*result != 0.0 && x != 0.0)),
            }
        }
        if reduction == Reduction::Mean {
            let reduced: usize = axes.iter().map(|&axis| shape[axis]).product();
            for result in &mut results {
                *result /= reduced as f64;
            }
        }
        results
    }

    const ALL: [Reduction; 7] = [
        Reduction::Sum,
        Reduction::Mean,
        Reduction::Product,
        Reduction::Maximum,
        Reduction::Minimum,
        Reduction::Any,
        Reduction::All,
    ];

    fn geometries() -> Vec<(Vec<usize>, Vec<usize>)> {
        let mut random = Lcg(3);
        let mut all = vec![
            (vec![300_000], vec![0]),
            (vec![5000, 10], vec![0]),
            (vec![70_001, 3], vec![0]),
            (vec![3000, 64], vec![0]),
            (vec![70, 1500], vec![0]),
            (vec![70, 1500], vec![1]),
            (vec![2, 300, 500], vec![1]),
            (vec![40, 9, 50, 13], vec![0, 2]),
            (vec![40, 9, 50, 13], vec![1, 3]),
            (vec![8, 30, 30, 16], vec![0, 1, 2]),
            (vec![6, 7], vec![]),
            (vec![], vec![]),
            (vec![1, 1], vec![0]),
        ];
        for _ in 0..150 {
            let shape: Vec<usize> = (0..=random.below(5)).map(|_| 1 + random.below(9)).collect();
            let axes = (0..shape.len()).filter(|_| random.below(2) == 0).collect();
            all.push((shape, axes));
        }
        all
    }

    #[test]
    fn floats_match_a_naive_loop() {
        let mut random = Lcg(7);
        for (shape, axes) in geometries() {
            let elements: usize = shape.iter().product();
            let input: Vec<f64> = (0..elements).map(|_| random.below(2001) as f64 / 1000.0 - 1.0).collect();
            let single: Vec<f32> = input.iter().map(|&x| x as f32).collect();
            for reduction in ALL.into_iter().filter(|&r| r != Reduction::Any && r != Reduction::All) {
                let rounded: Vec<f64> = single.iter().map(|&x| f64::from(x)).collect();
                let expected = naive(reduction, &shape, &axes, &input);
                let expected_single = naive(reduction, &shape, &axes, &rounded);
                let reduced = elements / expected.len().max(1);
                for isa in Isa::available() {
                    let close = |actual: f64, expected: f64, unit: f64| {
                        let scale = if reduction == Reduction::Sum { reduced as f64 } else { 1.0 };
                        (actual - expected).abs() <= unit * scale
                    };
                    let actual = reduce(reduction, isa, &shape, &axes, &input);
                    assert!(
                        actual.iter().zip(&expected).all(|(&a, &e)| close(a, e, 1e-14)),
                        "{isa:?} {reduction:?} {shape:?} {axes:?}"
                    );
                    let actual = reduce(reduction, isa, &shape, &axes, &single);
                    assert!(
                        actual.iter().zip(&expected_single).all(|(&a, &e)| close(f64::from(a), e, 2e-7)),
                        "{isa:?} {reduction:?} {shape:?} {axes:?} in single precision"
                    );
                }
            }
        }
    }

    #[test]
    fn integers_match_a_naive_loop() {
        let mut random = Lcg(9);
        for (shape, axes) in geometries() {
            let elements: usize = shape.iter().product();
            let input: Vec<i32> = (0..elements).map(|_| random.below(7) as i32 - 3).collect();
            let real: Vec<f64> = input.iter().map(|&x| f64::from(x)).collect();
            let bytes: Vec<u8> = input.iter().map(|&x| u8::from(x != 0)).collect();
            for reduction in ALL.into_iter().filter(|&r| r != Reduction::Mean && r != Reduction::Product) {
                let expected = naive(reduction, &shape, &axes, &real);
                if matches!(reduction, Reduction::Any | Reduction::All) {
                    let actual = reduce(reduction, Isa::active(), &shape, &axes, &bytes);
                    assert!(actual.iter().zip(&expected).all(|(&a, &e)| f64::from(a) == e), "{shape:?} {axes:?}");
                } else {
                    let actual = reduce(reduction, Isa::active(), &shape, &axes, &input);
                    assert!(actual.iter().zip(&expected).all(|(&a, &e)| f64::from(a) == e), "{shape:?} {axes:?}");
                }
            }
        }
        assert_eq!(reduce(Reduction::Sum, Isa::active(), &[3], &[0], &[200u8, 100, 1]), [45]);
    }

    #[test]
    fn rounding_grows_slowly() {
        for (shape, axes) in [(vec![4_000_000], vec![0]), (vec![400_000, 10], vec![0]), (vec![40_000, 100], vec![0])] {
            let input: Vec<f32> = (0..4_000_000).map(|i| 1.0 + (i % 1000) as f32 * 1e-3).collect();
            let wide: Vec<f64> = input.iter().map(|&x| f64::from(x)).collect();
            let expected = naive(Reduction::Sum, &shape, &axes, &wide);
            for isa in Isa::available() {
                for (actual, expected) in reduce(Reduction::Sum, isa, &shape, &axes, &input).iter().zip(&expected) {
                    assert!(
                        (f64::from(*actual) / expected - 1.0).abs() < 3e-7,
                        "{isa:?} {shape:?}: {actual} {expected}"
                    );
                }
            }
        }
    }

    #[test]
    fn nan_wins() {
        for isa in Isa::available() {
            for length in [3, 100, 5000] {
                for at in [0, length / 2, length - 1] {
                    let mut x = vec![1.0f32; length];
                    x[at] = f32::NAN;
                    assert!(reduce(Reduction::Maximum, isa, &[length], &[0], &x)[0].is_nan());
                    assert!(reduce(Reduction::Minimum, isa, &[length, 1], &[0], &x)[0].is_nan());
                    assert_eq!(locate(Extreme::Maximum, isa, &[length], 0, &x), [at as i64]);
                }
            }
        }
    }

    fn locate<T: Reducible>(extreme: Extreme, isa: Isa, shape: &[usize], axis: usize, input: &[T]) -> Vec<i64> {
        let kernel = ArgReduce::<T>::new(extreme, shape, axis).unwrap();
        let mut output = vec![-1; kernel.outputs()];
        for chunk in (0..kernel.chunks()).rev() {
            kernel.run(isa, chunk, input, Disjoint::new(&mut output));
        }
        output
    }

    #[test]
    fn the_first_extreme_is_found() {
        let mut random = Lcg(13);
        for case in 0..120 {
            let mut shape: Vec<usize> = (0..=random.below(3)).map(|_| 1 + random.below(12)).collect();
            if case % 11 == 0 {
                shape.push(700);
            }
            let axis = random.below(shape.len());
            let elements: usize = shape.iter().product();
            let input: Vec<f32> =
                (0..elements).map(|_| if random.below(40) == 0 { f32::NAN } else { random.below(6) as f32 }).collect();
            let inner: usize = shape[axis + 1..].iter().product();
            for extreme in [Extreme::Maximum, Extreme::Minimum] {
                let expected: Vec<i64> = (0..elements / shape[axis])
                    .map(|output| {
                        let at = |k: usize| input[(output / inner * shape[axis] + k) * inner + output % inner];
                        let mut best = 0;
                        for k in 1..shape[axis] {
                            let beats = if extreme == Extreme::Maximum { at(k) > at(best) } else { at(k) < at(best) };
                            if beats || (at(k).is_nan() && !at(best).is_nan()) {
                                best = k;
                            }
                        }
                        best as i64
                    })
                    .collect();
                for isa in Isa::available() {
                    assert_eq!(
                        locate(extreme, isa, &shape, axis, &input),
                        expected,
                        "{isa:?} {extreme:?} {shape:?} {axis}"
                    );
                }
            }
        }
        assert_eq!(locate(Extreme::Maximum, Isa::active(), &[2, 3], 1, &[3u8, 1, 3, 0, 9, 9]), [0, 1]);
    }

    #[test]
    fn nothing_to_reduce() {
        let isa = Isa::active();
        assert_eq!(reduce::<f32>(Reduction::Sum, isa, &[3, 0], &[1], &[]), [0.0; 3]);
        assert_eq!(reduce::<f32>(Reduction::Product, isa, &[0, 3], &[0], &[]), [1.0; 3]);
        assert_eq!(reduce::<u8>(Reduction::Any, isa, &[0], &[0], &[]), [0]);
        assert_eq!(reduce::<u8>(Reduction::All, isa, &[0], &[0], &[]), [1]);
        assert!(reduce::<f64>(Reduction::Mean, isa, &[0], &[0], &[])[0].is_nan());
        assert!(reduce::<f64>(Reduction::Maximum, isa, &[0, 3], &[1], &[]).is_empty());
        assert!(locate::<f32>(Extreme::Maximum, isa, &[0, 3], 1, &[]).is_empty());
    }

    #[test]
    fn errors_say_what_is_wrong() {
        let message = |result: Result<Reduce<i32>, String>| result.err().unwrap();
        assert_eq!(
            message(Reduce::new(Reduction::Maximum, &[0, 3], &[0])),
            "max of no elements: shape [0, 3], axes [0]"
        );
        assert_eq!(message(Reduce::new(Reduction::Sum, &[3], &[1])), "sum: axis 1 of an array of shape [3]");
        assert_eq!(
            message(Reduce::new(Reduction::Mean, &[3], &[0])),
            "mean is not defined on int32; cast the input to a float"
        );
        assert_eq!(
            message(Reduce::new(Reduction::Any, &[3], &[0])),
            "any is not defined on int32; compare the input with 0"
        );
        let error = ArgReduce::<f32>::new(Extreme::Minimum, &[2, 0], 1).err().unwrap();
        assert_eq!(error, "argmin of no elements: axis 1 of an array of shape [2, 0]");
    }
}
