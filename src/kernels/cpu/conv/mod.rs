//! Convolutions over images in NHWC layout, weights as `[kernel height, kernel width, input channels / groups, output
//! channels]`. A one-dimensional convolution is one over images of width 1 ([`ConvShape::sequence`]).
//!
//! ```text
//! forward           y[n, oh, ow, o]  = activation(bias[o] + sum over kh, kw, i of x[n, h, w, i] w[kh, kw, i, o])
//!                                      h = oh stride + kh dilation - padding top, w likewise
//! backward_input    dx[n, h, w, i]   = the same sum read backwards: over kh, kw, o of dy w (transposed convolution)
//! backward_weights  dw[kh, kw, i, o] = sum over n, oh, ow of x dy
//! ```
//!
//! Nothing gathers patches into a matrix. All three are the register tile of `gemm::tile` with other addresses: rows
//! are pixels (or weights), the reduction runs over kernel rows (or image rows) that lie in one piece in memory. Where
//! the kernel reaches over the border, a few image rows are copied into a buffer with zeros around them first. 1 x 1
//! convolutions are matrix products.

mod backward_input;
mod backward_weights;
mod forward;
mod gather;

use std::ops::Range;

pub use backward_input::ConvBackwardInput;
pub use backward_weights::ConvBackwardWeights;
pub use forward::ConvForward;

use crate::cpu::gemm::Compute;

/// Rows and columns of zeros around an image.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Padding {
    pub top: usize,
    pub bottom: usize,
    pub left: usize,
    pub right: usize,
}

/// The geometry of a convolution.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ConvShape {
    pub batch: usize,
    pub height: usize,
    pub width: usize,
    pub input_channels: usize,
    pub output_channels: usize,
    pub kernel_height: usize,
    pub kernel_width: usize,
    pub stride_height: usize,
    pub stride_width: usize,
    pub dilation_height: usize,
    pub dilation_width: usize,
    /// Output channels `g * output_channels / groups ..` see only input channels `g * input_channels / groups ..`.
    pub groups: usize,
    pub padding: Padding,
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
    /// A convolution along one axis: `x` is `[batch, length, input_channels]`, `w` is `[kernel, input_channels /
    /// groups, output_channels]`.
    pub fn sequence(
        [batch, length, input_channels, output_channels]: [usize; 4],
        [kernel, stride, dilation, groups]: [usize; 4],
        [before, after]: [usize; 2],
    ) -> Self {
        Self {
            batch,
            height: length,
            width: 1,
            input_channels,
            output_channels,
            kernel_height: kernel,
            kernel_width: 1,
            stride_height: stride,
            stride_width: 1,
            dilation_height: dilation,
            dilation_width: 1,
            groups,
            padding: Padding { top: before, bottom: after, left: 0, right: 0 },
        }
    }

    pub fn output_height(&self) -> usize {
        let Padding { top, bottom, .. } = self.padding;
        positions(self.height, top, bottom, self.kernel_height, self.dilation_height, self.stride_height)
    }

    pub fn output_width(&self) -> usize {
        let Padding { left, right, .. } = self.padding;
        positions(self.width, left, right, self.kernel_width, self.dilation_width, self.stride_width)
    }

    /// Elements of `x`.
    pub fn input_elements(&self) -> usize {
        self.batch * self.height * self.width * self.input_channels
    }

    /// Elements of `y`.
    pub fn output_elements(&self) -> usize {
        self.batch * self.output_height() * self.output_width() * self.output_channels
    }

    /// Elements of `w`.
    pub fn weight_elements(&self) -> usize {
        self.kernel_height * self.kernel_width * self.input_group() * self.output_channels
    }

    /// Multiplications of the forward pass (the gradients have as many).
    fn work(&self) -> usize {
        self.output_elements() * self.kernel_height * self.kernel_width * self.input_group()
    }

    fn input_group(&self) -> usize {
        self.input_channels / self.groups
    }

    fn output_group(&self) -> usize {
        self.output_channels / self.groups
    }

    /// One filter per channel: tiles multiply channels elementwise.
    fn is_depthwise(&self) -> bool {
        self.groups > 1 && self.groups == self.input_channels && self.groups == self.output_channels
    }

    /// A matrix product of pixels and weights.
    fn is_pointwise(&self) -> bool {
        self.kernel_height == 1
            && self.kernel_width == 1
            && self.stride_height == 1
            && self.stride_width == 1
            && self.groups == 1
            && self.padding == Padding::default()
    }

    fn check(&self) {
        assert!(
            self.kernel_height > 0
                && self.kernel_width > 0
                && self.stride_height > 0
                && self.stride_width > 0
                && self.dilation_height > 0
                && self.dilation_width > 0
                && self.groups > 0,
            "kernel, strides, dilations and groups start at 1: {self:?}"
        );
        assert!(
            self.input_channels.is_multiple_of(self.groups) && self.output_channels.is_multiple_of(self.groups),
            "groups divide the channels: {self:?}"
        );
    }
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
