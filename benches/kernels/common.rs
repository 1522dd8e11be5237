//! What the kernel benches share: the hardware's floor, and a timer that takes the best of many runs.

use std::time::Instant;

use ironhorn_kernels::cpu::machine;
use ironhorn_kernels::cpu::simd::Isa;

/// Best seconds of `repeats` runs.
pub fn best(repeats: usize, mut run: impl FnMut()) -> f64 {
    run();
    let mut best = f64::INFINITY;
    for _ in 0..repeats {
        let start = Instant::now();
        run();
        best = best.min(start.elapsed().as_secs_f64());
    }
    best
}

/// One thread's float32 multiply-add rate in GFLOP/s: what no kernel can beat. `isa` is one that this processor has.
pub fn peak(isa: Isa) -> f64 {
    (0..5).map(|_| machine::multiply_add_rate(isa)).fold(0.0, f64::max) / 1e9
}

/// A repeatable value in -1 .. 1 for position `i`.
pub fn value(i: usize) -> f32 {
    ((i.wrapping_mul(2_654_435_761) >> 7) % 2001) as f32 / 1000.0 - 1.0
}
