//! Convolutions and their gradients on one thread: achieved rate beside the multiply-add peak; one output is checked.

#![allow(clippy::print_stdout, reason = "a bench prints its table")]

mod common;

use common::{best, peak, value};
use ironhorn_kernels::cpu::conv::{ConvBackwardInput, ConvBackwardWeights, ConvForward, ConvShape, Padding};
use ironhorn_kernels::cpu::disjoint::Disjoint;
use ironhorn_kernels::cpu::gemm::Epilogue;
use ironhorn_kernels::cpu::simd::Isa;

/// (name, batch, side, input channels, output channels, kernel, stride, padding)
type Case = (&'static str, usize, usize, usize, usize, usize, usize, usize);

const CASES: [Case; 6] = [
    ("mnist first", 32, 28, 1, 32, 3, 1, 0),
    ("mnist second", 32, 13, 32, 64, 3, 1, 0),
    ("cifar 16", 32, 32, 16, 16, 3, 1, 1),
    ("cifar 32", 32, 16, 32, 32, 3, 1, 1),
    ("resnet 64", 2, 56, 64, 64, 3, 1, 1),
    ("resnet stem", 1, 224, 3, 64, 7, 2, 3),
];

fn main() {
    let isa = Isa::active();
    let floor = peak();
    println!("conv, f32, one thread, {}: multiply-add peak {floor:.0} GFLOP/s", isa.name());
    println!("{:>14} {:>9} {:>9} {:>9}   GFLOP/s (% of peak)", "", "forward", "d input", "d weights");
    for (name, batch, side, input_channels, output_channels, kernel, stride, pad) in CASES {
        let shape = ConvShape {
            batch,
            height: side,
            width: side,
            input_channels,
            output_channels,
            kernel_height: kernel,
            kernel_width: kernel,
            stride_height: stride,
            stride_width: stride,
            dilation_height: 1,
            dilation_width: 1,
            groups: 1,
            padding: Padding { top: pad, bottom: pad, left: pad, right: pad },
        };
        let x: Vec<f32> = (0..shape.input_elements()).map(value).collect();
        let w: Vec<f32> = (0..shape.weight_elements()).map(|i| value(i + 3)).collect();
        let mut y = vec![0.0f32; shape.output_elements()];
        let mut dx = vec![0.0f32; x.len()];
        let mut dw = vec![0.0f32; w.len()];
        let flops = 2.0 * (shape.output_elements() * kernel * kernel * input_channels) as f64;

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
    let (row, column, filter) = (shape.output_height() / 2, shape.output_width() / 2, shape.output_channels / 2);
    let mut wanted = 0.0f64;
    for i in 0..shape.kernel_height {
        for j in 0..shape.kernel_width {
            let at = |o: usize, stride: usize, k: usize, pad: usize| (o * stride + k).checked_sub(pad);
            let r = at(row, shape.stride_height, i, shape.padding.top);
            let c = at(column, shape.stride_width, j, shape.padding.left);
            let (Some(r), Some(c)) = (r, c) else { continue };
            if r >= shape.height || c >= shape.width {
                continue;
            }
            for channel in 0..shape.input_channels {
                let pixel = x[(r * shape.width + c) * shape.input_channels + channel];
                let tap = (i * shape.kernel_width + j) * shape.input_channels + channel;
                wanted += f64::from(pixel) * f64::from(w[tap * shape.output_channels + filter]);
            }
        }
    }
    let got = f64::from(y[(row * shape.output_width() + column) * shape.output_channels + filter]);
    assert!((wanted - got).abs() < 1e-3, "{shape:?}: {got}, not {wanted}");
}
