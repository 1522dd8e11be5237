//! The pointwise part of a step, forwards and backwards.
//!
//! ```text
//! LSTM                i, f, o = sigmoid(z_i, z_f, z_o)     g = tanh(z_g)     c' = f c + i g     h' = o tanh(c')
//! GRU, reset after    z, r = sigmoid(z_z, z_r)     n = z_n     c = tanh(z_c + r n)     h' = z h + (1 - z) c
//! GRU, reset before   z, r = sigmoid(z_z, z_r)                 c = tanh(z_c)           h' = z h + (1 - z) c
//! simple              h' = tanh(z) or max(z, 0)
//! ```
//!
//! One lane is one unit. Work is done on arrays of [`LANES`] units, which the compiler turns into registers; these functions
//! are apart from the tile that makes z, because arithmetic on the tile's accumulators would push them into memory.
//! Limit: the exponentials, five per unit forwards and one backwards for an LSTM, three and none for a GRU.

use super::Recurrent;
use super::cell::{Activation, Cell};
use crate::for_each_isa_fused;

/// Units that one array of registers holds.
pub(super) const LANES: usize = 16;

type Lanes<T> = [T; LANES];

/// The first `count` of `from[at..]`, zeros behind.
#[inline(always)]
fn load<T: Recurrent>(from: &[T], at: usize, count: usize) -> Lanes<T> {
    let mut lanes = [T::ZERO; LANES];
    if count == LANES {
        lanes.copy_from_slice(&from[at..at + LANES]);
    } else {
        lanes[..count].copy_from_slice(&from[at..at + count]);
    }
    lanes
}

#[inline(always)]
fn store<T: Recurrent>(lanes: &Lanes<T>, to: &mut [T], at: usize, count: usize) {
    if count == LANES {
        to[at..at + LANES].copy_from_slice(lanes);
    } else {
        to[at..at + count].copy_from_slice(&lanes[..count]);
    }
}

/// One row of one block of units, forwards.
pub(super) struct Forward<'a, T> {
    /// `[columns, width]`
    pub z: &'a [T],
    pub width: usize,
    /// Hidden states before the step and after it; as long as there are units in the block.
    pub previous: &'a [T],
    pub hidden: &'a mut [T],
    /// Updated; empty if the cell has none.
    pub memory: &'a mut [T],
    /// From one gate to the next in `gates`.
    pub units: usize,
    /// What the way back reads, from the block's first unit on.
    pub gates: Option<&'a mut [T]>,
}

impl<T: Recurrent> Forward<'_, T> {
    /// Column `column` of z at unit `at` of the block.
    #[inline(always)]
    fn z(&self, column: usize, at: usize, count: usize) -> Lanes<T> {
        load(self.z, column * self.width + at, count)
    }

    #[inline(always)]
    fn save(&mut self, gate: usize, lanes: &Lanes<T>, at: usize, count: usize) {
        if let Some(gates) = &mut self.gates {
            store(lanes, gates, gate * self.units + at, count);
        }
    }
}

for_each_isa_fused! { pub(super) fn forward<T: Recurrent>(cell: Cell, pass: Forward<'_, T>) = forward_body; }

#[inline(always)]
fn forward_body<const FUSED: bool, T: Recurrent>(cell: Cell, mut pass: Forward<'_, T>) {
    let units = pass.hidden.len();
    for at in (0..units).step_by(LANES) {
        let count = (units - at).min(LANES);
        match cell {
            Cell::Lstm => lstm::<FUSED, T>(&mut pass, at, count),
            Cell::Gru { reset_after: true } => gru_after::<FUSED, T>(&mut pass, at, count),
            Cell::Gru { reset_after: false } => gru_before::<FUSED, T>(&mut pass, at, count),
            Cell::Simple(activation) => simple::<FUSED, T>(activation, &mut pass, at, count),
        }
    }
}

#[inline(always)]
fn lstm<const FUSED: bool, T: Recurrent>(pass: &mut Forward<'_, T>, at: usize, count: usize) {
    let [mut i, mut f, mut g, mut o] = [0, 1, 2, 3].map(|column| pass.z(column, at, count));
    let mut c = load(pass.memory, at, count);
    let mut h = [T::ZERO; LANES];
    for lane in 0..LANES {
        i[lane] = i[lane].v_sigmoid::<FUSED>();
        f[lane] = f[lane].v_sigmoid::<FUSED>();
        g[lane] = g[lane].v_tanh::<FUSED>();
        o[lane] = o[lane].v_sigmoid::<FUSED>();
        c[lane] = f[lane].madd::<FUSED>(c[lane], i[lane] * g[lane]);
        h[lane] = o[lane] * c[lane].v_tanh::<FUSED>();
    }
    store(&c, pass.memory, at, count);
    store(&h, pass.hidden, at, count);
    for (gate, lanes) in [i, f, g, o].iter().enumerate() {
        pass.save(gate, lanes, at, count);
    }
}

#[inline(always)]
fn gru_after<const FUSED: bool, T: Recurrent>(pass: &mut Forward<'_, T>, at: usize, count: usize) {
    let [n, mut z, mut r, mut c] = [0, 1, 2, 3].map(|column| pass.z(column, at, count));
    let mut h = load(pass.previous, at, count);
    for lane in 0..LANES {
        z[lane] = z[lane].v_sigmoid::<FUSED>();
        r[lane] = r[lane].v_sigmoid::<FUSED>();
        c[lane] = r[lane].madd::<FUSED>(n[lane], c[lane]).v_tanh::<FUSED>();
        h[lane] = z[lane].madd::<FUSED>(h[lane] - c[lane], c[lane]);
    }
    store(&h, pass.hidden, at, count);
    for (gate, lanes) in [n, z, r, c].iter().enumerate() {
        pass.save(gate, lanes, at, count);
    }
}

#[inline(always)]
fn gru_before<const FUSED: bool, T: Recurrent>(pass: &mut Forward<'_, T>, at: usize, count: usize) {
    let [mut z, mut c] = [0, 2].map(|column| pass.z(column, at, count));
    let mut h = load(pass.previous, at, count);
    for lane in 0..LANES {
        z[lane] = z[lane].v_sigmoid::<FUSED>();
        c[lane] = c[lane].v_tanh::<FUSED>();
        h[lane] = z[lane].madd::<FUSED>(h[lane] - c[lane], c[lane]);
    }
    store(&h, pass.hidden, at, count);
    pass.save(0, &z, at, count);
    pass.save(2, &c, at, count);
}

#[inline(always)]
fn simple<const FUSED: bool, T: Recurrent>(activation: Activation, pass: &mut Forward<'_, T>, at: usize, count: usize) {
    let mut h = pass.z(0, at, count);
    match activation {
        Activation::Tanh => h.iter_mut().for_each(|h| *h = h.v_tanh::<FUSED>()),
        // NaN stays, as in every other relu here.
        Activation::Relu => h.iter_mut().for_each(|h| *h = if *h < T::ZERO { T::ZERO } else { *h }),
    }
    store(&h, pass.hidden, at, count);
}

/// The reset gate of one row of one block, for a GRU that resets before the product.
pub(super) struct Reset<'a, T> {
    /// The gate's column of z.
    pub z: &'a [T],
    /// Hidden states before the step, as many as there are units in the block.
    pub previous: &'a [T],
    /// `r h`
    pub product: &'a mut [T],
    /// The activated gate, to save.
    pub gate: Option<&'a mut [T]>,
}

for_each_isa_fused! { pub(super) fn reset<T: Recurrent>(pass: Reset<'_, T>) = reset_body; }

#[inline(always)]
fn reset_body<const FUSED: bool, T: Recurrent>(pass: Reset<'_, T>) {
    let Reset { z, previous, product, mut gate } = pass;
    for at in (0..previous.len()).step_by(LANES) {
        let count = (previous.len() - at).min(LANES);
        let (mut r, mut h) = (load(z, at, count), load(previous, at, count));
        for lane in 0..LANES {
            r[lane] = r[lane].v_sigmoid::<FUSED>();
            h[lane] = r[lane] * h[lane];
        }
        store(&h, product, at, count);
        if let Some(gate) = &mut gate {
            store(&r, gate, at, count);
        }
    }
}

/// One row of all units, backwards through one step.
pub(super) struct Backward<'a, T> {
    /// `[saved units]`: what the forward pass saved.
    pub gates: &'a [T],
    /// `[units]`: the memory after the step; empty if the cell has none.
    pub memory: &'a [T],
    /// `[units]`: the memory before it, zeros if absent.
    pub previous_memory: Option<&'a [T]>,
    /// `[units]`: the hidden state after the step and before it.
    pub hidden: &'a [T],
    pub previous: &'a [T],
    /// `[units]`: the gradient of the step's hidden state becomes what goes past the products to the one before.
    pub hidden_gradient: &'a mut [T],
    /// `[units]`: the gradient of the memory after the step becomes that of the memory before.
    pub memory_gradient: &'a mut [T],
    /// `[columns units]`: the gradient of z; the reset gate's waits for [`reset_backward`] if it acts before the product.
    pub z_gradient: &'a mut [T],
}

impl<T: Recurrent> Backward<'_, T> {
    /// Gate `gate` of all that were saved.
    #[inline(always)]
    fn gate(&self, gate: usize, at: usize, count: usize) -> Lanes<T> {
        load(self.gates, gate * self.hidden_gradient.len() + at, count)
    }

    #[inline(always)]
    fn put(&mut self, column: usize, lanes: &Lanes<T>, at: usize, count: usize) {
        store(lanes, self.z_gradient, column * self.hidden_gradient.len() + at, count);
    }
}

for_each_isa_fused! { pub(super) fn backward<T: Recurrent>(cell: Cell, pass: Backward<'_, T>) = backward_body; }

#[inline(always)]
fn backward_body<const FUSED: bool, T: Recurrent>(cell: Cell, mut pass: Backward<'_, T>) {
    let units = pass.hidden_gradient.len();
    for at in (0..units).step_by(LANES) {
        let count = (units - at).min(LANES);
        match cell {
            Cell::Lstm => lstm_backward::<FUSED, T>(&mut pass, at, count),
            Cell::Gru { reset_after } => gru_backward(reset_after, &mut pass, at, count),
            Cell::Simple(activation) => simple_backward(activation, &mut pass, at, count),
        }
    }
}

#[inline(always)]
fn lstm_backward<const FUSED: bool, T: Recurrent>(pass: &mut Backward<'_, T>, at: usize, count: usize) {
    let [mut i, mut f, mut g, mut o] = [0, 1, 2, 3].map(|gate| pass.gate(gate, at, count));
    let cell = load(pass.memory, at, count);
    let previous = pass.previous_memory.map_or([T::ZERO; LANES], |memory| load(memory, at, count));
    let dh = load(pass.hidden_gradient, at, count);
    let mut dc = load(pass.memory_gradient, at, count);
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
    store(&[T::ZERO; LANES], pass.hidden_gradient, at, count);
    store(&dc, pass.memory_gradient, at, count);
    for (column, lanes) in [i, f, g, o].iter().enumerate() {
        pass.put(column, lanes, at, count);
    }
}

#[inline(always)]
fn gru_backward<T: Recurrent>(reset_after: bool, pass: &mut Backward<'_, T>, at: usize, count: usize) {
    // Reset after saves n ahead of the others, whose columns are one further.
    let first = usize::from(reset_after);
    let [mut z, mut r, mut c] = [0, 1, 2].map(|gate| pass.gate(first + gate, at, count));
    let previous = load(pass.previous, at, count);
    let mut dh = load(pass.hidden_gradient, at, count);
    for lane in 0..LANES {
        let (gate, candidate) = (z[lane], c[lane]);
        z[lane] = dh[lane] * (previous[lane] - candidate) * gate * (T::ONE - gate);
        c[lane] = dh[lane] * (T::ONE - gate) * (T::ONE - candidate * candidate);
        dh[lane] *= gate;
    }
    store(&dh, pass.hidden_gradient, at, count);
    pass.put(first, &z, at, count);
    pass.put(first + 2, &c, at, count);
    if reset_after {
        let mut n = pass.gate(0, at, count);
        for lane in 0..LANES {
            let (gate, product) = (r[lane], n[lane]);
            n[lane] = c[lane] * gate;
            r[lane] = c[lane] * product * gate * (T::ONE - gate);
        }
        pass.put(0, &n, at, count);
        pass.put(2, &r, at, count);
    }
}

#[inline(always)]
fn simple_backward<T: Recurrent>(activation: Activation, pass: &mut Backward<'_, T>, at: usize, count: usize) {
    let mut dz = load(pass.hidden_gradient, at, count);
    let h = load(pass.hidden, at, count);
    match activation {
        Activation::Tanh => (0..LANES).for_each(|lane| dz[lane] *= T::ONE - h[lane] * h[lane]),
        Activation::Relu => {
            (0..LANES).for_each(|lane| dz[lane] = if h[lane] > T::ZERO { dz[lane] } else { T::ZERO });
        }
    }
    store(&[T::ZERO; LANES], pass.hidden_gradient, at, count);
    pass.put(0, &dz, at, count);
}

/// One row of all units, backwards through `r h`.
pub(super) struct ResetBackward<'a, T> {
    /// `[units]`: the activated gate.
    pub gate: &'a [T],
    /// `[units]`: the hidden state before the step.
    pub previous: &'a [T],
    /// `[units]`: the gradient of `r h`.
    pub reset_gradient: &'a [T],
    /// `[units]`: `r h` itself, made again.
    pub reset: &'a mut [T],
    /// `[units]`: added to.
    pub hidden_gradient: &'a mut [T],
    /// `[units]`: the gradient of the gate's column of z.
    pub z_gradient: &'a mut [T],
}

for_each_isa_fused! { pub(super) fn reset_backward<T: Recurrent>(pass: ResetBackward<'_, T>) = reset_backward_body; }

#[inline(always)]
fn reset_backward_body<const FUSED: bool, T: Recurrent>(pass: ResetBackward<'_, T>) {
    let ResetBackward { gate, previous, reset_gradient, reset, hidden_gradient, z_gradient } = pass;
    for at in (0..gate.len()).step_by(LANES) {
        let count = (gate.len() - at).min(LANES);
        let mut r = load(gate, at, count);
        let previous = load(previous, at, count);
        let through = load(reset_gradient, at, count);
        let mut dh = load(hidden_gradient, at, count);
        let mut product = previous;
        for lane in 0..LANES {
            let gate = r[lane];
            product[lane] = previous[lane] * gate;
            dh[lane] = through[lane].madd::<FUSED>(gate, dh[lane]);
            r[lane] = through[lane] * previous[lane] * gate * (T::ONE - gate);
        }
        store(&product, reset, at, count);
        store(&dh, hidden_gradient, at, count);
        store(&r, z_gradient, at, count);
    }
}
