//! Products of random geometry on every instruction set against loops in `f64`.

use super::{Activation, Addends, Compute, Epilogue, Gemm, GemmShape, Matrix, Output, Residual, Split, extent};
use crate::cpu::disjoint::Disjoint;
use crate::cpu::float::Float;
use crate::cpu::simd::Isa;

/// A small random generator.
pub(crate) struct Lcg(u64);

impl Lcg {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % limit
    }

    /// Multiples of a half in -2..=2.
    pub(crate) fn halves<T: Float>(&mut self, count: usize) -> Vec<T> {
        (0..count).map(|_| T::from_f64(self.below(9) as f64 / 2.0 - 2.0)).collect()
    }

    pub(crate) fn shuffled(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        for index in (1..count).rev() {
            order.swap(index, self.below(index + 1));
        }
        order
    }
}

fn activate(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Linear => x,
        Activation::Relu => x.max(0.0),
        Activation::Relu6 => x.clamp(0.0, 6.0),
        Activation::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Activation::Tanh => x.tanh(),
        Activation::Silu => x / (1.0 + (-x).exp()),
        Activation::Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p(),
        Activation::Elu => {
            if x < 0.0 {
                x.exp_m1()
            } else {
                x
            }
        }
        Activation::Gelu => {
            // The error function by its series, which loses all digits where it is 1 or -1.
            if x.abs() > 6.0 {
                return x.max(0.0);
            }
            let z = x / std::f64::consts::SQRT_2;
            let (mut term, mut sum) = (z, z);
            for n in 1..200 {
                term *= -z * z / n as f64;
                sum += term / (2 * n + 1) as f64;
            }
            0.5 * x * (1.0 + sum * 2.0 / std::f64::consts::PI.sqrt())
        }
        Activation::GeluTanh => {
            0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x * x * x)).tanh())
        }
    }
}

fn check<T: Compute>(shape: GemmShape, epilogue: Epilogue, with_bias: bool, random: &mut Lcg) {
    let GemmShape { batch, m, n, k, a: a_matrix, b: b_matrix, c: c_matrix } = shape;
    let c_layout = Matrix { row_stride: c_matrix.row_stride, col_stride: 1, batch_stride: c_matrix.batch_stride };
    // Small integers and halves: products and sums are exact, so that every order of summation gives the same.
    let a: Vec<T> = random.halves(extent(batch, m, k, a_matrix));
    let b: Vec<T> = random.halves(extent(batch, k, n, b_matrix));
    let bias: Vec<T> = random.halves(n);
    let bias = with_bias.then_some(&bias[..]);
    let old: Vec<T> = random.halves(extent(batch, m, n, c_layout) + 3);
    let residual: Vec<T> = random.halves(old.len());
    // In its own memory, or in the output's.
    let [with_residual, in_place] = [!epilogue.accumulate && random.below(2) == 0, random.below(2) == 0];
    let at = |matrix: Matrix, batch: usize, row: usize, column: usize| {
        batch * matrix.batch_stride + row * matrix.row_stride + column * matrix.col_stride
    };
    let mut expected: Vec<f64> = old.iter().map(|x| x.to_f64()).collect();
    for g in 0..batch {
        for i in 0..m {
            for j in 0..n {
                let mut sum: f64 =
                    (0..k).map(|p| a[at(a_matrix, g, i, p)].to_f64() * b[at(b_matrix, g, p, j)].to_f64()).sum();
                sum += bias.map_or(0.0, |bias| bias[j].to_f64());
                let to = &mut expected[at(c_layout, g, i, j)];
                sum += if epilogue.accumulate || with_residual && in_place { *to } else { 0.0 };
                if with_residual && !in_place {
                    sum += residual[at(c_layout, g, i, j)].to_f64();
                }
                *to = activate(epilogue.activation, sum);
            }
        }
    }
    let mut gemm = Gemm::new(shape, epilogue);
    if random.below(2) == 0 {
        gemm = gemm.packing_ahead();
    }
    for isa in Isa::available() {
        let mut c = old.clone();
        let c_pointer = c.as_mut_ptr();
        let c_slice = || {
            // SAFETY: the vector lives, and is used through this pointer alone until the last chunk is done.
            unsafe { Disjoint::from_raw(c_pointer, old.len()) }
        };
        let start = if in_place { c_pointer.cast_const() } else { residual.as_ptr() };
        // SAFETY: as long as the output, which it may be.
        let residual = with_residual.then(|| unsafe { Residual::from_raw(start, old.len()) });
        let addends = Addends { bias, residual };
        let mut scratch = vec![T::from_f64(f64::NAN); gemm.scratch::<T>() / size_of::<T>()];
        let mut prepared = vec![T::from_f64(f64::NAN); gemm.prepared_elements()];
        for chunk in random.shuffled(gemm.prepare_chunks()) {
            gemm.prepare(isa, chunk, &b, Disjoint::new(&mut prepared));
        }
        let b = if gemm.prepare_chunks() > 0 { &prepared } else { &b };
        for chunk in random.shuffled(gemm.chunks()) {
            gemm.run(isa, chunk, &a, b, addends, c_slice(), Disjoint::new(&mut scratch));
        }
        for chunk in random.shuffled(gemm.finish_chunks()) {
            gemm.finish(isa, chunk, addends, c_slice(), Disjoint::new(&mut scratch));
        }
        let tolerance = if epilogue.activation.in_store() { 0.0 } else { 3e-6 };
        for (index, (&found, &expected)) in c.iter().zip(&expected).enumerate() {
            let error = (found.to_f64() - expected).abs();
            assert!(
                error <= tolerance * expected.abs().max(1.0),
                "{found:?} is not {expected} at {index}: {isa:?} {shape:?} {epilogue:?}"
            );
        }
    }
}

fn check_both(shape: GemmShape, epilogue: Epilogue, with_bias: bool, random: &mut Lcg) {
    check::<f32>(shape, epilogue, with_bias, random);
    check::<f64>(shape, epilogue, with_bias, random);
}

#[test]
fn every_tile_height_and_width() {
    let mut random = Lcg::new(1);
    for m in 0..=14 {
        for n in [0, 1, 3, 7, 8, 10, 16, 17, 33, 48, 50, 64, 65, 100] {
            let shape = GemmShape::contiguous(1, m, n, 5, false, false);
            check_both(shape, Epilogue { accumulate: false, activation: Activation::Relu }, true, &mut random);
            check_both(shape, Epilogue { accumulate: true, activation: Activation::Linear }, false, &mut random);
        }
    }
}

#[test]
fn tiles_below_each_other_and_half_registers() {
    let mut random = Lcg::new(7);
    for m in [16, 19, 32, 50] {
        for n in [8, 9, 10, 12, 16, 17, 20, 24, 33, 40, 48, 88] {
            for k in [1, 4, 7] {
                let shape = GemmShape::contiguous(1, m, n, k, false, false);
                check_both(shape, Epilogue { accumulate: false, activation: Activation::Relu6 }, true, &mut random);
                check_both(shape, Epilogue { accumulate: true, activation: Activation::Linear }, false, &mut random);
            }
        }
    }
}

#[test]
fn parts_are_equal_but_for_a_grain() {
    for (total, wanted, grain) in [(196, 4, 12), (160, 4, 16), (1000, 16, 64), (0, 3, 4), (5, 9, 1), (13, 2, 12)] {
        let split = Split::new(total, wanted, grain);
        assert!((1..=wanted).contains(&split.parts));
        let parts: Vec<_> = (0..split.parts).map(|part| split.range(part)).collect();
        assert!(parts[0].start == 0 && parts[split.parts - 1].end == total);
        assert!(parts.windows(2).all(|pair| pair[0].end == pair[1].start && pair[0].end % grain == 0));
        assert!(parts.iter().all(|part| part.len() <= split.longest()), "{total} {wanted} {grain}: {parts:?}");
        assert!(parts.iter().take(split.parts - 1).all(|part| part.len() + grain >= split.longest()));
    }
}

#[test]
fn random_geometry() {
    let mut random = Lcg::new(2);
    for _ in 0..120 {
        let size = |random: &mut Lcg| [1, 1, 2, 13, 40, 90, 150][random.below(7)] + random.below(8);
        let (batch, m, n) = (1 + random.below(3), size(&mut random), size(&mut random));
        let k = [0, 1, 4, 30, 300, 1700][random.below(6)] + random.below(5);
        let mut shape = GemmShape::contiguous(batch, m, n, k, random.below(2) == 0, random.below(2) == 0);
        for matrix in [&mut shape.a, &mut shape.b] {
            match random.below(5) {
                0 => matrix.batch_stride = 0,
                1 => {
                    // Gaps between rows or columns.
                    let gap = 1 + random.below(3);
                    matrix.row_stride *= gap;
                    matrix.col_stride *= gap;
                    matrix.batch_stride *= gap;
                }
                _ => {}
            }
        }
        if random.below(3) == 0 {
            shape.c = Output { row_stride: n + 5, batch_stride: m * (n + 5) };
        }
        let epilogue = Epilogue {
            accumulate: random.below(2) == 0,
            activation: [Activation::Linear, Activation::Relu, Activation::Relu6][random.below(3)],
        };
        let with_bias = random.below(2) == 0;
        check_both(shape, epilogue, with_bias, &mut random);
    }
}

#[test]
fn deep_products_are_split_over_k() {
    let mut random = Lcg::new(3);
    for (m, n, k) in [(30, 20, 9000), (1, 70, 40_000), (70, 1, 40_000), (1, 1, 100_000), (9, 64, 5000)] {
        for (transpose_a, transpose_b) in [(false, false), (true, false), (false, true)] {
            let shape = GemmShape::contiguous(1, m, n, k, transpose_a, transpose_b);
            for activation in [Activation::Linear, Activation::Relu] {
                check_both(shape, Epilogue { accumulate: true, activation }, true, &mut random);
                check_both(shape, Epilogue { accumulate: false, activation }, true, &mut random);
            }
        }
    }
    let split = Gemm::new(GemmShape::contiguous(1, 30, 20, 9000, true, false), Epilogue::default());
    assert!(split.finish_chunks() > 0 && split.chunks() > 1);
}

#[test]
fn packed_ahead() {
    let mut random = Lcg::new(6);
    for (m, n, k) in [(60, 200, 130), (130, 100, 800), (64, 512, 300), (200, 65, 256)] {
        for (transpose_a, transpose_b) in [(false, false), (true, false), (false, true)] {
            let mut shape = GemmShape::contiguous(2, m, n, k, transpose_a, transpose_b);
            assert_eq!(Gemm::new(shape, Epilogue::default()).packing_ahead().prepare_chunks(), 0, "B differs");
            shape.b.batch_stride = 0;
            assert!(Gemm::new(shape, Epilogue::default()).packing_ahead().prepare_chunks() > 0, "{shape:?}");
            for _ in 0..3 {
                check_both(shape, Epilogue { accumulate: false, activation: Activation::Relu }, true, &mut random);
            }
        }
    }
}

#[test]
fn activations() {
    let mut random = Lcg::new(4);
    for activation in Activation::ALL {
        for (m, n, k) in [(5, 37, 3), (1, 30, 4), (30, 1, 3)] {
            let shape = GemmShape::contiguous(2, m, n, k, false, false);
            check_both(shape, Epilogue { accumulate: false, activation }, true, &mut random);
            check_both(shape, Epilogue { accumulate: true, activation }, false, &mut random);
        }
    }
}

#[test]
fn relu_keeps_nan() {
    let kinds = [Activation::Relu, Activation::Relu6];
    for (isa, activation) in Isa::available().into_iter().flat_map(|isa| kinds.map(|kind| (isa, kind))) {
        let gemm =
            Gemm::new(GemmShape::contiguous(1, 2, 3, 1, false, false), Epilogue { accumulate: false, activation });
        let mut c = [0.0_f32; 6];
        let (a, b) = ([f32::NAN, -1.0], [1.0, 2.0, 3.0]);
        gemm.run(isa, 0, &a, &b, Addends::default(), Disjoint::new(&mut c), Disjoint::new(&mut []));
        assert!(c[..3].iter().all(|x| x.is_nan()) && c[3..].iter().all(|&x| x == 0.0), "{isa:?} {activation:?} {c:?}");
    }
}
