//! Maximum and average over windows of a volume in NDHWC layout. Images have one plane, sequences one column.
//!
//! ```text
//! chunk = rows of the output's planes; of dx's in the backward passes     fixed by shape
//!   for output row, for output pixel
//!     for 16 channels                                            one register of results
//!       for pixel of the window that is inside of the image
//! ```
//!
//! Windows of one size slide, or (*adaptive*) cut an axis into equal parts, rounded outwards. Pixels outside of the image do not take part: they are never the maximum, and an average counts only those inside. A
//! window wholly outside has maximum minus infinity and average 0. A NaN in a window is its maximum.
//!
//! The backward passes own rows of dx and visit every window that touches them, in the same order whatever the chunks
//! are; a window that two chunks share is visited by both. The gradient of a maximum goes to the first one in the
//! window, plane by plane, row by row; which one that is, is found again from x, or kept from the forward pass (`places`).
//! `MaxPoolSelect` reads another image at that place, as the derivative of the gradient does. Memory limits the speed.

use crate::cpu::disjoint::Disjoint;
use crate::cpu::float::Float;
use crate::cpu::gemm::{Compute, MOST_CHUNKS, Split};
use crate::cpu::simd::Isa;
use crate::for_each_isa;
use std::ops::Range;

#[cfg(test)]
mod tests;

/// The windows along one axis.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Axis {
    pub length: usize,
    pub windows: Windows,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Windows {
    /// Of one size, `stride` apart, over the axis between its paddings.
    Sliding { size: usize, stride: usize, padding: (usize, usize) },
    /// Number `i` of `count` covers `floor(i length / count) .. ceil((i + 1) length / count)`.
    Adaptive { count: usize },
}

impl Axis {
    /// An axis that is not pooled.
    pub const ONE: Axis = Axis { length: 1, windows: Windows::Sliding { size: 1, stride: 1, padding: (0, 0) } };

    /// How many windows there are.
    pub fn outputs(&self) -> usize {
        match self.windows {
            Windows::Sliding { size, stride, padding: (before, after) } => {
                crate::cpu::conv::positions(self.length, before, after, size, 1, stride)
            }
            Windows::Adaptive { count } => count,
        }
    }

    /// The part of a window that is inside of the axis.
    #[inline(always)]
    fn window(&self, index: usize) -> Range<usize> {
        match self.windows {
            Windows::Sliding { size, stride, padding: (before, _) } => {
                let start = index * stride;
                let end = (start + size).saturating_sub(before).min(self.length);
                start.saturating_sub(before).min(end)..end
            }
            Windows::Adaptive { count } => index * self.length / count..((index + 1) * self.length).div_ceil(count),
        }
    }

    /// The windows that touch `range`.
    fn touching(&self, range: &Range<usize>) -> Range<usize> {
        let (first, last) = match self.windows {
            Windows::Sliding { size, stride, padding: (before, _) } => {
                let first = (range.start + before + 1).saturating_sub(size).div_ceil(stride);
                (first, (range.end + before).div_ceil(stride))
            }
            // The last that ends after the start; the first that starts at the end.
            Windows::Adaptive { count } => {
                let length = self.length.max(1);
                (range.start * count / length, (range.end * count).div_ceil(length))
            }
        };
        first..last.min(self.outputs()).max(first)
    }
}

/// The geometry of a pooling.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PoolShape {
    pub batch: usize,
    /// Depth, height, width.
    pub axes: [Axis; 3],
    pub channels: usize,
}

/// Elements that make a chunk.
const CHUNK_ELEMENTS: usize = 16 * 1024;

impl PoolShape {
    /// Elements of `x`.
    pub fn input_elements(&self) -> usize {
        self.batch * self.axes.iter().map(|axis| axis.length).product::<usize>() * self.channels
    }

    /// Elements of `y`.
    pub fn output_elements(&self) -> usize {
        self.batch * self.axes.iter().map(Axis::outputs).product::<usize>() * self.channels
    }

    fn check(&self) {
        for axis in &self.axes {
            let started = match axis.windows {
                Windows::Sliding { size, stride, .. } => size > 0 && stride > 0,
                Windows::Adaptive { .. } => true,
            };
            assert!(started, "windows and strides start at 1: {self:?}");
        }
    }

    fn split(&self, rows: usize) -> Split {
        let elements = self.input_elements().max(self.output_elements());
        Split::new(self.batch * rows, (elements / CHUNK_ELEMENTS).clamp(1, MOST_CHUNKS), 1)
    }

    fn output_rows(&self) -> Split {
        self.split(self.axes[0].outputs() * self.axes[1].outputs())
    }

    fn input_rows(&self) -> Split {
        self.split(self.axes[0].length * self.axes[1].length)
    }

    /// Whether every window has one plane.
    fn is_flat(&self) -> bool {
        self.axes[0] == Axis::ONE
    }

    /// Elements of a row, a plane and all planes of `x`.
    fn input_strides(&self) -> [usize; 3] {
        let line = self.axes[2].length * self.channels;
        [line, line * self.axes[1].length, line * self.axes[1].length * self.axes[0].length]
    }
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
    MaxPool, output_rows, |shape| shape.output_rows()
}
kernel! {
    /// The gradient of [`MaxPool`].
    MaxPoolBackward, input_rows, |shape| shape.input_rows()
}
kernel! {
    /// `y = v` at the first maximum of each window of `x`.
    MaxPoolSelect, output_rows, |shape| shape.output_rows()
}
kernel! {
    /// `y = mean(x)` over the parts of windows that are inside of the image.
    AveragePool, output_rows, |shape| shape.output_rows()
}
kernel! {
    /// The gradient of [`AveragePool`].
    AveragePoolBackward, input_rows, |shape| shape.input_rows()
}

impl MaxPool {
    /// Computes one part of `y`.
    ///
    /// # Panics
    /// When a slice is too short for the geometry.
    pub fn run<T: Compute>(&self, isa: Isa, chunk: usize, x: &[T], y: Disjoint<T>) {
        let rows = self.output_rows.range(chunk);
        let line = self.shape.axes[2].outputs() * self.shape.channels;
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
        let line = self.shape.axes[2].outputs() * self.shape.channels;
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
        let line = self.shape.axes[2].outputs() * self.shape.channels;
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
        let [line, _, _] = shape.input_strides();
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
        let [line, _, _] = shape.input_strides();
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

/// A window of a volume, whose planes are `plane`, rows `line` and pixels `channels` elements apart.
#[derive(Clone, Copy)]
struct Window {
    start: usize,
    planes: usize,
    rows: usize,
    columns: usize,
    plane: usize,
    line: usize,
    channels: usize,
}

impl Window {
    /// The planes and rows of a window; its columns are to be given.
    #[inline(always)]
    fn new(shape: &PoolShape, planes: &Range<usize>, rows: &Range<usize>) -> Self {
        let [line, plane, _] = shape.input_strides();
        Self {
            start: planes.start * plane + rows.start * line,
            planes: planes.len(),
            rows: rows.len(),
            columns: 0,
            plane,
            line,
            channels: shape.channels,
        }
    }

    #[inline(always)]
    fn at(self, columns: &Range<usize>) -> Self {
        Self { start: self.start + columns.start * self.channels, columns: columns.len(), ..self }
    }

    #[inline(always)]
    fn is_empty(&self) -> bool {
        self.pixels() == 0
    }

    #[inline(always)]
    fn pixels(&self) -> usize {
        self.planes * self.rows * self.columns
    }
}

#[inline(always)]
fn load<T: Float, const L: usize>(from: &[T], at: usize) -> [T; L] {
    let mut lanes = [T::ZERO; L];
    lanes.copy_from_slice(&from[at..at + L]);
    lanes
}

/// The maxima of `L` channels from `channel` on and where in the window, counted plane by plane and row by row, the first
/// of each is. `FLAT` says that windows have one plane.
#[inline(always)]
fn maximum<T: Float, const L: usize, const FLAT: bool>(
    image: &[T],
    window: &Window,
    channel: usize,
) -> ([T; L], [T; L]) {
    let start = window.start + channel;
    let mut best: [T; L] = load(image, start);
    let mut place = [T::ZERO; L];
    let mut number = T::ZERO;
    for plane in 0..if FLAT { 1 } else { window.planes } {
        for row in 0..window.rows {
            let start = start + plane * window.plane + row * window.line;
            for column in 0..window.columns {
                let x: [T; L] = load(image, start + column * window.channels);
                for ((best, place), x) in best.iter_mut().zip(&mut place).zip(x) {
                    let take = exceeds(x, *best);
                    *best = if take { x } else { *best };
                    *place = if take { number } else { *place };
                }
                number += T::ONE;
            }
        }
    }
    (best, place)
}

/// Calls `$body` for every output pixel of the rows `$rows`, of all planes and batches: its volume's first element, its
/// window, and its part of `$y`.
macro_rules! for_outputs {
    ($shape:ident, $rows:ident, $y:ident, |$volume:ident, $window:ident, $to:ident| $body:block) => {
        let [depth, height, width] = $shape.axes.map(|axis| axis.outputs());
        let [_, _, elements] = $shape.input_strides();
        let mut pixels = $y.chunks_exact_mut($shape.channels.max(1));
        for row in $rows {
            let [plane, row] = [row / height, row % height];
            let $volume = plane / depth * elements;
            let [planes, rows] = [$shape.axes[0].window(plane % depth), $shape.axes[1].window(row)];
            let window = Window::new($shape, &planes, &rows);
            for column in 0..width {
                let $window = window.at(&$shape.axes[2].window(column));
                let Some($to) = pixels.next() else { return };
                $body
            }
        }
    };
}

#[inline(always)]
fn max_body<T: Float>(shape: &PoolShape, rows: Range<usize>, x: &[T], y: &mut [T]) {
    if shape.is_flat() { max_of::<T, true>(shape, rows, x, y) } else { max_of::<T, false>(shape, rows, x, y) }
}

#[inline(always)]
fn max_of<T: Float, const FLAT: bool>(shape: &PoolShape, rows: Range<usize>, x: &[T], y: &mut [T]) {
    for_outputs!(shape, rows, y, |volume, window, y| {
        if window.is_empty() {
            y.fill(T::NEG_INFINITY);
            continue;
        }
        let x = &x[volume..];
        for_channels!(shape.channels, |channel, L| {
            let (best, _) = maximum::<T, L, FLAT>(x, &window, channel);
            y[channel..][..L].copy_from_slice(&best);
        });
    });
}

#[inline(always)]
fn max_select_body<T: Float>(shape: &PoolShape, rows: Range<usize>, x: &[T], v: &[T], y: &mut [T]) {
    if shape.is_flat() {
        max_select_of::<T, true>(shape, rows, x, v, y);
    } else {
        max_select_of::<T, false>(shape, rows, x, v, y);
    }
}

#[inline(always)]
fn max_select_of<T: Float, const FLAT: bool>(shape: &PoolShape, rows: Range<usize>, x: &[T], v: &[T], y: &mut [T]) {
    for_outputs!(shape, rows, y, |volume, window, y| {
        y.fill(T::ZERO);
        if window.is_empty() {
            continue;
        }
        let (x, v) = (&x[volume..], &v[volume..]);
        for_channels!(shape.channels, |channel, L| {
            let (_, place) = maximum::<T, L, FLAT>(x, &window, channel);
            let y = &mut y[channel..][..L];
            let mut number = T::ZERO;
            for plane in 0..if FLAT { 1 } else { window.planes } {
                for row in 0..window.rows {
                    let start = window.start + plane * window.plane + row * window.line + channel;
                    for column in 0..window.columns {
                        let v: [T; L] = load(v, start + column * window.channels);
                        for ((y, place), v) in y.iter_mut().zip(place).zip(v) {
                            *y = if place == number { v } else { *y };
                        }
                        number += T::ONE;
                    }
                }
            }
        });
    });
}

#[inline(always)]
fn average_body<T: Float>(shape: &PoolShape, rows: Range<usize>, x: &[T], y: &mut [T]) {
    if shape.is_flat() { average_of::<T, true>(shape, rows, x, y) } else { average_of::<T, false>(shape, rows, x, y) }
}

#[inline(always)]
fn average_of<T: Float, const FLAT: bool>(shape: &PoolShape, rows: Range<usize>, x: &[T], y: &mut [T]) {
    for_outputs!(shape, rows, y, |volume, window, y| {
        let x = &x[volume..];
        let scale = T::ONE / T::from_f64(window.pixels().max(1) as f64);
        for_channels!(shape.channels, |channel, L| {
            let mut sums = [T::ZERO; L];
            for plane in 0..if FLAT { 1 } else { window.planes } {
                for row in 0..window.rows {
                    let start = window.start + plane * window.plane + row * window.line + channel;
                    for column in 0..window.columns {
                        let x: [T; L] = load(x, start + column * window.channels);
                        for (sum, x) in sums.iter_mut().zip(x) {
                            *sum += x;
                        }
                    }
                }
            }
            for (y, sum) in y[channel..][..L].iter_mut().zip(sums) {
                *y = sum * scale;
            }
        });
    });
}

/// Calls `$body` for every window that touches the image rows `$rows`, of all planes and batches, run by run of rows of one
/// plane: its output pixel, its planes, rows and columns, the plane and rows that are the run's own, and their part of
/// `$dx`, which starts as zeros.
macro_rules! for_touching {
    ($shape:ident, $rows:ident, $dx:ident,
     |$volume:ident, $pixel:ident, $planes:ident, $lines:ident, $columns:ident, $plane:ident, $own:ident, $to:ident|
     $body:block) => {
        let [depth, height, width] = $shape.axes.map(|axis| axis.outputs());
        let [line, _, elements] = $shape.input_strides();
        let image_height = $shape.axes[1].length;
        let mut rest = $dx;
        let mut row = $rows.start;
        while row < $rows.end {
            let $plane = row / image_height % $shape.axes[0].length;
            let image = row / image_height / $shape.axes[0].length;
            let $volume = image * elements;
            let first = row % image_height;
            let $own = first..(first + ($rows.end - row)).min(image_height);
            row += $own.len();
            let $to;
            ($to, rest) = rest.split_at_mut($own.len() * line);
            $to.fill(T::ZERO);
            for output_plane in $shape.axes[0].touching(&($plane..$plane + 1)) {
                let $planes = $shape.axes[0].window(output_plane);
                for output_row in $shape.axes[1].touching(&$own) {
                    let $lines = $shape.axes[1].window(output_row);
                    for output_column in 0..width {
                        let $columns = $shape.axes[2].window(output_column);
                        if $planes.is_empty() || $lines.is_empty() || $columns.is_empty() {
                            continue;
                        }
                        let $pixel = ((image * depth + output_plane) * height + output_row) * width + output_column;
                        $body
                    }
                }
            }
        }
    };
}

mod places;
pub use places::{MOST_PLACES, MaxPoolPlaces, MaxPoolPlacesBackward, MaxPoolPlacesSums};

#[inline(always)]
fn max_backward_body<T: Float>(shape: &PoolShape, rows: Range<usize>, x: &[T], dy: &[T], dx: &mut [T]) {
    if shape.is_flat() {
        max_backward_of::<T, true>(shape, rows, x, dy, dx);
    } else {
        max_backward_of::<T, false>(shape, rows, x, dy, dx);
    }
}

#[inline(always)]
fn max_backward_of<T: Float, const FLAT: bool>(shape: &PoolShape, rows: Range<usize>, x: &[T], dy: &[T], dx: &mut [T]) {
    let channels = shape.channels;
    for_touching!(shape, rows, dx, |volume, pixel, planes, lines, columns, plane, own, dx| {
        let window = Window::new(shape, &planes, &lines).at(&columns);
        let x = &x[volume..];
        for_channels!(channels, |channel, L| {
            let (_, place) = maximum::<T, L, FLAT>(x, &window, channel);
            let dy: [T; L] = load(dy, pixel * channels + channel);
            for row in lines.start.max(own.start)..lines.end.min(own.end) {
                let before = ((plane - planes.start) * lines.len() + row - lines.start) * columns.len();
                let mut number = T::from_f64(before as f64);
                for column in columns.clone() {
                    let at = (row - own.start) * window.line + column * channels + channel;
                    for ((dx, place), dy) in dx[at..][..L].iter_mut().zip(place).zip(dy) {
                        *dx += if place == number { dy } else { T::ZERO };
                    }
                    number += T::ONE;
                }
            }
        });
    });
}

#[inline(always)]
fn average_backward_body<T: Float>(shape: &PoolShape, rows: Range<usize>, dy: &[T], dx: &mut [T]) {
    let channels = shape.channels;
    for_touching!(shape, rows, dx, |_volume, pixel, planes, lines, columns, plane, own, dx| {
        let scale = T::ONE / T::from_f64((planes.len() * lines.len() * columns.len()) as f64);
        for_channels!(channels, |channel, L| {
            let dy: [T; L] = load(dy, pixel * channels + channel);
            for row in lines.start.max(own.start)..lines.end.min(own.end) {
                for column in columns.clone() {
                    let at = ((row - own.start) * shape.axes[2].length + column) * channels + channel;
                    for (dx, dy) in dx[at..][..L].iter_mut().zip(dy) {
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
