//! Instruction sets: which one this process uses, and the macro that compiles one body for each of them.
//!
//! The choice is made once, from the processor and from `IRONHORN_CPU_ISA` (`avx512`, `avx2`, `scalar`, `neon`), so that
//! one machine can test every path.

use std::sync::OnceLock;

/// An instruction set that kernels are compiled for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub enum Isa {
    /// Portable Rust, whatever the target's baseline offers.
    Scalar,
    /// AVX2 and FMA: 16 registers of 8 floats.
    Avx2,
    /// AVX-512 F, BW, DQ and VL: 32 registers of 16 floats, masks.
    Avx512,
    /// AArch64's baseline: 32 registers of 4 floats.
    Neon,
}

impl Isa {
    /// Every instruction set that this machine can run, slowest first.
    pub fn available() -> Vec<Isa> {
        let mut found = vec![Isa::Scalar];
        #[cfg(target_arch = "x86_64")]
        {
            if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma") {
                found.push(Isa::Avx2);
                if ["avx512f", "avx512bw", "avx512dq", "avx512vl"].iter().all(|name| detected(name)) {
                    found.push(Isa::Avx512);
                }
            }
        }
        #[cfg(target_arch = "aarch64")]
        found.push(Isa::Neon);
        found
    }

    /// The one that `IRONHORN_CPU_ISA` asks for, or the best available; an error where the variable names none that this
    /// processor has.
    pub fn requested() -> Result<Isa, String> {
        let available = Isa::available();
        let best = available.last().copied().unwrap_or(Isa::Scalar);
        let Ok(name) = std::env::var("IRONHORN_CPU_ISA") else { return Ok(best) };
        Isa::from_name(&name).filter(|isa| available.contains(isa)).ok_or_else(|| {
            let names: Vec<&str> = available.iter().map(|isa| isa.name()).collect();
            format!("IRONHORN_CPU_ISA={name}: this processor has {}", names.join(", "))
        })
    }

    /// The one that this process uses. A request that cannot be met is refused when the extension is loaded; here the
    /// best one serves.
    pub fn active() -> Isa {
        static ACTIVE: OnceLock<Isa> = OnceLock::new();
        *ACTIVE.get_or_init(|| {
            Isa::requested().unwrap_or_else(|_| Isa::available().last().copied().unwrap_or(Isa::Scalar))
        })
    }

    /// `avx512`, `avx2`, `neon` or `scalar`, in any case.
    pub fn from_name(name: &str) -> Option<Isa> {
        match name.to_ascii_lowercase().as_str() {
            "scalar" => Some(Isa::Scalar),
            "avx2" => Some(Isa::Avx2),
            "avx512" => Some(Isa::Avx512),
            "neon" => Some(Isa::Neon),
            _ => None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Isa::Scalar => "scalar",
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
            Isa::Neon => "neon",
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn detected(name: &str) -> bool {
    match name {
        "avx512f" => std::is_x86_feature_detected!("avx512f"),
        "avx512bw" => std::is_x86_feature_detected!("avx512bw"),
        "avx512dq" => std::is_x86_feature_detected!("avx512dq"),
        "avx512vl" => std::is_x86_feature_detected!("avx512vl"),
        _ => false,
    }
}

/// Fetches the cache lines of `length` elements, at most eight, where the processor takes hints. Any address will do.
#[inline(always)]
pub(crate) fn prefetch<T>(from: *const T, length: usize) {
    #[cfg(target_arch = "x86_64")]
    for line in 0..(length * size_of::<T>()).div_ceil(64).min(8) {
        // SAFETY: a hint touches no memory.
        unsafe {
            std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(
                from.cast::<i8>().wrapping_add(64 * line),
            );
        };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (from, length);
}

/// Fetches the cache line of `from` into L2. Any address will do.
#[inline(always)]
pub(crate) fn prefetch_near<T>(from: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint touches no memory.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T1 }>(from.cast::<i8>());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = from;
}

/// Fetches all cache lines of `values`, which are read soon.
#[inline(always)]
pub(crate) fn prefetch_all<T>(values: &[T]) {
    for lines in values.chunks(512 / size_of::<T>()) {
        prefetch(lines.as_ptr(), lines.len());
    }
}

/// Fetches all cache lines of `values`, which are written soon, for this core alone.
#[inline(always)]
pub(crate) fn prefetch_to_write<T>(values: &[T]) {
    #[cfg(target_arch = "x86_64")]
    for line in values.chunks(64 / size_of::<T>()) {
        // SAFETY: a hint touches no memory.
        unsafe {
            std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_ET0 }>(line.as_ptr().cast::<i8>());
        };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = values;
}

/// Compiles `#[inline(always)]` body `$body` once per instruction set and calls the one that `$isa` names. The compiler
/// vectorises each copy for its own registers.
///
/// ```
/// use ironhorn_kernels::{cpu::simd::Isa, for_each_isa};
///
/// #[inline(always)]
/// fn sum_body(x: &[f32], out: &mut f32) {
///     *out = x.iter().sum();
/// }
/// for_each_isa! { pub fn sum(x: &[f32], out: &mut f32) = sum_body; }
///
/// let mut total = 0.0;
/// sum(Isa::active(), &[1.0, 2.0], &mut total);
/// assert_eq!(total, 3.0);
/// ```
#[macro_export]
macro_rules! for_each_isa {
    ($(#[$meta:meta])* $vis:vis fn $name:ident $(<$t:ident : $bound:path>)? ($($arg:ident : $ty:ty),* $(,)?) = $body:path;) => {
        $(#[$meta])*
        $vis fn $name $(<$t: $bound>)? (isa: $crate::cpu::simd::Isa, $($arg: $ty),*) {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2 $(<$t: $bound>)? ($($arg: $ty),*) {
                $body($($arg),*)
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
            fn avx512 $(<$t: $bound>)? ($($arg: $ty),*) {
                $body($($arg),*)
            }
            match isa {
                #[cfg(target_arch = "x86_64")]
                // SAFETY: `Isa::available` found these features before this value could be made active.
                $crate::cpu::simd::Isa::Avx2 => unsafe { avx2 $(::<$t>)? ($($arg),*) },
                #[cfg(target_arch = "x86_64")]
                // SAFETY: as above.
                $crate::cpu::simd::Isa::Avx512 => unsafe { avx512 $(::<$t>)? ($($arg),*) },
                _ => $body($($arg),*),
            }
        }
    };
}
