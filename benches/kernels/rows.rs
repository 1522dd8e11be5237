//! Kernels along short rows, as classifiers end with: microseconds on one thread, and nanoseconds a row. Softmax, its gradient, the
//! place of the largest, cross-entropy with class numbers (losses alone; the end of a training step: losses, gradient and hits)
//! and with rows of targets. Rows of probabilities are checked to have the sum 1.
//!
//! ```text
//! rows [avx512 | avx2 | scalar | neon]
//! ```

#![allow(clippy::print_stdout, reason = "a bench prints its table")]

mod common;

use common::{best, peak, value};
use ironhorn_kernels::cpu::arg_reduce::{ArgReduce, Extreme};
use ironhorn_kernels::cpu::cross_entropy::{CrossEntropy, Results, Scores, Seed, Targets};
use ironhorn_kernels::cpu::disjoint::Disjoint;
use ironhorn_kernels::cpu::simd::Isa;
use ironhorn_kernels::cpu::softmax::Softmax;

const SHAPES: [(usize, usize); 7] = [(1, 10), (128, 10), (32, 2), (128, 16), (128, 20), (128, 100), (32, 1000)];

fn main() {
    let isa = std::env::args().find_map(|word| Isa::from_name(&word)).unwrap_or_else(Isa::active);
    assert!(Isa::available().contains(&isa), "this processor has no {}", isa.name());
    let peak = peak(isa);
    println!("rows of f32, {}: us (ns a row); multiply-add peak of a thread {peak:.0} GFLOP/s", isa.name());
    let names = ["softmax", "gradient", "argmax", "losses", "all of sparse", "all of dense"];
    println!("{:>12} {}", "", names.map(|name| format!("{name:>16}")).join(" "));
    for (rows, columns) in SHAPES {
        let figures = run(isa, rows, columns)
            .map(|seconds| format!("{:>7.2} ({:>6.1})", seconds * 1e6, seconds * 1e9 / rows as f64));
        println!("{:>12} {}", format!("{rows} x {columns}"), figures.map(|figure| format!("{figure:>16}")).join(" "));
    }
}

/// Best seconds of every kernel.
fn run(isa: Isa, rows: usize, columns: usize) -> [f64; 6] {
    let x: Vec<f32> = (0..rows * columns).map(|i| 4.0 * value(i)).collect();
    let soft: Vec<f32> = (0..rows * columns).map(|i| value(i + 5).abs()).collect();
    let labels: Vec<i64> = (0..rows).map(|row| (row * 7 % columns) as i64).collect();
    let [mut y, mut dx, mut losses, mut hits] = [x.len(), x.len(), rows, rows].map(|length| vec![0.0f32; length]);
    let mut places = vec![0i64; rows];
    let repeats = 4000;
    let softmax = Softmax::<f32>::new(rows, columns, false);
    let forward = best(repeats, || {
        (0..softmax.chunks()).for_each(|chunk| softmax.run(isa, chunk, &x, Disjoint::new(&mut y)));
    });
    assert!(y.chunks(columns).all(|row| (row.iter().sum::<f32>() - 1.0).abs() < 1e-5), "softmax");
    let backward = best(repeats, || {
        (0..softmax.chunks()).for_each(|chunk| softmax.run_gradient(isa, chunk, &y, &x, Disjoint::new(&mut dx)));
    });
    let argmax = ArgReduce::<f32>::new(Extreme::Maximum, &[rows, columns], 1).unwrap_or_else(|error| panic!("{error}"));
    let place = best(repeats, || {
        (0..argmax.chunks()).for_each(|chunk| argmax.run(isa, chunk, &y, Disjoint::new(&mut places)));
    });
    let kernel = CrossEntropy::<f32>::new(rows, columns, Scores::Softmax { margin: 1e-7 });
    let mut end = |targets: Targets<f32>, all: bool| {
        best(repeats, || {
            for chunk in 0..kernel.chunks() {
                let results = Results {
                    losses: Some(Disjoint::new(&mut losses)),
                    gradient: all.then(|| Disjoint::new(&mut dx)),
                    probabilities: None,
                    hits: all.then(|| Disjoint::new(&mut hits)),
                };
                let made = kernel.run(isa, chunk, &x, targets, Seed::One(0.1), results);
                assert!(made.is_ok(), "labels are in range");
            }
        })
    };
    let [alone, sparse] = [false, true].map(|all| end(Targets::Int64(&labels), all));
    let dense = end(Targets::Rows(&soft), true);
    [forward, backward, place, alone, sparse, dense]
}
