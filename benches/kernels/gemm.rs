//! Matrix products on one thread: achieved rate beside the multiply-add peak, checked against a naive sum in the same run.

#![allow(clippy::print_stdout, reason = "a bench prints its table")]

mod common;

use common::{best, peak, value};
use ironhorn_kernels::cpu::disjoint::Disjoint;
use ironhorn_kernels::cpu::gemm::{Addends, Epilogue, Gemm, GemmShape};
use ironhorn_kernels::cpu::simd::Isa;

/// (m, n, k, a is read transposed)
const SHAPES: [(usize, usize, usize, bool); 8] = [
    (512, 512, 512, false),
    (1024, 1024, 1024, false),
    (128, 512, 784, false),
    (128, 10, 1600, false),
    (32, 512, 128, false),
    (784, 512, 128, true),
    (288, 64, 25_088, true),
    (1, 1000, 2048, false),
];

fn main() {
    let floor = peak(Isa::active());
    println!("gemm, f32, one thread, {}: multiply-add peak {floor:.0} GFLOP/s", Isa::active().name());
    println!("{:>22} {:>9} {:>7}", "m x n x k", "GFLOP/s", "% peak");
    for (m, n, k, transposed) in SHAPES {
        let shape = GemmShape::contiguous(1, m, n, k, transposed, false);
        let gemm = Gemm::new(shape, Epilogue::default());
        let a: Vec<f32> = (0..m * k).map(value).collect();
        let b: Vec<f32> = (0..k * n).map(|i| value(i + 7)).collect();
        let mut c = vec![0.0f32; m * n];
        let mut scratch = vec![0.0f32; gemm.scratch::<f32>() / 4];
        let isa = Isa::active();
        let seconds = best(7, || {
            let (c, scratch) = (Disjoint::new(&mut c), Disjoint::new(&mut scratch));
            for chunk in 0..gemm.chunks() {
                gemm.run::<f32>(isa, chunk, &a, &b, Addends::default(), c, scratch);
            }
            for chunk in 0..gemm.finish_chunks() {
                gemm.finish::<f32>(isa, chunk, Addends::default(), c, scratch);
            }
        });
        for (row, column) in [(0, 0), (m / 2, n / 3), (m - 1, n - 1)] {
            let at = |p: usize| if transposed { a[p * m + row] } else { a[row * k + p] };
            let wanted: f64 = (0..k).map(|p| f64::from(at(p)) * f64::from(b[p * n + column])).sum();
            let got = f64::from(c[row * n + column]);
            assert!(
                (wanted - got).abs() <= 1e-5 * (k as f64).sqrt().max(1.0) * 4.0,
                "{m}x{n}x{k}: {got}, not {wanted}"
            );
        }
        let rate = 2.0 * (m * n * k) as f64 / seconds / 1e9;
        let name = format!("{m} x {n} x {k}{}", if transposed { " A^T" } else { "" });
        println!("{name:>22} {rate:>9.1} {:>6.0}%", 100.0 * rate / floor);
    }
}
