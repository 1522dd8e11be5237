//! The gradient with respect to the input: `dx[h, w, i] = sum over kh, kw, o of dy[oh, ow, o] w[kh, kw, i, o]` for
//! `oh stride = h + padding - kh dilation`, and the same across. With a bias and an activation it is also the forward
//! pass of a transposed convolution.
//!
//! With a stride, the pixels (h, w) of equal remainders see the same taps: these are the phases of `gather`, stride x
//! stride of them, each a convolution of `dy` without stride. The weights are packed into panels of input channels
//! first, tap by tap in the order in which phases read them, which transposes each tap.

use super::ConvShape;
use super::forward::Kernel;
use super::gather::{Gather, Geometry, Offset, Phase, WeightStrides};
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

/// `(offset, tap)` along one axis for outputs `first + i * stride`, offsets ascending.
fn axis_taps(first: usize, kernel: usize, dilation: usize, stride: usize, padding: usize) -> Vec<(isize, usize)> {
    (0..kernel)
        .rev()
        .map(|tap| ((first + padding) as isize - (tap * dilation) as isize, tap))
        .filter(|(distance, _)| distance.rem_euclid(stride as isize) == 0)
        .map(|(distance, tap)| (distance.div_euclid(stride as isize), tap))
        .collect()
}

impl ConvBackwardInput {
    /// The geometry is that of the forward convolution.
    ///
    /// # Panics
    /// When a size that must be positive is 0, or groups do not divide the channels.
    pub fn new(shape: ConvShape, epilogue: Epilogue) -> Self {
        shape.check();
        if shape.is_pointwise() {
            let pixels = shape.batch * shape.height * shape.width;
            let product = GemmShape::contiguous(1, pixels, shape.input_channels, shape.output_channels, false, true);
            let product = Gemm::new(product, epilogue);
            if product.finish_chunks() == 0 {
                return Self { shape, kernel: Kernel::Product(product) };
            }
        }
        let depthwise = shape.is_depthwise();
        let mut phases = Vec::new();
        for down in 0..shape.stride_height.min(shape.height) {
            let rows =
                axis_taps(down, shape.kernel_height, shape.dilation_height, shape.stride_height, shape.padding.top);
            for across in 0..shape.stride_width.min(shape.width) {
                let columns =
                    axis_taps(across, shape.kernel_width, shape.dilation_width, shape.stride_width, shape.padding.left);
                let offsets = rows.iter().flat_map(|&(y, kh)| {
                    columns.iter().map(move |&(x, kw)| Offset { y, x, tap: kh * shape.kernel_width + kw })
                });
                phases.push(Phase { first: [down, across], offsets: offsets.collect(), across: columns.len() });
            }
        }
        let geometry = Geometry {
            batch: shape.batch,
            source: [shape.output_height(), shape.output_width(), shape.output_channels],
            out: [shape.height, shape.width, shape.input_channels],
            groups: if depthwise { 1 } else { shape.groups },
            stride: [1, 1],
            step: [shape.stride_height, shape.stride_width],
            phases,
            depthwise,
            weights: WeightStrides {
                tap: shape.input_group() * shape.output_channels,
                group: shape.output_group(),
                row: 1,
                column: shape.output_channels,
            },
            weight_elements: shape.weight_elements(),
            packed: !depthwise,
            epilogue,
        };
        Self { shape, kernel: Kernel::Gather(Gather::new(geometry, shape.work())) }
    }

    /// Bytes of scratch that all chunks share.
    pub fn scratch<T>(&self) -> usize {
        self.kernel.scratch_elements() * size_of::<T>()
    }

    /// Calls of [`prepare`](Self::prepare) that precede the first chunk.
    pub fn prepare_chunks(&self) -> usize {
        self.kernel.prepare_chunks()
    }

    /// Packs a part of the weights into the scratch.
    pub fn prepare<T: Compute>(&self, isa: Isa, chunk: usize, w: &[T], scratch: Disjoint<T>) {
        self.kernel.prepare(isa, chunk, w, scratch);
    }

    /// How many parts the output is cut into.
    pub fn chunks(&self) -> usize {
        self.kernel.chunks()
    }

    /// Computes one part of `dx`. `bias` has `input_channels` elements.
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
        scratch: Disjoint<T>,
    ) {
        assert!(w.len() >= self.shape.weight_elements(), "the weights are too short for {:?}", self.shape);
        self.kernel.run(isa, chunk, dy, w, bias, dx, scratch);
    }
}
