//! Convolutions with kernels of one pixel, as `ResNet50` and `MobileNetV2` predict: a line for each shape and batch with the time and
//! rate on one thread, the share of the multiply-add peak, and the time on two threads. The weights are
//! packed ahead; bias, residual and activation are those of the network. Sums over a network count each shape as often as
//! it occurs. Some results are compared with naive sums in float64.
//!
//! ```text
//! pointwise [NAME ...] [b1 | b8] [avx512 | avx2 | scalar | neon]      shapes whose names hold a NAME
//! ```

#![allow(clippy::print_stdout, reason = "a bench prints its table")]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use common::{best, peak, value};
use ironhorn_kernels::cpu::conv::{ConvForward, ConvShape};
use ironhorn_kernels::cpu::disjoint::Disjoint;
use ironhorn_kernels::cpu::gemm::{Activation, Addends, Epilogue};
use ironhorn_kernels::cpu::simd::Isa;

/// (how often, side, input channels, output channels, stride, residual, activation)
type Case = (usize, usize, usize, usize, usize, bool, Activation);

const RELU: Activation = Activation::Relu;
const RELU6: Activation = Activation::Relu6;
const LINEAR: Activation = Activation::Linear;

const RESNET50: [Case; 19] = [
    (1, 56, 64, 64, 1, false, RELU),
    (1, 56, 64, 256, 1, false, LINEAR),
    (3, 56, 64, 256, 1, true, RELU),
    (2, 56, 256, 64, 1, false, RELU),
    (1, 56, 256, 128, 2, false, RELU),
    (1, 56, 256, 512, 2, false, LINEAR),
    (4, 28, 128, 512, 1, true, RELU),
    (3, 28, 512, 128, 1, false, RELU),
    (1, 28, 512, 256, 2, false, RELU),
    (1, 28, 512, 1024, 2, false, LINEAR),
    (6, 14, 256, 1024, 1, true, RELU),
    (5, 14, 1024, 256, 1, false, RELU),
    (1, 14, 1024, 512, 2, false, RELU),
    (1, 14, 1024, 2048, 2, false, LINEAR),
    (3, 7, 512, 2048, 1, true, RELU),
    (2, 7, 2048, 512, 1, false, RELU),
    (0, 7, 512, 512, 1, false, RELU),
    (0, 28, 256, 256, 1, false, RELU),
    (1, 1, 2048, 1000, 1, false, LINEAR),
];

const MOBILENET_V2: [Case; 24] = [
    (1, 112, 32, 16, 1, false, LINEAR),
    (1, 112, 16, 96, 1, false, RELU6),
    (1, 56, 96, 24, 1, false, LINEAR),
    (2, 56, 24, 144, 1, false, RELU6),
    (1, 56, 144, 24, 1, true, LINEAR),
    (1, 28, 144, 32, 1, false, LINEAR),
    (3, 28, 32, 192, 1, false, RELU6),
    (2, 28, 192, 32, 1, true, LINEAR),
    (1, 14, 192, 64, 1, false, LINEAR),
    (4, 14, 64, 384, 1, false, RELU6),
    (3, 14, 384, 64, 1, true, LINEAR),
    (1, 14, 384, 96, 1, false, LINEAR),
    (3, 14, 96, 576, 1, false, RELU6),
    (2, 14, 576, 96, 1, true, LINEAR),
    (1, 7, 576, 160, 1, false, LINEAR),
    (3, 7, 160, 960, 1, false, RELU6),
    (2, 7, 960, 160, 1, true, LINEAR),
    (1, 7, 960, 320, 1, false, LINEAR),
    (1, 7, 320, 1280, 1, false, RELU6),
    (1, 1, 1280, 1000, 1, false, LINEAR),
    (0, 56, 48, 48, 1, false, LINEAR),
    (0, 56, 64, 48, 1, false, LINEAR),
    (0, 56, 72, 40, 1, false, LINEAR),
    (0, 7, 96, 112, 1, false, LINEAR),
];

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let isa = words.iter().find_map(|word| Isa::from_name(word)).unwrap_or_else(Isa::active);
    assert!(Isa::available().contains(&isa), "this processor has no {}", isa.name());
    let is_batch = |word: &str| ["b1", "b8"].contains(&word);
    let names: Vec<&String> = words.iter().filter(|word| Isa::from_name(word).is_none() && !is_batch(word)).collect();
    let peak = peak(isa);
    println!("convolutions of one pixel, f32, {}: multiply-add peak of a thread {peak:.0} GFLOP/s", isa.name());
    println!(
        "{:>34} {:>6} {:>8} {:>8} {:>7} {:>9} {:>7}",
        "", "chunks", "us", "GFLOP/s", "of peak", "us, two", "of peak"
    );
    for batch in [8, 1] {
        if words.iter().any(|word| is_batch(word)) && !words.contains(&format!("b{batch}")) {
            continue;
        }
        for (network, cases) in [("resnet50", &RESNET50[..]), ("mobilenet_v2", &MOBILENET_V2)] {
            let mut sums = [0.0; 3];
            for case in cases {
                let &(count, side, inputs, outputs, stride, ..) = case;
                let strided = if stride > 1 { format!(" s{stride}") } else { String::new() };
                let name = format!("{network} {batch} x {} x {inputs} -> {outputs}{strided}", side * side);
                if names.iter().all(|&word| name.contains(word)) {
                    let [flops, one, two] = run(isa, peak, &name, batch, case);
                    for (sum, value) in sums.iter_mut().zip([flops, one, two]) {
                        *sum += count as f64 * value;
                    }
                }
            }
            print_line(peak, &format!("{network}, batch {batch}"), 0, sums);
        }
    }
}

fn print_line(peak: f64, name: &str, chunks: usize, [flops, one, two]: [f64; 3]) {
    let rate = |seconds: f64| flops / seconds / 1e9;
    println!(
        "{name:>34} {chunks:>6} {:>8.1} {:>8.1} {:>6.0}% {:>9.1} {:>6.0}%",
        one * 1e6,
        rate(one),
        100.0 * rate(one) / peak,
        two * 1e6,
        50.0 * rate(two) / peak
    );
}

/// Floating-point operations, and seconds on one thread and on two.
fn run(isa: Isa, peak: f64, name: &str, batch: usize, case: &Case) -> [f64; 3] {
    let &(_, side, inputs, outputs, stride, residual, activation) = case;
    let shape = ConvShape {
        batch,
        size: [1, side, side],
        input_channels: inputs,
        output_channels: outputs,
        kernel: [1; 3],
        stride: [1, stride, stride],
        dilation: [1; 3],
        groups: 1,
        padding: [(0, 0); 3],
    };
    let x: Vec<f32> = (0..shape.input_elements()).map(value).collect();
    let w: Vec<f32> = (0..shape.weight_elements()).map(|i| value(i + 3)).collect();
    let bias: Vec<f32> = (0..outputs).map(|i| value(i + 11)).collect();
    let skipped: Vec<f32> = (0..shape.output_elements()).map(|i| value(i + 5)).collect();
    let mut y = vec![0.0f32; shape.output_elements()];
    let conv = ConvForward::new(shape, Epilogue { accumulate: false, activation });
    let mut prepared = vec![0.0f32; conv.prepared::<f32>() / 4];
    for chunk in 0..conv.prepare_chunks() {
        conv.prepare::<f32>(isa, chunk, &w, Disjoint::new(&mut prepared));
    }
    let addends = || Addends { bias: Some(&bias[..]), residual: residual.then(|| skipped[..].into()) };
    let flops = 2.0 * (y.len() * inputs) as f64;
    let repeats = (3e9 / flops).clamp(8.0, 400.0) as usize;
    let pixels = y.len() / outputs;
    let (y_all, prepared) = (Disjoint::new(&mut y), Disjoint::new(&mut prepared));
    let chunk = |chunk: usize| conv.run::<f32>(isa, chunk, &x, &w, addends(), y_all, prepared);
    let one = best(repeats, || (0..conv.chunks()).for_each(chunk));
    let two = two_threads(repeats, conv.chunks(), &chunk);
    print_line(peak, name, conv.chunks(), [flops, one, two]);
    for (pixel, column) in [(0, 0), (pixels / 2, outputs / 3), (pixels - 1, outputs - 1)] {
        let width = side.div_ceil(stride);
        let [image, row, across] = [pixel / (width * width), pixel / width % width, pixel % width];
        let from = ((image * side + row * stride) * side + across * stride) * inputs;
        let at = pixel * outputs + column;
        let product: f64 = (0..inputs).map(|p| f64::from(x[from + p]) * f64::from(w[p * outputs + column])).sum();
        let wanted = product + f64::from(bias[column]) + if residual { f64::from(skipped[at]) } else { 0.0 };
        let wanted = match activation {
            Activation::Relu => wanted.max(0.0),
            Activation::Relu6 => wanted.clamp(0.0, 6.0),
            _ => wanted,
        };
        let got = f64::from(y[at]);
        assert!((wanted - got).abs() <= 4e-5 * (inputs as f64).sqrt(), "{isa:?} {shape:?}: {got}, not {wanted}");
    }
    [flops, one, two]
}

/// Best seconds of `repeats` runs of all chunks, which two threads claim: each its half first, then what is left of the other's.
fn two_threads(repeats: usize, chunks: usize, run: &(impl Fn(usize) + Sync)) -> f64 {
    // Round r ends when all chunks have ended; the second thread follows `round`.
    let (round, ended) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let claimed = [AtomicUsize::new(0), AtomicUsize::new(0)];
    let bounds = [0, chunks / 2, chunks];
    let work = |thread: usize| {
        for share in [thread, 1 - thread] {
            loop {
                let chunk = bounds[share] + claimed[share].fetch_add(1, Ordering::AcqRel);
                if chunk >= bounds[share + 1] {
                    break;
                }
                run(chunk);
                ended.fetch_add(1, Ordering::AcqRel);
            }
        }
    };
    let mut least = f64::INFINITY;
    let away = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for next in 1..=repeats {
                while round.load(Ordering::Acquire) < next {
                    std::hint::spin_loop();
                }
                work(1);
                away.store(next, Ordering::Release);
            }
        });
        for next in 1..=repeats {
            for claimed in &claimed {
                claimed.store(0, Ordering::Release);
            }
            ended.store(0, Ordering::Release);
            let start = Instant::now();
            round.store(next, Ordering::Release);
            work(0);
            while ended.load(Ordering::Acquire) < chunks {
                std::hint::spin_loop();
            }
            least = least.min(start.elapsed().as_secs_f64());
            while away.load(Ordering::Acquire) < next {
                std::hint::spin_loop();
            }
        }
    });
    least
}
