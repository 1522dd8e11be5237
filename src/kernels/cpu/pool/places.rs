//! The maximum over windows with the place of each, a byte, so that its gradient reads neither `x` nor `y`.
//!
//! ```text
//! forward    y, place = max(x)            place: number of the pixel in its window, row by row, or NOWHERE
//! backward   dx[pixel] = sum of dy over the windows whose place is the pixel
//! sums       sum of dy over all windows that have a place, of each channel: that of dx over all pixels
//! ```
//!
//! A *gated* place is one of a maximum above 0: where `x` is the result of relu, the gradient so is that of what relu was
//! given. Windows that do not overlap write each pixel once.

use super::{Compute, Disjoint, Float, Isa, LANES, PoolShape, Range, Split, Window, Windows, load, maximum};
use crate::cpu::gemm::{MOST_CHUNKS, add};
use crate::cpu::workspace;
use crate::for_each_isa;

/// The place of a maximum that passes no gradient on.
const NOWHERE: u8 = u8::MAX;

/// Pixels of a window at most, for a place to fit a byte.
pub const MOST_PLACES: usize = NOWHERE as usize;

kernel! {
    /// `y = max(x)` over windows, and the place of each.
    MaxPoolPlaces, output_rows, |shape| shape.output_rows()
}
kernel! {
    /// The gradient of `x` from that of `y` and the places.
    MaxPoolPlacesBackward, input_rows, |shape| shape.input_rows()
}

impl MaxPoolPlaces {
    /// Computes one part of `y`, if it is wanted, and of `places`. `gated` leaves out the places of maxima that are not
    /// above 0.
    ///
    /// # Panics
    /// When a slice is too short for the geometry.
    pub fn run<T: Compute>(
        &self,
        isa: Isa,
        chunk: usize,
        gated: bool,
        x: &[T],
        y: Option<Disjoint<T>>,
        places: Disjoint<u8>,
    ) {
        let rows = self.output_rows.range(chunk);
        let line = self.shape.axes[2].outputs() * self.shape.channels;
        let range = rows.start * line..rows.end * line;
        let x = &x[..self.shape.input_elements()];
        // SAFETY: chunks have disjoint rows.
        let (y, places) = unsafe { (y.map(|y| y.range(range.clone())), places.range(range.clone())) };
        let fill = |y: &mut [T]| {
            if gated {
                gated_places(isa, &self.shape, rows, x, y, places);
            } else {
                all_places(isa, &self.shape, rows, x, y, places);
            }
        };
        match y {
            Some(y) => fill(y),
            None => workspace::with(range.len(), fill),
        }
    }
}

impl MaxPoolPlacesBackward {
    /// Computes one part of `dx`.
    ///
    /// # Panics
    /// When a slice is too short for the geometry.
    pub fn run<T: Compute>(&self, isa: Isa, chunk: usize, places: &[u8], dy: &[T], dx: Disjoint<T>) {
        let shape = &self.shape;
        let rows = self.input_rows.range(chunk);
        let [line, _, _] = shape.input_strides();
        let count = shape.output_elements();
        // SAFETY: chunks have disjoint rows.
        let dx = unsafe { dx.range(rows.start * line..rows.end * line) };
        backward(isa, shape, rows, &places[..count], &dy[..count], dx);
    }
}

/// Sums of `dy` over the windows that have a place, for every channel: the gradient of a bias before the maximum.
#[derive(Clone, Copy, Debug)]
pub struct MaxPoolPlacesSums {
    channels: usize,
    windows: Split,
}

/// Windows of a chunk, times channels.
const SUMMED_ELEMENTS: usize = 16 * 1024;

impl MaxPoolPlacesSums {
    /// Of `windows` windows, all images together.
    pub fn new(windows: usize, channels: usize) -> Self {
        let wanted = (windows * channels / SUMMED_ELEMENTS).clamp(1, MOST_CHUNKS);
        Self { channels, windows: Split::new(windows, wanted, 1) }
    }

    pub fn chunks(&self) -> usize {
        self.windows.parts
    }

    /// Elements of the chunks' sums.
    pub fn partial_elements(&self) -> usize {
        self.chunks() * self.channels
    }

    /// Adds up one part of the windows.
    ///
    /// # Panics
    /// When a slice is too short.
    pub fn run<T: Compute>(&self, isa: Isa, chunk: usize, places: &[u8], dy: &[T], partial: Disjoint<T>) {
        let rows = self.windows.range(chunk);
        let range = rows.start * self.channels..rows.end * self.channels;
        // SAFETY: every chunk has sums of its own.
        let sums = unsafe { partial.range(chunk * self.channels..(chunk + 1) * self.channels) };
        sums.fill(T::ZERO);
        add_placed(isa, &places[range.clone()], &dy[range], sums);
    }

    /// Adds the chunks' sums in order, when all chunks are complete.
    ///
    /// # Panics
    /// When a slice is too short.
    pub fn finish<T: Compute>(&self, isa: Isa, sums: &mut [T], partial: &[T]) {
        sums.copy_from_slice(&partial[..self.channels]);
        for chunk in 1..self.chunks() {
            add(isa, sums, &partial[chunk * self.channels..][..self.channels]);
        }
    }
}

#[inline(always)]
fn add_placed_body<T: Float>(places: &[u8], dy: &[T], sums: &mut [T]) {
    let channels = sums.len().max(1);
    for (places, dy) in places.chunks_exact(channels).zip(dy.chunks_exact(channels)) {
        for ((sum, &place), &dy) in sums.iter_mut().zip(places).zip(dy) {
            *sum += if place == NOWHERE { T::ZERO } else { dy };
        }
    }
}

#[inline(always)]
fn places_body<T: Float, const FLAT: bool, const GATED: bool>(
    shape: &PoolShape,
    rows: Range<usize>,
    x: &[T],
    y: &mut [T],
    places: &mut [u8],
) {
    let nowhere = T::from_f64(f64::from(NOWHERE));
    let mut places = places.chunks_exact_mut(shape.channels.max(1));
    for_outputs!(shape, rows, y, |volume, window, y| {
        let Some(places) = places.next() else { return };
        if window.is_empty() {
            y.fill(T::NEG_INFINITY);
            places.fill(NOWHERE);
            continue;
        }
        let x = &x[volume..];
        for_channels!(shape.channels, |channel, L| {
            let (best, place) = maximum::<T, L, FLAT>(x, &window, channel);
            y[channel..][..L].copy_from_slice(&best);
            for ((to, mut place), best) in places[channel..][..L].iter_mut().zip(place).zip(best) {
                if GATED {
                    place = if best > T::ZERO { place } else { nowhere };
                }
                *to = place.to_byte();
            }
        });
    });
}

#[inline(always)]
fn gated_body<T: Float>(shape: &PoolShape, rows: Range<usize>, x: &[T], y: &mut [T], places: &mut [u8]) {
    if shape.is_flat() {
        places_body::<T, true, true>(shape, rows, x, y, places);
    } else {
        places_body::<T, false, true>(shape, rows, x, y, places);
    }
}

#[inline(always)]
fn all_body<T: Float>(shape: &PoolShape, rows: Range<usize>, x: &[T], y: &mut [T], places: &mut [u8]) {
    if shape.is_flat() {
        places_body::<T, true, false>(shape, rows, x, y, places);
    } else {
        places_body::<T, false, false>(shape, rows, x, y, places);
    }
}

/// Whether no pixel is in two windows.
fn is_apart(shape: &PoolShape) -> bool {
    shape.axes.iter().all(|axis| match axis.windows {
        Windows::Sliding { size, stride, .. } => stride >= size,
        Windows::Adaptive { count } => axis.length.is_multiple_of(count.max(1)),
    })
}

#[inline(always)]
fn backward_body<T: Float>(shape: &PoolShape, rows: Range<usize>, places: &[u8], dy: &[T], dx: &mut [T]) {
    if is_apart(shape) {
        backward_of::<T, true>(shape, rows, places, dy, dx);
    } else {
        backward_of::<T, false>(shape, rows, places, dy, dx);
    }
}

#[inline(always)]
fn backward_of<T: Float, const APART: bool>(
    shape: &PoolShape,
    rows: Range<usize>,
    places: &[u8],
    dy: &[T],
    dx: &mut [T],
) {
    let channels = shape.channels;
    for_touching!(shape, rows, dx, |_volume, pixel, planes, lines, columns, plane, own, dx| {
        let window = Window::new(shape, &planes, &lines).at(&columns);
        for_channels!(channels, |channel, L| {
            let at = pixel * channels + channel;
            let dy: [T; L] = load(dy, at);
            let mut place = [T::ZERO; L];
            for (place, &byte) in place.iter_mut().zip(&places[at..][..L]) {
                *place = T::from_f64(f64::from(byte));
            }
            for row in lines.start.max(own.start)..lines.end.min(own.end) {
                let before = ((plane - planes.start) * lines.len() + row - lines.start) * columns.len();
                let mut number = T::from_f64(before as f64);
                for column in columns.clone() {
                    let at = (row - own.start) * window.line + column * channels + channel;
                    for ((dx, place), dy) in dx[at..][..L].iter_mut().zip(place).zip(dy) {
                        let part = if place == number { dy } else { T::ZERO };
                        *dx = if APART { part } else { *dx + part };
                    }
                    number += T::ONE;
                }
            }
        });
    });
}

for_each_isa! {
    fn gated_places<T: Float>(
        shape: &PoolShape,
        rows: Range<usize>,
        x: &[T],
        y: &mut [T],
        places: &mut [u8],
    ) = gated_body;
}
for_each_isa! {
    /// Adds rows of `dy` to `sums` where they have a place.
    fn add_placed<T: Float>(places: &[u8], dy: &[T], sums: &mut [T]) = add_placed_body;
}
for_each_isa! {
    fn all_places<T: Float>(shape: &PoolShape, rows: Range<usize>, x: &[T], y: &mut [T], places: &mut [u8]) = all_body;
}
for_each_isa! {
    fn backward<T: Float>(
        shape: &PoolShape,
        rows: Range<usize>,
        places: &[u8],
        dy: &[T],
        dx: &mut [T],
    ) = backward_body;
}
