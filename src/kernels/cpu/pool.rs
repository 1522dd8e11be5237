//! Maximum and average over windows of an image in NHWC layout; a window of height 1 or width 1 pools along one axis.
//!
//! ```text
//! chunk = (rows of the output; of dx in the backward passes)     fixed by shape
//!   for output row, for output pixel
//!     for 16 channels                                            one register of results
//!       for pixel of the window that is inside of the image
//! ```
//!
//! Pixels outside of the image do not take part: they are never the maximum, and an average counts only those inside. A
//! window wholly outside has maximum minus infinity and average 0. A NaN in a window is its maximum.
//!
//! The backward passes own rows of dx and visit every window that touches them, in the same order whatever the chunks
//! are; a window that two chunks share is visited by both. The gradient of a maximum goes to the first one in the
//! window, row by row; which one that is, is found again from x. `MaxPoolSelect` reads another image at that place, as
//! the derivative of the gradient does. Memory limits the speed.

use crate::cpu::disjoint::Disjoint;
use crate::cpu::float::Float;
use crate::cpu::gemm::{Compute, MOST_CHUNKS, Split};
use crate::cpu::simd::Isa;
use crate::for_each_isa;
use std::ops::Range;

pub use crate::cpu::conv::Padding;

/// The geometry of a pooling.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PoolShape {
    pub batch: usize,
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    pub window_height: usize,
    pub window_width: usize,
    pub stride_height: usize,
    pub stride_width: usize,
    pub padding: Padding,
}

/// Elements that make a chunk.
const CHUNK_ELEMENTS: usize = 16 * 1024;

impl PoolShape {
    pub fn output_height(&self) -> usize {
        let Padding { top, bottom, .. } = self.padding;
        crate::cpu::conv::positions(self.height, top, bottom, self.window_height, 1, self.stride_height)
    }

    pub fn output_width(&self) -> usize {
        let Padding { left, right, .. } = self.padding;
        crate::cpu::conv::positions(self.width, left, right, self.window_width, 1, self.stride_width)
    }

    /// Elements of `x`.
    pub fn input_elements(&self) -> usize {
        self.batch * self.height * self.width * self.channels
    }

    /// Elements of `y`.
    pub fn output_elements(&self) -> usize {
        self.batch * self.output_height() * self.output_width() * self.channels
    }

    fn check(&self) {
        assert!(
            self.window_height > 0 && self.window_width > 0 && self.stride_height > 0 && self.stride_width > 0,
            "windows and strides start at 1: {self:?}"
        );
    }

    fn split(&self, rows: usize) -> Split {
        let elements = self.input_elements().max(self.output_elements());
        Split::new(self.batch * rows, (elements / CHUNK_ELEMENTS).clamp(1, MOST_CHUNKS), 1)
    }

    /// The image rows of output row `row`.
    #[inline(always)]
    fn rows(&self, row: usize) -> Range<usize> {
        clipped(row * self.stride_height, self.window_height, self.padding.top, self.height)
    }

    /// The image columns of output column `column`.
    #[inline(always)]
    fn columns(&self, column: usize) -> Range<usize> {
        clipped(column * self.stride_width, self.window_width, self.padding.left, self.width)
    }

    /// The output rows whose windows touch the image rows `rows`.
    fn touching(&self, rows: &Range<usize>) -> Range<usize> {
        let Padding { top, .. } = self.padding;
        let first = (rows.start + top + 1).saturating_sub(self.window_height).div_ceil(self.stride_height);
        let last = (rows.end + top).div_ceil(self.stride_height);
        first..last.min(self.output_height()).max(first)
    }
}

/// The part of a window at `start - before` that is inside of `0..length`.
#[inline(always)]
fn clipped(start: usize, window: usize, before: usize, length: usize) -> Range<usize> {
    let end = (start + window).saturating_sub(before).min(length);
    start.saturating_sub(before).min(end)..end
}

macro_rules! kernel {
    ($(#[$meta:meta])* $name:ident, $rows:ident, |$shape:ident| $split:expr) => {
        $(#[$meta])*
        #[derive(Clone, Debug)]
        pub struct $name {
            shape: PoolShape,
            $rows: Split,
        }

        impl $name {
            /// # Panics
            /// When a window or stride is 0.
            pub fn new($shape: PoolShape) -> Self {
                $shape.check();
                Self { shape: $shape, $rows: $split }
            }

            /// How many parts the result is cut into.
            pub fn chunks(&self) -> usize {
                self.$rows.parts
            }
        }
    };
}
kernel! {
    /// `y = max(x)` over windows.
    MaxPool, output_rows, |shape| shape.split(shape.output_height())
}
kernel! {
    /// The gradient of [`MaxPool`].
    MaxPoolBackward, input_rows, |shape| shape.split(shape.height)
}
kernel! {
    /// `y = v` at the first maximum of each window of `x`.
    MaxPoolSelect, output_rows, |shape| shape.split(shape.output_height())
}
kernel! {
    /// `y = mean(x)` over the parts of windows that are inside of the image.
    AveragePool, output_rows, |shape| shape.split(shape.output_height())
}
kernel! {
    /// The gradient of [`AveragePool`].
    AveragePoolBackward, input_rows, |shape| shape.split(shape.height)
}

impl MaxPool {
    /// Computes one part of `y`.
    ///
    /// # Panics
    /// When a slice is too short for the geometry.
    pub fn run<T: Compute>(&self, isa: Isa, chunk: usize, x: &[T], y: Disjoint<T>) {
        let rows = self.output_rows.range(chunk);
        let line = self.shape.output_width() * self.shape.channels;
        // SAFETY: chunks have disjoint rows.
        let y = unsafe { y.range(rows.start * line..rows.end * line) };
        max(isa, &self.shape, rows, &x[..self.shape.input_elements()], y);
    }
}

impl MaxPoolSelect {
    /// Computes one part of `y`; a window wholly outside of the image gives 0.
    ///
    /// # Panics
    /// When a slice is too short for the geometry.
    pub fn run<T: Compute>(&self, isa: Isa, chunk: usize, x: &[T], v: &[T], y: Disjoint<T>) {
        let rows = self.output_rows.range(chunk);
        let line = self.shape.output_width() * self.shape.channels;
        let elements = self.shape.input_elements();
        // SAFETY: chunks have disjoint rows.
        let y = unsafe { y.range(rows.start * line..rows.end * line) };
        max_select(isa, &self.shape, rows, &x[..elements], &v[..elements], y);
    }
}

impl AveragePool {
    /// Computes one part of `y`.
    ///
    /// # Panics
    /// When a slice is too short for the geometry.
    pub fn run<T: Compute>(&self, isa: Isa, chunk: usize, x: &[T], y: Disjoint<T>) {
        let rows = self.output_rows.range(chunk);
        let line = self.shape.output_width() * self.shape.channels;
        // SAFETY: chunks have disjoint rows.
        let y = unsafe { y.range(rows.start * line..rows.end * line) };
        average(isa, &self.shape, rows, &x[..self.shape.input_elements()], y);
    }
}

impl MaxPoolBackward {
    /// Computes one part of `dx`.
    ///
    /// # Panics
    /// When a slice is too short for the geometry.
    pub fn run<T: Compute>(&self, isa: Isa, chunk: usize, x: &[T], dy: &[T], dx: Disjoint<T>) {
        let shape = &self.shape;
        let rows = self.input_rows.range(chunk);
        let line = shape.width * shape.channels;
        // SAFETY: chunks have disjoint rows.
        let dx = unsafe { dx.range(rows.start * line..rows.end * line) };
        max_backward(isa, shape, rows, &x[..shape.input_elements()], &dy[..shape.output_elements()], dx);
    }
}

impl AveragePoolBackward {
    /// Computes one part of `dx`.
    ///
    /// # Panics
    /// When a slice is too short for the geometry.
    pub fn run<T: Compute>(&self, isa: Isa, chunk: usize, dy: &[T], dx: Disjoint<T>) {
        let shape = &self.shape;
        let rows = self.input_rows.range(chunk);
        let line = shape.width * shape.channels;
        // SAFETY: chunks have disjoint rows.
        let dx = unsafe { dx.range(rows.start * line..rows.end * line) };
        average_backward(isa, shape, rows, &dy[..shape.output_elements()], dx);
    }
}

/// Whether `x` replaces `best`: greater, or the first NaN. Without branches, for the vectoriser.
#[allow(clippy::needless_bitwise_bool)]
#[inline(always)]
fn exceeds<T: Float>(x: T, best: T) -> bool {
    (x > best) | (x.is_nan() & !best.is_nan())
}

// The bodies below are plain loops: a closure would be compiled once, for the baseline instruction set.

/// Channels that are worked on together.
const LANES: usize = 16;

/// Calls `$body` for the channels `$channel..$channel + $lanes`, sixteen at a time and then one by one.
macro_rules! for_channels {
    ($channels:expr, |$channel:ident, $lanes:ident| $body:block) => {
        let mut $channel = 0;
        while $channel + LANES <= $channels {
            const $lanes: usize = LANES;
            $body
            $channel += LANES;
        }
        while $channel < $channels {
            const $lanes: usize = 1;
            $body
            $channel += 1;
        }
    };
}

/// The window at `start` of an image, whose rows are `line` elements and pixels `channels` elements apart.
#[derive(Clone, Copy)]
struct Window {
    start: usize,
    rows: usize,
    columns: usize,
    line: usize,
    channels: usize,
}

#[inline(always)]
fn load<T: Float, const L: usize>(from: &[T], at: usize) -> [T; L] {
    let mut lanes = [T::ZERO; L];
    lanes.copy_from_slice(&from[at..at + L]);
    lanes
}

/// The maxima of `L` channels and where in the window, counted row by row, the first of each is.
#[inline(always)]
fn maximum<T: Float, const L: usize>(image: &[T], window: Window) -> ([T; L], [T; L]) {
    let mut best: [T; L] = load(image, window.start);
    let mut place = [T::ZERO; L];
    let mut number = T::ZERO;
    for row in 0..window.rows {
        for column in 0..window.columns {
            let x: [T; L] = load(image, window.start + row * window.line + column * window.channels);
            for ((best, place), x) in best.iter_mut().zip(&mut place).zip(x) {
                let take = exceeds(x, *best);
                *best = if take { x } else { *best };
                *place = if take { number } else { *place };
            }
            number += T::ONE;
        }
    }
    (best, place)
}

#[inline(always)]
fn max_body<T: Float>(shape: &PoolShape, rows: Range<usize>, x: &[T], y: &mut [T]) {
    let [channels, height, width] = [shape.channels, shape.output_height(), shape.output_width()];
    let line = shape.width * channels;
    let mut pixels = y.chunks_exact_mut(channels.max(1));
    for row in rows {
        let [image, row] = [row / height, row % height];
        let image = &x[image * shape.height * line..][..shape.height * line];
        let rows = shape.rows(row);
        for column in 0..width {
            let columns = shape.columns(column);
            let Some(y) = pixels.next() else { return };
            if rows.is_empty() || columns.is_empty() {
                y.fill(T::NEG_INFINITY);
                continue;
            }
            let start = rows.start * line + columns.start * channels;
            for_channels!(channels, |channel, L| {
                let start = start + channel;
                let window = Window { start, rows: rows.len(), columns: columns.len(), line, channels };
                let (best, _) = maximum::<T, L>(image, window);
                y[channel..][..L].copy_from_slice(&best);
            });
        }
    }
}

#[inline(always)]
fn max_select_body<T: Float>(shape: &PoolShape, rows: Range<usize>, x: &[T], v: &[T], y: &mut [T]) {
    let [channels, height, width] = [shape.channels, shape.output_height(), shape.output_width()];
    let line = shape.width * channels;
    let mut pixels = y.chunks_exact_mut(channels.max(1));
    for row in rows {
        let [image, row] = [row / height, row % height];
        let first = image * shape.height * line;
        let (image, v) = (&x[first..][..shape.height * line], &v[first..][..shape.height * line]);
        let rows = shape.rows(row);
        for column in 0..width {
            let columns = shape.columns(column);
            let Some(y) = pixels.next() else { return };
            y.fill(T::ZERO);
            if rows.is_empty() || columns.is_empty() {
                continue;
            }
            let start = rows.start * line + columns.start * channels;
            for_channels!(channels, |channel, L| {
                let start = start + channel;
                let window = Window { start, rows: rows.len(), columns: columns.len(), line, channels };
                let (_, place) = maximum::<T, L>(image, window);
                let y = &mut y[channel..][..L];
                let mut number = T::ZERO;
                for row in 0..window.rows {
                    for column in 0..window.columns {
                        let v: [T; L] = load(v, start + row * line + column * channels);
                        for ((y, place), v) in y.iter_mut().zip(place).zip(v) {
                            *y = if place == number { v } else { *y };
                        }
                        number += T::ONE;
                    }
                }
            });
        }
    }
}

#[inline(always)]
fn average_body<T: Float>(shape: &PoolShape, rows: Range<usize>, x: &[T], y: &mut [T]) {
    let [channels, height, width] = [shape.channels, shape.output_height(), shape.output_width()];
    let line = shape.width * channels;
    let mut pixels = y.chunks_exact_mut(channels.max(1));
    for row in rows {
        let [image, row] = [row / height, row % height];
        let image = &x[image * shape.height * line..][..shape.height * line];
        let rows = shape.rows(row);
        for column in 0..width {
            let columns = shape.columns(column);
            let Some(y) = pixels.next() else { return };
            let scale = T::ONE / T::from_f64((rows.len() * columns.len()).max(1) as f64);
            for_channels!(channels, |channel, L| {
                let mut sums = [T::ZERO; L];
                for row in rows.clone() {
                    for column in columns.clone() {
                        let x: [T; L] = load(image, row * line + column * channels + channel);
                        for (sum, x) in sums.iter_mut().zip(x) {
                            *sum += x;
                        }
                    }
                }
                for (y, sum) in y[channel..][..L].iter_mut().zip(sums) {
                    *y = sum * scale;
                }
            });
        }
    }
}

/// The rows of `rows` (of all images) that belong to the image of the first.
#[inline(always)]
fn rows_of_image(height: usize, rows: &Range<usize>) -> Range<usize> {
    let first = rows.start % height;
    first..(first + rows.len()).min(height)
}

#[inline(always)]
fn max_backward_body<T: Float>(shape: &PoolShape, mut rows: Range<usize>, x: &[T], dy: &[T], dx: &mut [T]) {
    let [channels, height, width] = [shape.channels, shape.output_height(), shape.output_width()];
    let line = shape.width * channels;
    let mut rest = dx;
    while !rows.is_empty() {
        let image = rows.start / shape.height;
        let own = rows_of_image(shape.height, &rows);
        rows.start += own.len();
        let x = &x[image * shape.height * line..][..shape.height * line];
        let dx;
        (dx, rest) = rest.split_at_mut(own.len() * line);
        dx.fill(T::ZERO);
        for output_row in shape.touching(&own) {
            let rows = shape.rows(output_row);
            for output_column in 0..width {
                let columns = shape.columns(output_column);
                if rows.is_empty() || columns.is_empty() {
                    continue;
                }
                let pixel = (image * height + output_row) * width + output_column;
                let start = rows.start * line + columns.start * channels;
                for_channels!(channels, |channel, L| {
                    let start = start + channel;
                    let window = Window { start, rows: rows.len(), columns: columns.len(), line, channels };
                    let (_, place) = maximum::<T, L>(x, window);
                    let dy: [T; L] = load(dy, pixel * channels + channel);
                    for row in rows.start.max(own.start)..rows.end.min(own.end) {
                        let mut number = T::from_f64(((row - rows.start) * columns.len()) as f64);
                        for column in columns.clone() {
                            let at = (row - own.start) * line + column * channels + channel;
                            for ((dx, place), dy) in dx[at..][..L].iter_mut().zip(place).zip(dy) {
                                *dx += if place == number { dy } else { T::ZERO };
                            }
                            number += T::ONE;
                        }
                    }
                });
            }
        }
    }
}

#[inline(always)]
fn average_backward_body<T: Float>(shape: &PoolShape, mut rows: Range<usize>, dy: &[T], dx: &mut [T]) {
    let [channels, height, width] = [shape.channels, shape.output_height(), shape.output_width()];
    let line = shape.width * channels;
    let mut rest = dx;
    while !rows.is_empty() {
        let image = rows.start / shape.height;
        let own = rows_of_image(shape.height, &rows);
        rows.start += own.len();
        let dx;
        (dx, rest) = rest.split_at_mut(own.len() * line);
        dx.fill(T::ZERO);
        for output_row in shape.touching(&own) {
            let rows = shape.rows(output_row);
            for output_column in 0..width {
                let columns = shape.columns(output_column);
                let pixel = (image * height + output_row) * width + output_column;
                let scale = T::ONE / T::from_f64((rows.len() * columns.len()).max(1) as f64);
                for_channels!(channels, |channel, L| {
                    let dy: [T; L] = load(dy, pixel * channels + channel);
                    for row in rows.start.max(own.start)..rows.end.min(own.end) {
                        for column in columns.clone() {
                            let at = (row - own.start) * line + column * channels + channel;
                            for (dx, dy) in dx[at..][..L].iter_mut().zip(dy) {
                                *dx += dy * scale;
                            }
                        }
                    }
                });
            }
        }
    }
}

for_each_isa! {
    fn max<T: Float>(shape: &PoolShape, rows: Range<usize>, x: &[T], y: &mut [T]) = max_body;
}
for_each_isa! {
    fn max_select<T: Float>(
        shape: &PoolShape,
        rows: Range<usize>,
        x: &[T],
        v: &[T],
        y: &mut [T],
    ) = max_select_body;
}
for_each_isa! {
    fn average<T: Float>(shape: &PoolShape, rows: Range<usize>, x: &[T], y: &mut [T]) = average_body;
}
for_each_isa! {
    fn max_backward<T: Float>(
        shape: &PoolShape,
        rows: Range<usize>,
        x: &[T],
        dy: &[T],
        dx: &mut [T],
    ) = max_backward_body;
}
for_each_isa! {
    fn average_backward<T: Float>(
        shape: &PoolShape,
        rows: Range<usize>,
        dy: &[T],
        dx: &mut [T],
    ) = average_backward_body;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::gemm::tests::Lcg;

    /// Image elements of each output element's window, in order.
    fn windows(shape: &PoolShape) -> Vec<Vec<usize>> {
        let mut windows = Vec::new();
        for n in 0..shape.batch {
            for oh in 0..shape.output_height() {
                for ow in 0..shape.output_width() {
                    for c in 0..shape.channels {
                        let mut window = Vec::new();
                        for kh in 0..shape.window_height {
                            for kw in 0..shape.window_width {
                                let h = (oh * shape.stride_height + kh).wrapping_sub(shape.padding.top);
                                let w = (ow * shape.stride_width + kw).wrapping_sub(shape.padding.left);
                                if h < shape.height && w < shape.width {
                                    window.push(((n * shape.height + h) * shape.width + w) * shape.channels + c);
                                }
                            }
                        }
                        windows.push(window);
                    }
                }
            }
        }
        windows
    }

    fn first_maximum(x: &[f64], window: &[usize]) -> Option<usize> {
        let nan = window.iter().copied().find(|&at| x[at].is_nan());
        let greatest = window.iter().map(|&at| x[at]).fold(f64::NEG_INFINITY, f64::max);
        nan.or_else(|| window.iter().copied().find(|&at| x[at] == greatest))
    }

    fn assert_close<T: Compute>(found: &[T], expected: &[f64], what: &str, isa: Isa, shape: &PoolShape) {
        for (index, (found, &expected)) in found.iter().zip(expected).enumerate() {
            let found = found.to_f64();
            let equal = found == expected || (found - expected).abs() < 1e-5 || (found.is_nan() && expected.is_nan());
            assert!(equal, "{what}: {found} is not {expected} at {index}: {isa:?} {shape:?}");
        }
    }

    fn check<T: Compute>(shape: &PoolShape, with_nan: bool, random: &mut Lcg) {
        // Few different values: many ties.
        let mut x: Vec<T> = random.halves(shape.input_elements());
        if with_nan {
            x.iter_mut().step_by(5).for_each(|x| *x = T::from_f64(f64::NAN));
        }
        let dy: Vec<T> = random.halves(shape.output_elements());
        let wide: Vec<f64> = x.iter().map(|x| x.to_f64()).collect();
        let v: Vec<T> = random.halves(x.len());
        let (mut max_y, mut average_y, mut selected) = (Vec::new(), Vec::new(), Vec::new());
        let (mut max_dx, mut average_dx) = (vec![0.0; x.len()], vec![0.0; x.len()]);
        for (window, dy) in windows(shape).iter().zip(&dy) {
            let place = first_maximum(&wide, window);
            max_y.push(place.map_or(f64::NEG_INFINITY, |place| wide[place]));
            selected.push(place.map_or(0.0, |place| v[place].to_f64()));
            if let Some(place) = place {
                max_dx[place] += dy.to_f64();
            }
            let count = window.len().max(1) as f64;
            average_y.push(window.iter().map(|&at| wide[at]).sum::<f64>() / count);
            for &at in window {
                average_dx[at] += dy.to_f64() / count;
            }
        }
        let nan = T::from_f64(f64::NAN);
        for isa in Isa::available() {
            let mut y = vec![nan; dy.len()];
            let kernel = MaxPool::new(*shape);
            for chunk in random.shuffled(kernel.chunks()) {
                kernel.run(isa, chunk, &x, Disjoint::new(&mut y));
            }
            assert_close(&y, &max_y, "max", isa, shape);

            let kernel = MaxPoolSelect::new(*shape);
            for chunk in random.shuffled(kernel.chunks()) {
                kernel.run(isa, chunk, &x, &v, Disjoint::new(&mut y));
            }
            assert_close(&y, &selected, "max select", isa, shape);

            let kernel = AveragePool::new(*shape);
            for chunk in random.shuffled(kernel.chunks()) {
                kernel.run(isa, chunk, &x, Disjoint::new(&mut y));
            }
            assert_close(&y, &average_y, "average", isa, shape);

            let mut dx = vec![nan; x.len()];
            let kernel = MaxPoolBackward::new(*shape);
            for chunk in random.shuffled(kernel.chunks()) {
                kernel.run(isa, chunk, &x, &dy, Disjoint::new(&mut dx));
            }
            assert_close(&dx, &max_dx, "max backward", isa, shape);

            let kernel = AveragePoolBackward::new(*shape);
            for chunk in random.shuffled(kernel.chunks()) {
                kernel.run(isa, chunk, &dy, Disjoint::new(&mut dx));
            }
            assert_close(&dx, &average_dx, "average backward", isa, shape);
        }
    }

    #[test]
    fn random_geometry() {
        let mut random = Lcg::new(11);
        for case in 0..300 {
            let shape = PoolShape {
                batch: random.below(4),
                height: random.below(10),
                width: random.below(12),
                channels: [0, 1, 3, 16, 20, 33][random.below(6)],
                window_height: 1 + random.below(4),
                window_width: 1 + random.below(4),
                stride_height: 1 + random.below(3),
                stride_width: 1 + random.below(3),
                padding: Padding {
                    top: random.below(4),
                    bottom: random.below(4),
                    left: random.below(4),
                    right: random.below(4),
                },
            };
            check::<f32>(&shape, case % 7 == 0, &mut random);
            check::<f64>(&shape, false, &mut random);
        }
    }

    #[test]
    fn many_chunks() {
        let mut random = Lcg::new(12);
        for (window, stride) in [(2, 2), (3, 2), (3, 1), (2, 3)] {
            let shape = PoolShape {
                batch: 3,
                height: 31,
                width: 29,
                channels: 32,
                window_height: window,
                window_width: window,
                stride_height: stride,
                stride_width: stride,
                padding: Padding { top: 1, bottom: 1, left: 0, right: 1 },
            };
            assert!(MaxPoolBackward::new(shape).chunks() > 1);
            check::<f32>(&shape, false, &mut random);
        }
    }
}
