//! Convolutions by minimal filtering (Winograd; Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks",
//! 2015): 3 x 3 taps, no strides, no dilation, one group. Neighbouring outputs share multiplications: a tile of 2 x 2
//! outputs takes 16 for every pair of channels instead of 36 (F(2x2, 3x3)), one of 4 x 4 takes 36 instead of 144
//! (F(4x4, 3x3)).
//!
//! ```text
//! prepare   U = G g G^T                                  16 (or 36) points for every pair of channels
//! chunk = (tiles of all images, panels of 64 filters)    fixed by shape
//!   for block of tiles                 at most 48, fewer where there are many channels: V and M stay in L2
//!     V = B^T d B                      every tile's 4 x 4 pixels, a register of channels at a time; zeros around images
//!     for panel
//!       for point                      M = V U: a matrix product, tiles x channels x filters (`products`)
//!       y = A^T M A                    bias, residual and activation on the way
//! ```
//!
//! Points of a buffer lie apart by a constant, so that a transform reaches all of them from one address; the constants keep
//! them in sets of their own in L1 and spread them over those of L2. The multiply-add units limit the products,
//! stores and loads the transforms, which are worth as many multiplications as `TRANSFORM` says. Where the points of the
//! weights outgrow L2 they are read from L3 once per block. Gradients with respect to the weights are the adjoint
//! (`weight_gradient`).
//!
//! Accuracy: the transforms of F(2x2) add and subtract, and halve weights. The root mean square of its error is at most
//! 4 times that of the direct sum in the same element type (it is often below it, because fewer terms are added up). F(4x4)
//! multiplies by up to 8: at most 40 times. Weight gradients take F(2x2) and its budget with either choice. Tests compare all
//! with float64. Infinities and NaN spread over the tile that they are in.

mod products;
mod tiles;
mod weight_gradient;
mod weights;

use std::ops::Range;
use std::sync::OnceLock;

use super::ConvShape;
use crate::cpu::disjoint::Disjoint;
use crate::cpu::gemm::{Addends, Compute, Epilogue, MOST_CHUNKS, PANEL, Split};
use crate::cpu::simd::Isa;
use crate::cpu::workspace;
use products::Products;
use tiles::{Grid, Output, SOURCE_POINT, SUM_POINT, Source};
pub(super) use weight_gradient::WeightGradient;

/// How many outputs share their multiplications in convolutions that allow it.
///
/// This is the choice of `IRONHORN_WINOGRAD` (`off`, `2x2`, `4x4`); without it, tiles of 2 x 2 outputs are used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tiling {
    /// None: sums as they are defined.
    Off,
    /// 2 x 2, as accurate as the direct sum.
    Two,
    /// 4 x 4: faster still, and one to two digits less accurate.
    Four,
}

impl Tiling {
    /// What `IRONHORN_WINOGRAD` asks for; an error where it names none.
    pub fn requested() -> Result<Tiling, String> {
        match std::env::var("IRONHORN_WINOGRAD").as_deref() {
            Err(_) | Ok("2x2") => Ok(Tiling::Two),
            Ok("off") => Ok(Tiling::Off),
            Ok("4x4") => Ok(Tiling::Four),
            Ok(other) => Err(format!("IRONHORN_WINOGRAD={other}: it is one of off, 2x2, 4x4")),
        }
    }

    /// The one that this process uses. A request that cannot be met is refused when the extension is loaded; here the
    /// default serves.
    pub fn active() -> Tiling {
        static ACTIVE: OnceLock<Tiling> = OnceLock::new();
        *ACTIVE.get_or_init(|| Tiling::requested().unwrap_or(Tiling::Two))
    }

    /// Pixels of a tile along an axis.
    fn side(self) -> usize {
        match self {
            Tiling::Off | Tiling::Two => 4,
            Tiling::Four => 6,
        }
    }
}

/// Multiplications that the two transforms of one point are worth, per channel and per filter.
const TRANSFORM: usize = 6;
/// Pairs of channels whose points stay in L2.
const MOST_PAIRS: usize = 64 * 64;
/// Points of channels and of filters are padded with zeros to a multiple of this: the widest register of any instruction
/// set.
const GRAIN: usize = 16;
/// Channels that products take at a time.
const STEP: usize = 4;
/// Multiplications that make a chunk.
const CHUNK_WORK: usize = 75_000;
/// Tiles of a block, if there is room: a multiple of the heights of the products' tiles.
const BLOCK: usize = 48;
/// Elements of points that a chunk prepares.
const PREPARE_ELEMENTS: usize = 32 * 1024;

/// The forward pass, or the gradient with respect to the input, which is the same with taps turned round and channels and
/// filters swapped.
#[derive(Clone, Debug)]
pub(super) struct Winograd {
    tiling: Tiling,
    images: usize,
    source: Grid,
    out: Grid,
    channels: usize,
    filters: usize,
    /// Zeros before the images, down and across.
    padding: [usize; 2],
    backward: bool,
    epilogue: Epilogue,
    tiles: Split,
    panels: Split,
    block: usize,
}

impl Winograd {
    /// The kernel for `shape`, if it can compute it and is the faster one.
    pub fn choose(shape: &ConvShape, backward: bool, epilogue: Epilogue, tiling: Tiling) -> Option<Self> {
        let kernel =
            (tiling != Tiling::Off && Self::can(shape)).then(|| Self::new(shape, backward, epilogue, tiling))?;
        kernel.pays().then_some(kernel)
    }

    /// Whether the geometry fits.
    fn can(shape: &ConvShape) -> bool {
        let channels = [shape.input_channels, shape.output_channels];
        shape.kernel == [1, 3, 3]
            && shape.stride == [1; 3]
            && shape.dilation == [1; 3]
            && shape.groups == 1
            && shape.padding[0] == (0, 0)
            && shape.padding[1].0 <= 2
            && shape.padding[2].0 <= 2
            && channels.iter().all(|&count| count > 0 && count < SOURCE_POINT / BLOCK * 2)
    }

    /// Whether fewer multiplications are worth the transforms, and reading more numbers for the weights. The
    /// batch takes no part in the choice.
    fn pays(&self) -> bool {
        let [depth, filters] = [self.depth(), self.filters.next_multiple_of(GRAIN)];
        let pairs = depth * filters;
        let tiles = self.out.tiles[0] * self.out.tiles[1];
        let direct = self.out.size[0] * self.out.size[1] * 9 * self.channels * filters;
        let tiled = tiles * self.points() * (pairs + TRANSFORM * (depth + filters));
        direct * 5 > tiled * 6 && (tiles >= 16 || pairs <= MOST_PAIRS)
    }

    fn new(shape: &ConvShape, backward: bool, epilogue: Epilogue, tiling: Tiling) -> Self {
        let side = tiling.side();
        let [_, height, width] = shape.size;
        let [_, out_height, out_width] = shape.output_size();
        let mut padding = [shape.padding[1].0, shape.padding[2].0];
        let [mut source, mut out] = [[height, width], [out_height, out_width]];
        let [mut channels, mut filters] = [shape.input_channels, shape.output_channels];
        if backward {
            padding = padding.map(|before| 2 - before);
            (source, out) = (out, source);
            (channels, filters) = (filters, channels);
        }
        let grid = out.map(|length| length.div_ceil(side - 2));
        let images = shape.batch * shape.size[0];
        let count = images * grid[0] * grid[1];
        let wanted = (count * side * side * channels * filters / CHUNK_WORK).clamp(1, MOST_CHUNKS);
        // The fewer blocks, the less often the weights are read.
        let least = if channels * filters > MOST_PAIRS { BLOCK } else { BLOCK / 2 };
        let tiles = Split::new(count, wanted.min(count / least), 6);
        let panels = Split::new(filters.div_ceil(PANEL), wanted / tiles.parts, 1);
        let width = filters.min(PANEL).next_multiple_of(GRAIN);
        let room = (SOURCE_POINT / Self::stride(channels)).min(SUM_POINT / width);
        Self {
            tiling,
            images,
            source: Grid { size: source, tiles: grid },
            out: Grid { size: out, tiles: grid },
            channels,
            filters,
            padding,
            backward,
            epilogue,
            tiles,
            panels,
            block: (room / 6 * 6).min(BLOCK),
        }
    }

    /// Points of a tile.
    fn points(&self) -> usize {
        self.tiling.side() * self.tiling.side()
    }

    /// Elements between tiles of V: rows of products that are a multiple of a kilobyte apart share few sets of L1.
    fn stride(channels: usize) -> usize {
        let room = channels.next_multiple_of(GRAIN);
        if room.is_multiple_of(256) { room + GRAIN } else { room }
    }

    /// Channels of U.
    fn rows(&self) -> usize {
        self.channels.next_multiple_of(GRAIN)
    }

    /// Channels that products add up, those of V.
    fn depth(&self) -> usize {
        self.channels.next_multiple_of(STEP)
    }

    /// The filters of a panel.
    fn panel(&self, panel: usize) -> Range<usize> {
        panel * PANEL..((panel + 1) * PANEL).min(self.filters)
    }

    /// The filters of a panel in U and M.
    fn width(&self, panel: usize) -> usize {
        self.panel(panel).len().next_multiple_of(GRAIN)
    }

    /// Elements between the points of a panel's weights, which are `width` filters wide: not a multiple of a page.
    fn weight_point(&self, width: usize) -> usize {
        self.rows() * width + GRAIN
    }

    /// Where a panel's weights start.
    fn weight_start(&self, panel: usize) -> usize {
        panel * self.weight_point(PANEL) * self.points()
    }

    pub fn prepared_elements(&self) -> usize {
        let last = self.filters.div_ceil(PANEL) - 1;
        self.weight_start(last) + self.weight_point(self.width(last)) * self.points()
    }

    /// What the prepared weights look like, beside the shape of the weights.
    pub fn layout(&self) -> Vec<usize> {
        vec![usize::from(self.backward), self.tiling.side()]
    }

    fn preparing(&self) -> Split {
        let pieces = self.filters.div_ceil(PANEL) * (self.rows() / GRAIN);
        Split::new(pieces, (self.prepared_elements() / PREPARE_ELEMENTS).clamp(1, MOST_CHUNKS), 1)
    }

    pub fn prepare_chunks(&self) -> usize {
        self.preparing().parts
    }

    /// Transforms a part of the weights.
    pub fn prepare<T: Compute>(&self, isa: Isa, chunk: usize, w: &[T], prepared: Disjoint<T>) {
        assert!(chunk < self.prepare_chunks(), "chunk {chunk} of {}", self.prepare_chunks());
        assert!(w.len() >= 9 * self.channels * self.filters, "the weights are too short");
        assert!(prepared.len() >= self.prepared_elements(), "the prepared memory is too short");
        let blocks = self.rows() / GRAIN;
        for piece in self.preparing().range(chunk) {
            let [panel, block] = [piece / blocks, piece % blocks];
            let filters = self.panel(panel);
            let to = prepared.as_ptr().wrapping_add(self.weight_start(panel) + block * GRAIN * self.width(panel));
            // SAFETY: these channels and filters are inside of the weights and of the prepared memory, where they are
            // this call's alone.
            unsafe { self.transform_weights(isa, w, block * GRAIN, &filters, to) }
        }
    }

    pub fn chunks(&self) -> usize {
        self.tiles.parts * self.panels.parts
    }

    /// Lets chunks be made of whole rows of tiles.
    pub fn cut_by_rows(&mut self) {
        let [down, across] = self.out.tiles;
        let count = self.images * down * across;
        let grain = if across.is_multiple_of(2) { across } else { 2 * across };
        let grain = if grain.is_multiple_of(3) { grain } else { 3 * grain };
        self.tiles = Split::new(count, self.tiles.parts, grain.max(1));
    }

    /// The rows of the output that a chunk makes, if it makes whole rows and all their channels.
    pub fn rows_of(&self, chunk: usize) -> Option<Range<usize>> {
        let ([down, across], height) = (self.out.tiles, self.out.size[0]);
        let tiles = self.tiles.range(chunk / self.panels.parts);
        let whole = self.panels.parts == 1 && [tiles.start, tiles.end].iter().all(|tile| tile.is_multiple_of(across));
        let row = |tile: usize| {
            let row = tile / across;
            row / down * height + (row % down * (self.tiling.side() - 2)).min(height)
        };
        whole.then(|| row(tiles.start)..row(tiles.end))
    }

    /// Computes one chunk of the output.
    pub fn run<T: Compute>(
        &self,
        isa: Isa,
        chunk: usize,
        source: &[T],
        addends: Addends<T>,
        out: Disjoint<T>,
        prepared: Disjoint<T>,
    ) {
        let elements = |grid: &Grid, channels: usize| self.images * grid.size[0] * grid.size[1] * channels;
        let out_elements = elements(&self.out, self.filters);
        assert!(chunk < self.chunks(), "chunk {chunk} of {}", self.chunks());
        assert!(source.len() >= elements(&self.source, self.channels), "the source is too short");
        assert!(out.len() >= out_elements, "the output is too short");
        assert!(addends.bias.is_none_or(|bias| bias.len() >= self.filters), "the bias is too short");
        assert!(addends.residual.is_none_or(|added| added.len() >= out_elements), "the residual is too short");
        assert!(
            addends.residual.is_none() || !self.epilogue.accumulate,
            "an output that accumulates takes no residual"
        );
        assert!(prepared.len() >= self.prepared_elements(), "the prepared memory is too short");
        match self.tiling {
            Tiling::Four => self.run_tiles::<T, 6>(isa, chunk, source, addends, out, prepared),
            Tiling::Off | Tiling::Two => self.run_tiles::<T, 4>(isa, chunk, source, addends, out, prepared),
        }
    }

    fn run_tiles<T: Compute, const SIDE: usize>(
        &self,
        isa: Isa,
        chunk: usize,
        source: &[T],
        addends: Addends<T>,
        out: Disjoint<T>,
        prepared: Disjoint<T>,
    ) {
        let tiles = self.tiles.range(chunk / self.panels.parts);
        let panels = self.panels.range(chunk % self.panels.parts);
        if tiles.is_empty() {
            return;
        }
        let stride = Self::stride(self.channels);
        let blocks = tiles.len().div_ceil(self.block);
        let step = tiles.len().div_ceil(blocks).next_multiple_of(6);
        let points = self.points();
        let added = if self.epilogue.accumulate {
            out.as_ptr().cast_const()
        } else {
            addends.residual.map_or(std::ptr::null(), |residual| residual.as_ptr())
        };
        workspace::with(points * (SOURCE_POINT + SUM_POINT) + self.rows() + PANEL, |room: &mut [T]| {
            let (v, rest) = room.split_at_mut(points * SOURCE_POINT);
            let (m, rest) = rest.split_at_mut(points * SUM_POINT);
            let (zeros, bias) = rest.split_at_mut(self.rows());
            zeros.fill(T::ZERO);
            for start in tiles.clone().step_by(step) {
                let tiles = start..(start + step).min(tiles.end);
                let transform = Source::<T, SIDE> {
                    images: source.as_ptr(),
                    grid: self.source,
                    pixel: self.channels,
                    channels: self.channels,
                    depth: self.depth(),
                    padding: self.padding,
                    tiles: tiles.clone(),
                    zeros: zeros.as_ptr(),
                    to: v.as_mut_ptr(),
                    stride,
                };
                // SAFETY: the source spans the images; a point of the buffer holds a block of tiles.
                unsafe { T::work(isa, transform) }
                for panel in panels.clone() {
                    let filters = self.panel(panel);
                    let width = self.width(panel);
                    if let Some(from) = addends.bias {
                        bias[..filters.len()].copy_from_slice(&from[filters.clone()]);
                        bias[filters.len()..].fill(T::ZERO);
                    }
                    let products = Products {
                        points,
                        tiles: tiles.len(),
                        v: v.as_ptr(),
                        v_stride: stride,
                        depth: self.depth(),
                        u: prepared.as_ptr().wrapping_add(self.weight_start(panel)),
                        u_point: self.weight_point(width),
                        width,
                        m: m.as_mut_ptr(),
                        bias: if addends.bias.is_some() { bias.as_ptr() } else { std::ptr::null() },
                        // A^T and A add up what is there to every output.
                        bias_point: SIDE + 1,
                        ahead: std::ptr::null(),
                        ahead_length: 0,
                    };
                    let transform = Output::<T, SIDE> {
                        sums: m.as_ptr(),
                        stride: width,
                        filters: filters.len(),
                        tiles: tiles.clone(),
                        grid: self.out,
                        out: out.as_ptr().wrapping_add(filters.start),
                        out_channels: self.filters,
                        added: if added.is_null() { added } else { added.wrapping_add(filters.start) },
                        activation: self.epilogue.activation,
                    };
                    // SAFETY: `prepare` wrote the panel's weights; a point of both buffers holds a block of tiles; the
                    // outputs of these tiles and filters are this chunk's alone, and inside of the output.
                    unsafe {
                        products.run(isa);
                        T::work(isa, transform);
                    }
                    if !self.epilogue.activation.in_store() {
                        self.activate(isa, &tiles, &filters, out);
                    }
                }
            }
        });
    }

    /// Applies the activation to some filters of the outputs of `tiles`.
    fn activate<T: Compute>(&self, isa: Isa, tiles: &Range<usize>, filters: &Range<usize>, out: Disjoint<T>) {
        let size = self.tiling.side() - 2;
        for tile in tiles.clone() {
            for pixel in self.out.pixels(tile, size) {
                let start = pixel * self.filters + filters.start;
                // SAFETY: these outputs are the caller's alone.
                let values = unsafe { out.range(start..start + filters.len()) };
                self.epilogue.activation.apply(isa, values);
            }
        }
    }
}

#[cfg(test)]
mod tests;
