//! Random convolutions on every instruction set against loops over every pixel, tap and channel.

use super::{ConvBackwardInput, ConvBackwardWeights, ConvForward, ConvShape};
use crate::cpu::disjoint::Disjoint;
use crate::cpu::gemm::tests::Lcg;
use crate::cpu::gemm::{Activation, Addends, Compute, Epilogue};
use crate::cpu::simd::Isa;

/// Calls `f(input element, weight element, output element)` for every multiplication of the forward pass.
fn for_each_product(shape: &ConvShape, mut f: impl FnMut(usize, usize, usize)) {
    let (inputs, outputs) = (shape.input_group(), shape.output_group());
    let [depth, height, width] = shape.output_size();
    let at = |axis: usize, o: usize, k: usize| {
        let position = o * shape.stride[axis] + k * shape.dilation[axis];
        position.checked_sub(shape.padding[axis].0).filter(|&position| position < shape.size[axis])
    };
    for pixel in 0..shape.batch * depth * height * width {
        let [n, oz] = [pixel / (depth * height * width), pixel / (height * width) % depth];
        let [oy, ox] = [pixel / width % height, pixel % width];
        for tap in 0..shape.taps() {
            let [_, tall, wide] = shape.kernel;
            let [kz, ky, kx] = [tap / (tall * wide), tap / wide % tall, tap % wide];
            let (Some(z), Some(y), Some(x)) = (at(0, oz, kz), at(1, oy, ky), at(2, ox, kx)) else { continue };
            let source = ((n * shape.size[0] + z) * shape.size[1] + y) * shape.size[2] + x;
            for o in 0..shape.output_channels {
                for i in 0..inputs {
                    let input = source * shape.input_channels + o / outputs * inputs + i;
                    let weight = (tap * inputs + i) * shape.output_channels + o;
                    f(input, weight, pixel * shape.output_channels + o);
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
    let residual: Vec<T> = random.halves(dy.len());
    let takes_residual = ConvForward::new(*shape, epilogue).adds_residual();
    let with_residual = takes_residual && !epilogue.accumulate && random.below(2) == 0;
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
    for (y, residual) in y.iter_mut().zip(&residual).filter(|_| with_residual) {
        *y += residual.to_f64();
    }
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
        let mut scratch = vec![nan; forward.prepared::<T>() / size_of::<T>()];
        let mut found = if epilogue.accumulate { old_y.clone() } else { vec![nan; y.len()] };
        for chunk in random.shuffled(forward.prepare_chunks()) {
            forward.prepare(isa, chunk, &w, Disjoint::new(&mut scratch));
        }
        for chunk in random.shuffled(forward.chunks()) {
            let bias = with_bias.then_some(&forward_bias[..]);
            let addends = Addends { bias, residual: with_residual.then(|| residual[..].into()) };
            forward.run(isa, chunk, &x, &w, addends, Disjoint::new(&mut found), Disjoint::new(&mut scratch));
        }
        assert_equal(&found, &y, "y", isa, shape);

        let backward = ConvBackwardInput::new(*shape, epilogue);
        let mut scratch = vec![nan; backward.prepared::<T>() / size_of::<T>()];
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
        size: [1, height, width],
        input_channels,
        output_channels,
        kernel: [1, kernel, kernel],
        stride: [1; 3],
        dilation: [1; 3],
        groups: 1,
        padding: [(0, 0), (padding, padding), (padding, padding)],
    }
}

/// Any geometry; of three axes where `volume` says so.
fn any(groups: usize, channels: [usize; 2], volume: bool, random: &mut Lcg) -> ConvShape {
    let mut shape = ConvShape {
        batch: 1 + random.below(3),
        size: [1 + random.below(5), 1 + random.below(9), 1 + random.below(12)],
        input_channels: groups * channels[0],
        output_channels: groups * channels[1],
        kernel: [1 + random.below(3), 1 + random.below(4), 1 + random.below(4)],
        stride: [0; 3].map(|_| 1 + random.below(3)),
        dilation: [1 + random.below(2), 1 + random.below(2), 1 + random.below(3)],
        groups,
        padding: [0; 3].map(|_| (random.below(4), random.below(4))),
    };
    if !volume {
        (shape.size[0], shape.kernel[0], shape.stride[0], shape.padding[0]) = (1, 1, 1, (0, 0));
    }
    shape
}

#[test]
fn random_geometry() {
    let mut random = Lcg::new(5);
    for case in 0..250 {
        let groups = [1, 1, 1, 2, 3][random.below(5)];
        let channels = [1 + random.below(7), [1, 3, 8, 10, 16, 20, 33, 70][random.below(8)]];
        check_both(&any(groups, channels, case % 5 < 2, &mut random), &mut random);
    }
}

#[test]
fn depthwise() {
    let mut random = Lcg::new(6);
    for channels in [2, 3, 8, 15, 16, 17, 50, 64, 100] {
        for (kernel, stride, dilation) in [(3, 1, 1), (3, 2, 1), (5, 1, 2), (2, 3, 1)] {
            let mut shape = image([2, 8, 19], [channels, channels], kernel, 1);
            shape.groups = channels;
            shape.stride = [1, stride, stride];
            shape.dilation = [1, dilation, dilation];
            check_both(&shape, &mut random);
            // A multiplier.
            shape.output_channels *= 2;
            check::<f32>(&shape, &mut random);
        }
    }
    for case in 0..150 {
        let channels = [2, 3, 16, 21][random.below(4)];
        check_both(&any(channels, [1, 1 + random.below(3)], case % 5 < 2, &mut random), &mut random);
    }
}

#[test]
fn repeated_channels_in_several_blocks() {
    let mut random = Lcg::new(13);
    let mut shape = image([2, 40, 50], [24, 72], 3, 1);
    shape.groups = 24;
    check::<f32>(&shape, &mut random);
    shape.stride = [1, 2, 2];
    check::<f32>(&shape, &mut random);
}

#[test]
fn sequences() {
    let mut random = Lcg::new(7);
    for (length, kernel, stride, dilation, padding) in [
        (50, 7, 3, 1, (0, 0)),
        (40, 3, 1, 1, (1, 1)),
        (40, 2, 1, 4, (4, 0)),
        (3, 5, 1, 1, (0, 0)),
        (600, 3, 2, 1, (2, 0)),
    ] {
        for [inputs, outputs] in [[1, 1], [4, 16], [20, 32], [130, 129]] {
            let mut shape = image([2, length, 1], [inputs, outputs], 1, 0);
            (shape.kernel[1], shape.stride[1], shape.dilation[1]) = (kernel, stride, dilation);
            shape.padding[1] = padding;
            check_both(&shape, &mut random);
        }
    }
}

/// Kernels of one pixel with strides: rows of a product that lie in lines, where there are enough output channels.
#[test]
fn strided_pixels() {
    let mut random = Lcg::new(31);
    for (size, channels, stride) in [
        ([1, 14, 14], [70, 128], 2),
        ([3, 8, 6], [5, 64], 2),
        ([2, 7, 9], [33, 192], 2),
        ([2, 7, 7], [900, 64], 3),
        ([1, 2, 40], [16, 320], 3),
        ([2, 1, 1], [16, 64], 2),
        ([2, 28, 28], [40, 256], 2),
        ([2, 6, 6], [20, 72], 2),
    ] {
        let mut shape = image(size, channels, 1, 0);
        shape.stride = [1, stride, stride];
        check_both(&shape, &mut random);
        shape.stride = [1, 1, stride];
        check::<f32>(&shape, &mut random);
        shape.size[0] = 2;
        check::<f32>(&shape, &mut random);
        shape.stride = [2, stride, 1];
        check::<f32>(&shape, &mut random);
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
    // Volumes of several blocks, with planes that reach over the border.
    for (size, channels, kernel, stride) in [
        ([6, 12, 12], [12, 20], [3; 3], [1; 3]),
        ([7, 20, 18], [40, 16], [3, 3, 3], [2; 3]),
        ([5, 9, 1], [6, 8], [2, 3, 1], [1; 3]),
    ] {
        let mut shape = image([2, 1, 1], channels, 1, 0);
        (shape.size, shape.kernel, shape.stride, shape.padding) = (size, kernel, stride, [(1, 1); 3]);
        check_both(&shape, &mut random);
    }
    let weights = ConvBackwardWeights::new(image([8, 16, 16], [8, 16], 3, 1));
    assert!(weights.finish_chunks() > 0 && weights.chunks() > 1);
}

#[test]
fn strips() {
    let mut random = Lcg::new(14);
    // Rows of every number of tiles and pixels; one register, part of one, two, with a short reduction and a long one.
    for (width, inputs, outputs) in
        [(8, 1, 32), (9, 3, 16), (17, 2, 5), (26, 1, 30), (33, 16, 16), (34, 70, 12), (50, 1, 32), (50, 30, 8)]
    {
        for (kernel, stride, padding) in [(3, 1, 1), (2, 1, 0), (3, 2, 1), (1, 2, 0)] {
            let mut shape = image([2, 5, width], [inputs, outputs], kernel, padding);
            shape.stride = [1, stride, stride];
            check_both(&shape, &mut random);
        }
    }
}

#[test]
fn few_channels() {
    let mut random = Lcg::new(15);
    // Of the input, whose gradient has registers over the output channels, and of the output: rows of several tiles and of a
    // part of one; whole registers, part of one, and less than one for a whole kernel row.
    for width in [5, 9, 14, 17, 28, 33, 50] {
        for channels in
            [[1, 16], [1, 21], [1, 40], [2, 32], [3, 33], [4, 16], [5, 20], [7, 48], [12, 70], [2, 5], [1, 4]]
        {
            let [kernel, stride, dilation] = [1 + random.below(5), 1 + random.below(2), 1 + random.below(4) / 3];
            let mut shape = image([2, 6, width], channels, kernel, random.below(kernel + 1));
            (shape.stride, shape.dilation) = ([1, stride, stride], [1, dilation, dilation]);
            check_both(&shape, &mut random);
            (shape.input_channels, shape.output_channels) = (shape.output_channels, shape.input_channels);
            check_both(&shape, &mut random);
        }
    }
    // Sequences, where rows run down; groups; a reduction of several stretches; volumes.
    for channels in [[1, 32], [2, 20], [3, 64]] {
        let mut shape = image([2, 70, 1], channels, 1, 0);
        (shape.kernel[1], shape.padding[1]) = (5, (2, 3));
        for (stride, dilation) in [(1, 1), (3, 1), (1, 2)] {
            (shape.stride[1], shape.dilation[1]) = (stride, dilation);
            check_both(&shape, &mut random);
        }
        let mut shape = image([2, 7, 20], channels, 3, 1);
        (shape.input_channels, shape.output_channels, shape.groups) = (2 * channels[0], 2 * channels[1], 2);
        check_both(&shape, &mut random);
        let mut shape = image([1, 5, 12], [channels[0], 600], 3, 1);
        check::<f32>(&shape, &mut random);
        (shape.size[0], shape.kernel[0], shape.padding[0], shape.output_channels) = (4, 2, (1, 0), 20);
        check_both(&shape, &mut random);
    }
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

/// A chunk writes the pixels it names, all of their channels, and no others.
#[test]
fn chunks_name_their_pixels() {
    let mut random = Lcg::new(11);
    let strided = ConvShape { stride: [1, 2, 2], ..image([9, 17, 15], [16, 24], 3, 1) };
    let shapes = [
        image([20, 9, 11], [16, 24], 1, 0),
        image([20, 17, 15], [16, 16], 3, 1),
        image([3, 40, 33], [32, 48], 3, 0),
        image([20, 17, 15], [3, 16], 3, 1),
        ConvShape { groups: 16, ..image([20, 17, 15], [16, 32], 3, 1) },
        strided,
        ConvShape { size: [5, 9, 10], ..image([4, 9, 10], [16, 16], 3, 1) },
        image([1, 4, 4], [64, 512], 3, 1),
    ];
    for (index, shape) in shapes.iter().enumerate() {
        let [x, w]: [Vec<f32>; 2] = [random.halves(shape.input_elements()), random.halves(shape.weight_elements())];
        let kernel = ConvForward::new(*shape, Epilogue::default()).by_rows();
        for isa in Isa::available() {
            let mut prepared = vec![0.0; kernel.prepared::<f32>() / 4];
            for chunk in 0..kernel.prepare_chunks() {
                kernel.prepare(isa, chunk, &w, Disjoint::new(&mut prepared));
            }
            let mut next = 0;
            for chunk in 0..kernel.chunks() {
                let Some(pixels) = kernel.pixels(chunk) else {
                    assert_eq!(index, shapes.len() - 1, "{shape:?}");
                    break;
                };
                assert_eq!(pixels.start, next, "{shape:?}");
                next = pixels.end;
                let mut y = vec![f32::NAN; shape.output_elements()];
                let prepared = Disjoint::new(&mut prepared);
                kernel.run(isa, chunk, &x, &w, Addends::default(), Disjoint::new(&mut y), prepared);
                for (pixel, channels) in y.chunks_exact(shape.output_channels).enumerate() {
                    let written = channels.iter().all(|value| !value.is_nan());
                    let untouched = channels.iter().all(|value| value.is_nan());
                    let own = pixels.contains(&pixel);
                    assert!(if own { written } else { untouched }, "{isa:?} chunk {chunk}, pixel {pixel}: {shape:?}");
                }
            }
            assert!(next == 0 || next * shape.output_channels == shape.output_elements(), "{shape:?}");
        }
    }
}
