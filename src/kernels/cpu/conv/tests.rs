//! Random convolutions on every instruction set against loops over every pixel, tap and channel.

use super::{ConvBackwardInput, ConvBackwardWeights, ConvForward, ConvShape, Padding};
use crate::cpu::disjoint::Disjoint;
use crate::cpu::gemm::tests::Lcg;
use crate::cpu::gemm::{Activation, Compute, Epilogue};
use crate::cpu::simd::Isa;

/// Calls `f(input element, weight element, output element)` for every multiplication of the forward pass.
fn for_each_product(shape: &ConvShape, mut f: impl FnMut(usize, usize, usize)) {
    let (inputs, outputs) = (shape.input_channels / shape.groups, shape.output_channels / shape.groups);
    let (output_height, output_width) = (shape.output_height(), shape.output_width());
    for n in 0..shape.batch {
        for oh in 0..output_height {
            for ow in 0..output_width {
                for kh in 0..shape.kernel_height {
                    for kw in 0..shape.kernel_width {
                        let h = (oh * shape.stride_height + kh * shape.dilation_height).wrapping_sub(shape.padding.top);
                        let w = (ow * shape.stride_width + kw * shape.dilation_width).wrapping_sub(shape.padding.left);
                        if h >= shape.height || w >= shape.width {
                            continue;
                        }
                        for o in 0..shape.output_channels {
                            for i in 0..inputs {
                                let channel = o / outputs * inputs + i;
                                let input = ((n * shape.height + h) * shape.width + w) * shape.input_channels + channel;
                                let tap = kh * shape.kernel_width + kw;
                                let weight = (tap * inputs + i) * shape.output_channels + o;
                                let output = ((n * output_height + oh) * output_width + ow) * shape.output_channels + o;
                                f(input, weight, output);
                            }
                        }
                    }
                }
            }
        }
    }
}

fn assert_equal<T: Compute>(found: &[T], expected: &[f64], what: &str, isa: Isa, shape: &ConvShape) {
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let found = found.to_f64();
        assert!(found == *expected, "{what}: {found} is not {expected} at {index}: {isa:?} {shape:?}");
    }
}

fn check<T: Compute>(shape: &ConvShape, random: &mut Lcg) {
    // Halves: sums are exact in any order.
    let x: Vec<T> = random.halves(shape.input_elements());
    let w: Vec<T> = random.halves(shape.weight_elements());
    let dy: Vec<T> = random.halves(shape.output_elements());
    let [forward_bias, backward_bias]: [Vec<T>; 2] =
        [random.halves(shape.output_channels), random.halves(shape.input_channels)];
    let with_bias = random.below(2) == 0;
    let epilogue = Epilogue {
        accumulate: random.below(3) == 0,
        activation: [Activation::Linear, Activation::Relu, Activation::Relu6][random.below(3)],
    };
    let [old_y, old_dx]: [Vec<T>; 2] = [random.halves(dy.len()), random.halves(x.len())];
    let start = |old: &[T], bias: &[T], channels: usize| -> Vec<f64> {
        let mut start = vec![0.0; old.len()];
        for (index, value) in start.iter_mut().enumerate() {
            *value += if epilogue.accumulate { old[index].to_f64() } else { 0.0 };
            *value += if with_bias { bias[index % channels].to_f64() } else { 0.0 };
        }
        start
    };
    let finish = |values: &mut [f64]| {
        for value in values {
            *value = match epilogue.activation {
                Activation::Relu => value.max(0.0),
                Activation::Relu6 => value.clamp(0.0, 6.0),
                _ => *value,
            };
        }
    };
    let mut y = start(&old_y, &forward_bias, shape.output_channels);
    let mut dx = start(&old_dx, &backward_bias, shape.input_channels);
    let mut dw = vec![0.0; w.len()];
    for_each_product(shape, |input, weight, output| {
        y[output] += x[input].to_f64() * w[weight].to_f64();
        dx[input] += dy[output].to_f64() * w[weight].to_f64();
        dw[weight] += x[input].to_f64() * dy[output].to_f64();
    });
    finish(&mut y);
    finish(&mut dx);

    let nan = T::from_f64(f64::NAN);
    for isa in Isa::available() {
        let forward = ConvForward::new(*shape, epilogue);
        let mut scratch = vec![nan; forward.scratch::<T>() / size_of::<T>()];
        let mut found = if epilogue.accumulate { old_y.clone() } else { vec![nan; y.len()] };
        for chunk in random.shuffled(forward.prepare_chunks()) {
            forward.prepare(isa, chunk, &w, Disjoint::new(&mut scratch));
        }
        for chunk in random.shuffled(forward.chunks()) {
            let bias = with_bias.then_some(&forward_bias[..]);
            forward.run(isa, chunk, &x, &w, bias, Disjoint::new(&mut found), Disjoint::new(&mut scratch));
        }
        assert_equal(&found, &y, "y", isa, shape);

        let backward = ConvBackwardInput::new(*shape, epilogue);
        let mut scratch = vec![nan; backward.scratch::<T>() / size_of::<T>()];
        let mut found = if epilogue.accumulate { old_dx.clone() } else { vec![nan; dx.len()] };
        for chunk in random.shuffled(backward.prepare_chunks()) {
            backward.prepare(isa, chunk, &w, Disjoint::new(&mut scratch));
        }
        for chunk in random.shuffled(backward.chunks()) {
            let bias = with_bias.then_some(&backward_bias[..]);
            backward.run(isa, chunk, &dy, &w, bias, Disjoint::new(&mut found), Disjoint::new(&mut scratch));
        }
        assert_equal(&found, &dx, "dx", isa, shape);

        let weights = ConvBackwardWeights::new(*shape);
        let mut scratch = vec![nan; weights.scratch::<T>() / size_of::<T>()];
        let mut found = vec![nan; dw.len()];
        for chunk in random.shuffled(weights.chunks()) {
            weights.run(isa, chunk, &x, &dy, Disjoint::new(&mut found), Disjoint::new(&mut scratch));
        }
        for chunk in random.shuffled(weights.finish_chunks()) {
            weights.finish(isa, chunk, Disjoint::new(&mut found), Disjoint::new(&mut scratch));
        }
        assert_equal(&found, &dw, "dw", isa, shape);
    }
}

fn check_both(shape: &ConvShape, random: &mut Lcg) {
    check::<f32>(shape, random);
    check::<f64>(shape, random);
}

fn image(
    [batch, height, width]: [usize; 3],
    [input_channels, output_channels]: [usize; 2],
    kernel: usize,
    padding: usize,
) -> ConvShape {
    ConvShape {
        batch,
        height,
        width,
        input_channels,
        output_channels,
        kernel_height: kernel,
        kernel_width: kernel,
        stride_height: 1,
        stride_width: 1,
        dilation_height: 1,
        dilation_width: 1,
        groups: 1,
        padding: Padding { top: padding, bottom: padding, left: padding, right: padding },
    }
}

#[test]
fn random_geometry() {
    let mut random = Lcg::new(5);
    for _ in 0..250 {
        let groups = [1, 1, 1, 2, 3][random.below(5)];
        let shape = ConvShape {
            batch: 1 + random.below(3),
            height: 1 + random.below(9),
            width: 1 + random.below(12),
            input_channels: groups * (1 + random.below(7)),
            output_channels: groups * [1, 3, 8, 10, 16, 20, 33, 70][random.below(8)],
            kernel_height: 1 + random.below(4),
            kernel_width: 1 + random.below(4),
            stride_height: 1 + random.below(3),
            stride_width: 1 + random.below(3),
            dilation_height: 1 + random.below(2),
            dilation_width: 1 + random.below(3),
            groups,
            padding: Padding {
                top: random.below(4),
                bottom: random.below(4),
                left: random.below(4),
                right: random.below(4),
            },
        };
        check_both(&shape, &mut random);
    }
}

#[test]
fn depthwise() {
    let mut random = Lcg::new(6);
    for channels in [2, 3, 8, 15, 16, 17, 50, 64, 100] {
        for (kernel, stride, dilation) in [(3, 1, 1), (3, 2, 1), (5, 1, 2), (2, 3, 1)] {
            let mut shape = image([2, 8, 9], [channels, channels], kernel, 1);
            shape.groups = channels;
            (shape.stride_height, shape.stride_width) = (stride, stride);
            (shape.dilation_height, shape.dilation_width) = (dilation, dilation);
            check_both(&shape, &mut random);
            // A multiplier.
            shape.output_channels *= 2;
            check::<f32>(&shape, &mut random);
        }
    }
}

#[test]
fn sequences() {
    let mut random = Lcg::new(7);
    for (length, kernel, stride, dilation, padding) in [
        (50, 7, 3, 1, [0, 0]),
        (40, 3, 1, 1, [1, 1]),
        (40, 2, 1, 4, [4, 0]),
        (3, 5, 1, 1, [0, 0]),
        (600, 3, 2, 1, [2, 0]),
    ] {
        for [inputs, outputs] in [[1, 1], [4, 16], [20, 32], [130, 129]] {
            let shape = ConvShape::sequence([2, length, inputs, outputs], [kernel, stride, dilation, 1], padding);
            check_both(&shape, &mut random);
        }
    }
}

#[test]
fn many_channels_and_chunks() {
    let mut random = Lcg::new(8);
    // A reduction of several stretches, within a kernel row and within a tap; packed panels; partial sums.
    for (size, channels, kernel, padding) in [
        ([1, 5, 5], [400, 70], 3, 1),
        ([1, 3, 3], [1100, 40], 2, 0),
        ([2, 6, 6], [20, 200], 3, 1),
        ([8, 16, 16], [8, 16], 3, 1),
        ([4, 28, 28], [1, 32], 3, 0),
        ([3, 9, 9], [30, 50], 1, 0),
        ([1, 1, 1], [4, 4], 1, 0),
    ] {
        check_both(&image(size, channels, kernel, padding), &mut random);
    }
    let weights = ConvBackwardWeights::new(image([8, 16, 16], [8, 16], 3, 1));
    assert!(weights.finish_chunks() > 0 && weights.chunks() > 1);
}

#[test]
fn nothing() {
    let mut random = Lcg::new(9);
    for (size, channels, kernel) in [
        ([0, 5, 5], [3, 4], 3),
        ([2, 0, 5], [3, 4], 1),
        ([2, 5, 0], [3, 4], 2),
        ([2, 5, 5], [0, 4], 3),
        ([2, 5, 5], [3, 0], 3),
        ([2, 2, 2], [3, 4], 5),
    ] {
        check_both(&image(size, channels, kernel, 0), &mut random);
    }
}

#[test]
fn order_of_chunks_does_not_change_a_bit() {
    let mut random = Lcg::new(10);
    let shape = image([8, 16, 16], [8, 16], 3, 1);
    let inexact = |count: usize, random: &mut Lcg| -> Vec<f32> {
        (0..count).map(|_| random.below(1000) as f32 / 700.0 - 0.7).collect()
    };
    let [x, dy] = [inexact(shape.input_elements(), &mut random), inexact(shape.output_elements(), &mut random)];
    let kernel = ConvBackwardWeights::new(shape);
    for isa in Isa::available() {
        let results: Vec<Vec<u32>> = (0..4)
            .map(|_| {
                let mut dw = vec![0.0_f32; shape.weight_elements()];
                let mut scratch = vec![0.0_f32; kernel.scratch::<f32>() / 4];
                for chunk in random.shuffled(kernel.chunks()) {
                    kernel.run(isa, chunk, &x, &dy, Disjoint::new(&mut dw), Disjoint::new(&mut scratch));
                }
                for chunk in random.shuffled(kernel.finish_chunks()) {
                    kernel.finish(isa, chunk, Disjoint::new(&mut dw), Disjoint::new(&mut scratch));
                }
                dw.iter().map(|value| value.to_bits()).collect()
            })
            .collect();
        assert!(results.iter().all(|result| *result == results[0]), "{isa:?}");
    }
}
