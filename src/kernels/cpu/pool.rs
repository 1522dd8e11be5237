//! Maximum and average over windows of an image in NHWC layout; a window of height 1 or width 1 pools along one axis.
//!
//! ```text
//! chunk = (rows of the output; of dx in the backward passes)     fixed by shape
//!   for output row, for output pixel
//!     for pixel of its window that is inside of the image
//!       for channel                                              vectors
//! ```
//!
//! Pixels outside of the image do not take part: they are never the maximum, and an average counts only those inside. A
//! window wholly outside has maximum minus infinity and average 0. A NaN in a window is its maximum.
//!
//! The backward passes own rows of dx and visit every window that touches them, in the same order whatever the chunks
//! are; a window that two chunks share is visited by both. The gradient of a maximum goes to the first one in the
//! window, row by row; which one that is, is found again from x. Memory limits the speed.

use crate::cpu::disjoint::Disjoint;
use crate::cpu::float::Float;
use crate::cpu::gemm::{Compute, MOST_CHUNKS, Split};
use crate::cpu::simd::Isa;
use crate::cpu::workspace;
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
    fn rows(&self, row: usize) -> Range<usize> {
        clipped(row * self.stride_height, self.window_height, self.padding.top, self.height)
    }

    /// The image columns of output column `column`.
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
        let (x, dy) = (&x[..shape.input_elements()], &dy[..shape.output_elements()]);
        workspace::with(2 * shape.channels, |room: &mut [T]| max_backward(isa, shape, rows, x, dy, dx, room));
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

#[inline(always)]
fn larger<T: Float>(best: T, x: T) -> T {
    if exceeds(x, best) { x } else { best }
}

/// Calls `f(output pixel, image rows, image columns)` for the windows of the output rows `rows` of one image or more.
#[inline(always)]
fn for_each_window(shape: &PoolShape, rows: Range<usize>, mut f: impl FnMut(usize, usize, Range<usize>, Range<usize>)) {
    let [height, width] = [shape.output_height(), shape.output_width()];
    for (index, row) in rows.enumerate() {
        let [image, row] = [row / height, row % height];
        for column in 0..width {
            f(index * width + column, image, shape.rows(row), shape.columns(column));
        }
    }
}

#[inline(always)]
fn max_body<T: Float>(shape: &PoolShape, rows: Range<usize>, x: &[T], y: &mut [T]) {
    let channels = shape.channels;
    for_each_window(shape, rows, |pixel, image, rows, columns| {
        let y = &mut y[pixel * channels..][..channels];
        let at = |row: usize, column: usize| {
            &x[((image * shape.height + row) * shape.width + column) * channels..][..channels]
        };
        if rows.is_empty() || columns.is_empty() {
            y.fill(T::NEG_INFINITY);
        } else if rows.len() == 2 && columns.len() == 2 {
            let (a, b) = (at(rows.start, columns.start), at(rows.start, columns.start + 1));
            let (c, d) = (at(rows.start + 1, columns.start), at(rows.start + 1, columns.start + 1));
            for ((((y, &a), &b), &c), &d) in y.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                *y = larger(larger(a, b), larger(c, d));
            }
        } else {
            y.copy_from_slice(at(rows.start, columns.start));
            for row in rows {
                for column in columns.clone() {
                    for (y, &x) in y.iter_mut().zip(at(row, column)) {
                        *y = larger(*y, x);
                    }
                }
            }
        }
    });
}

#[inline(always)]
fn average_body<T: Float>(shape: &PoolShape, rows: Range<usize>, x: &[T], y: &mut [T]) {
    let channels = shape.channels;
    for_each_window(shape, rows, |pixel, image, rows, columns| {
        let y = &mut y[pixel * channels..][..channels];
        y.fill(T::ZERO);
        let count = rows.len() * columns.len();
        for row in rows {
            for column in columns.clone() {
                let start = ((image * shape.height + row) * shape.width + column) * channels;
                for (y, &x) in y.iter_mut().zip(&x[start..][..channels]) {
                    *y += x;
                }
            }
        }
        let scale = T::ONE / T::from_f64(count.max(1) as f64);
        for y in y {
            *y *= scale;
        }
    });
}

/// Calls `f(image, own rows of that image)` for rows of all images, and once more for each image that they reach.
#[inline(always)]
fn for_each_image(height: usize, rows: &Range<usize>, mut f: impl FnMut(usize, Range<usize>)) {
    let mut row = rows.start;
    while row < rows.end {
        let [image, first] = [row / height, row % height];
        let own = first..(first + (rows.end - row)).min(height);
        row += own.len();
        f(image, own);
    }
}

#[inline(always)]
fn max_backward_body<T: Float>(shape: &PoolShape, rows: Range<usize>, x: &[T], dy: &[T], dx: &mut [T], room: &mut [T]) {
    let [channels, height, width] = [shape.channels, shape.output_height(), shape.output_width()];
    let (best, place) = room.split_at_mut(channels);
    let line = shape.width * channels;
    dx.fill(T::ZERO);
    for_each_image(shape.height, &rows, |image, own| {
        let x = &x[image * shape.height * line..][..shape.height * line];
        let dx = &mut dx[(image * shape.height + own.start - rows.start) * line..][..own.len() * line];
        let covering = shape.touching(&own);
        let windows = image * height + covering.start..image * height + covering.end;
        for_each_window(shape, windows.clone(), |pixel, _, rows, columns| {
            if rows.is_empty() || columns.is_empty() {
                return;
            }
            let dy = &dy[(windows.start * width + pixel) * channels..][..channels];
            let at = |row: usize, column: usize| (row * shape.width + column) * channels;
            // Where in the window the first maximum of each channel is.
            best.copy_from_slice(&x[at(rows.start, columns.start)..][..channels]);
            place.fill(T::ZERO);
            let mut number = T::ZERO;
            for row in rows.clone() {
                for column in columns.clone() {
                    let x = &x[at(row, column)..][..channels];
                    for ((best, place), &x) in best.iter_mut().zip(place.iter_mut()).zip(x) {
                        let take = exceeds(x, *best);
                        *best = if take { x } else { *best };
                        *place = if take { number } else { *place };
                    }
                    number += T::ONE;
                }
            }
            let mut number = T::ZERO;
            for row in rows {
                for column in columns.clone() {
                    if own.contains(&row) {
                        let dx = &mut dx[at(row - own.start, column)..][..channels];
                        for ((dx, &place), &dy) in dx.iter_mut().zip(place.iter()).zip(dy) {
                            *dx += if place == number { dy } else { T::ZERO };
                        }
                    }
                    number += T::ONE;
                }
            }
        });
    });
}

#[inline(always)]
fn average_backward_body<T: Float>(shape: &PoolShape, rows: Range<usize>, dy: &[T], dx: &mut [T]) {
    let [channels, height, width] = [shape.channels, shape.output_height(), shape.output_width()];
    let line = shape.width * channels;
    dx.fill(T::ZERO);
    for_each_image(shape.height, &rows, |image, own| {
        let dx = &mut dx[(image * shape.height + own.start - rows.start) * line..][..own.len() * line];
        let covering = shape.touching(&own);
        let windows = image * height + covering.start..image * height + covering.end;
        for_each_window(shape, windows.clone(), |pixel, _, rows, columns| {
            let dy = &dy[(windows.start * width + pixel) * channels..][..channels];
            let scale = T::ONE / T::from_f64((rows.len() * columns.len()).max(1) as f64);
            for row in rows.filter(|row| own.contains(row)) {
                for column in columns.clone() {
                    let dx = &mut dx[((row - own.start) * shape.width + column) * channels..][..channels];
                    for (dx, &dy) in dx.iter_mut().zip(dy) {
                        *dx += dy * scale;
                    }
                }
            }
        });
    });
}

for_each_isa! {
    fn max<T: Float>(shape: &PoolShape, rows: Range<usize>, x: &[T], y: &mut [T]) = max_body;
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
        room: &mut [T],
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
        let (mut max_y, mut average_y) = (Vec::new(), Vec::new());
        let (mut max_dx, mut average_dx) = (vec![0.0; x.len()], vec![0.0; x.len()]);
        for (window, dy) in windows(shape).iter().zip(&dy) {
            let place = first_maximum(&wide, window);
            max_y.push(place.map_or(f64::NEG_INFINITY, |place| wide[place]));
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
