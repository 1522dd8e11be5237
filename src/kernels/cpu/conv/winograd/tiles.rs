//! The transforms of tiles, a register of channels at a time, along columns first.
//!
//! ```text
//! source   V = B^T d B     side x side pixels  -> side x side points
//! output   y = A^T m A     side x side points  -> out x out pixels, out = side - 2
//! ```
//!
//! Stores limit the first, loads the second; additions are hidden behind them. Tiles at the border of an image read zeros
//! for the pixels outside, and store those outputs that exist.

use std::ops::Range;

use super::super::depthwise_row::{Body, for_each_register, load, store};
use crate::cpu::float::Float;
use crate::cpu::gemm::Activation;
use crate::cpu::gemm::vector::{Vector, Work};

/// Elements between the points of transformed tiles: one line more than a multiple of a page, so that points lie in sets of
/// their own in L1, and such that they are spread over L2.
pub(super) const SOURCE_POINT: usize = 28 * 1024 + 16;
/// Elements between the points of sums of products.
pub(super) const SUM_POINT: usize = 6 * 1024 + 16;

/// Which pixels of images tiles cover.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    /// Height and width of the images.
    pub size: [usize; 2],
    /// Tiles down and across.
    pub tiles: [usize; 2],
}

/// A tile's image and its place in the grid.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub image: usize,
    pub down: usize,
    pub across: usize,
}

impl Grid {
    #[inline(always)]
    pub fn place(&self, tile: usize) -> Place {
        let [down, across] = self.tiles;
        Place { image: tile / (down * across), down: tile / across % down, across: tile % across }
    }

    #[inline(always)]
    pub fn advance(&self, place: &mut Place) {
        place.across += 1;
        if place.across == self.tiles[1] {
            place.across = 0;
            place.down += 1;
            if place.down == self.tiles[0] {
                place.down = 0;
                place.image += 1;
            }
        }
    }

    /// The pixels that exist in a tile of `out` x `out`.
    pub fn pixels(&self, tile: usize, out: usize) -> impl Iterator<Item = usize> + use<> {
        let [height, width] = self.size;
        let Place { image, down, across } = self.place(tile);
        let rows = down * out..((down + 1) * out).min(height);
        let columns = across * out..((across + 1) * out).min(width);
        rows.flat_map(move |y| columns.clone().map(move |x| (image * height + y) * width + x))
    }
}

/// The numbers that transforms of 6 x 6 points multiply by.
struct Factors<V> {
    two: V,
    four: V,
    minus_four: V,
    minus_five: V,
    eight: V,
}

impl<V: Vector> Factors<V> {
    #[inline(always)]
    unsafe fn new() -> Self {
        // SAFETY: by the caller's contract.
        unsafe {
            Self {
                two: V::splat(&V::Element::from_f64(2.0)),
                four: V::splat(&V::Element::from_f64(4.0)),
                minus_four: V::splat(&V::Element::from_f64(-4.0)),
                minus_five: V::splat(&V::Element::from_f64(-5.0)),
                eight: V::splat(&V::Element::from_f64(8.0)),
            }
        }
    }
}

/// `B^T d`
#[inline(always)]
unsafe fn source_line<V: Vector, const SIDE: usize>(factors: &Factors<V>, d: [V; SIDE]) -> [V; SIDE] {
    let mut line = d;
    // SAFETY: by the caller's contract.
    unsafe {
        if SIDE == 4 {
            line[0] = d[0].subtract(d[2]);
            line[1] = d[1].add(d[2]);
            line[2] = d[2].subtract(d[1]);
            line[3] = d[1].subtract(d[3]);
        } else {
            let even = d[2].multiply_add(factors.minus_four, d[4]);
            let odd = d[1].multiply_add(factors.minus_four, d[3]);
            let [outer, inner] = [d[4].subtract(d[2]), d[3].subtract(d[1])];
            line[0] = d[0].multiply_add(factors.four, d[2].multiply_add(factors.minus_five, d[4]));
            line[1] = even.add(odd);
            line[2] = even.subtract(odd);
            line[3] = inner.multiply_add(factors.two, outer);
            line[4] = outer.subtract(inner.add(inner));
            line[5] = d[1].multiply_add(factors.four, d[3].multiply_add(factors.minus_five, d[5]));
        }
    }
    line
}

/// `A^T m`: the first SIDE - 2 count.
#[inline(always)]
unsafe fn output_line<V: Vector, const SIDE: usize>(factors: &Factors<V>, m: [V; SIDE]) -> [V; SIDE] {
    let mut line = m;
    // SAFETY: by the caller's contract.
    unsafe {
        let [sum, difference] = [m[1].add(m[2]), m[1].subtract(m[2])];
        if SIDE == 4 {
            line[0] = m[0].add(sum);
            line[1] = difference.subtract(m[3]);
        } else {
            let [far_sum, far_difference] = [m[3].add(m[4]), m[3].subtract(m[4])];
            line[0] = m[0].add(sum).add(far_sum);
            line[1] = far_difference.multiply_add(factors.two, difference);
            line[2] = far_sum.multiply_add(factors.four, sum);
            line[3] = far_difference.multiply_add(factors.eight, difference).add(m[5]);
        }
    }
    line
}

/// Transforms all channels of `tiles`; point p of tile t goes to `to + p * SOURCE_POINT + (t - tiles.start) * stride`, with
/// zeros for the channels up to `depth`.
pub(super) struct Source<T, const SIDE: usize> {
    /// The first channel of the first pixel.
    pub images: *const T,
    pub grid: Grid,
    /// Elements between pixels.
    pub pixel: usize,
    pub channels: usize,
    pub depth: usize,
    /// Zeros before the images, down and across.
    pub padding: [usize; 2],
    pub tiles: Range<usize>,
    /// As many zeros as there are channels.
    pub zeros: *const T,
    pub to: *mut T,
    pub stride: usize,
}

impl<T: Float, const SIDE: usize> Work<T> for Source<T, SIDE> {
    #[inline(always)]
    unsafe fn run<V: Vector<Element = T>>(self) {
        let [height, width] = self.grid.size;
        let [top, left] = self.padding;
        let [row_stride, column_stride] = [width * self.pixel, self.pixel];
        let mut place = self.grid.place(self.tiles.start);
        for index in 0..self.tiles.len() {
            // Counted from the first row and column of zeros.
            let [y, x] = [place.down * (SIDE - 2), place.across * (SIDE - 2)];
            // Where the tile starts, which is not in the image if zeros come first.
            let row = (place.image * height + y).wrapping_sub(top);
            let pixel = row.wrapping_mul(width).wrapping_add(x).wrapping_sub(left);
            let first = self.images.wrapping_add(pixel.wrapping_mul(self.pixel));
            let inside = y >= top && x >= left && y + SIDE <= top + height && x + SIDE <= left + width;
            // SAFETY: by the contract of `Work::run`, the pixels inside of the images, the zeros and the points exist.
            unsafe {
                let factors = Factors::<V>::new();
                let to = self.to.add(index * self.stride);
                if inside {
                    let mut body = Inside::<_, _, SIDE> { factors: &factors, first, row_stride, column_stride, to };
                    self.channels::<V, _>(&mut body);
                } else {
                    let mut pixels = [[self.zeros; SIDE]; SIDE];
                    for (j, column) in pixels.iter_mut().enumerate() {
                        for (i, pixel) in column.iter_mut().enumerate() {
                            if (top..top + height).contains(&(y + i)) && (left..left + width).contains(&(x + j)) {
                                *pixel = first.wrapping_add(i * row_stride + j * column_stride);
                            }
                        }
                    }
                    self.channels::<V, _>(&mut Border { factors: &factors, pixels: &pixels, to });
                }
            }
            self.grid.advance(&mut place);
        }
    }
}

impl<T: Float, const SIDE: usize> Source<T, SIDE> {
    /// Calls `body` for each register of channels, and of zeros behind them.
    #[inline(always)]
    unsafe fn channels<V: Vector<Element = T>, B: Body<V>>(&self, body: &mut B) {
        // SAFETY: by the caller's contract; an empty mask touches nothing.
        unsafe {
            for_each_register::<V, B>(self.channels, body);
            for channel in (self.channels.next_multiple_of(V::LANES)..self.depth).step_by(V::LANES) {
                body.run::<true>(channel, V::mask(0));
            }
        }
    }
}

/// A tile whose pixels all exist.
struct Inside<'a, V, T, const SIDE: usize> {
    factors: &'a Factors<V>,
    first: *const T,
    row_stride: usize,
    column_stride: usize,
    to: *mut T,
}

impl<V: Vector, const SIDE: usize> Body<V> for Inside<'_, V, V::Element, SIDE> {
    #[inline(always)]
    unsafe fn run<const MASKED: bool>(&mut self, channel: usize, mask: V::Mask) {
        // SAFETY: by the caller's contract.
        unsafe {
            let mut columns = [[V::zero(); SIDE]; SIDE];
            for (j, column) in columns.iter_mut().enumerate() {
                let mut line = [V::zero(); SIDE];
                for (i, pixel) in line.iter_mut().enumerate() {
                    let from = self.first.add(i * self.row_stride + j * self.column_stride + channel);
                    *pixel = load::<V, MASKED>(from, mask);
                }
                *column = source_line(self.factors, line);
            }
            store_points(self.factors, &columns, self.to.add(channel));
        }
    }
}

/// A tile at the border; where a pixel does not exist there are zeros.
struct Border<'a, V, T, const SIDE: usize> {
    factors: &'a Factors<V>,
    pixels: &'a [[*const T; SIDE]; SIDE],
    to: *mut T,
}

impl<V: Vector, const SIDE: usize> Body<V> for Border<'_, V, V::Element, SIDE> {
    #[inline(always)]
    unsafe fn run<const MASKED: bool>(&mut self, channel: usize, mask: V::Mask) {
        // SAFETY: by the caller's contract.
        unsafe {
            let mut columns = [[V::zero(); SIDE]; SIDE];
            for (column, pixels) in columns.iter_mut().zip(self.pixels) {
                let mut line = [V::zero(); SIDE];
                for (value, pixel) in line.iter_mut().zip(pixels) {
                    *value = load::<V, MASKED>(pixel.add(channel), mask);
                }
                *column = source_line(self.factors, line);
            }
            store_points(self.factors, &columns, self.to.add(channel));
        }
    }
}

/// The second half of the source's transform, along rows: `columns[j][i]` is row i of column j.
///
/// # Safety
/// The instruction set is there, and `to` is valid at every point.
#[inline(always)]
unsafe fn store_points<V: Vector, const SIDE: usize>(
    factors: &Factors<V>,
    columns: &[[V; SIDE]; SIDE],
    to: *mut V::Element,
) {
    for i in 0..SIDE {
        // SAFETY: by this function's contract.
        unsafe {
            let mut row = [V::zero(); SIDE];
            for (value, column) in row.iter_mut().zip(columns) {
                *value = column[i];
            }
            for (j, value) in source_line(factors, row).into_iter().enumerate() {
                value.store(to.add((i * SIDE + j) * SOURCE_POINT));
            }
        }
    }
}

/// Transforms the sums of products of `tiles`, adds, activates and stores the pixels that exist.
pub(super) struct Output<T, const SIDE: usize> {
    /// Point p of tile t is at `sums + p * SUM_POINT + (t - tiles.start) * stride`.
    pub sums: *const T,
    pub stride: usize,
    pub filters: usize,
    pub tiles: Range<usize>,
    pub grid: Grid,
    /// The first of the filters, of the first pixel.
    pub out: *mut T,
    pub out_channels: usize,
    /// Null, or what is added, laid out like `out`.
    pub added: *const T,
    pub activation: Activation,
}

impl<T: Float, const SIDE: usize> Work<T> for Output<T, SIDE> {
    #[inline(always)]
    unsafe fn run<V: Vector<Element = T>>(self) {
        let [height, width] = self.grid.size;
        let size = SIDE - 2;
        let mut place = self.grid.place(self.tiles.start);
        for index in 0..self.tiles.len() {
            let [y, x] = [place.down * size, place.across * size];
            let first = ((place.image * height + y) * width + x) * self.out_channels;
            let [rows, columns] = [(height - y).min(size), (width - x).min(size)];
            // SAFETY: by the contract of `Work::run`, the sums and the pixels inside of the images exist.
            unsafe {
                let factors = Factors::<V>::new();
                let mut body = Sums::<_, _, SIDE> {
                    output: &self,
                    factors: &factors,
                    from: self.sums.add(index * self.stride),
                    first,
                    rows,
                    columns,
                };
                for_each_register::<V, _>(self.filters, &mut body);
            }
            self.grid.advance(&mut place);
        }
    }
}

/// The sums of one tile, whose outputs of the first `rows` and `columns` exist.
struct Sums<'a, V, T, const SIDE: usize> {
    output: &'a Output<T, SIDE>,
    factors: &'a Factors<V>,
    from: *const T,
    first: usize,
    rows: usize,
    columns: usize,
}

impl<V: Vector, const SIDE: usize> Body<V> for Sums<'_, V, V::Element, SIDE> {
    #[inline(always)]
    unsafe fn run<const MASKED: bool>(&mut self, filter: usize, mask: V::Mask) {
        let Output { grid, out, out_channels, added, activation, .. } = self.output;
        let size = SIDE - 2;
        // SAFETY: by the caller's contract; sums are there for whole registers.
        unsafe {
            let mut lines = [[V::zero(); SIDE]; SIDE];
            for (j, line) in lines.iter_mut().enumerate() {
                let mut sums = [V::zero(); SIDE];
                for (i, sum) in sums.iter_mut().enumerate() {
                    *sum = V::load(self.from.add((i * SIDE + j) * SUM_POINT + filter));
                }
                *line = output_line(self.factors, sums);
            }
            for i in 0..size {
                let mut row = [V::zero(); SIDE];
                for (value, line) in row.iter_mut().zip(&lines) {
                    *value = line[i];
                }
                if i >= self.rows {
                    continue;
                }
                for (j, value) in output_line(self.factors, row).into_iter().enumerate().take(size) {
                    if j < self.columns {
                        let at = self.first + (i * grid.size[1] + j) * out_channels + filter;
                        let mut value = value;
                        if !added.is_null() {
                            value = value.add(load::<V, MASKED>(added.add(at), mask));
                        }
                        store::<V, MASKED>(value.activate(*activation), out.add(at), mask);
                    }
                }
            }
        }
    }
}
