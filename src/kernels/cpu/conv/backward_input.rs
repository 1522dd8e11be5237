//! The gradient with respect to the input: `dx[p.., i] = sum over k.., f of dy[o.., f] w[k.., i, f]` for
//! `o stride = p + padding - k dilation` along each axis. With a bias and an activation it is also the forward
//! pass of a transposed convolution.
//!
//! With a stride, the pixels of equal remainders see the same taps: these are the phases of `gather`, as many as the product
//! of the strides, each a convolution of `dy` without stride. The weights are packed into panels of input channels
//! first, tap by tap in the order in which phases read them, which transposes each tap. What `winograd`
//! computes faster is left to it. Images of few channels are `few`'s.

use super::depthwise::Depthwise;
use super::forward::Kernel;
use super::gather::Gather;
use super::geometry::{Geometry, Offset, Phase, WeightStrides};
use super::{ConvShape, Tiling, backward_taps};
use crate::cpu::disjoint::Disjoint;
use crate::cpu::gemm::{Compute, Epilogue, Gemm, GemmShape};
use crate::cpu::simd::Isa;

/// `dx = activation(conv_transposed(dy, w) + bias)`
///
/// Call [`prepare`](Self::prepare) for each of `prepare_chunks()`, then [`run`](Self::run) for each of `chunks()`.
#[derive(Clone, Debug)]
pub struct ConvBackwardInput {
    shape: ConvShape,
    kernel: Kernel,
}

impl ConvBackwardInput {
    /// The geometry is that of the forward convolution.
    ///
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
        if shape.is_pointwise() {
            let pixels = shape.batch * shape.size.iter().product::<usize>();
            let product = GemmShape::contiguous(1, pixels, shape.input_channels, shape.output_channels, false, true);
            let product = Gemm::new(product, epilogue).packing_ahead();
            if product.finish_chunks() == 0 {
                return Self { shape, kernel: Kernel::Product(product) };
            }
        }
        if shape.is_depthwise() {
            return Self { shape, kernel: Kernel::Depthwise(Depthwise::backward(&shape, epilogue)) };
        }
        let taps = |axis: usize, first: usize| {
            let [kernel, dilation, stride] = [shape.kernel[axis], shape.dilation[axis], shape.stride[axis]];
            backward_taps(first, kernel, dilation, stride, shape.padding[axis].0)
        };
        let [_, height, width] = shape.kernel;
        let firsts: [usize; 3] = std::array::from_fn(|axis| shape.stride[axis].min(shape.size[axis]));
        let mut phases = Vec::new();
        for deep in 0..firsts[0] {
            for down in 0..firsts[1] {
                for across in 0..firsts[2] {
                    let axes = [taps(0, deep), taps(1, down), taps(2, across)];
                    let mut offsets = Vec::new();
                    for (z, kz) in axes[0].clone() {
                        for (y, ky) in axes[1].clone() {
                            for (x, kx) in axes[2].clone() {
                                offsets.push(Offset { at: [z, y, x], tap: (kz * height + ky) * width + kx });
                            }
                        }
                    }
                    phases.push(Phase { first: [deep, down, across], offsets, taps: axes.map(Iterator::count) });
                }
            }
        }
        let geometry = Geometry {
            batch: shape.batch,
            source: shape.output_size(),
            source_channels: shape.output_channels,
            out: shape.size,
            out_channels: shape.input_channels,
            groups: shape.groups,
            stride: [1; 3],
            step: shape.stride,
            phases,
            weights: WeightStrides {
                tap: shape.input_group() * shape.output_channels,
                group: shape.output_group(),
                row: 1,
                column: shape.output_channels,
            },
            weight_elements: shape.weight_elements(),
            packed: true,
            epilogue,
        };
        let gather = Gather::new(geometry, shape.work());
        Self { shape, kernel: Kernel::with_tiles(gather, &shape, true, epilogue, tiling) }
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

    /// How many parts the output is cut into.
    pub fn chunks(&self) -> usize {
        self.kernel.chunks()
    }

    /// Computes one part of `dx`. `bias` has `input_channels` elements. Weights that were prepared are not
    /// read again: `w` may be empty then.
    ///
    /// # Panics
    /// When a slice is too short for the geometry.
    pub fn run<T: Compute>(
        &self,
        isa: Isa,
        chunk: usize,
        dy: &[T],
        w: &[T],
        bias: Option<&[T]>,
        dx: Disjoint<T>,
        prepared: Disjoint<T>,
    ) {
        let needed = if self.kernel.prepared_elements() == 0 { self.shape.weight_elements() } else { 0 };
        assert!(w.len() >= needed, "the weights are too short for {:?}", self.shape);
        self.kernel.run(isa, chunk, dy, w, bias.into(), dx, prepared);
    }
}
