//! The gradient with respect to the weights: `dw[k.., i, f] = sum over n, o.. of x[..] dy[n, o.., f]`.
//!
//! ```text
//! chunk = (rows of all output planes, panels of 64 output channels, rows of the weight matrix)     fixed by shape
//!   for block of a plane's rows      128 or 256 pixels: their dy stays in L1 or L2; x is copied with zeros around it
//!     for panel of 64 output channels
//!       for tile of 6 or 12 weights (k.., i), which may belong to different taps
//!         for output row, for pixel of it:   dw[weight, panel] += x[pixel + weight] dy[pixel, panel]
//! ```
//!
//! The tile's roles are swapped: its rows are weights and the reduction runs over pixels, whose stride is constant
//! along an image row; dy is B where it lies. Chunks over images add into partial sums of their own, which `finish`
//! adds up in order. Weights of kernel planes that lie outside of the volume take no part. Limits as in `gather`. 3 x 3 taps
//! without strides are tiles of images instead of rows where that is faster (`winograd::weight_gradient`).

use super::depthwise_weights::DepthwiseWeights;
use super::winograd::{Tiling, WeightGradient};
use super::{BLOCK_ELEMENTS, ConvShape, copy_padded};
use crate::cpu::disjoint::Disjoint;
use crate::cpu::gemm::tile::{Tap, Tile};
use crate::cpu::gemm::{
    Activation, Addends, Compute, Epilogue, Gemm, GemmShape, MOST_CHUNKS, PANEL, PANEL_GRAIN, Split, add, pack_panel,
    row_tiles,
};
use crate::cpu::simd::Isa;
use crate::cpu::workspace;
use std::ops::Range;

/// Multiplications that make a chunk.
const CHUNK_WORK: usize = 75_000;
/// Elements of partial sums, all parts together.
const MOST_PARTIAL: usize = 1 << 20;
/// Pixels that a part of the images has at least, so that adding up partial sums is little beside computing them.
const PART_PIXELS: usize = 512;
/// Chunks that are enough: cutting the weights further makes each chunk read all pixels for fewer of them.
const ENOUGH_CHUNKS: usize = 24;
/// Pixels of a block, and of one whose panels are copied, which fill L1 otherwise.
const BLOCK_PIXELS: [usize; 2] = [256, 128];
/// Pixels of a block, at least: between them, sums are read and written. Images of many channels fill L2 then.
const LEAST_PIXELS: usize = 64;
/// Weights for which copying a panel is little beside using it.
const COPY_WEIGHTS: usize = 48;
/// Elements of a chunk of `finish`.
const FINISH_ELEMENTS: usize = 16 * 1024;

/// `dw = x^T dy` over all taps.
///
/// Call [`run`](Self::run) for each of `chunks()`, then [`finish`](Self::finish) for each of `finish_chunks()`.
#[derive(Clone, Debug)]
pub struct ConvBackwardWeights {
    shape: ConvShape,
    product: Option<Gemm>,
    depthwise: Option<DepthwiseWeights>,
    winograd: Option<WeightGradient>,
    /// Rows of all output planes, or tiles of them.
    rows: Split,
    /// Panels of all groups, or channels that are groups.
    units: Split,
    /// Weights of one group and output channel, or blocks of input channels.
    weights: Split,
    block_rows: usize,
    /// Columns of x that are read, which may lie outside of it.
    columns: Range<isize>,
}

impl ConvBackwardWeights {
    /// The geometry is that of the forward convolution.
    ///
    /// # Panics
    /// When a size that must be positive is 0, or groups do not divide the channels.
    pub fn new(shape: ConvShape) -> Self {
        Self::with_tiling(shape, Tiling::active())
    }

    /// The same with a choice of tiles that is not the process's; tiles of 4 x 4 outputs are not made here, those of 2 x 2
    /// serve.
    ///
    /// # Panics
    /// As [`new`](Self::new).
    pub fn with_tiling(shape: ConvShape, tiling: Tiling) -> Self {
        shape.check();
        let product = shape.is_pointwise().then(|| {
            let pixels = shape.batch * shape.size.iter().product::<usize>();
            let product = GemmShape::contiguous(1, shape.input_channels, shape.output_channels, pixels, true, false);
            Gemm::new(product, Epilogue::default())
        });
        let depthwise = shape.is_depthwise().then(|| DepthwiseWeights::new(&shape));
        let winograd = WeightGradient::choose(&shape, tiling);
        let [depth, height, width] = shape.output_size();
        let pixels = shape.batch * depth * height * width;
        let wanted = (shape.work() / CHUNK_WORK).clamp(1, MOST_CHUNKS);
        let partial_limit = MOST_PARTIAL / shape.weight_elements().max(1);
        let rows = Split::new(shape.batch * depth * height, wanted.min(pixels / PART_PIXELS).min(partial_limit), 1);
        let rest = wanted.min(ENOUGH_CHUNKS) / rows.parts;
        let mut kernel = Self {
            shape,
            product,
            depthwise,
            winograd,
            rows,
            units: rows,
            weights: rows,
            block_rows: 1,
            columns: 0..0,
        };
        if let Some(depthwise) = &kernel.depthwise {
            [kernel.rows, kernel.units] = depthwise.cut(wanted.min(ENOUGH_CHUNKS), partial_limit);
            kernel.weights = Split::new(1, 1, 1);
            return kernel;
        }
        kernel.units = Split::new(shape.groups * kernel.panels(), rest, 1);
        kernel.weights = Split::new(shape.taps() * shape.input_group(), rest / kernel.units.parts, 24);
        if width > 0 {
            let left = shape.padding[2].0 as isize;
            let reach = (width - 1) * shape.stride[2] + (shape.kernel[2] - 1) * shape.dilation[2] + 1;
            kernel.columns = -left..reach as isize - left;
        }
        let line = (kernel.columns.len() * shape.input_channels * shape.kernel[0]).max(1);
        let span = (shape.kernel[1] - 1) * shape.dilation[1] + 1;
        let fitting = (BLOCK_ELEMENTS / line).saturating_sub(span) / shape.stride[1];
        if let Some(winograd) = &kernel.winograd {
            let cut = winograd.cut(partial_limit);
            (kernel.rows, kernel.units, kernel.weights) = (cut.tiles, cut.panels, cut.blocks);
        }
        let rows_of = |pixels: usize| pixels.div_ceil(width.max(1)).max(1);
        kernel.block_rows = fitting.max(rows_of(LEAST_PIXELS)).min(rows_of(BLOCK_PIXELS[usize::from(kernel.copies())]));
        kernel
    }

    /// Whether panels of dy are copied: rows that are far apart share few sets of L1.
    fn copies(&self) -> bool {
        self.shape.output_channels > PANEL && self.shape.taps() * self.shape.input_group() >= COPY_WEIGHTS
    }

    /// Panels of a group.
    fn panels(&self) -> usize {
        self.shape.output_group().div_ceil(PANEL)
    }

    fn scratch_elements(&self) -> usize {
        if self.rows.parts > 1 { self.rows.parts * self.shape.weight_elements() } else { 0 }
    }

    /// Bytes of scratch that all chunks share.
    pub fn scratch<T>(&self) -> usize {
        match &self.product {
            Some(product) => product.scratch::<T>(),
            None => self.scratch_elements() * size_of::<T>(),
        }
    }

    /// How many parts the sum is cut into.
    pub fn chunks(&self) -> usize {
        match &self.product {
            Some(product) => product.chunks(),
            None => self.rows.parts * self.units.parts * self.weights.parts,
        }
    }

    fn finishing(&self) -> Split {
        let wanted = (self.scratch_elements() / FINISH_ELEMENTS).clamp(1, MOST_CHUNKS);
        Split::new(self.shape.weight_elements(), wanted, PANEL_GRAIN)
    }

    /// How many calls of [`finish`](Self::finish) follow the last chunk; often none.
    pub fn finish_chunks(&self) -> usize {
        match &self.product {
            Some(product) => product.finish_chunks(),
            None => usize::from(self.rows.parts > 1) * self.finishing().parts,
        }
    }

    /// Computes one chunk, into `dw` or into partial sums in the scratch.
    ///
    /// # Panics
    /// When a slice is too short for the geometry.
    pub fn run<T: Compute>(&self, isa: Isa, chunk: usize, x: &[T], dy: &[T], dw: Disjoint<T>, scratch: Disjoint<T>) {
        if let Some(product) = &self.product {
            product.run(isa, chunk, x, dy, Addends::default(), dw, scratch);
            return;
        }
        let shape = &self.shape;
        let [depth, height, width] = shape.output_size();
        assert!(chunk < self.chunks(), "chunk {chunk} of {}", self.chunks());
        assert!(x.len() >= shape.input_elements(), "x is too short for {shape:?}");
        assert!(dy.len() >= shape.output_elements(), "dy is too short for {shape:?}");
        assert!(dw.len() >= shape.weight_elements(), "dw is too short for {shape:?}");
        assert!(scratch.len() >= self.scratch_elements(), "the scratch is too short for {shape:?}");

        let part = chunk % self.rows.parts;
        let rows = self.rows.range(part);
        let units = self.units.range(chunk / self.rows.parts % self.units.parts);
        let weights = self.weights.range(chunk / self.rows.parts / self.units.parts);
        if units.is_empty() || weights.is_empty() {
            return;
        }
        let dw = if self.rows.parts > 1 {
            scratch.as_ptr().wrapping_add(part * shape.weight_elements())
        } else {
            dw.as_ptr()
        };
        if let Some(winograd) = &self.winograd {
            // SAFETY: the lengths were checked; these weights, or this part of a partial sum, are this chunk's alone.
            unsafe { winograd.run(isa, &rows, units, &weights, x, dy, dw) }
            return;
        }
        if let Some(depthwise) = &self.depthwise {
            // SAFETY: the lengths were checked; these weights, or this partial sum, are this chunk's alone.
            unsafe { depthwise.run(isa, rows, &units, x, dy, dw) }
            return;
        }
        if rows.is_empty() || width == 0 {
            self.clear(&units, &weights, dw);
            return;
        }
        // Not every plane of the output adds to every plane of the kernel.
        let mut first = shape.kernel[0] == 1 && shape.padding[0] == (0, 0);
        if !first {
            self.clear(&units, &weights, dw);
        }
        let volume = shape.size.iter().product::<usize>() * shape.input_channels;
        let mut row = rows.start;
        while row < rows.end {
            let plane = row / height;
            let line = row % height;
            let lines = line..(line + (rows.end - row).min(self.block_rows)).min(height);
            row += lines.len();
            let x = &x[plane / depth * volume..][..volume];
            let pixel = (plane * height + lines.start) * width;
            let dy = &dy[pixel * shape.output_channels..][..lines.len() * width * shape.output_channels];
            self.run_block(isa, plane % depth, &lines, &units, &weights, x, dy, dw, !first);
            first = false;
        }
    }

    /// The sum over no pixels.
    fn clear<T: Compute>(&self, units: &Range<usize>, weights: &Range<usize>, dw: *mut T) {
        for unit in units.clone() {
            let columns = self.unit_columns(unit);
            for weight in weights.clone() {
                let start = weight * self.shape.output_channels + columns.start;
                // SAFETY: inside of dw, and this part of it is this chunk's alone.
                unsafe { std::slice::from_raw_parts_mut(dw.wrapping_add(start), columns.len()) }.fill(T::ZERO);
            }
        }
    }

    /// Output channels of a unit.
    fn unit_columns(&self, unit: usize) -> Range<usize> {
        let [group, panel] = [unit / self.panels(), unit % self.panels()];
        let channels = self.shape.output_group();
        group * channels + panel * PANEL..group * channels + ((panel + 1) * PANEL).min(channels)
    }

    /// Adds the output rows `lines` of the plane `plane` of one volume, whose gradient is `dy`.
    fn run_block<T: Compute>(
        &self,
        isa: Isa,
        plane: usize,
        lines: &Range<usize>,
        units: &Range<usize>,
        weights: &Range<usize>,
        x: &[T],
        dy: &[T],
        dw: *mut T,
        accumulate: bool,
    ) {
        let shape = &self.shape;
        let [depth, height, width] = shape.size;
        let channels = shape.input_channels;
        let first = |axis: usize, i: usize| (i * shape.stride[axis]) as isize - shape.padding[axis].0 as isize;
        let step = shape.dilation[0];
        let z = |k: usize| first(0, plane) + (k * step) as isize;
        let below = (0..shape.kernel[0]).take_while(|&k| z(k) < 0).count();
        let inside = below..(0..shape.kernel[0]).take_while(|&k| z(k) < depth as isize).count().max(below);
        let kernel_plane = shape.kernel[1] * shape.kernel[2] * shape.input_group();
        let weights = weights.start.max(inside.start * kernel_plane)..weights.end.min(inside.end * kernel_plane);
        if weights.is_empty() {
            return;
        }
        let start = first(1, lines.start);
        let span = (lines.len() - 1) * shape.stride[1] + (shape.kernel[1] - 1) * shape.dilation[1] + 1;
        let read = start..start + span as isize;
        let in_place = read.start >= 0
            && read.end <= height as isize
            && self.columns.start >= 0
            && self.columns.end <= width as isize;
        let room = read.len() * self.columns.len() * channels;
        workspace::with(if in_place { 0 } else { inside.len() * room }, |buffer: &mut [T]| {
            let volume = height * width * channels;
            let first_plane = z(inside.start) as usize;
            let (pixels, width, plane_step) = if in_place {
                let first = (read.start as usize * width + self.columns.start as usize) * channels;
                (&x[first_plane * volume + first..], width, step * volume)
            } else {
                for (k, to) in buffer.chunks_exact_mut(room.max(1)).enumerate() {
                    let from = &x[(first_plane + k * step) * volume..][..volume];
                    copy_padded(from, [height, width, channels], read.clone(), self.columns.clone(), to);
                }
                (&*buffer, self.columns.len(), room)
            };
            workspace::with(2 * weights.len(), |rows: &mut [isize]| {
                let (a_rows, c_rows) = rows.split_at_mut(weights.len());
                let depth = shape.input_group();
                let offset = |tap: usize| {
                    let z = tap / (shape.kernel[1] * shape.kernel[2]) - inside.start;
                    let y = tap / shape.kernel[2] % shape.kernel[1] * shape.dilation[1];
                    let x = tap % shape.kernel[2] * shape.dilation[2];
                    z * plane_step + (y * width + x) * channels
                };
                let [mut tap, mut channel] = [weights.start / depth, weights.start % depth];
                let mut start = offset(tap);
                for ((weight, a), c) in weights.clone().zip(a_rows.iter_mut()).zip(c_rows.iter_mut()) {
                    *a = (start + channel) as isize;
                    *c = (weight * shape.output_channels) as isize;
                    channel += 1;
                    if channel == depth {
                        (tap, channel) = (tap + 1, 0);
                        start = offset(tap);
                    }
                }
                workspace::with(lines.len(), |taps: &mut [Tap]| {
                    self.run_tiles(isa, units, lines.len(), pixels, width, a_rows, c_rows, taps, dy, dw, accumulate);
                });
            });
        });
    }

    fn run_tiles<T: Compute>(
        &self,
        isa: Isa,
        units: &Range<usize>,
        lines: usize,
        pixels: &[T],
        width: usize,
        a_rows: &[isize],
        c_rows: &[isize],
        taps: &mut [Tap],
        dy: &[T],
        dw: *mut T,
        accumulate: bool,
    ) {
        let shape = &self.shape;
        let tiles = T::tiles(isa);
        let [_, _, output_width] = shape.output_size();
        let line_step = shape.stride[1] * width * shape.input_channels;
        let pixel_step = shape.stride[2] * shape.input_channels;
        // The reduction runs along a row; down the image where rows have one pixel.
        let (run, a_step, taps) =
            if output_width == 1 { (lines, line_step, &mut taps[..1]) } else { (output_width, pixel_step, taps) };
        for unit in units.clone() {
            let columns = self.unit_columns(unit);
            let group = unit / self.panels();
            // A last register that reaches beyond the row is padded where masks cost something.
            let pad = self.copies() || !tiles.masked && !columns.len().is_multiple_of(tiles.lanes);
            let stride = columns.len().next_multiple_of(PANEL_GRAIN);
            let room = if pad { lines * output_width * stride } else { 0 };
            workspace::with(room, |packed: &mut [T]| {
                let (b, b_step) = if pad {
                    let from = dy[columns.start..].as_ptr();
                    let depth = lines * output_width;
                    // SAFETY: dy has `depth` rows of `output_channels`; the panel was sized for them.
                    unsafe {
                        let to = packed.as_mut_ptr();
                        pack_panel(isa, from, shape.output_channels, 1, depth, columns.len(), to, stride);
                    }
                    (packed.as_ptr(), stride)
                } else {
                    (dy.as_ptr().wrapping_add(columns.start), shape.output_channels)
                };
                for (line, tap) in taps.iter_mut().enumerate() {
                    tap.a = (line * line_step) as isize;
                    tap.b = (line * output_width * b_step) as isize;
                }
                let a = pixels.as_ptr().wrapping_add(group * shape.input_group());
                let mut column = 0;
                while column < columns.len() {
                    let vectors = tiles.vectors_for(columns.len() - column);
                    let wide = (vectors * tiles.lanes).min(columns.len() - column);
                    for rows in row_tiles(a_rows.len(), tiles.rows_for(vectors)) {
                        let c = dw.wrapping_add(columns.start + column);
                        let tile = Tile {
                            a,
                            rows: &a_rows[rows.clone()],
                            a_step: a_step as isize,
                            taps,
                            run,
                            b: b.wrapping_add(column),
                            b_step: b_step as isize,
                            c,
                            c_rows: &c_rows[rows.clone()],
                            columns: wide,
                            bias: std::ptr::null(),
                            start: if accumulate { c } else { std::ptr::null() },
                            activation: Activation::Linear,
                        };
                        // SAFETY: weights, pixels and panels are inside of the buffers; this part of dw (or of the
                        // partial sums) is this chunk's alone.
                        unsafe { T::tile(isa, rows.len(), vectors, &tile) }
                    }
                    column += wide;
                }
            });
        }
    }

    /// Adds the partial sums in order. Called for each of `finish_chunks()` when all chunks are complete.
    ///
    /// # Panics
    /// When a slice is too short for the geometry.
    pub fn finish<T: Compute>(&self, isa: Isa, chunk: usize, dw: Disjoint<T>, scratch: Disjoint<T>) {
        if let Some(product) = &self.product {
            product.finish(isa, chunk, Addends::default(), dw, scratch);
            return;
        }
        assert!(chunk < self.finish_chunks(), "chunk {chunk} of {}", self.finish_chunks());
        assert!(scratch.len() >= self.scratch_elements(), "the scratch is too short for {:?}", self.shape);
        let range = self.finishing().range(chunk);
        // SAFETY: chunks have disjoint ranges; the scratch is only read now.
        let (to, sums) =
            unsafe { (dw.range(range.clone()), std::slice::from_raw_parts(scratch.as_ptr(), self.scratch_elements())) };
        to.copy_from_slice(&sums[range.clone()]);
        for part in 1..self.rows.parts {
            let start = part * self.shape.weight_elements();
            add(isa, to, &sums[start + range.start..start + range.end]);
        }
    }
}
