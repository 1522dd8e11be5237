//! A matrix times a vector: products with one row or one column.
//!
//! ```text
//! outputs next to each other in the matrix:   for 8 rows of it, out[..] += x[0] row 0 + .. + x[7] row 7
//! the reduction next to each other:           for each output, 64 running sums along its row
//! ```
//!
//! Each element of the matrix is read once, in order, for one multiplication: memory limits the speed. Parts are whole
//! rows of the matrix in both cases, so that every chunk reads one stretch of memory.

use super::{Compute, Gemm, Part, Target};
use crate::cpu::float::Float;
use crate::cpu::simd::Isa;
use crate::cpu::workspace;
use crate::for_each_isa;

pub(super) fn run<T: Compute>(gemm: &Gemm, isa: Isa, part: &Part, a: &[T], b: &[T], target: &Target<T>) {
    let shape = &gemm.shape;
    let row = shape.m == 1;
    let (vector, vector_stride, vector_batch, matrix, matrix_batch, depth_stride, length_stride, outputs) = if row {
        let (a_matrix, b_matrix) = (shape.a, shape.b);
        let strides = (b_matrix.row_stride, b_matrix.col_stride);
        (a, a_matrix.col_stride, a_matrix.batch_stride, b, b_matrix.batch_stride, strides.0, strides.1, &part.columns)
    } else {
        let (a_matrix, b_matrix) = (shape.a, shape.b);
        let strides = (a_matrix.col_stride, a_matrix.row_stride);
        (b, b_matrix.row_stride, b_matrix.batch_stride, a, a_matrix.batch_stride, strides.0, strides.1, &part.rows)
    };
    let [depth, length] = [part.depth.len(), outputs.len()];
    workspace::with(depth + length, |room: &mut [T]| {
        let (x, sums) = room.split_at_mut(depth);
        for batch in part.batches.clone() {
            sums.fill(T::ZERO);
            if depth > 0 {
                let vector = &vector[batch * vector_batch + part.depth.start * vector_stride..];
                for (p, x) in x.iter_mut().enumerate() {
                    *x = vector[p * vector_stride];
                }
                let start = part.depth.start * depth_stride + outputs.start * length_stride;
                let matrix = &matrix[batch * matrix_batch + start..];
                if length_stride == 1 {
                    add_rows(isa, x, matrix, depth_stride, sums);
                } else if depth_stride == 1 {
                    products(isa, x, matrix, length_stride, sums);
                } else {
                    for (j, sum) in sums.iter_mut().enumerate() {
                        for (p, &x) in x.iter().enumerate() {
                            *sum += x * matrix[p * depth_stride + j * length_stride];
                        }
                    }
                }
            }
            let stride = if row { 1 } else { target.layout.row_stride };
            let start = batch * target.layout.batch_stride + outputs.start * stride;
            let out = |j: usize| {
                // SAFETY: the output spans the shape, and these elements belong to this chunk alone.
                unsafe { &mut *target.c.add(start + j * stride) }
            };
            if let Some(bias) = target.addends.bias {
                for (j, sum) in sums.iter_mut().enumerate() {
                    *sum += bias[if row { outputs.start + j } else { 0 }];
                }
            }
            if let Some(residual) = target.addends.residual {
                for (j, sum) in sums.iter_mut().enumerate() {
                    // SAFETY: the residual is laid out like the output.
                    *sum += unsafe { *residual.as_ptr().add(start + j * stride) };
                }
            }
            if target.epilogue.accumulate {
                for (j, sum) in sums.iter_mut().enumerate() {
                    *sum += *out(j);
                }
            }
            super::epilogue::activate_all(isa, target.epilogue.activation, sums);
            for (j, &sum) in sums.iter().enumerate() {
                *out(j) = sum;
            }
        }
    });
}

#[inline(always)]
fn add_rows_body<T: Float>(x: &[T], matrix: &[T], stride: usize, sums: &mut [T]) {
    let length = sums.len();
    let mut rows = x.chunks_exact(8);
    let mut at = 0;
    for x in &mut rows {
        let row = |p: usize| &matrix[at + p * stride..][..length];
        let (r0, r1, r2, r3) = (row(0), row(1), row(2), row(3));
        let (r4, r5, r6, r7) = (row(4), row(5), row(6), row(7));
        for j in 0..length {
            let low = x[0] * r0[j] + x[1] * r1[j] + (x[2] * r2[j] + x[3] * r3[j]);
            let high = x[4] * r4[j] + x[5] * r5[j] + (x[6] * r6[j] + x[7] * r7[j]);
            sums[j] += low + high;
        }
        at += 8 * stride;
    }
    for &x in rows.remainder() {
        for (sum, &value) in sums.iter_mut().zip(&matrix[at..][..length]) {
            *sum += x * value;
        }
        at += stride;
    }
}

for_each_isa! {
    /// `sums[j] += sum over p of x[p] matrix[p, j]`, columns next to each other.
    fn add_rows<T: Float>(x: &[T], matrix: &[T], stride: usize, sums: &mut [T]) = add_rows_body;
}

#[inline(always)]
fn products_body<T: Float>(x: &[T], matrix: &[T], stride: usize, sums: &mut [T]) {
    const LANES: usize = 64;
    for (j, sum) in sums.iter_mut().enumerate() {
        let row = &matrix[j * stride..][..x.len()];
        let mut lanes = [T::ZERO; LANES];
        let (mut xs, mut rows) = (x.chunks_exact(LANES), row.chunks_exact(LANES));
        for (x, row) in (&mut xs).zip(&mut rows) {
            for lane in 0..LANES {
                lanes[lane] += x[lane] * row[lane];
            }
        }
        for ((lane, &x), &value) in lanes.iter_mut().zip(xs.remainder()).zip(rows.remainder()) {
            *lane += x * value;
        }
        let mut width = LANES;
        while width > 1 {
            width /= 2;
            for lane in 0..width {
                let other = lanes[lane + width];
                lanes[lane] += other;
            }
        }
        *sum += lanes[0];
    }
}

for_each_isa! {
    /// `sums[j] += sum over p of x[p] matrix[j, p]`, the reduction next to each other.
    fn products<T: Float>(x: &[T], matrix: &[T], stride: usize, sums: &mut [T]) = products_body;
}
