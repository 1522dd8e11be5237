//! The pointwise part of an LSTM step, forwards and backwards.
//!
//! ```text
//! i, f, o = sigmoid(z_i, z_f, z_o)     g = tanh(z_g)     c' = f c + i g     h = o tanh(c')
//! ```
//!
//! One lane is one unit. Work is done on arrays of [`LANES`] units, which the compiler turns into registers; these functions
//! are apart from the tile that makes z, because arithmetic on the tile's accumulators would push them into memory.
//! Limit: five exponentials per unit forwards, one backwards.

use super::Recurrent;
use crate::for_each_isa_fused;

/// Units that one packed block of weights and one array of registers hold.
pub(super) const LANES: usize = 16;

/// The first `count` of `from[at..]`, zeros behind.
#[inline(always)]
fn load<T: Recurrent>(from: &[T], at: usize, count: usize) -> [T; LANES] {
    let mut lanes = [T::ZERO; LANES];
    if count == LANES {
        lanes.copy_from_slice(&from[at..at + LANES]);
    } else {
        lanes[..count].copy_from_slice(&from[at..at + count]);
    }
    lanes
}

#[inline(always)]
fn store<T: Recurrent>(lanes: &[T; LANES], to: &mut [T], at: usize, count: usize) {
    if count == LANES {
        to[at..at + LANES].copy_from_slice(lanes);
    } else {
        to[at..at + count].copy_from_slice(&lanes[..count]);
    }
}

/// One row of one block of units, forwards.
pub(super) struct Forward<'a, T> {
    /// Pre-activations: four runs of `width`, of which `count` units exist.
    pub z: &'a [T],
    pub width: usize,
    pub count: usize,
    /// The block's first unit, and how many units there are.
    pub unit: usize,
    pub units: usize,
    /// `[units]`, updated.
    pub cell: &'a mut [T],
    /// `[units]`
    pub hidden: &'a mut [T],
    /// `[4 units]`: the activated gates, to save.
    pub gates: Option<&'a mut [T]>,
}

for_each_isa_fused! { pub(super) fn forward<T: Recurrent>(pass: &mut Forward<'_, T>) = forward_body; }

#[inline(always)]
fn forward_body<const FUSED: bool, T: Recurrent>(pass: &mut Forward<'_, T>) {
    let (width, count, unit) = (pass.width, pass.count, pass.unit);
    let mut i = load(pass.z, 0, width);
    let mut f = load(pass.z, width, width);
    let mut g = load(pass.z, 2 * width, width);
    let mut o = load(pass.z, 3 * width, width);
    let mut c = load(pass.cell, unit, count);
    let mut h = [T::ZERO; LANES];
    for lane in 0..LANES {
        i[lane] = i[lane].v_sigmoid::<FUSED>();
        f[lane] = f[lane].v_sigmoid::<FUSED>();
        g[lane] = g[lane].v_tanh::<FUSED>();
        o[lane] = o[lane].v_sigmoid::<FUSED>();
        c[lane] = f[lane].madd::<FUSED>(c[lane], i[lane] * g[lane]);
        h[lane] = o[lane] * c[lane].v_tanh::<FUSED>();
    }
    store(&c, pass.cell, unit, count);
    store(&h, pass.hidden, unit, count);
    if let Some(gates) = &mut pass.gates {
        for (gate, lanes) in [i, f, g, o].iter().enumerate() {
            store(lanes, gates, gate * pass.units + unit, count);
        }
    }
}

/// One row of all units, backwards through one step.
pub(super) struct Backward<'a, T> {
    pub units: usize,
    /// `[4 units]`: the activated gates.
    pub gates: &'a [T],
    /// `[units]`: the cell after the step.
    pub cell: &'a [T],
    /// `[units]`: the cell before it, zeros if absent.
    pub previous_cell: Option<&'a [T]>,
    /// `[units]`: the gradient of the step's hidden state; set to zero, for the next product to be added.
    pub hidden_gradient: &'a mut [T],
    /// `[units]`: the gradient of the cell after the step becomes that of the cell before.
    pub cell_gradient: &'a mut [T],
    /// `[4 units]`: the gradient of the pre-activations.
    pub z_gradient: &'a mut [T],
}

for_each_isa_fused! { pub(super) fn backward<T: Recurrent>(pass: &mut Backward<'_, T>) = backward_body; }

#[inline(always)]
fn backward_body<const FUSED: bool, T: Recurrent>(pass: &mut Backward<'_, T>) {
    let units = pass.units;
    for unit in (0..units).step_by(LANES) {
        let count = (units - unit).min(LANES);
        let [mut i, mut f, mut g, mut o] = [0, 1, 2, 3].map(|gate| load(pass.gates, gate * units + unit, count));
        let cell = load(pass.cell, unit, count);
        let previous = pass.previous_cell.map_or([T::ZERO; LANES], |cell| load(cell, unit, count));
        let dh = load(pass.hidden_gradient, unit, count);
        let mut dc = load(pass.cell_gradient, unit, count);
        for lane in 0..LANES {
            let tanh_cell = cell[lane].v_tanh::<FUSED>();
            let [gate_i, gate_f, gate_g, gate_o] = [i[lane], f[lane], g[lane], o[lane]];
            o[lane] = dh[lane] * tanh_cell * gate_o * (T::ONE - gate_o);
            let through_cell = dc[lane] + dh[lane] * gate_o * (T::ONE - tanh_cell * tanh_cell);
            i[lane] = through_cell * gate_g * gate_i * (T::ONE - gate_i);
            f[lane] = through_cell * previous[lane] * gate_f * (T::ONE - gate_f);
            g[lane] = through_cell * gate_i * (T::ONE - gate_g * gate_g);
            dc[lane] = through_cell * gate_f;
        }
        store(&[T::ZERO; LANES], pass.hidden_gradient, unit, count);
        store(&dc, pass.cell_gradient, unit, count);
        for (gate, lanes) in [i, f, g, o].iter().enumerate() {
            store(lanes, pass.z_gradient, gate * units + unit, count);
        }
    }
}
