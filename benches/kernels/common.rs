//! What the kernel benches share: the hardware's floor, and a timer that takes the best of many runs.

use std::hint::black_box;
use std::time::Instant;

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

const ROUNDS: usize = 2_000_000;

/// One thread's float32 multiply-add rate in GFLOP/s, measured on registers: what no kernel can beat. Twelve independent
/// accumulators hide the latency of one.
/// `isa` is one that this processor has.
pub fn peak(isa: Isa) -> f64 {
    let (lanes, seconds) = match isa {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: by this function's contract.
        Isa::Avx512 => (16, best(3, || unsafe { x86::avx512() })),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Isa::Avx2 => (8, best(3, || unsafe { x86::avx2() })),
        _ => (1, best(3, scalar)),
    };
    2.0 * (ROUNDS * 12 * lanes) as f64 / seconds / 1e9
}

fn scalar() {
    let mut sums = [black_box(1.0f32); 12];
    for _ in 0..ROUNDS {
        for sum in &mut sums {
            *sum = *sum * 0.999_999 + 1e-6;
        }
    }
    black_box(sums);
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{ROUNDS, black_box};
    use std::arch::x86_64::{_mm256_fmadd_ps, _mm256_set1_ps, _mm512_fmadd_ps, _mm512_set1_ps};

    #[target_feature(enable = "avx512f")]
    pub fn avx512() {
        let (factor, term) = (_mm512_set1_ps(0.999_999), _mm512_set1_ps(1e-6));
        let mut sums = [_mm512_set1_ps(black_box(1.0)); 12];
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = _mm512_fmadd_ps(*sum, factor, term);
            }
        }
        black_box(sums);
    }

    #[target_feature(enable = "avx2,fma")]
    pub fn avx2() {
        let (factor, term) = (_mm256_set1_ps(0.999_999), _mm256_set1_ps(1e-6));
        let mut sums = [_mm256_set1_ps(black_box(1.0)); 12];
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = _mm256_fmadd_ps(*sum, factor, term);
            }
        }
        black_box(sums);
    }
}

/// A repeatable value in -1 .. 1 for position `i`.
pub fn value(i: usize) -> f32 {
    ((i.wrapping_mul(2_654_435_761) >> 7) % 2001) as f32 / 1000.0 - 1.0
}
