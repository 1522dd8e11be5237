//! The gradient with respect to the weights: the adjoint of F(2x2, 3x3), `dg = G^T [sum of (B^T d B) (A dy A^T)] G`, with 16
//! multiplications for a tile of 2 x 2 outputs and a pair of channels instead of 36.
//!
//! ```text
//! chunk = (tiles of all images, panels of 64 filters, blocks of 64 channels)      fixed by shape
//!   for block of channels, for panel
//!     for block of tiles               as many as let V and D stay in L2, the operands of a point in L1
//!       V = B^T d B                    every tile's 4 x 4 pixels (`tiles`)
//!       D = A dy A^T                   every tile's 2 x 2 gradients; zeros where the image has ended
//!       for point                      M += V^T D: a matrix product, channels x tiles x filters
//!     dw = G^T M G                     once; chunks over tiles write partial sums, which `backward_weights` adds up
//! ```
//!
//! A register tile of M stays in registers over a block of tiles: its rows are channels, read as single numbers, which
//! follow each other; its columns are filters. All extents are padded with zeros to 16, so there are no partial register
//! tiles. The last row and column of `A` are taken with the other sign, which `G^T` undoes: a few subtractions less.
//! Multiply-add units limit the products, stores the transforms.

use std::ops::Range;

use super::super::ConvShape;
use super::super::depthwise_row::{Body, for_each_register, load};

use super::tiles::{Grid, SOURCE_POINT, SUM_POINT, Source};
use super::{GRAIN, TRANSFORM, Tiling, Winograd};
use crate::cpu::float::Float;
use crate::cpu::gemm::vector::{Vector, Work};
use crate::cpu::gemm::{Compute, MOST_CHUNKS, PANEL, Split};
use crate::cpu::simd::Isa;
use crate::cpu::workspace;

/// Pixels of a tile of x along an axis.
const SIDE: usize = 4;
/// Points of a tile.
const POINTS: usize = SIDE * SIDE;
/// Input channels of a block, like the filters of a panel.
const CHANNELS: usize = 64;
/// Elements between the points of M: not a multiple of a page.
const WEIGHT_POINT: usize = CHANNELS * PANEL + GRAIN;
/// Multiplications that make a chunk.
const CHUNK_WORK: usize = 75_000;
/// Elements of V and D that a block of tiles has at a point.
const BLOCK_ELEMENTS: usize = 6 * 1024;
/// Tiles of a block at most.
const BLOCK: usize = 128;
/// Tiles that a part of the images has, so that `G^T M G` and adding up are little beside the products; and at least, where
/// there are few parts.
const PART_TILES: usize = 512;
const LEAST_TILES: usize = 128;
/// Parts that are few.
const FEW_PARTS: usize = 8;
/// Chunks that are enough.
const ENOUGH_CHUNKS: usize = 24;

/// The kernel; how its chunks are cut stands in `backward_weights`.
#[derive(Clone, Debug)]
pub(in super::super) struct WeightGradient {
    images: usize,
    source: Grid,
    out: Grid,
    channels: usize,
    filters: usize,
    /// Zeros before the images, down and across.
    padding: [usize; 2],
}

/// What a chunk computes: ranges of tiles, of panels of filters, and of blocks of channels.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Cut {
    pub tiles: Split,
    pub panels: Split,
    pub blocks: Split,
}

impl WeightGradient {
    /// The kernel for `shape`, if it can compute it and is the faster one.
    pub fn choose(shape: &ConvShape, tiling: Tiling) -> Option<Self> {
        let kernel = (tiling != Tiling::Off && Winograd::can(shape)).then(|| Self::new(shape))?;
        kernel.pays().then_some(kernel)
    }

    pub fn new(shape: &ConvShape) -> Self {
        let [_, height, width] = shape.size;
        let [_, out_height, out_width] = shape.output_size();
        let tiles = [out_height, out_width].map(|length| length.div_ceil(SIDE - 2));
        Self {
            images: shape.batch * shape.size[0],
            source: Grid { size: [height, width], tiles },
            out: Grid { size: [out_height, out_width], tiles },
            channels: shape.input_channels,
            filters: shape.output_channels,
            padding: [shape.padding[1].0, shape.padding[2].0],
        }
    }

    /// Whether fewer multiplications are worth the transforms. The batch takes no part in the choice.
    fn pays(&self) -> bool {
        let [depth, filters] = [self.channels, self.filters].map(|count| count.next_multiple_of(GRAIN));
        let tiles = self.out.tiles[0] * self.out.tiles[1];
        let transforms = depth * filters.div_ceil(PANEL) + filters * depth.div_ceil(CHANNELS);
        let direct = self.out.size[0] * self.out.size[1] * 9 * self.channels * filters;
        let tiled = tiles * POINTS * (depth * filters + TRANSFORM * transforms);
        direct * 5 > tiled * 6 && tiles >= 16
    }

    /// How the work is cut into chunks, of which at most `most_parts` add up different tiles.
    pub fn cut(&self, most_parts: usize) -> Cut {
        let count = self.images * self.out.tiles[0] * self.out.tiles[1];
        let wanted = (count * POINTS * self.channels * self.filters / CHUNK_WORK).clamp(1, MOST_CHUNKS);
        let parts = (count / PART_TILES).max(FEW_PARTS.min(count / LEAST_TILES));
        let tiles = Split::new(count, wanted.min(parts).min(most_parts), 1);
        let rest = wanted.min(ENOUGH_CHUNKS) / tiles.parts;
        let panels = Split::new(self.filters.div_ceil(PANEL), rest, 1);
        let blocks = Split::new(self.channels.div_ceil(CHANNELS), rest / panels.parts, 1);
        Cut { tiles, panels, blocks }
    }

    /// Computes the sums over `tiles` for some panels of filters and blocks of channels.
    ///
    /// # Safety
    /// `x` and `dy` span the images; these filters and channels of `dw` are valid for writes, and the caller's alone.
    pub unsafe fn run<T: Compute>(
        &self,
        isa: Isa,
        tiles: &Range<usize>,
        panels: Range<usize>,
        blocks: &Range<usize>,
        x: &[T],
        dy: &[T],
        dw: *mut T,
    ) {
        let room = POINTS * (SOURCE_POINT + SUM_POINT + WEIGHT_POINT) + PANEL.max(CHANNELS);
        workspace::with(room, |room: &mut [T]| {
            let (v, rest) = room.split_at_mut(POINTS * SOURCE_POINT);
            let (d, rest) = rest.split_at_mut(POINTS * SUM_POINT);
            let (m, zeros) = rest.split_at_mut(POINTS * WEIGHT_POINT);
            zeros.fill(T::ZERO);
            for panel in panels {
                let filters = panel * PANEL..((panel + 1) * PANEL).min(self.filters);
                let width = filters.len().next_multiple_of(GRAIN);
                for block in blocks.clone() {
                    let channels = block * CHANNELS..((block + 1) * CHANNELS).min(self.channels);
                    let depth = channels.len().next_multiple_of(GRAIN);
                    let most = (BLOCK_ELEMENTS / depth.max(width)).min(BLOCK);
                    let count = tiles.len().div_ceil(most);
                    let step = tiles.len().div_ceil(count.max(1)).max(1);
                    if tiles.is_empty() {
                        m.fill(T::ZERO);
                    }
                    for start in tiles.clone().step_by(step) {
                        let block = start..(start + step).min(tiles.end);
                        let source = Source::<T, SIDE> {
                            images: x.as_ptr().wrapping_add(channels.start),
                            grid: self.source,
                            pixel: self.channels,
                            channels: channels.len(),
                            depth,
                            padding: self.padding,
                            tiles: block.clone(),
                            zeros: zeros.as_ptr(),
                            to: v.as_mut_ptr(),
                            stride: depth,
                        };
                        let gradient = Gradient {
                            images: dy.as_ptr().wrapping_add(filters.start),
                            grid: self.out,
                            pixel: self.filters,
                            filters: filters.len(),
                            width,
                            tiles: block.clone(),
                            zeros: zeros.as_ptr(),
                            to: d.as_mut_ptr(),
                        };
                        let products = Products {
                            tiles: block.len(),
                            v: v.as_ptr(),
                            depth,
                            d: d.as_ptr(),
                            width,
                            m: m.as_mut_ptr(),
                            first: start == tiles.start,
                        };
                        // SAFETY: the tiles are inside of the images; a point of each buffer holds a block of tiles, or a
                        // panel of a block of weights.
                        unsafe {
                            T::work(isa, source);
                            T::work(isa, gradient);
                            products.run(isa);
                        }
                    }
                    let taps = Taps {
                        m: m.as_ptr(),
                        width,
                        rows: channels.len(),
                        columns: filters.len(),
                        to: dw.wrapping_add(channels.start * self.filters + filters.start),
                        row_stride: self.filters,
                        tap_stride: self.channels * self.filters,
                    };
                    // SAFETY: M holds these channels and filters, and `dw` by this function's contract.
                    unsafe { T::work(isa, taps) }
                }
            }
        });
    }
}

/// Transforms the gradients of `tiles`, `D = A dy A^T`; point p of tile t goes to
/// `to + p * SUM_POINT + (t - tiles.start) * width`, with zeros for the filters up to `width`.
struct Gradient<T> {
    /// The first filter of the first pixel.
    images: *const T,
    grid: Grid,
    /// Elements between pixels.
    pixel: usize,
    filters: usize,
    width: usize,
    tiles: Range<usize>,
    /// As many zeros as there are filters.
    zeros: *const T,
    to: *mut T,
}

impl<T: Float> Work<T> for Gradient<T> {
    #[inline(always)]
    unsafe fn run<V: Vector<Element = T>>(self) {
        let [height, width] = self.grid.size;
        let mut place = self.grid.place(self.tiles.start);
        for index in 0..self.tiles.len() {
            let [y, x] = [2 * place.down, 2 * place.across];
            let first = ((place.image * height + y) * width + x) * self.pixel;
            let at = |down: usize, across: usize| {
                let inside = y + down < height && x + across < width;
                let offset = first + (down * width + across) * self.pixel;
                if inside { self.images.wrapping_add(offset) } else { self.zeros }
            };
            // SAFETY: by the contract of `Work::run`, the pixels inside of the images, the zeros and the points exist; an
            // empty mask touches nothing.
            unsafe {
                let pixels = [[at(0, 0), at(1, 0)], [at(0, 1), at(1, 1)]];
                let mut body = Pixels { columns: &pixels, to: self.to.add(index * self.width) };
                for_each_register::<V, _>(self.filters, &mut body);
                for filter in (self.filters.next_multiple_of(V::LANES)..self.width).step_by(V::LANES) {
                    Body::<V>::run::<true>(&mut body, filter, V::mask(0));
                }
            }
            self.grid.advance(&mut place);
        }
    }
}

/// The gradients of a tile.
struct Pixels<'a, T> {
    columns: &'a [[*const T; 2]; 2],
    to: *mut T,
}

/// `A y`, but for the sign of the last.
#[inline(always)]
unsafe fn gradient_line<V: Vector>([first, second]: [V; 2]) -> [V; SIDE] {
    // SAFETY: by the caller's contract.
    unsafe { [first, first.add(second), first.subtract(second), second] }
}

impl<V: Vector> Body<V> for Pixels<'_, V::Element> {
    #[inline(always)]
    unsafe fn run<const MASKED: bool>(&mut self, filter: usize, mask: V::Mask) {
        let [left, right] = self.columns;
        // SAFETY: by the caller's contract.
        unsafe {
            let left = gradient_line::<V>([
                load::<V, MASKED>(left[0].wrapping_add(filter), mask),
                load::<V, MASKED>(left[1].wrapping_add(filter), mask),
            ]);
            let right = gradient_line::<V>([
                load::<V, MASKED>(right[0].wrapping_add(filter), mask),
                load::<V, MASKED>(right[1].wrapping_add(filter), mask),
            ]);
            let to = self.to.add(filter);
            for (i, (left, right)) in left.into_iter().zip(right).enumerate() {
                for (j, value) in gradient_line([left, right]).into_iter().enumerate() {
                    value.store(to.add((i * SIDE + j) * SUM_POINT));
                }
            }
        }
    }
}

/// `m[p] = v[p]^T d[p]`, or added to it; `depth` and `width` are multiples of 16.
#[derive(Clone, Copy)]
struct Products<T> {
    tiles: usize,
    v: *const T,
    depth: usize,
    d: *const T,
    width: usize,
    m: *mut T,
    /// M starts from zero.
    first: bool,
}

/// All channels, ROWS at a time, and as many filters as are in VECTORS registers.
struct Rows<T, const ROWS: usize, const VECTORS: usize>(Products<T>);

impl<T: Float, const ROWS: usize, const VECTORS: usize> Work<T> for Rows<T, ROWS, VECTORS> {
    #[inline(always)]
    unsafe fn run<V: Vector<Element = T>>(self) {
        let Products { tiles, depth, width, first, .. } = self.0;
        // SAFETY: by the contract of `Products::run`.
        unsafe {
            for point in 0..POINTS {
                let mut v = self.0.v.add(point * SOURCE_POINT);
                let d = self.0.d.add(point * SUM_POINT);
                let mut m = self.0.m.add(point * WEIGHT_POINT);
                for _ in 0..depth / ROWS {
                    let mut sums = [[V::zero(); VECTORS]; ROWS];
                    if !first {
                        for (row, sums) in sums.iter_mut().enumerate() {
                            for (j, sum) in sums.iter_mut().enumerate() {
                                *sum = V::load(m.add(row * width + j * V::LANES));
                            }
                        }
                    }
                    let (mut factors, mut from) = (d, v);
                    for _ in 0..tiles {
                        let mut b = [V::zero(); VECTORS];
                        for (j, b) in b.iter_mut().enumerate() {
                            *b = V::load(factors.add(j * V::LANES));
                        }
                        for (row, sums) in sums.iter_mut().enumerate() {
                            let a = V::splat(from.add(row));
                            for (sum, &b) in sums.iter_mut().zip(&b) {
                                *sum = a.multiply_add(b, *sum);
                            }
                        }
                        factors = factors.add(width);
                        from = from.add(depth);
                    }
                    for (row, sums) in sums.iter().enumerate() {
                        for (j, sum) in sums.iter().enumerate() {
                            sum.store(m.add(row * width + j * V::LANES));
                        }
                    }
                    v = v.add(ROWS);
                    m = m.add(ROWS * width);
                }
            }
        }
    }
}

impl<T: Compute> Products<T> {
    /// # Safety
    /// `isa` is available; points are valid for the tiles, channels and filters that are named.
    unsafe fn run(self, isa: Isa) {
        let registers = T::tiles(isa);
        let mut column = 0;
        while column < self.width {
            let vectors = registers.vectors_for(self.width - column);
            let mut part = self;
            part.d = part.d.wrapping_add(column);
            part.m = part.m.wrapping_add(column);
            // SAFETY: by this function's contract.
            unsafe {
                match (registers.vectors, vectors) {
                    (4, 4) => T::work(isa, Rows::<T, 4, 4>(part)),
                    (4, 2) => T::work(isa, Rows::<T, 8, 2>(part)),
                    (4, _) => T::work(isa, Rows::<T, 16, 1>(part)),
                    (_, 2) => T::work(isa, Rows::<T, 4, 2>(part)),
                    _ => T::work(isa, Rows::<T, 8, 1>(part)),
                }
            }
            column += vectors * registers.lanes;
        }
    }
}

/// `dw = G^T M G` for `rows` channels and `columns` filters.
struct Taps<T> {
    m: *const T,
    /// Between channels of `m`.
    width: usize,
    rows: usize,
    columns: usize,
    /// The first tap's first channel and filter.
    to: *mut T,
    row_stride: usize,
    tap_stride: usize,
}

/// `G^T m`, of numbers whose last has the other sign.
#[inline(always)]
unsafe fn tap_line<V: Vector>(half: V, m: [V; SIDE]) -> [V; 3] {
    // SAFETY: by the caller's contract.
    unsafe {
        let sum = m[1].add(m[2]);
        let middle = m[1].subtract(m[2]).multiply_add(half, V::zero());
        [sum.multiply_add(half, m[0]), middle, sum.multiply_add(half, V::zero().subtract(m[3]))]
    }
}

impl<T: Float> Work<T> for Taps<T> {
    #[inline(always)]
    unsafe fn run<V: Vector<Element = T>>(self) {
        // SAFETY: by the contract of `Work::run`, M and these parts of the taps exist.
        unsafe {
            let half = V::splat(&T::from_f64(0.5));
            for row in 0..self.rows {
                for column in (0..self.columns).step_by(V::LANES) {
                    let mask = V::mask((self.columns - column).min(V::LANES));
                    let from = self.m.add(row * self.width + column);
                    let to = self.to.add(row * self.row_stride + column);
                    let mut columns = [[V::zero(); 3]; SIDE];
                    for (j, column) in columns.iter_mut().enumerate() {
                        let mut points = [V::zero(); SIDE];
                        for (i, point) in points.iter_mut().enumerate() {
                            *point = V::load(from.add((i * SIDE + j) * WEIGHT_POINT));
                        }
                        *column = tap_line(half, points);
                    }
                    for i in 0..3 {
                        let mut line = [V::zero(); SIDE];
                        for (value, column) in line.iter_mut().zip(&columns) {
                            *value = column[i];
                        }
                        for (j, tap) in tap_line(half, line).into_iter().enumerate() {
                            tap.store_part(to.add((i * 3 + j) * self.tap_stride), mask);
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
