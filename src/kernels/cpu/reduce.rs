//! Reductions over any set of axes: sum, mean, product, maximum, minimum, any, all.
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
pub(super) const BLOCK: usize = 4096;
/// Running results of one run of floats.
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
pub(super) const CHUNK: usize = 128 << 10;

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
    /// A run of at most [`BLOCK`] elements, combined.
    #[doc(hidden)]
    fn block(isa: Isa, rule: RuleName, x: &[Self]) -> Self;
    /// At most [`ROWS`] rows, combined with `sums`.
    #[doc(hidden)]
    fn rows(isa: Isa, rule: RuleName, rows: Rows<Self>, sums: &mut [Self]);
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
            fn block(_: Isa, rule: RuleName, x: &[Self]) -> Self {
                block_of::<$t, 16>(rule, x)
            }
            fn rows(_: Isa, rule: RuleName, rows: Rows<Self>, sums: &mut [Self]) {
                rows_body::<false, $t>(rule, rows, sums);
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
            fn block(isa: Isa, rule: RuleName, x: &[Self]) -> Self {
                for_each_isa_fused! { fn copies(rule: RuleName, x: &[$t]) -> $t = block_body::<$t>; }
                copies(isa, rule, x)
            }
            fn rows(isa: Isa, rule: RuleName, rows: Rows<Self>, sums: &mut [Self]) {
                for_each_isa_fused! { fn copies(rule: RuleName, rows: Rows<$t>, sums: &mut [$t]) = rows_body::<$t>; }
                copies(isa, rule, rows, sums);
            }
        })*
    };
}
floats! { f32 f64 }

/// An associative rule, chosen while running.
#[doc(hidden)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RuleName {
    Sum,
    Product,
    Maximum,
    Minimum,
}

impl RuleName {
    pub(super) fn neutral<T: Reducible>(self) -> T {
        match self {
            RuleName::Sum => Sum::NEUTRAL,
            RuleName::Product => Product::NEUTRAL,
            RuleName::Maximum => Maximum::NEUTRAL,
            RuleName::Minimum => Minimum::NEUTRAL,
        }
    }

    pub(super) fn combine<T: Reducible>(self, a: T, b: T) -> T {
        match self {
            RuleName::Sum => Sum::combine(a, b),
            RuleName::Product => Product::combine(a, b),
            RuleName::Maximum => Maximum::combine(a, b),
            RuleName::Minimum => Minimum::combine(a, b),
        }
    }
}

/// The same, chosen when compiled.
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
        let target = if self.split { scratch } else { output };
        let width = match self.inner {
            Inner::Reduced { .. } => 0,
            Inner::Kept { length, grouped, .. } => (length * grouped).min(TILE),
        };
        let words = (LEVELS * width * size_of::<T>()).div_ceil(size_of::<usize>());
        workspace::with(words, |room: &mut [usize]| {
            // SAFETY: the words hold that many elements, any bits are a number, and words are aligned for all of them.
            let stack = unsafe { std::slice::from_raw_parts_mut(room.as_mut_ptr().cast::<T>(), LEVELS * width) };
            self.reduce(isa, chunk, input, target, stack);
        });
    }

    /// Combines the chunks' results, once all have run.
    pub fn finish(&self, _: Isa, output: &mut [T], scratch: &[T]) {
        if !self.split {
            return;
        }
        let rule = self.rule();
        for (index, output) in output.iter_mut().enumerate() {
            let partial = (0..self.chunks).map(|chunk| scratch[chunk * self.outputs + index]);
            *output = self.conclude(partial.fold(rule.neutral(), |sum, x| rule.combine(sum, x)));
        }
    }

    fn rule(&self) -> RuleName {
        match self.reduction {
            Reduction::Sum | Reduction::Mean => RuleName::Sum,
            Reduction::Product => RuleName::Product,
            Reduction::Maximum | Reduction::Any => RuleName::Maximum,
            Reduction::Minimum | Reduction::All => RuleName::Minimum,
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

    fn reduce(&self, isa: Isa, chunk: usize, input: &[T], output: Disjoint<T>, stack: &mut [T]) {
        let rule = self.rule();
        let (units, leaves, start) = if self.split {
            (0..self.units, part(self.leaves, self.chunks, chunk, 1), chunk * self.outputs)
        } else {
            (part(self.units, self.chunks, chunk, 1), 0..self.leaves, 0)
        };
        match self.inner {
            Inner::Reduced { length, blocks } => {
                // SAFETY: a unit is one result, and chunks have different units, or different parts of scratch.
                let results = unsafe { output.range(start + units.start..start + units.end) };
                for (unit, result) in units.zip(results) {
                    let origin = offset(&self.kept_axes, unit);
                    let value = if leaves == (0..1) && blocks == 1 {
                        T::block(isa, rule, &input[origin..origin + length])
                    } else {
                        let mut tree = Tree::new(rule);
                        for leaf in leaves.clone() {
                            let block = leaf % blocks * BLOCK;
                            let begin = origin + offset(&self.reduced_axes, leaf / blocks) + block;
                            tree.push(T::block(isa, rule, &input[begin..begin + (length - block).min(BLOCK)]));
                        }
                        tree.finish()
                    };
                    *result = if self.split { value } else { self.conclude(value) };
                }
            }
            Inner::Kept { length, grouped, groups, last } => {
                let width = length * grouped;
                let tiles = width.div_ceil(TILE);
                for unit in units {
                    let columns = (unit % tiles * TILE, (unit % tiles * TILE + TILE).min(width));
                    let origin = offset(&self.kept_axes, unit / tiles);
                    let (axes, last) = (&self.reduced_axes, last * length);
                    let rows = Rows { input, origin, axes, width, groups, last, columns, first: 0, count: 0 };
                    let sums = reduce_rows(isa, rule, rows, leaves.clone(), stack);
                    // Fold the groups; with one row a group, this only copies.
                    let begin = start + unit / tiles * length;
                    // SAFETY: units are different results, chunks have different units or parts of scratch.
                    let results = unsafe { output.range(begin + columns.0..begin + columns.1.min(length)) };
                    for (column, result) in results.iter_mut().enumerate() {
                        let mut value = sums[column];
                        for group in 1..grouped {
                            value = rule.combine(value, sums[group * length + column]);
                        }
                        *result = if self.split { value } else { self.conclude(value) };
                    }
                }
            }
        }
    }
}

/// Some rows of the reduced axes of one unit.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a, T> {
    input: &'a [T],
    origin: usize,
    axes: &'a Axes,
    width: usize,
    groups: usize,
    /// The width of the last row of the innermost axis.
    last: usize,
    /// The first and the end of the columns at hand.
    columns: (usize, usize),
    /// The first of the rows at hand, and how many there are.
    first: usize,
    count: usize,
}

impl<'a, T> Rows<'a, T> {
    #[inline(always)]
    fn is_full(&self, row: usize) -> bool {
        self.last == self.width || row % self.groups + 1 < self.groups
    }

    /// The columns of row `row`, as far as it goes.
    #[inline(always)]
    fn get(&self, row: usize) -> &'a [T] {
        let begin = self.origin + offset(self.axes, row);
        let width = if self.is_full(row) { self.width } else { self.last };
        &self.input[begin + self.columns.0.min(width)..begin + self.columns.1.min(width)]
    }
}

/// Partial results, combined in a binary tree as they arrive: level `k` stands for `2^k` of them.
struct Tree<T> {
    rule: RuleName,
    levels: [T; LEVELS],
    depth: usize,
    pushed: usize,
}

impl<T: Reducible> Tree<T> {
    fn new(rule: RuleName) -> Self {
        Self { rule, levels: [T::ZERO; LEVELS], depth: 0, pushed: 0 }
    }

    fn push(&mut self, value: T) {
        let mut value = value;
        for _ in 0..self.pushed.trailing_ones() {
            self.depth -= 1;
            value = self.rule.combine(self.levels[self.depth], value);
        }
        self.levels[self.depth] = value;
        self.depth += 1;
        self.pushed += 1;
    }

    fn finish(&self) -> T {
        let mut levels = self.levels[..self.depth].iter().rev();
        let last = levels.next().copied().unwrap_or(self.rule.neutral());
        levels.fold(last, |sum, &level| self.rule.combine(level, sum))
    }
}

#[inline(always)]
fn block_body<const FUSED: bool, T: Reducible>(rule: RuleName, x: &[T]) -> T {
    block_of::<T, LANES>(rule, x)
}

/// With `N` running results.
#[inline(always)]
fn block_of<T: Reducible, const N: usize>(rule: RuleName, x: &[T]) -> T {
    match rule {
        RuleName::Sum => reduce_block::<T, Sum, N>(x),
        RuleName::Product => reduce_block::<T, Product, N>(x),
        RuleName::Maximum => reduce_block::<T, Maximum, N>(x),
        RuleName::Minimum => reduce_block::<T, Minimum, N>(x),
    }
}

#[inline(always)]
fn rows_body<const FUSED: bool, T: Reducible>(rule: RuleName, rows: Rows<T>, sums: &mut [T]) {
    match rule {
        RuleName::Sum => add_rows::<T, Sum>(rows, sums),
        RuleName::Product => add_rows::<T, Product>(rows, sums),
        RuleName::Maximum => add_rows::<T, Maximum>(rows, sums),
        RuleName::Minimum => add_rows::<T, Minimum>(rows, sums),
    }
}

/// One run of at most [`BLOCK`] elements.
#[inline(always)]
fn reduce_block<T: Reducible, R: Rule<T>, const N: usize>(x: &[T]) -> T {
    const SHORT: usize = 8;
    if x.len() < 4 * SHORT {
        let mut four = [R::NEUTRAL; 4];
        let pieces = x.chunks_exact(4);
        let tail = pieces.remainder();
        for piece in pieces {
            for (lane, &value) in four.iter_mut().zip(piece) {
                *lane = R::combine(*lane, value);
            }
        }
        let sum = R::combine(R::combine(four[0], four[2]), R::combine(four[1], four[3]));
        return tail.iter().fold(sum, |sum, &value| R::combine(sum, value));
    }
    let mut short = [R::NEUTRAL; SHORT];
    let mut rest = x;
    if x.len() >= N {
        let mut lanes = [R::NEUTRAL; N];
        let pieces = x.chunks_exact(N);
        rest = pieces.remainder();
        for piece in pieces {
            for (lane, &value) in lanes.iter_mut().zip(piece) {
                *lane = R::combine(*lane, value);
            }
        }
        let mut width = N;
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

/// The rows at hand, combined with `sums`.
#[inline(always)]
fn add_rows<T: Reducible, R: Rule<T>>(rows: Rows<T>, sums: &mut [T]) {
    let (mut at, end) = (rows.first, rows.first + rows.count);
    while at < end {
        if at + 4 <= end && (at..at + 4).all(|row| rows.is_full(row)) {
            let (a, b, c, d) = (rows.get(at), rows.get(at + 1), rows.get(at + 2), rows.get(at + 3));
            for ((((sum, &a), &b), &c), &d) in sums.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                *sum = R::combine(*sum, R::combine(R::combine(a, b), R::combine(c, d)));
            }
            at += 4;
        } else {
            for (sum, &value) in sums.iter_mut().zip(rows.get(at)) {
                *sum = R::combine(*sum, value);
            }
            at += 1;
        }
    }
}

/// Rows `range` combined in a tree; `stack` has room for [`LEVELS`] of them.
fn reduce_rows<'b, T: Reducible>(
    isa: Isa,
    rule: RuleName,
    rows: Rows<T>,
    range: Range<usize>,
    stack: &'b mut [T],
) -> &'b [T] {
    let width = rows.columns.1 - rows.columns.0;
    let meet = |stack: &mut [T], level: usize| {
        let (lower, upper) = stack[level * width..].split_at_mut(width);
        for (low, &high) in lower.iter_mut().zip(upper.iter()) {
            *low = rule.combine(*low, high);
        }
    };
    let mut depth = 0;
    for (pushed, first) in range.clone().step_by(ROWS).enumerate() {
        let sums = &mut stack[depth * width..(depth + 1) * width];
        sums.fill(rule.neutral());
        T::rows(isa, rule, Rows { first, count: (range.end - first).min(ROWS), ..rows }, sums);
        for _ in 0..pushed.trailing_ones() {
            depth -= 1;
            meet(stack, depth);
        }
        depth += 1;
    }
    if depth == 0 {
        stack[..width].fill(rule.neutral());
    }
    for level in (1..depth).rev() {
        meet(stack, level - 1);
    }
    &stack[..width]
}

#[cfg(test)]
mod tests {
    use super::{Reduce, Reducible, Reduction};
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
                }
            }
        }
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
    }
}
