//! Products of bfloat16 on one thread beside those of float32, where the machine has a dot product of bfloat16:
//! achieved rates with B packed in each call and kept packed (*), checked against naive sums in the same run.

#![allow(clippy::print_stdout, reason = "a bench prints its table")]

mod common;

use common::{best, peak, value};
use half::bf16;
use ironhorn_kernels::cpu::cast::round_to_bfloat16;
use ironhorn_kernels::cpu::disjoint::Disjoint;
use ironhorn_kernels::cpu::gemm::bfloat::{BfloatGemm, Packing, Target, has_dot};
use ironhorn_kernels::cpu::gemm::{Activation, Addends, Epilogue, Gemm, GemmShape};
use ironhorn_kernels::cpu::simd::Isa;

/// Batch, m, n, k; which operand is stored transposed.
const SHAPES: [([usize; 4], &str); 22] = [
    ([1, 1024, 1024, 1024], ""),
    ([1, 512, 512, 512], ""),
    ([1, 128, 512, 784], ""),
    ([1, 128, 512, 512], ""),
    ([1, 128, 10, 512], ""),
    ([1, 6272, 512, 128], ""),
    ([1, 25_088, 64, 576], ""),
    ([1, 32, 512, 128], ""),
    ([1, 32, 128, 896], ""),
    ([1, 255, 255, 255], ""),
    ([1, 1, 512, 784], ""),
    ([1, 1, 1000, 2048], ""),
    ([32, 128, 128, 64], ""),
    ([1, 1024, 1024, 1024], "A^T B"),
    ([1, 784, 512, 128], "A^T B"),
    ([1, 512, 512, 128], "A^T B"),
    ([1, 512, 10, 128], "A^T B"),
    ([1, 1024, 1024, 1024], "A B^T"),
    ([1, 128, 784, 512], "A B^T"),
    ([1, 128, 512, 512], "A B^T"),
    ([1, 128, 512, 10], "A B^T"),
    ([32, 128, 64, 128], "A B^T"),
];

fn main() {
    let Some(isa) = Isa::available().into_iter().find(|&isa| has_dot(isa)) else {
        println!("this machine has no dot product of bfloat16");
        return;
    };
    println!("products on one thread, GFLOP/s; the float32 peak is {:.0}", peak(isa));
    println!("{:>28} {:>9}{:>9}* {:>9}{:>9}* {:>6}", "m x n x k", "float32", "", "bfloat16", "", "ratio*");
    for ([batch, m, n, k], operands) in SHAPES {
        let shape = GemmShape::contiguous(batch, m, n, k, operands == "A^T B", operands == "A B^T");
        let many = if batch > 1 { format!("{batch} of ") } else { String::new() };
        let [single, single_kept] = [false, true].map(|kept| float32(isa, kept, shape));
        let [half, half_kept] = [false, true].map(|kept| bfloat16(isa, kept, shape));
        println!(
            "{:>28} {single:>9.1}{single_kept:>10.1} {half:>9.1}{half_kept:>10.1} {:>6.2}",
            format!("{many}{m} x {n} x {k} {operands}"),
            half_kept / single_kept
        );
    }
}

/// How often a product is run.
fn runs(flops: f64) -> usize {
    (1e9 / flops).clamp(3.0, 200.0) as usize
}

fn flops(shape: GemmShape) -> f64 {
    2.0 * (shape.batch * shape.m * shape.n * shape.k) as f64
}

fn float32(isa: Isa, kept: bool, shape: GemmShape) -> f64 {
    let GemmShape { batch, m, n, k, .. } = shape;
    let gemm = Gemm::new(shape, Epilogue::default()).packing_ahead();
    let (a, b): (Vec<f32>, Vec<f32>) =
        ((0..batch * m * k).map(value).collect(), (0..batch * k * n).map(|i| value(i + 7)).collect());
    let mut c = vec![0.0; batch * m * n];
    let mut scratch = vec![0.0; gemm.scratch::<f32>() / 4];
    let mut prepared = vec![0.0; gemm.prepared_elements()];
    for chunk in 0..gemm.prepare_chunks() {
        gemm.prepare::<f32>(isa, chunk, &b, Disjoint::new(&mut prepared));
    }
    let seconds = best(runs(flops(shape)), || {
        for chunk in (0..gemm.prepare_chunks()).filter(|_| !kept) {
            gemm.prepare::<f32>(isa, chunk, &b, Disjoint::new(&mut prepared));
        }
        let b = if prepared.is_empty() { &b } else { &prepared };
        for chunk in 0..gemm.chunks() {
            let (c, scratch) = (Disjoint::new(&mut c), Disjoint::new(&mut scratch));
            gemm.run::<f32>(isa, chunk, &a, b, Addends::default(), c, scratch);
        }
        for chunk in 0..gemm.finish_chunks() {
            let (c, scratch) = (Disjoint::new(&mut c), Disjoint::new(&mut scratch));
            gemm.finish::<f32>(isa, chunk, Addends::default(), c, scratch);
        }
    });
    flops(shape) / seconds / 1e9
}

fn bfloat16(isa: Isa, kept: bool, shape: GemmShape) -> f64 {
    let GemmShape { batch, m, n, k, a: a_matrix, b: b_matrix, .. } = shape;
    let Some(gemm) = BfloatGemm::new(shape, Activation::Linear) else { return f64::NAN };
    let numbers = |count: usize, first: usize| {
        let wide: Vec<f32> = (0..count).map(|i| value(i + first)).collect();
        let mut narrow = vec![bf16::ZERO; count];
        round_to_bfloat16(isa, &wide, &mut narrow);
        narrow
    };
    let (a, b) = (numbers(batch * m * k, 0), numbers(batch * k * n, 7));
    let mut c = vec![bf16::ZERO; batch * m * n];
    let mut packed_b = vec![0; gemm.pack_b().elements()];
    let mut packed_a = vec![0; gemm.pack_a().map_or(0, Packing::elements)];
    for chunk in 0..gemm.pack_b().chunks() {
        gemm.pack_b().run(isa, chunk, &b, Disjoint::new(&mut packed_b));
    }
    let seconds = best(runs(flops(shape)), || {
        for chunk in (0..gemm.pack_b().chunks()).filter(|_| !kept) {
            gemm.pack_b().run(isa, chunk, &b, Disjoint::new(&mut packed_b));
        }
        if let Some(packing) = gemm.pack_a() {
            for chunk in 0..packing.chunks() {
                packing.run(isa, chunk, &a, Disjoint::new(&mut packed_a));
            }
        }
        for chunk in 0..gemm.chunks() {
            let target = Target::Narrow(Disjoint::new(&mut c));
            gemm.run(isa, chunk, &a, &packed_a, &packed_b, Addends::default(), target);
        }
    });
    for (part, row, column) in [(0, 0, 0), (batch / 2, m / 2, n / 3), (batch - 1, m - 1, n - 1)] {
        let a_at = |p: usize| a[part * a_matrix.batch_stride + row * a_matrix.row_stride + p * a_matrix.col_stride];
        let b_at = |p: usize| b[part * b_matrix.batch_stride + p * b_matrix.row_stride + column * b_matrix.col_stride];
        let wanted: f64 = (0..k).map(|p| a_at(p).to_f64() * b_at(p).to_f64()).sum();
        let got = c[(part * m + row) * n + column].to_f64();
        let budget = 4e-5 * (k as f64).sqrt() + wanted.abs() / 256.0;
        assert!((wanted - got).abs() <= budget, "{shape:?}: {got}, not {wanted}");
    }
    flops(shape) / seconds / 1e9
}
