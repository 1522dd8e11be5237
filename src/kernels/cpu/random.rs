//! Random numbers from a counter: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3,
//! 2011).
//!
//! A [`Stream`] is the key (the seed) and the high half of the counter (the offset, which the caller advances from one
//! draw to the next). The low half is the number of a *block*: two 64-bit words, which are four 32-bit words. Element
//! `i` of a draw comes from word `i` of its own width alone, so a draw can be cut anywhere, made again (dropout's
//! gradient makes the forward mask a second time), and has the same bits on every instruction set.
//!
//! ```text
//! for group of 64 or 128 values
//!     for batch of 8 blocks           lanes of one vector; ten rounds of 32 x 32 -> 64 bit products in registers
//!     map words to values             uniform: shift, convert, scale | normal: polynomials of ln, sin, cos
//!     store
//! ```
//!
//! The rounds bound the speed: about 60 vector instructions for every 32 words of 32 bits, which is near what memory
//! takes. No product is fused with a sum, so that normals too have the same bits everywhere.

use std::f64::consts::TAU;

use crate::cpu::disjoint::{Disjoint, part};
use crate::cpu::float::Float;
use crate::cpu::simd::Isa;
use crate::for_each_isa;

const MULTIPLIER_0: u64 = 0xD251_1F53;
const MULTIPLIER_1: u64 = 0xCD9E_8D57;
const WEYL_0: u32 = 0x9E37_79B9;
const WEYL_1: u32 = 0xBB67_AE85;

/// Blocks computed together, one to a vector lane.
const LANES: usize = 8;
/// Values computed together.
const GROUP: usize = 64;
/// Chunks begin at multiples of this many elements: a whole number of groups and of blocks, whatever the type.
const GRAIN: usize = 128;
/// Elements that make a chunk worth handing to another thread.
const CHUNK_ELEMENTS: usize = 1 << 14;
const MAX_CHUNKS: usize = 64;
/// Attempt `a` of a truncated normal reads block `b + (a << ATTEMPT_SHIFT)`.
const ATTEMPT_SHIFT: u32 = 56;
/// Truncated normals lie within this many standard deviations, as Keras' do.
const TRUNCATION: f64 = 2.0;

/// Where a draw's numbers come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    pub seed: u64,
    /// Advance it by one from one draw to the next.
    pub offset: u64,
}

/// One block: ten rounds over the 128-bit `counter` under the 64-bit `key`.
pub fn philox4x32(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    rounds(counter.map(|word| [u64::from(word)]), key).map(|[word]| word as u32)
}

/// `N` blocks at once. Lanes are 64 bits wide and only their low halves mean anything, which is all that the vector
/// units' 32 x 32 -> 64 bit product reads.
#[inline(always)]
fn rounds<const N: usize>(counter: [[u64; N]; 4], key: [u32; 2]) -> [[u64; N]; 4] {
    let [mut c0, mut c1, mut c2, mut c3] = counter;
    let [mut key_0, mut key_1] = key;
    for _ in 0..10 {
        for lane in 0..N {
            let product_0 = (c0[lane] & 0xFFFF_FFFF) * MULTIPLIER_0;
            let product_1 = (c2[lane] & 0xFFFF_FFFF) * MULTIPLIER_1;
            c0[lane] = (product_1 >> 32) ^ c1[lane] ^ u64::from(key_0);
            c1[lane] = product_1;
            c2[lane] = (product_0 >> 32) ^ c3[lane] ^ u64::from(key_1);
            c3[lane] = product_0;
        }
        key_0 = key_0.wrapping_add(WEYL_0);
        key_1 = key_1.wrapping_add(WEYL_1);
    }
    [c0, c1, c2, c3]
}

/// The 64-bit words `2 * first_block ..` of a stream. 32-bit word `2 i` is the low half of word `i`, `2 i + 1` the high.
#[inline(always)]
fn words64<const W: usize>(stream: Stream, first_block: u64) -> [u64; W] {
    const { assert!(W.is_multiple_of(2 * LANES)) };
    let key = [stream.seed as u32, (stream.seed >> 32) as u32];
    let mut words = [0; W];
    for (batch, words) in words.chunks_exact_mut(2 * LANES).enumerate() {
        let mut index = [first_block + (batch * LANES) as u64; LANES];
        for (lane, index) in index.iter_mut().enumerate() {
            *index += lane as u64;
        }
        let counter = [index, index.map(|i| i >> 32), [stream.offset; LANES], [stream.offset >> 32; LANES]];
        let [c0, c1, c2, c3] = rounds(counter, key);
        for lane in 0..LANES {
            words[2 * lane] = (c0[lane] & 0xFFFF_FFFF) | (c1[lane] << 32);
            words[2 * lane + 1] = (c2[lane] & 0xFFFF_FFFF) | (c3[lane] << 32);
        }
    }
    words
}

/// The two 64-bit words of one block.
fn block64(stream: Stream, block: u64) -> [u64; 2] {
    let key = [stream.seed as u32, (stream.seed >> 32) as u32];
    let counter = [block as u32, (block >> 32) as u32, stream.offset as u32, (stream.offset >> 32) as u32];
    let [a, b, c, d] = philox4x32(counter, key).map(u64::from);
    [a | (b << 32), c | (d << 32)]
}

/// The floats that can be drawn.
pub trait RandomFloat: Float {
    /// Uniforms in [0, 1), `GROUP * group ..` of the stream: the top 24 (53) bits of each 32-bit (64-bit) word.
    fn uniforms(stream: Stream, group: u64) -> [Self; GROUP];
    /// Standard normals, `GROUP * group ..` of the stream. Words `2 j` and `2 j + 1` give normals `2 j` and `2 j + 1`.
    fn normals(stream: Stream, group: u64) -> [Self; GROUP];
    /// Standard normal `index` of the stream or, from the second `attempt` on, one that no plain draw reads.
    fn normal_at(stream: Stream, index: u64, attempt: u64) -> Self;
    /// The largest value below `self`.
    #[must_use]
    fn below(self) -> Self;
}

/// Box and Muller: radius sqrt(-2 ln u), u from the low halves and never 0; angle from the high halves, reduced to an
/// eighth of a turn in integers, so that the polynomials see [-pi / 4, pi / 4] exactly.
#[inline(always)]
fn box_muller_f32<const N: usize>(words: &[u64], cosines: &mut [f32; N], sines: &mut [f32; N]) {
    for lane in 0..N {
        let radius = (-2.0 * ln_uniform_f32(words[lane] as u32)).sqrt();
        let turn = (words[lane] >> 32) as u32;
        let quadrant = turn.wrapping_add(1 << 29) >> 30;
        let rest = turn.wrapping_sub(quadrant << 30) as i32;
        let t = rest as f32 * (TAU / 4_294_967_296.0) as f32;
        let z = t * t;
        let sine = ((-1.951_529_6e-4 * z + 8.332_161e-3) * z - 1.666_665_5e-1) * z * t + t;
        let cosine = ((2.443_315_7e-5 * z - 1.388_731_6e-3) * z + 4.166_664_6e-2) * z * z - 0.5 * z + 1.0;
        let odd = quadrant & 1 == 1;
        let (x, y) = if odd { (sine, cosine) } else { (cosine, sine) };
        // A quarter turn on takes (cos, sin) to (-sin, cos): the signs follow bits of the quadrant.
        let sign_x = ((quadrant + 1) & 2) << 30;
        let sign_y = (quadrant & 2) << 30;
        cosines[lane] = radius * f32::from_bits(x.to_bits() ^ sign_x);
        sines[lane] = radius * f32::from_bits(y.to_bits() ^ sign_y);
    }
}

/// ln((word + 1/2) / 2^32), to a few units in the last place: the argument is 2^e m with m in [sqrt(1/2), sqrt(2)), and
/// ln m the series in s = (m - 1) / (m + 1) with fdlibm's coefficients. Near 1 the difference m - 1 comes from the
/// integer, so that small radii are as fine as large ones.
#[inline(always)]
fn ln_uniform_f32(word: u32) -> f32 {
    const SQRT_HALF: u32 = 0x3F35_04F3;
    let scale = 2.0_f32.powi(-32);
    let bits = ((word as f32 + 0.5) * scale).to_bits().wrapping_sub(SQRT_HALF);
    let exponent = (bits as i32) >> 23;
    let mantissa = f32::from_bits((bits & 0x007F_FFFF) + SQRT_HALF);
    let f = if exponent == 0 { -((!word) as f32 + 0.5) * scale } else { mantissa - 1.0 };
    let exponent = exponent as f32;
    let s = f / (2.0 + f);
    let z = s * s;
    let w = z * z;
    let series = w * (0.400_009_72 + w * 0.242_790_79) + z * (0.666_666_6 + w * 0.284_987_87);
    let half_square = 0.5 * f * f;
    s * (half_square + series) + exponent * 9.058_001e-6 - half_square + f + exponent * 6.931_381e-1
}

fn box_muller_f64(words: [u64; 2]) -> [f64; 2] {
    let uniform = ((words[0] >> 11) as f64 + 0.5) * 2.0_f64.powi(-53);
    let radius = (-2.0 * uniform.ln()).sqrt();
    let (sine, cosine) = ((words[1] >> 11) as f64 * (TAU * 2.0_f64.powi(-53))).sin_cos();
    [radius * cosine, radius * sine]
}

impl RandomFloat for f32 {
    #[inline(always)]
    fn uniforms(stream: Stream, group: u64) -> [f32; GROUP] {
        let words: [u64; GROUP / 2] = words64(stream, group * (GROUP as u64 / 4));
        let mut values = [0.0; GROUP];
        for (pair, word) in values.chunks_exact_mut(2).zip(words) {
            pair[0] = (word as u32 >> 8) as i32 as f32 * 2.0_f32.powi(-24);
            pair[1] = (word >> 40) as i32 as f32 * 2.0_f32.powi(-24);
        }
        values
    }

    #[inline(always)]
    fn normals(stream: Stream, group: u64) -> [f32; GROUP] {
        let words: [u64; GROUP / 2] = words64(stream, group * (GROUP as u64 / 4));
        let (mut even, mut odd) = ([0.0; GROUP / 2], [0.0; GROUP / 2]);
        box_muller_f32(&words, &mut even, &mut odd);
        let mut values = [0.0; GROUP];
        for (lane, pair) in values.chunks_exact_mut(2).enumerate() {
            pair[0] = even[lane];
            pair[1] = odd[lane];
        }
        values
    }

    fn normal_at(stream: Stream, index: u64, attempt: u64) -> f32 {
        let words = block64(stream, index / 4 + (attempt << ATTEMPT_SHIFT));
        let (mut even, mut odd) = ([0.0], [0.0]);
        box_muller_f32(&[words[(index / 2 % 2) as usize]], &mut even, &mut odd);
        if index.is_multiple_of(2) { even[0] } else { odd[0] }
    }

    #[inline(always)]
    fn below(self) -> f32 {
        self.next_down()
    }
}

impl RandomFloat for f64 {
    #[inline(always)]
    fn uniforms(stream: Stream, group: u64) -> [f64; GROUP] {
        let words: [u64; GROUP] = words64(stream, group * (GROUP as u64 / 2));
        words.map(|word| (word >> 11) as f64 * 2.0_f64.powi(-53))
    }

    #[inline(always)]
    fn normals(stream: Stream, group: u64) -> [f64; GROUP] {
        let words: [u64; GROUP] = words64(stream, group * (GROUP as u64 / 2));
        let mut values = [0.0; GROUP];
        for (pair, words) in values.chunks_exact_mut(2).zip(words.chunks_exact(2)) {
            pair.copy_from_slice(&box_muller_f64([words[0], words[1]]));
        }
        values
    }

    fn normal_at(stream: Stream, index: u64, attempt: u64) -> f64 {
        let words = block64(stream, index / 2 + (attempt << ATTEMPT_SHIFT));
        box_muller_f64(words)[(index % 2) as usize]
    }

    #[inline(always)]
    fn below(self) -> f64 {
        self.next_down()
    }
}

/// The integers that can be drawn.
pub trait RandomInteger: Copy + Send + Sync + 'static {
    /// The low bits of `value`.
    fn from_i64(value: i64) -> Self;
}

macro_rules! random_integer {
    ($($t:ty)*) => {
        $(impl RandomInteger for $t {
            #[inline(always)]
            fn from_i64(value: i64) -> Self {
                value as $t
            }
        })*
    };
}
random_integer!(i8 i16 i32 i64 u8 u16 u32 u64);

/// Draws over a buffer of `elements`, cut into chunks. Every method fills chunk `chunk` of the buffer.
#[derive(Clone, Debug)]
pub struct Random {
    elements: usize,
}

impl Random {
    pub fn new(elements: usize) -> Self {
        Self { elements }
    }

    pub fn chunks(&self) -> usize {
        self.elements.div_ceil(CHUNK_ELEMENTS).clamp(1, MAX_CHUNKS)
    }

    /// This chunk's first element and its part of the output.
    fn own<'a, T>(&self, chunk: usize, out: Disjoint<'a, T>) -> (usize, &'a mut [T]) {
        assert_eq!(out.len(), self.elements, "output length");
        let range = part(self.elements, self.chunks(), chunk, GRAIN);
        // SAFETY: `part` gives every chunk its own range.
        (range.start, unsafe { out.range(range) })
    }

    /// Uniform in [`low`, `high`): the high end never appears, even where rounding would reach it. `low` alone when the
    /// two are equal.
    pub fn uniform<T: RandomFloat>(
        &self,
        isa: Isa,
        chunk: usize,
        stream: Stream,
        low: T,
        high: T,
        out: Disjoint<'_, T>,
    ) {
        let (first, out) = self.own(chunk, out);
        uniform(isa, stream, first, low, high, out);
    }

    /// Normal with the given mean and standard deviation.
    pub fn normal<T: RandomFloat>(
        &self,
        isa: Isa,
        chunk: usize,
        stream: Stream,
        mean: T,
        stddev: T,
        out: Disjoint<'_, T>,
    ) {
        let (first, out) = self.own(chunk, out);
        normal(isa, stream, first, mean, stddev, out);
    }

    /// Normal, drawn again while further than two standard deviations from the mean. Later attempts read counters of
    /// their own, so element `i` still depends on the stream and `i` alone.
    pub fn truncated_normal<T: RandomFloat>(
        &self,
        isa: Isa,
        chunk: usize,
        stream: Stream,
        mean: T,
        stddev: T,
        out: Disjoint<'_, T>,
    ) {
        let (first, out) = self.own(chunk, out);
        truncated_normal(isa, stream, first, mean, stddev, out);
    }

    /// Integers in [`low`, `high`), from the high half of word times range: each value's chance is within 2^-64 of
    /// equal.
    ///
    /// # Panics
    /// When `low >= high`.
    pub fn integers<T: RandomInteger>(
        &self,
        isa: Isa,
        chunk: usize,
        stream: Stream,
        low: i64,
        high: i64,
        out: Disjoint<'_, T>,
    ) {
        assert!(low < high, "integers in [{low}, {high}): the range is empty");
        let (first, out) = self.own(chunk, out);
        integers(isa, stream, first, low, high, out);
    }

    /// Words of 32 bits.
    pub fn bits32(&self, isa: Isa, chunk: usize, stream: Stream, out: Disjoint<'_, u32>) {
        let (first, out) = self.own(chunk, out);
        bits32(isa, stream, first, out);
    }

    /// Words of 64 bits.
    pub fn bits64(&self, isa: Isa, chunk: usize, stream: Stream, out: Disjoint<'_, u64>) {
        let (first, out) = self.own(chunk, out);
        bits64(isa, stream, first, out);
    }

    /// `x / (1 - rate)` where kept and 0 where dropped, each element dropped with chance `rate` (to 2^-16, as 16 random
    /// bits an element decide). The mask is a function of the stream, so the same call on the output's gradient gives the
    /// input's. Without an `x`, `out` holds it and is written over.
    ///
    /// # Panics
    /// When `rate` is outside [0, 1].
    pub fn dropout<T: Float>(
        &self,
        isa: Isa,
        chunk: usize,
        stream: Stream,
        rate: f64,
        x: Option<&[T]>,
        out: Disjoint<'_, T>,
    ) {
        assert!((0.0..=1.0).contains(&rate), "dropout rate {rate} is outside [0, 1]");
        assert!(x.is_none_or(|x| x.len() == self.elements), "input length");
        let (first, out) = self.own(chunk, out);
        let x = x.map(|x| &x[first..first + out.len()]);
        let threshold = (rate * 65536.0).round();
        if threshold >= 65536.0 {
            out.fill(T::ZERO);
        } else {
            dropout(isa, stream, first, threshold as u16, T::from_f64(1.0 / (1.0 - rate)), x, out);
        }
    }
}

/// Puts `order` into an order in which all permutations are equally likely (to 2^-64 at each draw): Fisher and Yates,
/// step `i` reading word `i` of the stream.
pub fn shuffle<T>(stream: Stream, order: &mut [T]) {
    let mut words = [0; GROUP];
    for index in 0..order.len().saturating_sub(1) {
        if index.is_multiple_of(GROUP) {
            words = words64(stream, index as u64 / 2);
        }
        let rest = (order.len() - index) as u64;
        order.swap(index, index + high_product(words[index % GROUP], rest) as usize);
    }
}

#[inline(always)]
fn high_product(a: u64, b: u64) -> u64 {
    ((u128::from(a) * u128::from(b)) >> 64) as u64
}

for_each_isa! { fn uniform<T: RandomFloat>(stream: Stream, first: usize, low: T, high: T, out: &mut [T]) = uniform_body; }
for_each_isa! { fn normal<T: RandomFloat>(stream: Stream, first: usize, mean: T, stddev: T, out: &mut [T]) = normal_body; }
for_each_isa! {
    fn truncated_normal<T: RandomFloat>(stream: Stream, first: usize, mean: T, stddev: T, out: &mut [T]) = truncated_body;
}
for_each_isa! {
    fn integers<T: RandomInteger>(stream: Stream, first: usize, low: i64, high: i64, out: &mut [T]) = integers_body;
}
for_each_isa! { fn bits32(stream: Stream, first: usize, out: &mut [u32]) = bits32_body; }
for_each_isa! { fn bits64(stream: Stream, first: usize, out: &mut [u64]) = bits64_body; }
for_each_isa! {
    fn dropout<T: Float>(stream: Stream, first: usize, threshold: u16, scale: T, x: Option<&[T]>, out: &mut [T]) = dropout_body;
}

#[inline(always)]
fn uniform_body<T: RandomFloat>(stream: Stream, first: usize, low: T, high: T, out: &mut [T]) {
    let range = high - low;
    let top = if low < high { high.below() } else { low };
    for (group, out) in out.chunks_mut(GROUP).enumerate() {
        let values = T::uniforms(stream, (first / GROUP + group) as u64);
        for (out, value) in out.iter_mut().zip(values) {
            *out = (low + range * value).min(top);
        }
    }
}

#[inline(always)]
fn normal_body<T: RandomFloat>(stream: Stream, first: usize, mean: T, stddev: T, out: &mut [T]) {
    for (group, out) in out.chunks_mut(GROUP).enumerate() {
        let values = T::normals(stream, (first / GROUP + group) as u64);
        for (out, value) in out.iter_mut().zip(values) {
            *out = mean + stddev * value;
        }
    }
}

#[inline(always)]
fn truncated_body<T: RandomFloat>(stream: Stream, first: usize, mean: T, stddev: T, out: &mut [T]) {
    let limit = T::from_f64(TRUNCATION);
    for (group, out) in out.chunks_mut(GROUP).enumerate() {
        let start = first + group * GROUP;
        let values = T::normals(stream, (start / GROUP) as u64);
        for (lane, (out, mut value)) in out.iter_mut().zip(values).enumerate() {
            let mut attempt = 0;
            while value.abs() > limit {
                attempt += 1;
                value = T::normal_at(stream, (start + lane) as u64, attempt);
            }
            *out = mean + stddev * value;
        }
    }
}

#[inline(always)]
fn integers_body<T: RandomInteger>(stream: Stream, first: usize, low: i64, high: i64, out: &mut [T]) {
    let range = high.wrapping_sub(low) as u64;
    for (group, out) in out.chunks_mut(GROUP).enumerate() {
        let words: [u64; GROUP] = words64(stream, (first / 2 + group * (GROUP / 2)) as u64);
        for (out, word) in out.iter_mut().zip(words) {
            *out = T::from_i64(low.wrapping_add(high_product(word, range) as i64));
        }
    }
}

#[inline(always)]
fn words32(stream: Stream, first: usize) -> [u32; GROUP] {
    let wide: [u64; GROUP / 2] = words64(stream, (first / 4) as u64);
    let mut words = [0; GROUP];
    for (pair, word) in words.chunks_exact_mut(2).zip(wide) {
        pair[0] = word as u32;
        pair[1] = (word >> 32) as u32;
    }
    words
}

#[inline(always)]
fn bits32_body(stream: Stream, first: usize, out: &mut [u32]) {
    for (group, out) in out.chunks_mut(GROUP).enumerate() {
        let words = words32(stream, first + group * GROUP);
        out.copy_from_slice(&words[..out.len()]);
    }
}

#[inline(always)]
fn bits64_body(stream: Stream, first: usize, out: &mut [u64]) {
    for (group, out) in out.chunks_mut(GROUP).enumerate() {
        let words: [u64; GROUP] = words64(stream, (first / 2 + group * (GROUP / 2)) as u64);
        out.copy_from_slice(&words[..out.len()]);
    }
}

/// The elements of a group whose 16-bit words reach the threshold, scaled. Arrays, not slices: these stay in registers and
/// are chosen by masks, where a loop over two slices may be compiled with a branch, which is mispredicted.
#[inline(always)]
fn kept<T: Float>(stream: Stream, first: usize, threshold: u16, scale: T, x: &[T; GROUP]) -> [T; GROUP] {
    let words: [u64; GROUP / 4] = words64(stream, (first / 8) as u64);
    let mut values = [T::ZERO; GROUP];
    for (i, &word) in words.iter().enumerate() {
        for part in 0..4 {
            let scaled = x[4 * i + part] * scale;
            let keep = (word >> (16 * part)) as u16 >= threshold;
            values[4 * i + part] = if keep { scaled } else { T::ZERO };
        }
    }
    values
}

#[inline(always)]
fn dropout_body<T: Float>(stream: Stream, first: usize, threshold: u16, scale: T, x: Option<&[T]>, out: &mut [T]) {
    let (out_groups, out_rest) = out.as_chunks_mut::<GROUP>();
    let rest = first + out_groups.len() * GROUP;
    let firsts = (first..).step_by(GROUP);
    let mut padded = [T::ZERO; GROUP];
    if let Some(x) = x {
        let (groups, x_rest) = x.as_chunks::<GROUP>();
        for ((first, out), x) in firsts.zip(out_groups).zip(groups) {
            *out = kept(stream, first, threshold, scale, x);
        }
        padded[..x_rest.len()].copy_from_slice(x_rest);
    } else {
        for (first, out) in firsts.zip(out_groups) {
            *out = kept(stream, first, threshold, scale, out);
        }
        padded[..out_rest.len()].copy_from_slice(out_rest);
    }
    if !out_rest.is_empty() {
        let values = kept(stream, rest, threshold, scale, &padded);
        out_rest.copy_from_slice(&values[..out_rest.len()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: Stream = Stream { seed: 0x1234_5678_9ABC_DEF0, offset: 3 };

    /// Known answers published with the Random123 library.
    #[test]
    fn philox_known_answers() {
        assert_eq!(philox4x32([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox4x32([!0; 4], [!0; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        let counter = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
        let key = [0xa409_3822, 0x299f_31d0];
        assert_eq!(philox4x32(counter, key), [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
    }

    #[test]
    fn counter_is_block_then_offset() {
        let stream = Stream { seed: 0x299f_31d0_a409_3822, offset: 0x0370_7344_1319_8a2e };
        assert_eq!(block64(stream, 0x85a3_08d3_243f_6a88), [0x94fd_cceb_d16c_fe09, 0x2412_6ea1_5001_e420]);
        let many: [u64; GROUP] = words64(stream, 0x85a3_08d3_243f_6a88);
        assert_eq!(many[..2], [0x94fd_cceb_d16c_fe09, 0x2412_6ea1_5001_e420]);
        // A batch across the carry from the low word of the block number to the high one.
        let many: [u64; GROUP] = words64(STREAM, u64::from(u32::MAX));
        assert_eq!(many[2..4], block64(STREAM, 1 << 32));
    }

    fn every_chunk(kernel: &Random, mut run: impl FnMut(usize)) {
        // An order that is not the natural one.
        let chunks = kernel.chunks();
        for chunk in (0..chunks).step_by(2).chain((1..chunks).step_by(2)).rev() {
            run(chunk);
        }
    }

    /// The whole draw, chunk by chunk, on every instruction set, is the bits of the first elements of a longer draw.
    fn same_bits<T: Copy + Default + PartialEq + std::fmt::Debug>(fill: impl Fn(&Random, Isa, usize, Disjoint<'_, T>)) {
        let longest = 3 * CHUNK_ELEMENTS + 5;
        let mut reference = vec![T::default(); longest];
        let kernel = Random::new(longest);
        let out = Disjoint::new(&mut reference);
        every_chunk(&kernel, |chunk| fill(&kernel, Isa::Scalar, chunk, out));
        for isa in Isa::available() {
            for elements in [0, 1, 2, 63, 64, 127, 129, CHUNK_ELEMENTS + 1, longest] {
                let mut values = vec![T::default(); elements];
                let kernel = Random::new(elements);
                let out = Disjoint::new(&mut values);
                every_chunk(&kernel, |chunk| fill(&kernel, isa, chunk, out));
                assert!(values == reference[..elements], "{isa:?} {elements}");
            }
        }
    }

    #[test]
    fn element_depends_on_stream_and_index_alone() {
        same_bits::<f32>(|k, isa, chunk, out| k.uniform(isa, chunk, STREAM, -1.0, 2.0, out));
        same_bits::<f64>(|k, isa, chunk, out| k.uniform(isa, chunk, STREAM, 0.0, 1.0, out));
        same_bits::<f32>(|k, isa, chunk, out| k.normal(isa, chunk, STREAM, 0.5, 2.0, out));
        same_bits::<f64>(|k, isa, chunk, out| k.normal(isa, chunk, STREAM, 0.0, 1.0, out));
        same_bits::<f32>(|k, isa, chunk, out| k.truncated_normal(isa, chunk, STREAM, 0.0, 1.0, out));
        same_bits::<f64>(|k, isa, chunk, out| k.truncated_normal(isa, chunk, STREAM, 0.0, 1.0, out));
        same_bits::<i32>(|k, isa, chunk, out| k.integers(isa, chunk, STREAM, -3, 9, out));
        same_bits::<i64>(|k, isa, chunk, out| k.integers(isa, chunk, STREAM, i64::MIN, i64::MAX, out));
        same_bits::<u32>(|k, isa, chunk, out| k.bits32(isa, chunk, STREAM, out));
        same_bits::<u64>(|k, isa, chunk, out| k.bits64(isa, chunk, STREAM, out));
    }

    fn draw<T: Copy + Default>(elements: usize, fill: impl Fn(&Random, usize, Disjoint<'_, T>)) -> Vec<T> {
        let mut values = vec![T::default(); elements];
        let kernel = Random::new(elements);
        let out = Disjoint::new(&mut values);
        every_chunk(&kernel, |chunk| fill(&kernel, chunk, out));
        values
    }

    fn moments(values: &(impl Iterator<Item = f64> + Clone)) -> (f64, f64, f64) {
        let count = values.clone().count() as f64;
        let mean = values.clone().sum::<f64>() / count;
        let moment = |power| values.clone().map(|v| (v - mean).powi(power)).sum::<f64>() / count;
        (mean, moment(2), moment(4))
    }

    const MANY: usize = 400_000;

    #[test]
    fn uniforms_fill_their_range() {
        let isa = Isa::active();
        let values = draw(MANY, |k, chunk, out| k.uniform(isa, chunk, STREAM, 0.0_f32, 1.0, out));
        assert!(values.iter().all(|v| (0.0..1.0).contains(v)));
        let (mean, variance, _) = moments(&values.iter().map(|&v| f64::from(v)));
        assert!((mean - 0.5).abs() < 2e-3 && (variance - 1.0 / 12.0).abs() < 1e-3, "{mean} {variance}");
        let values = draw(MANY, |k, chunk, out| k.uniform(isa, chunk, STREAM, 5.0_f64, 7.0, out));
        assert!(values.iter().all(|v| (5.0..7.0).contains(v)));
        let (mean, variance, _) = moments(&values.iter().copied());
        assert!((mean - 6.0).abs() < 4e-3 && (variance - 1.0 / 3.0).abs() < 4e-3, "{mean} {variance}");
        // A range so narrow that rounding reaches its end.
        let high = 1.0_f32 + 2.0 * f32::EPSILON;
        let values = draw(1000, |k, chunk, out| k.uniform(isa, chunk, STREAM, 1.0, high, out));
        assert!(values.iter().all(|&v| v < high) && values.iter().any(|&v| v > 1.0));
        let values = draw(10, |k, chunk, out| k.uniform(isa, chunk, STREAM, 4.0_f32, 4.0, out));
        assert_eq!(values, [4.0; 10]);
    }

    #[test]
    fn normals_are_normal() {
        let isa = Isa::active();
        let single = draw(MANY, |k, chunk, out| k.normal(isa, chunk, STREAM, 0.0_f32, 1.0, out));
        let double = draw(MANY, |k, chunk, out| k.normal(isa, chunk, STREAM, 0.0_f64, 1.0, out));
        let single: Vec<f64> = single.iter().map(|&v| f64::from(v)).collect();
        for values in [&single, &double] {
            let (mean, variance, fourth) = moments(&values.iter().copied());
            assert!(mean.abs() < 6e-3 && (variance - 1.0).abs() < 1e-2, "{mean} {variance}");
            assert!((fourth - 3.0).abs() < 0.08, "{fourth}");
            let pairs: f64 = values.chunks_exact(2).map(|p| p[0] * p[1]).sum::<f64>() / (MANY / 2) as f64;
            assert!(pairs.abs() < 1e-2, "{pairs}");
            let beyond = values.iter().filter(|v| v.abs() > 1.96).count() as f64 / MANY as f64;
            assert!((beyond - 0.05).abs() < 2e-3, "{beyond}");
        }
    }

    /// The single-precision transform against the library's functions.
    #[test]
    fn box_muller_is_accurate() {
        for word in draw(20_000, |k, chunk, out| k.bits64(Isa::Scalar, chunk, STREAM, out)) {
            let (mut x, mut y) = ([0.0], [0.0]);
            box_muller_f32(&[word], &mut x, &mut y);
            let radius = (-2.0 * ((f64::from(word as u32) + 0.5) / 2.0_f64.powi(32)).ln()).sqrt();
            let (sine, cosine) = (TAU * (word >> 32) as f64 / 2.0_f64.powi(32)).sin_cos();
            assert!((f64::from(x[0]) - radius * cosine).abs() < 2e-6, "{word:x}");
            assert!((f64::from(y[0]) - radius * sine).abs() < 2e-6, "{word:x}");
        }
        let (mut x, mut y) = ([0.0], [0.0]);
        for word in [0, u64::MAX, 0xFFFF_FFFF, 0x8000_0000_0000_0000] {
            box_muller_f32(&[word], &mut x, &mut y);
            assert!(x[0].is_finite() && y[0].is_finite());
        }
    }

    #[test]
    fn truncated_normals_stay_within_two_deviations() {
        let isa = Isa::active();
        let values = draw(MANY, |k, chunk, out| k.truncated_normal(isa, chunk, STREAM, 1.0_f32, 0.5, out));
        assert!(values.iter().all(|v| (0.0..=2.0).contains(v)));
        let (mean, variance, _) = moments(&values.iter().map(|&v| f64::from(v)));
        // The variance of a standard normal cut at two deviations.
        assert!((mean - 1.0).abs() < 3e-3 && (variance - 0.25 * 0.773_741_3).abs() < 2e-3, "{mean} {variance}");
        let plain = draw(1000, |k, chunk, out| k.normal(isa, chunk, STREAM, 1.0_f32, 0.5, out));
        let kept = plain.iter().zip(&values).filter(|(a, b)| a == b).count();
        assert!((930..980).contains(&kept), "{kept}");
    }

    #[test]
    fn integers_are_even() {
        let isa = Isa::active();
        let values = draw::<i32>(MANY, |k, chunk, out| k.integers(isa, chunk, STREAM, -2, 5, out));
        let mut counts = [0_usize; 7];
        for value in values {
            counts[(value + 2) as usize] += 1;
        }
        assert!(counts.iter().all(|&c| c.abs_diff(MANY / 7) < 1200), "{counts:?}");
        assert_eq!(draw::<u8>(5, |k, chunk, out| k.integers(isa, chunk, STREAM, 7, 8, out)), [7; 5]);
    }

    #[test]
    fn dropout_repeats_its_mask() {
        for isa in Isa::available() {
            let ones = vec![1.0_f32; MANY];
            let kept = draw(MANY, |k, chunk, out| k.dropout(isa, chunk, STREAM, 0.25, Some(&ones), out));
            let again = draw(MANY, |k, chunk, out| k.dropout(isa, chunk, STREAM, 0.25, Some(&kept), out));
            assert!(kept.iter().zip(&again).all(|(a, b)| *b == a * a && (*a == 0.0 || *a == 4.0 / 3.0)));
            let mut over = ones.clone();
            every_chunk(&Random::new(MANY), |chunk| {
                Random::new(MANY).dropout(isa, chunk, STREAM, 0.25, None, Disjoint::new(&mut over));
            });
            assert_eq!(over, kept);
            let rate = kept.iter().filter(|v| **v == 0.0).count() as f64 / MANY as f64;
            assert!((rate - 0.25).abs() < 3e-3, "{rate}");
            let other = Stream { offset: STREAM.offset + 1, ..STREAM };
            let different = draw(MANY, |k, chunk, out| k.dropout(isa, chunk, other, 0.25, Some(&ones), out));
            assert!(different != kept);
            let nan = [f64::NAN; 10];
            assert_eq!(draw(10, |k, chunk, out| k.dropout(isa, chunk, STREAM, 1.0, Some(&nan), out)), [0.0; 10]);
            assert_eq!(draw(10, |k, chunk, out| k.dropout(isa, chunk, STREAM, 0.0, Some(&[2.0; 10]), out)), [2.0; 10]);
        }
    }

    #[test]
    fn shuffle_is_a_permutation() {
        let mut counts = [[0_usize; 4]; 4];
        for offset in 0..4000 {
            let mut order = [0, 1, 2, 3];
            shuffle(Stream { seed: 1, offset }, &mut order);
            for (place, item) in order.into_iter().enumerate() {
                counts[place][item] += 1;
            }
        }
        assert!(counts.iter().flatten().all(|&c| c.abs_diff(1000) < 150), "{counts:?}");
        let mut order: Vec<u32> = (0..1000).collect();
        shuffle(STREAM, &mut order);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..1000) && order[..10] != [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        shuffle::<u8>(STREAM, &mut []);
    }
}
