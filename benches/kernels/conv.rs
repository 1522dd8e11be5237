//! Convolutions and their gradients on one thread. Each line is one of the three passes of one shape: time and rate, the
//! floor (the slower of its multiply-adds at the measured peak and of one pass over its operands, timed here), and how
//! near the floor it is. Some results of every pass are compared with naive sums in float64.
//!
//! ```text
//! conv [NAME ...] [avx512 | avx2 | scalar | neon | all]      shapes whose names hold a NAME; instruction sets
//! ```

#![allow(clippy::print_stdout, reason = "a bench prints its table")]

mod common;

use std::hint::black_box;

use common::{best, peak, value};
use ironhorn_kernels::cpu::conv::{ConvBackwardInput, ConvBackwardWeights, ConvForward, ConvShape};
use ironhorn_kernels::cpu::disjoint::Disjoint;
use ironhorn_kernels::cpu::gemm::{Addends, Epilogue};
use ironhorn_kernels::cpu::simd::Isa;
use ironhorn_kernels::for_each_isa;

/// (name, batch, (depth, side), input channels, output channels, (kernel, stride, padding), groups)
type Case = (&'static str, usize, (usize, usize), usize, usize, (usize, usize, usize), usize);

const CASES: [Case; 58] = [
    ("mnist first", 128, (1, 28), 1, 32, (3, 1, 0), 1),
    ("mnist second", 32, (1, 13), 32, 64, (3, 1, 0), 1),
    ("cifar first", 32, (1, 32), 3, 16, (3, 1, 1), 1),
    ("cifar 16", 32, (1, 32), 16, 16, (3, 1, 1), 1),
    ("cifar 32", 32, (1, 16), 32, 32, (3, 1, 1), 1),
    ("cifar 16 to 32 s2", 32, (1, 32), 16, 32, (3, 2, 1), 1),
    ("resnet 64", 2, (1, 56), 64, 64, (3, 1, 1), 1),
    ("resnet stem", 1, (1, 224), 3, 64, (7, 2, 3), 1),
    ("mobilenet stem", 1, (1, 224), 3, 32, (3, 2, 1), 1),
    // The gradient with respect to the input is the forward pass of a decoder's last layer.
    ("decoder 3", 8, (1, 64), 3, 32, (3, 1, 1), 1),
    ("decoder 1 s2", 8, (1, 64), 1, 32, (4, 2, 1), 1),
    ("decoder 3 s2", 8, (1, 64), 3, 64, (4, 2, 1), 1),
    ("discriminator 4 s2", 8, (1, 64), 4, 64, (5, 2, 2), 1),
    ("resnet 64 s2", 2, (1, 56), 64, 128, (3, 2, 1), 1),
    ("1 x 1, 96 to 24", 1, (1, 56), 96, 24, (1, 1, 0), 1),
    ("volume 16", 2, (16, 32), 16, 32, (3, 1, 1), 1),
    ("volume 32 s2", 2, (16, 32), 32, 64, (3, 2, 1), 1),
    ("volume first", 2, (16, 32), 1, 16, (3, 1, 1), 1),
    ("volume 3 s2", 2, (16, 32), 3, 32, (3, 2, 1), 1),
    // A depth of 0: a sequence.
    ("sound first", 8, (0, 16000), 1, 32, (9, 4, 0), 1),
    ("sequence 2", 32, (0, 500), 2, 64, (5, 1, 2), 1),
    ("text first", 32, (0, 500), 128, 128, (7, 3, 0), 1),
    ("text second", 32, (0, 165), 128, 128, (7, 3, 0), 1),
    ("groups 32", 4, (1, 28), 128, 128, (3, 1, 1), 32),
    ("groups 4", 4, (1, 28), 128, 128, (3, 1, 1), 4),
    ("groups 4 s2", 4, (1, 28), 128, 128, (3, 2, 1), 4),
    ("depthwise", 8, (1, 56), 144, 144, (3, 1, 1), 144),
    ("depthwise s2", 8, (1, 56), 144, 144, (3, 2, 1), 144),
    ("depthwise 112", 1, (1, 112), 32, 32, (3, 1, 1), 32),
    ("depthwise 56", 1, (1, 56), 144, 144, (3, 1, 1), 144),
    ("depthwise 14", 1, (1, 14), 576, 576, (3, 1, 1), 576),
    ("depthwise 14 s2", 1, (1, 14), 576, 576, (3, 2, 1), 576),
    ("depthwise 48", 16, (1, 48), 96, 96, (3, 2, 1), 96),
    ("depthwise 12", 16, (1, 12), 192, 192, (3, 1, 1), 192),
    ("depthwise 6", 16, (1, 6), 384, 384, (3, 1, 1), 384),
    ("depthwise 7", 1, (1, 7), 960, 960, (3, 1, 1), 960),
    ("depthwise 5 x 5", 1, (1, 28), 120, 120, (5, 1, 2), 120),
    // MobileNetV2 in training, and a separable convolution as in Xception.
    ("train depthwise 112", 8, (1, 112), 32, 32, (3, 1, 1), 32),
    ("train depthwise 112 s2", 8, (1, 112), 96, 96, (3, 2, 1), 96),
    ("train depthwise 56", 8, (1, 56), 144, 144, (3, 1, 1), 144),
    ("train depthwise 28", 8, (1, 28), 192, 192, (3, 1, 1), 192),
    ("train depthwise 28 s2", 8, (1, 28), 192, 192, (3, 2, 1), 192),
    ("train depthwise 14", 8, (1, 14), 576, 576, (3, 1, 1), 576),
    ("train depthwise 7", 8, (1, 7), 960, 960, (3, 1, 1), 960),
    ("train separable", 8, (1, 19), 728, 728, (3, 1, 1), 728),
    ("train separable 5 x 5", 8, (1, 28), 240, 240, (5, 1, 2), 240),
    // ResNet's deep layers in training, where weights outnumber pixels.
    ("train deep 28", 8, (1, 28), 128, 128, (3, 1, 1), 1),
    ("train deep 14", 8, (1, 14), 256, 256, (3, 1, 1), 1),
    ("train deep 7", 8, (1, 7), 512, 512, (3, 1, 1), 1),
    ("train deep 14 s2", 8, (1, 14), 512, 512, (3, 2, 1), 1),
    ("train 1 x 1, 28", 8, (1, 28), 512, 128, (1, 1, 0), 1),
    ("train 1 x 1, 14", 8, (1, 14), 1024, 256, (1, 1, 0), 1),
    ("train 1 x 1, 14 up", 8, (1, 14), 256, 1024, (1, 1, 0), 1),
    ("train 1 x 1, 7", 8, (1, 7), 2048, 512, (1, 1, 0), 1),
    ("train 1 x 1, 14 s2", 8, (1, 14), 1024, 2048, (1, 2, 0), 1),
    ("train stem", 8, (1, 224), 3, 64, (7, 2, 3), 1),
    ("train stem 3 x 3", 8, (1, 224), 3, 32, (3, 2, 1), 1),
    ("train stem 32", 128, (1, 32), 3, 32, (3, 1, 1), 1),
];

fn shape_of(&(_, batch, (depth, side), inputs, outputs, (kernel, stride, pad), groups): &Case) -> ConvShape {
    let axes = |value: usize, flat: usize| match depth {
        0 => [flat, value, flat],
        1 => [flat, value, value],
        _ => [value; 3],
    };
    let mut size = axes(side, 1);
    size[0] = depth.max(1);
    ConvShape {
        batch,
        size,
        input_channels: inputs,
        output_channels: outputs,
        kernel: axes(kernel, 1),
        stride: axes(stride, 1),
        dilation: [1; 3],
        groups,
        padding: axes(pad, 0).map(|pad| (pad, pad)),
    }
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let mut sets: Vec<Isa> = words.iter().filter_map(|word| Isa::from_name(word)).collect();
    if words.iter().any(|word| word == "all") {
        sets = Isa::available();
    } else if sets.is_empty() {
        sets = vec![Isa::active()];
    }
    let names: Vec<&String> = words.iter().filter(|word| *word != "all" && Isa::from_name(word).is_none()).collect();
    for isa in sets {
        assert!(Isa::available().contains(&isa), "this processor has no {}", isa.name());
        let peak = peak(isa);
        println!("conv, f32, one thread, {}: multiply-add peak {peak:.0} GFLOP/s", isa.name());
        println!("{:>22} {:>10} {:>10} {:>10} {:>10}  of floor", "", "us", "GFLOP/s", "of peak", "floor, us");
        for case in &CASES {
            if names.is_empty() || names.iter().any(|&name| case.0.contains(name)) {
                run(isa, peak, case.0, &shape_of(case));
            }
        }
    }
}

fn run(isa: Isa, peak: f64, name: &str, shape: &ConvShape) {
    let x: Vec<f32> = (0..shape.input_elements()).map(value).collect();
    let w: Vec<f32> = (0..shape.weight_elements()).map(|i| value(i + 3)).collect();
    let dy: Vec<f32> = (0..shape.output_elements()).map(|i| value(i + 5)).collect();
    let [mut y, mut dx, mut dw] = [dy.len(), x.len(), w.len()].map(|length| vec![0.0f32; length]);
    let flops = 2.0 * (dy.len() * w.len() / shape.output_channels) as f64;
    let repeats = (2e9 / flops).clamp(5.0, 200.0) as usize;

    let forward = ConvForward::new(*shape, Epilogue::default());
    let mut scratch = vec![0.0f32; forward.prepared::<f32>() / 4];
    let forward_seconds = best(repeats, || {
        let (y, scratch) = (Disjoint::new(&mut y), Disjoint::new(&mut scratch));
        (0..forward.prepare_chunks()).for_each(|chunk| forward.prepare::<f32>(isa, chunk, &w, scratch));
        (0..forward.chunks()).for_each(|chunk| forward.run::<f32>(isa, chunk, &x, &w, Addends::default(), y, scratch));
    });

    let backward = ConvBackwardInput::new(*shape, Epilogue::default());
    let mut scratch = vec![0.0f32; backward.prepared::<f32>() / 4];
    let input_seconds = best(repeats, || {
        let (dx, scratch) = (Disjoint::new(&mut dx), Disjoint::new(&mut scratch));
        (0..backward.prepare_chunks()).for_each(|chunk| backward.prepare::<f32>(isa, chunk, &w, scratch));
        (0..backward.chunks()).for_each(|chunk| backward.run::<f32>(isa, chunk, &dy, &w, None, dx, scratch));
    });

    let weights = ConvBackwardWeights::new(*shape);
    let mut scratch = vec![0.0f32; weights.scratch::<f32>() / 4];
    let weight_seconds = best(repeats, || {
        let (dw, scratch) = (Disjoint::new(&mut dw), Disjoint::new(&mut scratch));
        (0..weights.chunks()).for_each(|chunk| weights.run::<f32>(isa, chunk, &x, &dy, dw, scratch));
        (0..weights.finish_chunks()).for_each(|chunk| weights.finish::<f32>(isa, chunk, dw, scratch));
    });
    check(name, shape, &x, &w, &dy, [&y, &dx, &dw]);

    let mut nothing = [0.0f32; 0];
    for (label, pass, seconds, read, written) in [
        (name, "forward", forward_seconds, &[&x[..], &[]], &mut y[..]),
        ("", "d input", input_seconds, &[&dy[..], &[]], &mut dx[..]),
        ("", "d weights", weight_seconds, &[&x[..], &dy[..]], &mut nothing[..]),
    ] {
        let floor = (flops / peak / 1e9).max(best(repeats, || {
            for slice in read {
                let mut total = 0.0;
                sum(isa, slice, &mut total);
                black_box(total);
            }
            written.fill(black_box(1.0));
        }));
        println!(
            "{label:>22} {:>10.1} {:>10.1} {:>9.0}% {:>10.1} {:>8.0}%   {pass}",
            1e6 * seconds,
            flops / seconds / 1e9,
            100.0 * flops / seconds / 1e9 / peak,
            1e6 * floor,
            100.0 * floor / seconds
        );
    }
}

#[inline(always)]
fn sum_body(values: &[f32], total: &mut f32) {
    let mut sums = [0.0f32; 128];
    let (blocks, rest) = values.as_chunks::<128>();
    for block in blocks {
        for (sum, &value) in sums.iter_mut().zip(block) {
            *sum += value;
        }
    }
    *total = sums.iter().chain(rest).sum();
}
for_each_isa! {
    /// One pass over memory.
    fn sum(values: &[f32], total: &mut f32) = sum_body;
}

/// Compares a few elements of `y`, `dx` and `dw` with naive sums.
fn check(name: &str, shape: &ConvShape, x: &[f32], w: &[f32], dy: &[f32], found: [&[f32]; 3]) {
    let (inputs, outputs) = (shape.input_channels / shape.groups, shape.output_channels / shape.groups);
    // Somewhere in the middle, and next to the end.
    for (numerator, denominator) in [(1, 2), (1, 3), (99, 100)] {
        let [at_y, at_x, at_w] = found.map(|found| found.len() * numerator / denominator);
        let mut wanted = [0.0f64; 3];
        for_each_tap(shape, |input_pixel, tap, output_pixel| {
            let y_of = |channel: usize| output_pixel * shape.output_channels + channel;
            let x_of = |channel: usize| input_pixel * shape.input_channels + channel;
            let w_of = |row: usize, channel: usize| (tap * inputs + row) * shape.output_channels + channel;
            let product = |a: f32, b: f32| f64::from(a) * f64::from(b);
            if output_pixel == at_y / shape.output_channels {
                let filter = at_y % shape.output_channels;
                for row in 0..inputs {
                    wanted[0] += product(x[x_of(filter / outputs * inputs + row)], w[w_of(row, filter)]);
                }
            }
            if input_pixel == at_x / shape.input_channels {
                let (group, row) = (at_x % shape.input_channels / inputs, at_x % shape.input_channels % inputs);
                for filter in group * outputs..(group + 1) * outputs {
                    wanted[1] += product(dy[y_of(filter)], w[w_of(row, filter)]);
                }
            }
            if tap == at_w / shape.output_channels / inputs {
                let (row, filter) = (at_w / shape.output_channels % inputs, at_w % shape.output_channels);
                wanted[2] += product(x[x_of(filter / outputs * inputs + row)], dy[y_of(filter)]);
            }
        });
        for ((found, at), wanted) in found.iter().zip([at_y, at_x, at_w]).zip(wanted) {
            let found = f64::from(found[at]);
            assert!((found - wanted).abs() < 1e-3 + 1e-4 * wanted.abs(), "{name}: {found}, not {wanted}");
        }
    }
}

/// Calls `f(input pixel, tap, output pixel)` for each that meet.
fn for_each_tap(shape: &ConvShape, mut f: impl FnMut(usize, usize, usize)) {
    let [depth, height, width] = shape.output_size();
    let [_, tall, wide] = shape.kernel;
    let at = |axis: usize, o: usize, k: usize| {
        let position = (o * shape.stride[axis] + k * shape.dilation[axis]).checked_sub(shape.padding[axis].0);
        position.filter(|&position| position < shape.size[axis])
    };
    for pixel in 0..shape.batch * depth * height * width {
        let [n, oz] = [pixel / (depth * height * width), pixel / (height * width) % depth];
        for tap in 0..shape.kernel.iter().product() {
            let (Some(z), Some(y), Some(x)) = (
                at(0, oz, tap / (tall * wide)),
                at(1, pixel / width % height, tap / wide % tall),
                at(2, pixel % width, tap % wide),
            ) else {
                continue;
            };
            f(((n * shape.size[0] + z) * shape.size[1] + y) * shape.size[2] + x, tap, pixel);
        }
    }
}
