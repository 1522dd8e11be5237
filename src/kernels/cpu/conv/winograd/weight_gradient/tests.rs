//! Weight gradients from tiles against direct sums: equal where numbers are exact, and within the stated budget of float64
//! where they are not.

use super::super::tests::image;
use super::{Cut, WeightGradient, Winograd};
use crate::cpu::conv::{ConvBackwardWeights, ConvShape, Tiling};
use crate::cpu::disjoint::Disjoint;
use crate::cpu::gemm::Compute;
use crate::cpu::gemm::tests::Lcg;
use crate::cpu::simd::Isa;

/// All units of one cut; partial sums are added up here.
fn run<T: Compute>(shape: &ConvShape, cut: &Cut, isa: Isa, x: &[T], dy: &[T]) -> Vec<T> {
    let kernel = WeightGradient::new(shape);
    let mut total = vec![T::ZERO; shape.weight_elements()];
    for part in 0..cut.tiles.parts {
        let mut sums = vec![T::from_f64(f64::NAN); total.len()];
        for unit in 0..cut.panels.parts * cut.blocks.parts {
            let [panels, blocks] =
                [cut.panels.range(unit % cut.panels.parts), cut.blocks.range(unit / cut.panels.parts)];
            let to = sums.as_mut_ptr();
            // SAFETY: the operands span the images and the weights; nothing else uses the sums.
            unsafe { kernel.run(isa, &cut.tiles.range(part), panels, &blocks, x, dy, to) }
        }
        for (total, sum) in total.iter_mut().zip(&sums) {
            *total += *sum;
        }
    }
    total
}

fn direct<T: Compute>(shape: &ConvShape, isa: Isa, x: &[T], dy: &[T]) -> Vec<T> {
    through(&ConvBackwardWeights::with_tiling(*shape, Tiling::Off), shape, isa, &mut Lcg::new(1), x, dy)
}

fn through<T: Compute>(
    kernel: &ConvBackwardWeights,
    shape: &ConvShape,
    isa: Isa,
    random: &mut Lcg,
    x: &[T],
    dy: &[T],
) -> Vec<T> {
    let nan = T::from_f64(f64::NAN);
    let mut scratch = vec![nan; kernel.scratch::<T>() / size_of::<T>()];
    let mut dw = vec![nan; shape.weight_elements()];
    for chunk in random.shuffled(kernel.chunks()) {
        kernel.run(isa, chunk, x, dy, Disjoint::new(&mut dw), Disjoint::new(&mut scratch));
    }
    for chunk in random.shuffled(kernel.finish_chunks()) {
        kernel.finish(isa, chunk, Disjoint::new(&mut dw), Disjoint::new(&mut scratch));
    }
    dw
}

fn check<T: Compute>(shape: &ConvShape, random: &mut Lcg) {
    assert!(Winograd::can(shape));
    let [x, dy]: [Vec<T>; 2] = [shape.input_elements(), shape.output_elements()].map(|count| random.halves(count));
    let cut = WeightGradient::new(shape).cut(usize::MAX);
    for isa in Isa::available() {
        assert!(run(shape, &cut, isa, &x, &dy) == direct(shape, isa, &x, &dy), "{isa:?} {shape:?}");
    }
}

#[test]
fn exact_numbers_give_the_direct_sum() {
    let mut random = Lcg::new(41);
    for (size, channels, padding) in [
        ([1, 4, 4], [16, 16], [(1, 1), (1, 1)]),
        ([2, 7, 7], [32, 48], [(1, 1), (1, 1)]),
        ([3, 13, 11], [16, 80], [(0, 0), (0, 0)]),
        ([2, 5, 9], [112, 64], [(2, 0), (0, 2)]),
        ([1, 1, 1], [16, 32], [(1, 1), (1, 1)]),
        ([1, 3, 2], [32, 16], [(0, 1), (2, 2)]),
        ([9, 16, 16], [32, 32], [(1, 1), (1, 1)]),
        ([8, 14, 14], [130, 140], [(1, 1), (1, 1)]),
        ([2, 2, 40], [16, 16], [(1, 2), (1, 3)]),
        ([0, 8, 8], [16, 16], [(1, 1), (1, 1)]),
        ([2, 2, 5], [8, 8], [(0, 0), (0, 0)]),
        // Parts of registers, of panels and of blocks.
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
fn errors_stay_within_the_budget() {
    let mut random = Lcg::new(42);
    for (batch, size, channels) in [(4, 32, [16, 16]), (8, 16, [32, 64]), (8, 8, [64, 64]), (1, 14, [256, 64])] {
        let shape = image([batch, size, size], channels, [(1, 1), (1, 1)]);
        let [x, dy] = [shape.input_elements(), shape.output_elements()]
            .map(|count| (0..count).map(|_| random.below(20_001) as f32 / 10_000.0 - 1.0).collect::<Vec<f32>>());
        let wide = |values: &[f32]| values.iter().map(|&value| f64::from(value)).collect::<Vec<f64>>();
        for isa in Isa::available() {
            let exact = direct(&shape, isa, &wide(&x), &wide(&dy));
            let norm = exact.iter().map(|value| value * value).sum::<f64>().sqrt();
            let kernel = ConvBackwardWeights::with_tiling(shape, Tiling::Two);
            let [tiled, sums] = [through(&kernel, &shape, isa, &mut random, &x, &dy), direct(&shape, isa, &x, &dy)]
                .map(|found| {
                    let squares = found.iter().zip(&exact).map(|(&found, exact)| (f64::from(found) - exact).powi(2));
                    squares.sum::<f64>().sqrt() / norm
                });
            assert!(tiled <= 4.0 * sums && tiled < 3e-5, "{isa:?} {shape:?}: {tiled:e}, directly {sums:e}");
        }
    }
}

#[test]
fn any_order_of_chunks_gives_the_same_bits() {
    let mut random = Lcg::new(43);
    let shape = image([16, 16, 16], [40, 70], [(1, 1), (1, 1)]);
    let [x, dy]: [Vec<f32>; 2] = [shape.input_elements(), shape.output_elements()]
        .map(|count| (0..count).map(|_| random.below(20_001) as f32 / 10_000.0 - 1.0).collect());
    let kernel = ConvBackwardWeights::with_tiling(shape, Tiling::Two);
    assert!(kernel.chunks() > 4, "{}", kernel.chunks());
    for isa in Isa::available() {
        let first = through(&kernel, &shape, isa, &mut random, &x, &dy);
        assert!(first == through(&kernel, &shape, isa, &mut random, &x, &dy), "{isa:?}");
    }
}

#[test]
fn the_choice_is_made_by_shape_without_the_batch() {
    let chosen = |side: usize, channels: [usize; 2], tiling: Tiling| {
        let choose = |batch: usize| {
            let shape = image([batch, side, side], channels, [(1, 1), (1, 1)]);
            WeightGradient::choose(&shape, tiling).is_some()
        };
        let all = [1, 8, 100].map(choose);
        assert!(all.iter().all(|&one| one == all[0]), "{side} {channels:?}: {all:?}");
        all[0]
    };
    for (side, channels) in [(32, [16; 2]), (16, [32; 2]), (8, [64; 2]), (56, [64; 2]), (14, [256; 2]), (32, [40; 2])] {
        assert!(chosen(side, channels, Tiling::Two) && chosen(side, channels, Tiling::Four), "{side} {channels:?}");
        assert!(!chosen(side, channels, Tiling::Off), "{side} {channels:?}");
    }
    for (side, channels) in [(32, [3, 16]), (32, [3, 3]), (1, [64; 2]), (3, [64; 2])] {
        assert!(!chosen(side, channels, Tiling::Two), "{side} {channels:?}");
    }
}
