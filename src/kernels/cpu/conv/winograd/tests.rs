//! Tiles against direct sums: equal where numbers are exact, and within the stated budget of float64 where they are not.

use super::{Tiling, Winograd};
use crate::cpu::conv::{ConvBackwardInput, ConvForward, ConvShape};
use crate::cpu::disjoint::Disjoint;
use crate::cpu::gemm::epilogue::Residual;
use crate::cpu::gemm::tests::Lcg;
use crate::cpu::gemm::{Activation, Addends, Compute, Epilogue};
use crate::cpu::simd::Isa;

pub(super) fn image(
    [batch, height, width]: [usize; 3],
    channels: [usize; 2],
    padding: [(usize, usize); 2],
) -> ConvShape {
    ConvShape {
        batch,
        size: [1, height, width],
        input_channels: channels[0],
        output_channels: channels[1],
        kernel: [1, 3, 3],
        stride: [1; 3],
        dilation: [1; 3],
        groups: 1,
        padding: [(0, 0), padding[0], padding[1]],
    }
}

/// One pass; `out` holds what the result starts from.
fn run<T: Compute>(
    kernel: &Winograd,
    isa: Isa,
    random: &mut Lcg,
    source: &[T],
    w: &[T],
    addends: Addends<T>,
    out: &mut [T],
) {
    let mut prepared = vec![T::from_f64(f64::NAN); kernel.prepared_elements()];
    for chunk in random.shuffled(kernel.prepare_chunks()) {
        kernel.prepare(isa, chunk, w, Disjoint::new(&mut prepared));
    }
    for chunk in random.shuffled(kernel.chunks()) {
        kernel.run(isa, chunk, source, addends, Disjoint::new(out), Disjoint::new(&mut prepared));
    }
}

/// The same pass without tiles, in float64.
fn direct<T: Compute>(
    shape: &ConvShape,
    backward: bool,
    epilogue: Epilogue,
    isa: Isa,
    source: &[T],
    w: &[T],
    addends: Addends<T>,
    out: &mut [T],
) {
    let tiling = Tiling::Off;
    let out = Disjoint::new(out);
    if backward {
        let kernel = ConvBackwardInput::with_tiling(*shape, epilogue, tiling);
        let mut prepared = vec![T::ZERO; kernel.prepared::<T>() / size_of::<T>()];
        let prepared = Disjoint::new(&mut prepared);
        (0..kernel.prepare_chunks()).for_each(|chunk| kernel.prepare(isa, chunk, w, prepared));
        (0..kernel.chunks()).for_each(|chunk| kernel.run(isa, chunk, source, w, addends.bias, out, prepared));
    } else {
        let kernel = ConvForward::with_tiling(*shape, epilogue, tiling);
        let mut prepared = vec![T::ZERO; kernel.prepared::<T>() / size_of::<T>()];
        let prepared = Disjoint::new(&mut prepared);
        (0..kernel.prepare_chunks()).for_each(|chunk| kernel.prepare(isa, chunk, w, prepared));
        (0..kernel.chunks()).for_each(|chunk| kernel.run(isa, chunk, source, w, addends, out, prepared));
    }
}

/// Tiles of 2 x 2 of halves: no number is rounded, so every order of summation gives the same.
fn check<T: Compute>(shape: &ConvShape, random: &mut Lcg) {
    assert!(Winograd::can(shape));
    for backward in [false, true] {
        let [source_elements, out_elements, filters] = if backward {
            [shape.output_elements(), shape.input_elements(), shape.input_channels]
        } else {
            [shape.input_elements(), shape.output_elements(), shape.output_channels]
        };
        let [source, w, old, added]: [Vec<T>; 4] =
            [source_elements, shape.weight_elements(), out_elements, out_elements].map(|count| random.halves(count));
        let bias: Vec<T> = random.halves(filters);
        let [accumulate, residual] = [random.below(3) == 0, !backward && random.below(2) == 0];
        let activation = [Activation::Linear, Activation::Relu, Activation::Relu6, Activation::Elu][random.below(4)];
        let epilogue = Epilogue { accumulate, activation };
        let addends = Addends {
            bias: (random.below(2) == 0).then_some(&bias[..]),
            residual: (residual && !accumulate).then_some(Residual::from(&added[..])),
        };
        let kernel = Winograd::new(shape, backward, epilogue, Tiling::Two);
        for isa in Isa::available() {
            let start = if accumulate { old.clone() } else { vec![T::from_f64(f64::NAN); out_elements] };
            let [mut found, mut expected] = [start.clone(), start];
            direct(shape, backward, epilogue, isa, &source, &w, addends, &mut expected);
            run(&kernel, isa, random, &source, &w, addends, &mut found);
            assert!(found == expected, "{isa:?} backward: {backward} {epilogue:?} {shape:?}");
        }
    }
}

#[test]
fn exact_numbers_give_the_direct_sum() {
    let mut random = Lcg::new(31);
    for (size, channels, padding) in [
        ([1, 4, 4], [16, 16], [(1, 1), (1, 1)]),
        ([2, 7, 7], [32, 48], [(1, 1), (1, 1)]),
        ([3, 13, 11], [16, 80], [(0, 0), (0, 0)]),
        ([2, 5, 9], [112, 64], [(2, 0), (0, 2)]),
        ([1, 1, 1], [16, 32], [(1, 1), (1, 1)]),
        ([1, 3, 2], [32, 16], [(0, 1), (2, 2)]),
        ([5, 16, 16], [32, 32], [(1, 1), (1, 1)]),
        ([1, 14, 14], [256, 64], [(1, 1), (1, 1)]),
        ([1, 7, 7], [16, 272], [(1, 1), (1, 1)]),
        ([1, 6, 6], [1024, 16], [(1, 1), (1, 1)]),
        ([2, 2, 40], [16, 16], [(1, 2), (1, 3)]),
        ([0, 8, 8], [16, 16], [(1, 1), (1, 1)]),
        // Parts of registers, of panels and of what products take at a time.
        ([1, 6, 7], [40, 40], [(1, 1), (1, 1)]),
        ([2, 5, 6], [17, 33], [(1, 1), (1, 0)]),
        ([1, 9, 4], [3, 70], [(1, 1), (1, 1)]),
        ([1, 5, 5], [130, 5], [(1, 1), (1, 1)]),
    ] {
        let mut shape = image(size, channels, padding);
        check::<f32>(&shape, &mut random);
        check::<f64>(&shape, &mut random);
        if size[0] == 2 {
            // Planes of a volume that do not see each other.
            shape.size[0] = 3;
            check::<f32>(&shape, &mut random);
        }
    }
}

#[test]
fn a_residual_may_be_the_output() {
    let mut random = Lcg::new(32);
    let shape = image([2, 9, 9], [32, 80], [(1, 1), (1, 1)]);
    let [x, w]: [Vec<f32>; 2] = [shape.input_elements(), shape.weight_elements()].map(|count| random.halves(count));
    let old: Vec<f32> = random.halves(shape.output_elements());
    let epilogue = Epilogue { accumulate: false, activation: Activation::Relu };
    let kernel = Winograd::new(&shape, false, epilogue, Tiling::Two);
    for isa in Isa::available() {
        let mut expected = old.clone();
        let residual = Some(Residual::from(&old[..]));
        direct(&shape, false, epilogue, isa, &x, &w, Addends { bias: None, residual }, &mut expected);
        let mut found = old.clone();
        let (start, length) = (found.as_mut_ptr(), found.len());
        // SAFETY: the vector lives, and is used through this pointer alone until the last chunk is done.
        let (out, residual) = unsafe { (Disjoint::from_raw(start, length), Residual::from_raw(start, length)) };
        let mut prepared = vec![0.0; kernel.prepared_elements()];
        for chunk in 0..kernel.prepare_chunks() {
            kernel.prepare(isa, chunk, &w, Disjoint::new(&mut prepared));
        }
        for chunk in random.shuffled(kernel.chunks()) {
            let addends = Addends { bias: None, residual: Some(residual) };
            kernel.run(isa, chunk, &x, addends, out, Disjoint::new(&mut prepared));
        }
        assert!(found == expected, "{isa:?}");
    }
}

/// Root mean squares of the errors of tiles and of the direct sum, relative to that of the result, in float32.
fn errors(shape: &ConvShape, backward: bool, tiling: Tiling, isa: Isa, random: &mut Lcg) -> [f64; 2] {
    let number = |random: &mut Lcg| random.below(20_001) as f32 / 10_000.0 - 1.0;
    let [source_elements, out_elements] = if backward {
        [shape.output_elements(), shape.input_elements()]
    } else {
        [shape.input_elements(), shape.output_elements()]
    };
    let [source, w] = [source_elements, shape.weight_elements()]
        .map(|count| (0..count).map(|_| number(random)).collect::<Vec<f32>>());
    let wide = |values: &[f32]| values.iter().map(|&value| f64::from(value)).collect::<Vec<f64>>();
    let epilogue = Epilogue::default();
    let mut exact = vec![0.0_f64; out_elements];
    direct(shape, backward, epilogue, isa, &wide(&source), &wide(&w), Addends::default(), &mut exact);
    let mut sums = vec![0.0_f32; out_elements];
    direct(shape, backward, epilogue, isa, &source, &w, Addends::default(), &mut sums);
    let mut tiled = vec![0.0_f32; out_elements];
    let kernel = Winograd::new(shape, backward, epilogue, tiling);
    run(&kernel, isa, random, &source, &w, Addends::default(), &mut tiled);
    let norm = exact.iter().map(|value| value * value).sum::<f64>().sqrt();
    [tiled, sums].map(|found| {
        let squares = found.iter().zip(&exact).map(|(&found, exact)| (f64::from(found) - exact).powi(2));
        squares.sum::<f64>().sqrt() / norm
    })
}

#[test]
fn errors_stay_within_the_budget() {
    let mut random = Lcg::new(33);
    for (size, channels) in
        [(32, [16, 16]), (16, [32, 64]), (12, [64, 64]), (14, [256, 64]), (7, [512, 16]), (16, [40, 28])]
    {
        let shape = image([1, size, size], channels, [(1, 1), (1, 1)]);
        for isa in Isa::available() {
            for backward in [false, true] {
                for (tiling, budget) in [(Tiling::Two, 4.0), (Tiling::Four, 40.0)] {
                    let [tiled, sums] = errors(&shape, backward, tiling, isa, &mut random);
                    assert!(
                        tiled <= budget * sums && tiled < 3e-5,
                        "{tiling:?} {isa:?} backward: {backward} {shape:?}: {tiled:e}, directly {sums:e}"
                    );
                }
            }
        }
    }
}

#[test]
fn tiles_of_four_are_right_in_float64() {
    let mut random = Lcg::new(34);
    for (size, channels, padding) in
        [([2, 9, 14], [32, 80], (1, 1)), ([1, 5, 3], [16, 16], (0, 2)), ([3, 13, 13], [48, 64], (0, 0))]
    {
        let shape = image(size, channels, [padding; 2]);
        for isa in Isa::available() {
            for backward in [false, true] {
                let [source_elements, out_elements] = if backward {
                    [shape.output_elements(), shape.input_elements()]
                } else {
                    [shape.input_elements(), shape.output_elements()]
                };
                let [source, w]: [Vec<f64>; 2] =
                    [source_elements, shape.weight_elements()].map(|count| random.halves(count));
                let [mut found, mut expected] = [vec![f64::NAN; out_elements], vec![f64::NAN; out_elements]];
                let kernel = Winograd::new(&shape, backward, Epilogue::default(), Tiling::Four);
                run(&kernel, isa, &mut random, &source, &w, Addends::default(), &mut found);
                direct(&shape, backward, Epilogue::default(), isa, &source, &w, Addends::default(), &mut expected);
                for (found, expected) in found.iter().zip(&expected) {
                    assert!((found - expected).abs() < 1e-10, "{isa:?} {shape:?}: {found} is not {expected}");
                }
            }
        }
    }
}

#[test]
fn the_choice_is_made_by_shape_without_the_batch() {
    let chosen = |side: usize, channels: [usize; 2], tiling: Tiling| -> [bool; 2] {
        let choose = |batch: usize, backward: bool| {
            let shape = image([batch, side, side], channels, [(1, 1), (1, 1)]);
            Winograd::choose(&shape, backward, Epilogue::default(), tiling).is_some()
        };
        let all = [1, 8, 100].map(|batch| [choose(batch, false), choose(batch, true)]);
        assert!(all.iter().all(|&one| one == all[0]), "{side} {channels:?}: {all:?}");
        all[0]
    };
    for (side, channels) in
        [(32, [16; 2]), (16, [32; 2]), (8, [64; 2]), (56, [64; 2]), (14, [256; 2]), (7, [512; 2]), (32, [40; 2])]
    {
        assert_eq!(chosen(side, channels, Tiling::Two), [true; 2], "{side} {channels:?}");
        assert_eq!(chosen(side, channels, Tiling::Off), [false; 2], "{side} {channels:?}");
    }
    // Few channels, tiles that are mostly outside, more weights than pixels. Few filters cost a register either way.
    assert_eq!(chosen(32, [3, 16], Tiling::Two), [false, true]);
    for (side, channels) in [(32, [3, 3]), (1, [64; 2]), (3, [64; 2]), (4, [512; 2])] {
        assert_eq!(chosen(side, channels, Tiling::Two), [false; 2], "{side} {channels:?}");
    }
    let mut strided = image([1, 32, 32], [16; 2], [(1, 1), (1, 1)]);
    strided.stride[2] = 2;
    assert!(!Winograd::can(&strided));
}
