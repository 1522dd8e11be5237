//! Convolutions with kernels of one pixel as matrix products: pixels times channels times filters.
//!
//! ```text
//! no strides     rows of A are the pixels, one after the other
//! strides        rows of A are the pixels that the kernel stops at: lines of equally distant pixels, the lines as far apart
//!                as rows of the image are (`Gemm::with_lines`); nothing is gathered first
//! ```
//!
//! Images that end in the middle of a stride are batches of the product, others one long product. See `gemm` for the loops
//! and what limits them.

use super::ConvShape;
use crate::cpu::gemm::{Epilogue, Gemm, GemmShape, Matrix, Output};

/// The product that `shape` is, if it is one.
pub(super) fn product(shape: &ConvShape, epilogue: Epilogue) -> Option<Gemm> {
    if shape.is_pointwise() {
        let pixels = shape.batch * shape.size.iter().product::<usize>();
        let product = GemmShape::contiguous(1, pixels, shape.output_channels, shape.input_channels, false, false);
        if pixels > 1 && shape.output_channels > 1 {
            return Some(Gemm::without_partial_sums(product, epilogue).packing_ahead());
        }
        let product = Gemm::new(product, epilogue).packing_ahead();
        return (product.finish_chunks() == 0).then_some(product);
    }
    strided(shape, epilogue)
}

fn strided(shape: &ConvShape, epilogue: Epilogue) -> Option<Gemm> {
    let [depth, height, width] = shape.size;
    let [_, out_height, out_width] = shape.output_size();
    let [k, n] = [shape.input_channels, shape.output_channels];
    let planes = shape.batch * depth;
    let one_pixel = shape.kernel == [1; 3] && shape.groups == 1 && shape.padding == [(0, 0); 3];
    let pixels = out_height * out_width;
    if !one_pixel || shape.stride[0] > 1 && depth > 1 || pixels < 2 || planes * k == 0 {
        return None;
    }
    let line = shape.stride[1] * width * k;
    let [batch, m] = if height == out_height * shape.stride[1] { [1, planes * pixels] } else { [planes, pixels] };
    let product = GemmShape {
        batch,
        m,
        n,
        k,
        a: Matrix { row_stride: shape.stride[2] * k, col_stride: 1, batch_stride: height * width * k },
        b: Matrix { row_stride: n, col_stride: 1, batch_stride: 0 },
        c: Output { row_stride: n, batch_stride: m * n },
    };
    Gemm::takes_lines(&product)
        .then(|| Gemm::without_partial_sums(product, epilogue).packing_ahead().with_lines(out_width, line))
}
