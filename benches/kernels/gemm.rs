//! Register tiles and matrix products on one thread, for every instruction set that the machine has: achieved rate beside the
//! multiply-add peak, checked against naive sums in the same run. A tile far below its neighbours has spilled.

#![allow(clippy::print_stdout, reason = "a bench prints its table")]

mod common;

use common::{best, peak, value};
use ironhorn_kernels::cpu::disjoint::Disjoint;
use ironhorn_kernels::cpu::gemm::tile::{MOST_ROWS, Tap, Tile};
use ironhorn_kernels::cpu::gemm::{Activation, Addends, Compute, Epilogue, Gemm, GemmShape};
use ironhorn_kernels::cpu::simd::Isa;

/// Batch, m, n, k.
const SHAPES: [[usize; 4]; 22] = [
    [1, 1024, 1024, 1024],
    [1, 512, 512, 512],
    [1, 128, 512, 784],
    [1, 128, 512, 512],
    [1, 128, 10, 512],
    [1, 128, 10, 1600],
    [1, 100_352, 64, 288],
    [1, 131_072, 32, 27],
    [1, 512, 64, 288],
    [1, 25_088, 64, 576],
    [1, 6272, 512, 128],
    [1, 32, 16, 16],
    [1, 32, 512, 128],
    [1, 256, 192, 64],
    [1, 32, 128, 896],
    [1, 32, 1, 128],
    [1, 128, 48, 300],
    [32, 128, 128, 64],
    [1, 1, 512, 784],
    [1, 1, 512, 512],
    [1, 1, 10, 512],
    [1, 1, 1000, 2048],
];

/// The same with A stored as `[k, m]`: gradients of weights.
const TRANSPOSED_A: [[usize; 4]; 10] = [
    [1, 784, 512, 128],
    [1, 512, 512, 128],
    [1, 512, 10, 128],
    [1, 288, 64, 100_352],
    [1, 576, 64, 25_088],
    [1, 27, 32, 131_072],
    [1, 512, 128, 6400],
    [1, 1600, 10, 128],
    [1, 16, 16, 32],
    [1, 896, 128, 5000],
];

/// The same with B stored as `[n, k]`: gradients of inputs.
const TRANSPOSED_B: [[usize; 4]; 6] = [
    [1, 128, 784, 512],
    [1, 128, 512, 512],
    [1, 128, 512, 10],
    [1, 128, 1600, 10],
    [1, 6272, 128, 512],
    [32, 128, 64, 128],
];

fn main() {
    let mut instruction_sets = Isa::available();
    instruction_sets.reverse();
    for &isa in &instruction_sets {
        let peak = peak(isa);
        println!("tiles, f32, one thread, {}: % of the multiply-add peak, {peak:.0} GFLOP/s", isa.name());
        let heights: Vec<String> = (1..=MOST_ROWS).map(|rows| format!("{rows:>5}")).collect();
        println!("{:>10} {}", "registers", heights.concat());
        for vectors in 1..=4 {
            let rates: String = (1..=MOST_ROWS).map(|rows| tile(isa, peak, rows, vectors)).collect();
            if !rates.trim().is_empty() {
                println!("{vectors:>10} {rates}");
            }
        }
    }
    println!();
    let names: Vec<String> = instruction_sets.iter().map(|isa| format!("{:>16}", isa.name())).collect();
    let names = names.concat();
    println!("products, f32, one thread: GFLOP/s and % of the peak; B packed in each call, and kept packed (*)");
    println!("{:>28} {:>15}*{names}", "m x n x k", instruction_sets[0].name());
    let peaks: Vec<f64> = instruction_sets.iter().map(|&isa| peak(isa)).collect();
    let rows = [(&SHAPES[..], false, false), (&TRANSPOSED_A, true, false), (&TRANSPOSED_B, false, true)];
    for (shapes, transpose_a, transpose_b) in rows {
        for &[batch, m, n, k] in shapes {
            let operands = if transpose_a { " A^T B" } else { ["", " A B^T"][usize::from(transpose_b)] };
            let many = if batch > 1 { format!("{batch} of ") } else { String::new() };
            print!("{:>28} ", format!("{many}{m} x {n} x {k}{operands}"));
            let columns = [(0, true)].into_iter().chain((0..peaks.len()).map(|index| (index, false)));
            for (index, kept) in columns {
                let (isa, peak) = (instruction_sets[index], peaks[index]);
                let rate = product(isa, kept, GemmShape::contiguous(batch, m, n, k, transpose_a, transpose_b));
                print!("{rate:>11.1} {:>3.0}%", 100.0 * rate / peak);
            }
            println!();
        }
    }
}

/// The rate of a tile over a panel that lies in the cache; nothing where the instruction set has no such tile.
fn tile(isa: Isa, peak: f64, rows: usize, vectors: usize) -> String {
    const DEPTH: usize = 128;
    let tiles = <f32 as Compute>::tiles(isa);
    if vectors > tiles.vectors || tiles.vectors_for(vectors * tiles.lanes) != vectors || rows > tiles.rows_for(vectors)
    {
        return " ".repeat(5);
    }
    let columns = vectors * tiles.lanes;
    let a: Vec<f32> = (0..rows * DEPTH).map(value).collect();
    let b: Vec<f32> = (0..DEPTH * columns).map(|i| value(i + 3)).collect();
    let mut c = vec![0.0f32; rows * columns];
    let offsets = |stride: usize| -> [isize; MOST_ROWS] { std::array::from_fn(|row| (row * stride) as isize) };
    let (a_rows, c_rows) = (offsets(DEPTH), offsets(columns));
    let call = Tile {
        a: a.as_ptr(),
        rows: &a_rows,
        a_step: 1,
        taps: &[Tap { a: 0, b: 0 }],
        run: DEPTH,
        b: b.as_ptr(),
        b_step: columns as isize,
        c: c.as_mut_ptr(),
        c_rows: &c_rows,
        columns,
        bias: std::ptr::null(),
        start: std::ptr::null(),
        activation: Activation::Linear,
    };
    let calls = 2000;
    let seconds = best(10, || {
        for _ in 0..calls {
            // SAFETY: the operands hold what the tile reads and writes, and the instruction set is available.
            unsafe { f32::tile(isa, rows, vectors, std::hint::black_box(&call)) }
        }
    });
    for (row, column) in [(0, 0), (rows - 1, columns - 1)] {
        let wanted: f64 = (0..DEPTH).map(|p| f64::from(a[row * DEPTH + p]) * f64::from(b[p * columns + column])).sum();
        assert!((f64::from(c[row * columns + column]) - wanted).abs() < 1e-4, "{isa:?} {rows} x {vectors}");
    }
    let rate = 2.0 * (calls * rows * columns * DEPTH) as f64 / seconds / 1e9;
    format!("{:>5.0}", 100.0 * rate / peak)
}

/// The rate of a product. What is made of B ahead is `kept` from run to run.
fn product(isa: Isa, kept: bool, shape: GemmShape) -> f64 {
    let GemmShape { batch, m, n, k, a: a_matrix, b: b_matrix, .. } = shape;
    let gemm = Gemm::new(shape, Epilogue::default()).packing_ahead();
    let a: Vec<f32> = (0..batch * m * k).map(value).collect();
    let b: Vec<f32> = (0..batch * k * n).map(|i| value(i + 7)).collect();
    let mut c = vec![0.0f32; batch * m * n];
    let mut scratch = vec![0.0f32; gemm.scratch::<f32>() / 4];
    let mut prepared = vec![0.0f32; gemm.prepared_elements()];
    for chunk in 0..gemm.prepare_chunks() {
        gemm.prepare::<f32>(isa, chunk, &b, Disjoint::new(&mut prepared));
    }
    let flops = 2.0 * (batch * m * n * k) as f64;
    let seconds = best((1e9 / flops).clamp(3.0, 200.0) as usize, || {
        let (c, scratch) = (Disjoint::new(&mut c), Disjoint::new(&mut scratch));
        for chunk in (0..gemm.prepare_chunks()).filter(|_| !kept) {
            gemm.prepare::<f32>(isa, chunk, &b, Disjoint::new(&mut prepared));
        }
        let b = if prepared.is_empty() { &b } else { &prepared };
        for chunk in 0..gemm.chunks() {
            gemm.run::<f32>(isa, chunk, &a, b, Addends::default(), c, scratch);
        }
        for chunk in 0..gemm.finish_chunks() {
            gemm.finish::<f32>(isa, chunk, Addends::default(), c, scratch);
        }
    });
    for (part, row, column) in [(0, 0, 0), (batch / 2, m / 2, n / 3), (batch - 1, m - 1, n - 1)] {
        let a_at = |p: usize| a[part * a_matrix.batch_stride + row * a_matrix.row_stride + p * a_matrix.col_stride];
        let b_at = |p: usize| b[part * b_matrix.batch_stride + p * b_matrix.row_stride + column * b_matrix.col_stride];
        let wanted: f64 = (0..k).map(|p| f64::from(a_at(p)) * f64::from(b_at(p))).sum();
        let got = f64::from(c[(part * m + row) * n + column]);
        assert!((wanted - got).abs() <= 4e-5 * (k as f64).sqrt(), "{isa:?} {shape:?}: {got}, not {wanted}");
    }
    flops / seconds / 1e9
}
