//! The forward pass: `y[pixel, o] = activation(bias[o] + residual[pixel, o] + sum over taps and channels of x w)`.
//!
//! One phase: output o reads source (o stride + k dilation - padding). The weights are the matrix B as they
//! are in memory; where a group has more than 128 output channels, or not a multiple of 16, or weights beyond
//! [`IN_PLACE`], they are packed first, so that a panel's rows are neighbours and full. The loop nest, and what limits it, is
//! in `gather`, or in `winograd` where that is faster.

use super::depthwise::Depthwise;
use super::gather::Gather;
use super::geometry::{Geometry, Offset, Phase, WeightStrides};
use super::winograd::Winograd;
use super::{ConvShape, Tiling, pointwise};
use crate::cpu::disjoint::Disjoint;
use crate::cpu::gemm::{Addends, Compute, Epilogue, Gemm};
use crate::cpu::simd::Isa;
use std::ops::Range;

/// Elements of a group's weights up to which they may be read where they are. A panel of larger ones, whose rows are a
/// stride apart, falls into a part of the first cache's sets and does not stay there from one tile to the next.
const IN_PLACE: usize = 1 << 14;

/// `y = activation(conv(x, w) + bias + residual)`
///
/// Call [`prepare`](Self::prepare) for each of `prepare_chunks()` (often none), then [`run`](Self::run) for each of
/// `chunks()`.
#[derive(Clone, Debug)]
pub struct ConvForward {
    shape: ConvShape,
    kernel: Kernel,
}

#[derive(Clone, Debug)]
pub(super) enum Kernel {
    Product(Gemm),
    Depthwise(Depthwise),
    Gather(Gather),
    Winograd(Winograd),
}

impl ConvForward {
    /// # Panics
    /// When a size that must be positive is 0, or groups do not divide the channels.
    pub fn new(shape: ConvShape, epilogue: Epilogue) -> Self {
        Self::with_tiling(shape, epilogue, Tiling::active())
    }

    /// As [`new`](Self::new), but outputs share multiplications as `tiling` says.
    ///
    /// # Panics
    /// As `new`.
    pub fn with_tiling(shape: ConvShape, epilogue: Epilogue, tiling: Tiling) -> Self {
        shape.check();
        if let Some(product) = pointwise::product(&shape, epilogue) {
            return Self { shape, kernel: Kernel::Product(product) };
        }
        if shape.is_depthwise() {
            return Self { shape, kernel: Kernel::Depthwise(Depthwise::forward(&shape, epilogue)) };
        }
        let [depth, height, width] = shape.kernel;
        let position = |axis: usize, k: usize| (k * shape.dilation[axis]) as isize - shape.padding[axis].0 as isize;
        let mut offsets = Vec::new();
        for z in 0..depth {
            for y in 0..height {
                for x in 0..width {
                    let tap = (z * height + y) * width + x;
                    offsets.push(Offset { at: [position(0, z), position(1, y), position(2, x)], tap });
                }
            }
        }
        let output_group = shape.output_group();
        let in_place = output_group <= 128
            && output_group.is_multiple_of(16)
            && shape.weight_elements() / shape.groups <= IN_PLACE;
        let geometry = Geometry {
            batch: shape.batch,
            source: shape.size,
            source_channels: shape.input_channels,
            out: shape.output_size(),
            out_channels: shape.output_channels,
            groups: shape.groups,
            stride: shape.stride,
            step: [1; 3],
            phases: vec![Phase { first: [0; 3], offsets, taps: shape.kernel }],
            weights: WeightStrides {
                tap: shape.input_group() * shape.output_channels,
                group: output_group,
                row: shape.output_channels,
                column: 1,
            },
            weight_elements: shape.weight_elements(),
            packed: !in_place,
            epilogue,
        };
        let gather = Gather::new(geometry, shape.work());
        Self { shape, kernel: Kernel::with_tiles(gather, &shape, false, epilogue, tiling) }
    }

    /// Bytes of prepared memory: what [`prepare`](Self::prepare) makes of the weights, once for any number of runs.
    pub fn prepared<T>(&self) -> usize {
        self.kernel.prepared_elements() * size_of::<T>()
    }

    /// What the prepared memory looks like: equal for equal weights and kernels with equal numbers. Batches of any size give
    /// the same ones.
    pub fn layout(&self) -> Vec<usize> {
        self.kernel.layout()
    }

    /// Calls of [`prepare`](Self::prepare) that precede the first chunk.
    pub fn prepare_chunks(&self) -> usize {
        self.kernel.prepare_chunks()
    }

    /// Packs a part of the weights into the prepared memory.
    pub fn prepare<T: Compute>(&self, isa: Isa, chunk: usize, w: &[T], prepared: Disjoint<T>) {
        self.kernel.prepare(isa, chunk, w, prepared);
    }

    /// Whether [`run`](Self::run) takes a residual.
    pub fn adds_residual(&self) -> bool {
        !matches!(self.kernel, Kernel::Depthwise(_))
    }

    /// Cuts the output into rows of pixels, as far as the kernel can: see [`pixels`](Self::pixels).
    #[must_use]
    pub fn by_rows(mut self) -> Self {
        if let Kernel::Winograd(winograd) = &mut self.kernel {
            winograd.cut_by_rows();
        }
        self
    }

    /// How many parts the output is cut into.
    pub fn chunks(&self) -> usize {
        self.kernel.chunks()
    }

    /// The pixels that a chunk makes, all images one after the other; `None` where chunks make a part of the channels, or
    /// pixels that are not neighbours.
    pub fn pixels(&self, chunk: usize) -> Option<Range<usize>> {
        let [_, _, width] = self.shape.output_size();
        let rows = |rows: Range<usize>| rows.start * width..rows.end * width;
        match &self.kernel {
            Kernel::Product(product) => product.rows_of(chunk),
            Kernel::Depthwise(depthwise) => Some(rows(depthwise.rows_of(chunk))),
            Kernel::Gather(gather) => gather.rows_of(chunk).map(rows),
            Kernel::Winograd(winograd) => winograd.rows_of(chunk).map(rows),
        }
    }

    /// Computes one part of `y`. A bias has `output_channels` elements, a residual is laid out like `y`; depthwise
    /// convolutions take none. Weights that were prepared are not read again: `w` may be empty then.
    ///
    /// # Panics
    /// When a slice is too short for the geometry.
    pub fn run<T: Compute>(
        &self,
        isa: Isa,
        chunk: usize,
        x: &[T],
        w: &[T],
        addends: Addends<T>,
        y: Disjoint<T>,
        prepared: Disjoint<T>,
    ) {
        let needed = if self.kernel.prepared_elements() == 0 { self.shape.weight_elements() } else { 0 };
        assert!(w.len() >= needed, "the weights are too short for {:?}", self.shape);
        self.kernel.run(isa, chunk, x, w, addends, y, prepared);
    }
}

impl Kernel {
    /// `gather`, or tiles that share multiplications, where they can and are faster.
    pub fn with_tiles(gather: Gather, shape: &ConvShape, backward: bool, epilogue: Epilogue, tiling: Tiling) -> Self {
        let tiles = if gather.beats_tiles() { None } else { Winograd::choose(shape, backward, epilogue, tiling) };
        tiles.map_or(Kernel::Gather(gather), Kernel::Winograd)
    }

    pub fn prepared_elements(&self) -> usize {
        match self {
            Kernel::Depthwise(_) => 0,
            Kernel::Product(product) => product.prepared_elements(),
            Kernel::Gather(gather) => gather.prepared_elements(),
            Kernel::Winograd(winograd) => winograd.prepared_elements(),
        }
    }

    pub fn layout(&self) -> Vec<usize> {
        match self {
            Kernel::Product(_) | Kernel::Depthwise(_) => Vec::new(),
            Kernel::Gather(gather) => gather.layout(),
            Kernel::Winograd(winograd) => winograd.layout(),
        }
    }

    pub fn prepare_chunks(&self) -> usize {
        match self {
            Kernel::Depthwise(_) => 0,
            Kernel::Product(product) => product.prepare_chunks(),
            Kernel::Gather(gather) => gather.prepare_chunks(),
            Kernel::Winograd(winograd) => winograd.prepare_chunks(),
        }
    }

    pub fn prepare<T: Compute>(&self, isa: Isa, chunk: usize, w: &[T], prepared: Disjoint<T>) {
        match self {
            Kernel::Depthwise(_) => panic!("there is nothing to prepare"),
            Kernel::Product(product) => product.prepare(isa, chunk, w, prepared),
            Kernel::Gather(gather) => gather.prepare(isa, chunk, w, prepared),
            Kernel::Winograd(winograd) => winograd.prepare(isa, chunk, w, prepared),
        }
    }

    pub fn chunks(&self) -> usize {
        match self {
            Kernel::Product(product) => product.chunks(),
            Kernel::Depthwise(depthwise) => depthwise.chunks(),
            Kernel::Gather(gather) => gather.chunks(),
            Kernel::Winograd(winograd) => winograd.chunks(),
        }
    }

    pub fn run<T: Compute>(
        &self,
        isa: Isa,
        chunk: usize,
        source: &[T],
        w: &[T],
        addends: Addends<T>,
        out: Disjoint<T>,
        prepared: Disjoint<T>,
    ) {
        match self {
            // Products that have partial sums are not chosen: there is no scratch.
            Kernel::Product(product) => {
                let packed = product.prepared_elements();
                assert!(prepared.len() >= packed, "the prepared memory is too short");
                // SAFETY: `prepare` wrote all of it, and nothing writes to it now.
                let packed = unsafe { std::slice::from_raw_parts(prepared.as_ptr().cast_const(), packed) };
                let w = if packed.is_empty() { w } else { packed };
                product.run(isa, chunk, source, w, addends, out, Disjoint::new(&mut []));
            }
            Kernel::Depthwise(depthwise) => {
                assert!(addends.residual.is_none(), "a depthwise convolution adds no residual");
                depthwise.run(isa, chunk, source, w, addends.bias, out);
            }
            Kernel::Gather(gather) => gather.run(isa, chunk, source, w, addends, out, prepared),
            Kernel::Winograd(winograd) => winograd.run(isa, chunk, source, addends, out, prepared),
        }
    }
}
