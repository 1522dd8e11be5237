//! Convolutions and their gradients on one thread: achieved rate beside the multiply-add peak; one output is checked.

#![allow(clippy::print_stdout, reason = "a bench prints its table")]

mod common;

use common::{best, peak, value};
use ironhorn_kernels::cpu::conv::{ConvBackwardInput, ConvBackwardWeights, ConvForward, ConvShape};
use ironhorn_kernels::cpu::disjoint::Disjoint;
use ironhorn_kernels::cpu::gemm::Epilogue;
use ironhorn_kernels::cpu::simd::Isa;

/// (name, batch, (depth, side), input channels, output channels, (kernel, stride, padding), groups)
type Case = (&'static str, usize, (usize, usize), usize, usize, (usize, usize, usize), usize);

const CASES: [Case; 10] = [
    ("mnist first", 32, (1, 28), 1, 32, (3, 1, 0), 1),
    ("mnist second", 32, (1, 13), 32, 64, (3, 1, 0), 1),
    ("cifar 16", 32, (1, 32), 16, 16, (3, 1, 1), 1),
    ("cifar 32", 32, (1, 16), 32, 32, (3, 1, 1), 1),
    ("resnet 64", 2, (1, 56), 64, 64, (3, 1, 1), 1),
    ("resnet stem", 1, (1, 224), 3, 64, (7, 2, 3), 1),
    ("volume 16", 2, (16, 32), 16, 32, (3, 1, 1), 1),
    ("volume 32 s2", 2, (16, 32), 32, 64, (3, 2, 1), 1),
    ("depthwise", 8, (1, 56), 144, 144, (3, 1, 1), 144),
    ("depthwise s2", 8, (1, 56), 144, 144, (3, 2, 1), 144),
];

fn main() {
    let isa = Isa::active();
    let floor = peak();
    println!("conv, f32, one thread, {}: multiply-add peak {floor:.0} GFLOP/s", isa.name());
    println!("{:>14} {:>9} {:>9} {:>9}   GFLOP/s (% of peak)", "", "forward", "d input", "d weights");
    for (name, batch, (depth, side), input_channels, output_channels, (kernel, stride, pad), groups) in CASES {
        let deep = |of: usize, flat: usize| if depth > 1 { of } else { flat };
        let shape = ConvShape {
            batch,
            size: [depth, side, side],
            input_channels,
            output_channels,
            kernel: [deep(kernel, 1), kernel, kernel],
            stride: [deep(stride, 1), stride, stride],
            dilation: [1; 3],
            groups,
            padding: [deep(pad, 0), pad, pad].map(|pad| (pad, pad)),
        };
        let x: Vec<f32> = (0..shape.input_elements()).map(value).collect();
        let w: Vec<f32> = (0..shape.weight_elements()).map(|i| value(i + 3)).collect();
        let mut y = vec![0.0f32; shape.output_elements()];
        let mut dx = vec![0.0f32; x.len()];
        let mut dw = vec![0.0f32; w.len()];
        let taps = shape.weight_elements() / output_channels;
        let flops = 2.0 * (shape.output_elements() * taps) as f64;

        let forward = ConvForward::new(shape, Epilogue::default());
        let mut scratch = vec![0.0f32; forward.scratch::<f32>() / 4];
        let forward_seconds = best(5, || {
            let (y, scratch) = (Disjoint::new(&mut y), Disjoint::new(&mut scratch));
            (0..forward.prepare_chunks()).for_each(|chunk| forward.prepare::<f32>(isa, chunk, &w, scratch));
            (0..forward.chunks()).for_each(|chunk| forward.run::<f32>(isa, chunk, &x, &w, None, y, scratch));
        });
        check(&shape, &x, &w, &y);

        let backward = ConvBackwardInput::new(shape, Epilogue::default());
        let mut scratch = vec![0.0f32; backward.scratch::<f32>() / 4];
        let input_seconds = best(5, || {
            let (dx, scratch) = (Disjoint::new(&mut dx), Disjoint::new(&mut scratch));
            (0..backward.prepare_chunks()).for_each(|chunk| backward.prepare::<f32>(isa, chunk, &w, scratch));
            (0..backward.chunks()).for_each(|chunk| backward.run::<f32>(isa, chunk, &y, &w, None, dx, scratch));
        });

        let weights = ConvBackwardWeights::new(shape);
        let mut scratch = vec![0.0f32; weights.scratch::<f32>() / 4];
        let weight_seconds = best(5, || {
            let (dw, scratch) = (Disjoint::new(&mut dw), Disjoint::new(&mut scratch));
            (0..weights.chunks()).for_each(|chunk| weights.run::<f32>(isa, chunk, &x, &y, dw, scratch));
            (0..weights.finish_chunks()).for_each(|chunk| weights.finish::<f32>(isa, chunk, dw, scratch));
        });

        let rates = [forward_seconds, input_seconds, weight_seconds].map(|seconds| flops / seconds / 1e9);
        let shares = rates.map(|rate| format!("{:.0}%", 100.0 * rate / floor)).join(" ");
        println!("{name:>14} {:>9.1} {:>9.1} {:>9.1}   ({shares})", rates[0], rates[1], rates[2]);
    }
}

/// Compares the middle output of the first image with a naive sum.
fn check(shape: &ConvShape, x: &[f32], w: &[f32], y: &[f32]) {
    let out = shape.output_size();
    let middle = out.map(|length| length / 2);
    let filter = shape.output_channels / 2;
    let per_group = shape.input_channels / shape.groups;
    let first = filter / (shape.output_channels / shape.groups) * per_group;
    let mut wanted = 0.0f64;
    for tap in 0..shape.kernel.iter().product() {
        let [_, height, width] = shape.kernel;
        let k = [tap / (height * width), tap / width % height, tap % width];
        let at = |axis: usize| {
            let position = (middle[axis] * shape.stride[axis] + k[axis]).checked_sub(shape.padding[axis].0);
            position.filter(|&position| position < shape.size[axis])
        };
        let (Some(z), Some(r), Some(c)) = (at(0), at(1), at(2)) else { continue };
        for channel in 0..per_group {
            let pixel = x[((z * shape.size[1] + r) * shape.size[2] + c) * shape.input_channels + first + channel];
            let weight = w[(tap * per_group + channel) * shape.output_channels + filter];
            wanted += f64::from(pixel) * f64::from(weight);
        }
    }
    let pixel = (middle[0] * out[1] + middle[1]) * out[2] + middle[2];
    let got = f64::from(y[pixel * shape.output_channels + filter]);
    assert!((wanted - got).abs() < 1e-3, "{shape:?}: {got}, not {wanted}");
}
