//! Convolutions over volumes in NDHWC layout, weights as `[kernel depth, height, width, input channels / groups, output
//! channels]`. Images are volumes of depth 1, sequences are images of width 1.
//!
//! ```text
//! forward           y[n, o.., f]  = activation(bias[f] + sum over k.., i of x[n, p.., i] w[k.., i, f])
//!                                   p = o stride + k dilation - padding, along each of the three axes
//! backward_input    dx[n, p.., i] = the same sum read backwards: over k.., f of dy w (transposed convolution)
//! backward_weights  dw[k.., i, f] = sum over n, o.. of x dy
//! ```
//!
//! Nothing gathers patches into a matrix. All three are the register tile of `gemm::tile` with other addresses: rows
//! are pixels (or weights), the reduction runs over kernel rows (or image rows) that lie in one piece in memory; planes of
//! a volume are but more kernel rows. Where the kernel reaches over the border, a few image rows are copied into a buffer
//! with zeros around them first. Convolutions of one pixel are matrix products (`pointwise`). Where every channel is a group
//! of its own, the loops of `depthwise` run over channels instead; behind a convolution of one pixel they work on what that
//! has just made (`pointwise_depthwise`). Where there are few output channels, registers run over the reduction (`few`).
//! 3 x 3 convolutions with enough channels share multiplications between neighbouring outputs (`winograd`).

mod backward_input;
mod backward_weights;
mod depthwise;
mod depthwise_row;
mod depthwise_taps;
mod depthwise_weights;
mod few;
mod forward;
mod gather;
mod geometry;
mod pointwise;
mod pointwise_depthwise;
mod strip;
mod winograd;

use std::ops::Range;

pub use backward_input::ConvBackwardInput;
pub use backward_weights::ConvBackwardWeights;
pub use forward::ConvForward;
pub use pointwise_depthwise::PointwiseDepthwise;
pub use winograd::Tiling;

use crate::cpu::gemm::Compute;

/// The geometry of a convolution: depth, height and width of each thing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ConvShape {
    pub batch: usize,
    pub size: [usize; 3],
    pub input_channels: usize,
    pub output_channels: usize,
    pub kernel: [usize; 3],
    pub stride: [usize; 3],
    pub dilation: [usize; 3],
    /// Output channels `g * output_channels / groups ..` see only input channels `g * input_channels / groups ..`.
    pub groups: usize,
    /// Zeros before and after.
    pub padding: [(usize, usize); 3],
}

/// Positions of a window of `kernel` elements, `dilation` apart, over `length` elements between two paddings.
pub(crate) fn positions(
    length: usize,
    before: usize,
    after: usize,
    kernel: usize,
    dilation: usize,
    stride: usize,
) -> usize {
    let span = (kernel.max(1) - 1) * dilation + 1;
    let padded = length + before + after;
    if padded < span { 0 } else { (padded - span) / stride + 1 }
}

impl ConvShape {
    /// Depth, height and width of `y`.
    pub fn output_size(&self) -> [usize; 3] {
        std::array::from_fn(|axis| {
            let (before, after) = self.padding[axis];
            positions(self.size[axis], before, after, self.kernel[axis], self.dilation[axis], self.stride[axis])
        })
    }

    /// Elements of `x`.
    pub fn input_elements(&self) -> usize {
        self.batch * self.size.iter().product::<usize>() * self.input_channels
    }

    /// Elements of `y`.
    pub fn output_elements(&self) -> usize {
        self.batch * self.output_size().iter().product::<usize>() * self.output_channels
    }

    /// Elements of `w`.
    pub fn weight_elements(&self) -> usize {
        self.taps() * self.input_group() * self.output_channels
    }

    /// Multiplications of the forward pass (the gradients have as many).
    fn work(&self) -> usize {
        self.output_elements() * self.taps() * self.input_group()
    }

    fn taps(&self) -> usize {
        self.kernel.iter().product()
    }

    fn input_group(&self) -> usize {
        self.input_channels / self.groups
    }

    fn output_group(&self) -> usize {
        self.output_channels / self.groups
    }

    /// Each channel is a group.
    fn is_depthwise(&self) -> bool {
        self.groups > 1 && self.groups == self.input_channels
    }

    /// A matrix product of pixels and weights.
    fn is_pointwise(&self) -> bool {
        self.kernel == [1; 3] && self.stride == [1; 3] && self.groups == 1 && self.padding == [(0, 0); 3]
    }

    fn check(&self) {
        let steps = [self.kernel, self.stride, self.dilation].concat();
        assert!(!steps.contains(&0) && self.groups > 0, "kernel, strides, dilations and groups start at 1: {self:?}");
        assert!(
            self.input_channels.is_multiple_of(self.groups) && self.output_channels.is_multiple_of(self.groups),
            "groups divide the channels: {self:?}"
        );
    }
}

/// `(offset, tap)` along one axis of what positions `first + i * stride` of an input receive in the backward pass: output
/// `i + offset`, through the tap. Offsets ascend.
fn backward_taps(
    first: usize,
    kernel: usize,
    dilation: usize,
    stride: usize,
    before: usize,
) -> impl Iterator<Item = (isize, usize)> + Clone {
    (0..kernel)
        .rev()
        .map(move |tap| ((first + before) as isize - (tap * dilation) as isize, tap))
        .filter(move |(distance, _)| distance.rem_euclid(stride as isize) == 0)
        .map(move |(distance, tap)| (distance.div_euclid(stride as isize), tap))
}

/// Elements of image rows that are worked on at once: a part of L2.
const BLOCK_ELEMENTS: usize = 64 * 1024;

/// Copies `rows` x `columns` of an image, which may reach outside of it, with zeros where they do.
fn copy_padded<T: Compute>(
    image: &[T],
    [height, width, channels]: [usize; 3],
    rows: Range<isize>,
    columns: Range<isize>,
    to: &mut [T],
) {
    let row_elements = columns.len() * channels;
    if row_elements == 0 {
        return;
    }
    let inside = columns.start.clamp(0, width as isize)..columns.end.clamp(0, width as isize);
    let length = inside.len() * channels;
    let before = if length == 0 { 0 } else { (inside.start - columns.start) as usize * channels };
    for (row, to) in rows.zip(to.chunks_exact_mut(row_elements)) {
        if row < 0 || row >= height as isize || length == 0 {
            to.fill(T::ZERO);
            continue;
        }
        let start = (row as usize * width + inside.start as usize) * channels;
        to[..before].fill(T::ZERO);
        to[before..before + length].copy_from_slice(&image[start..start + length]);
        to[before + length..].fill(T::ZERO);
    }
}

#[cfg(test)]
mod tests;
