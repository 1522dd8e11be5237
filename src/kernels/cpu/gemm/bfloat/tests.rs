//! Products of bfloat16 against naive sums in `f64`.

use half::bf16;

use super::super::tests::Lcg;
use super::super::{Activation, Addends, GemmShape, Matrix, Output, Residual, extent};
use super::{BfloatGemm, Target, has_dot};
use crate::cpu::disjoint::Disjoint;
use crate::cpu::simd::Isa;

/// The instruction set, where the machine has the dot product.
fn isa() -> Option<Isa> {
    Isa::available().into_iter().find(|&isa| has_dot(isa))
}

struct Case {
    shape: GemmShape,
    activation: Activation,
    bias: bool,
    /// None, one in memory of its own, or the output.
    residual: usize,
}

fn activate(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Relu => x.max(0.0),
        Activation::Relu6 => x.clamp(0.0, 6.0),
        Activation::Tanh => x.tanh(),
        _ => x,
    }
}

/// Everything that a product makes, in an order of chunks drawn by chance.
fn product(gemm: &BfloatGemm, isa: Isa, a: &[bf16], b: &[bf16], addends: Addends<f32>, c: Target, random: &mut Lcg) {
    let mut packed_b = vec![u32::MAX; gemm.pack_b().elements()];
    for chunk in random.shuffled(gemm.pack_b().chunks()) {
        gemm.pack_b().run(isa, chunk, b, Disjoint::new(&mut packed_b));
    }
    let mut packed_a = Vec::new();
    if let Some(packing) = gemm.pack_a() {
        packed_a.resize(packing.elements(), u32::MAX);
        for chunk in random.shuffled(packing.chunks()) {
            packing.run(isa, chunk, a, Disjoint::new(&mut packed_a));
        }
    }
    for chunk in random.shuffled(gemm.chunks()) {
        gemm.run(isa, chunk, a, &packed_a, &packed_b, addends, c);
    }
}

fn check(case: &Case, random: &mut Lcg) {
    let Some(isa) = isa() else { return };
    let Some(gemm) = BfloatGemm::new(case.shape, case.activation) else { return };
    let GemmShape { batch, m, n, k, a: a_matrix, b: b_matrix, c: c_matrix } = case.shape;
    let layout = Matrix { row_stride: c_matrix.row_stride, col_stride: 1, batch_stride: c_matrix.batch_stride };
    // Eighths in -2..2, whose products and sums float32 has exactly.
    let mut numbers = |count: usize| -> Vec<bf16> {
        (0..count).map(|_| bf16::from_f32(random.below(33) as f32 / 8.0 - 2.0)).collect()
    };
    let (a, b) = (numbers(extent(batch, m, k, a_matrix)), numbers(extent(batch, k, n, b_matrix)));
    let bias: Vec<f32> = random.halves(n);
    let old: Vec<f32> = random.halves(extent(batch, m, n, layout) + 3);
    let residual: Vec<f32> = random.halves(old.len());
    let at = |matrix: Matrix, batch: usize, row: usize, column: usize| {
        batch * matrix.batch_stride + row * matrix.row_stride + column * matrix.col_stride
    };
    for narrow in [false, true] {
        let in_place = case.residual == 2 && !narrow;
        let mut expected: Vec<f64> = old.iter().map(|&x| f64::from(x)).collect();
        for g in 0..batch {
            for i in 0..m {
                for j in 0..n {
                    let mut sum: f64 =
                        (0..k).map(|p| a[at(a_matrix, g, i, p)].to_f64() * b[at(b_matrix, g, p, j)].to_f64()).sum();
                    let to = &mut expected[at(layout, g, i, j)];
                    sum += if case.bias { f64::from(bias[j]) } else { 0.0 };
                    sum += match case.residual {
                        0 => 0.0,
                        _ if in_place => *to,
                        _ => f64::from(residual[at(layout, g, i, j)]),
                    };
                    *to = activate(case.activation, sum);
                }
            }
        }
        let mut wide = old.clone();
        let mut rounded: Vec<bf16> = old.iter().map(|&x| bf16::from_f32(x)).collect();
        let pointer = wide.as_mut_ptr();
        let start = if in_place { pointer.cast_const() } else { residual.as_ptr() };
        // SAFETY: as long as the output, which it may be.
        let addend = (case.residual > 0).then(|| unsafe { Residual::from_raw(start, old.len()) });
        let addends = Addends { bias: case.bias.then_some(&bias[..]), residual: addend };
        let target = if narrow {
            Target::Narrow(Disjoint::new(&mut rounded))
        } else {
            // SAFETY: the vector lives, and is used through this pointer alone until the product is made.
            Target::Wide(unsafe { Disjoint::from_raw(pointer, old.len()) })
        };
        product(&gemm, isa, &a, &b, addends, target, random);
        let tolerance = if case.activation.in_store() { 0.0 } else { 3e-6 };
        for (index, &expected) in expected.iter().enumerate() {
            let (found, budget) = if narrow {
                (rounded[index].to_f64(), 2.0_f64.powi(-8) * expected.abs())
            } else {
                (f64::from(wide[index]), 0.0)
            };
            let error = (found - expected).abs();
            assert!(error <= budget + tolerance, "{found} is not {expected} at {index}: {:?} {narrow}", case.shape);
        }
    }
}

#[test]
fn every_tile_height_and_width() {
    let mut random = Lcg::new(1);
    for m in 0..=14 {
        for n in [0, 1, 3, 10, 16, 17, 33, 48, 50, 64, 65, 100, 130] {
            for k in [0, 1, 5, 6] {
                let shape = GemmShape::contiguous(1, m, n, k, false, false);
                check(&Case { shape, activation: Activation::Relu, bias: true, residual: 0 }, &mut random);
                let shape = GemmShape::contiguous(1, m, n, k, true, false);
                check(&Case { shape, activation: Activation::Linear, bias: false, residual: 2 }, &mut random);
            }
        }
    }
}

#[test]
fn random_geometry() {
    let mut random = Lcg::new(2);
    for _ in 0..150 {
        let size = |random: &mut Lcg| [1, 1, 2, 13, 40, 90, 150][random.below(7)] + random.below(8);
        let (batch, m, n) = (random.below(4), size(&mut random), size(&mut random));
        let k = [0, 1, 4, 30, 300, 1500, 2500][random.below(7)] + random.below(5);
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
        let kinds = [Activation::Linear, Activation::Relu, Activation::Relu6, Activation::Tanh];
        let case =
            Case { shape, activation: kinds[random.below(4)], bias: random.below(2) == 0, residual: random.below(3) };
        check(&case, &mut random);
    }
}

/// Sums of numbers that no type has exactly: within the error of a sum in float32, and one rounding.
#[test]
fn sums_are_float32() {
    let Some(isa) = isa() else { return };
    let mut random = Lcg::new(3);
    let (m, n, k) = (70, 90, 1501);
    for (transpose_a, transpose_b) in [(false, false), (true, false), (false, true), (true, true)] {
        let shape = GemmShape::contiguous(1, m, n, k, transpose_a, transpose_b);
        let mut numbers = |count: usize| -> Vec<bf16> {
            (0..count).map(|_| bf16::from_f64(random.below(1 << 20) as f64 / f64::from(1 << 19) - 1.0)).collect()
        };
        let (a, b) = (numbers(m * k), numbers(k * n));
        let Some(gemm) = BfloatGemm::new(shape, Activation::Linear) else { panic!("{shape:?} has parts enough") };
        let (mut wide, mut narrow) = (vec![0.0; m * n], vec![bf16::ZERO; m * n]);
        let mut again = vec![0.0; m * n];
        let none = Addends::default();
        product(&gemm, isa, &a, &b, none, Target::Wide(Disjoint::new(&mut wide)), &mut random);
        product(&gemm, isa, &a, &b, none, Target::Wide(Disjoint::new(&mut again)), &mut random);
        product(&gemm, isa, &a, &b, none, Target::Narrow(Disjoint::new(&mut narrow)), &mut random);
        assert_eq!(wide, again, "the order of chunks matters");
        for i in 0..m {
            for j in 0..n {
                let terms = (0..k).map(|p| {
                    let a = a[i * shape.a.row_stride + p * shape.a.col_stride].to_f64();
                    a * b[p * shape.b.row_stride + j * shape.b.col_stride].to_f64()
                });
                let (sum, size) = terms.fold((0.0, 0.0), |(sum, size), term| (sum + term, size + term.abs()));
                let budget = 64.0 * f64::from(f32::EPSILON) * size;
                let (wide, narrow) = (f64::from(wide[i * n + j]), narrow[i * n + j].to_f64());
                assert!((wide - sum).abs() <= budget, "{wide} is not {sum}: {shape:?}");
                assert!((narrow - wide).abs() <= 2.0_f64.powi(-8) * wide.abs(), "{narrow} is not {wide} rounded");
            }
        }
    }
}

/// What follows an odd row in memory is not part of it, even where it is no number.
#[test]
fn half_pairs_read_nothing_else() {
    let Some(isa) = isa() else { return };
    let mut random = Lcg::new(4);
    let shape = GemmShape {
        a: Matrix { row_stride: 4, col_stride: 1, batch_stride: 0 },
        ..GemmShape::contiguous(1, 2, 3, 3, false, false)
    };
    let one = bf16::ONE;
    let a = [one, one, one, bf16::NAN, one, one, one];
    let gemm = BfloatGemm::new(shape, Activation::Linear);
    let mut c = [0.0; 6];
    if let Some(gemm) = gemm {
        product(&gemm, isa, &a, &[one; 9], Addends::default(), Target::Wide(Disjoint::new(&mut c)), &mut random);
    }
    assert_eq!(c, [3.0; 6]);
}

#[test]
fn relu_keeps_nan() {
    let Some(isa) = isa() else { return };
    for activation in [Activation::Relu, Activation::Relu6] {
        let gemm = BfloatGemm::new(GemmShape::contiguous(1, 2, 1, 1, false, false), activation);
        let mut c = [bf16::ONE; 2];
        let a = [bf16::NAN, bf16::NEG_INFINITY];
        if let Some(gemm) = gemm {
            let target = Target::Narrow(Disjoint::new(&mut c));
            product(&gemm, isa, &a, &[bf16::ONE], Addends::default(), target, &mut Lcg::new(5));
        }
        assert!(c[0].is_nan() && c[1] == bf16::ZERO, "{c:?}");
    }
}
