//! Every memory against plain loops in double precision and against finite differences, the LSTM against real Keras too.

use super::*;
use crate::cpu::disjoint::Disjoint;
use crate::cpu::simd::Isa;

struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % limit
    }
    fn values(&mut self, count: usize, scale: f64) -> Vec<f64> {
        (0..count).map(|_| (self.below(20_001) as f64 / 10_000.0 - 1.0) * scale).collect()
    }
    fn order(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        for index in (1..count).rev() {
            order.swap(index, self.below(index + 1));
        }
        order
    }
}

/// Everything that goes in.
#[derive(Clone)]
struct Problem<T> {
    shape: Shape,
    x: Vec<T>,
    kernel: Vec<T>,
    recurrent: Vec<T>,
    bias: Option<Vec<T>>,
    mask: Option<Vec<u8>>,
    hidden: Option<Vec<T>>,
    memory: Option<Vec<T>>,
    output_gradient: Option<Vec<T>>,
    hidden_gradient: Option<Vec<T>>,
    memory_gradient: Option<Vec<T>>,
}

/// All outputs, or all gradients, as vectors.
#[derive(Debug, PartialEq)]
struct Made<T> {
    outputs: Vec<T>,
    hidden: Vec<T>,
    memory: Vec<T>,
    gates: Vec<T>,
    memories: Vec<T>,
}

#[derive(Debug, PartialEq)]
struct Found<T> {
    x: Vec<T>,
    kernel: Vec<T>,
    recurrent: Vec<T>,
    bias: Vec<T>,
    hidden: Vec<T>,
    memory: Vec<T>,
}

impl Found<f64> {
    fn all(&self) -> [(&'static str, &Vec<f64>); 6] {
        let Self { x, kernel, recurrent, bias, hidden, memory } = self;
        [("x", x), ("kernel", kernel), ("recurrent", recurrent), ("bias", bias), ("hidden", hidden), ("memory", memory)]
    }
}

impl Problem<f64> {
    /// `options` selects what is present, bit by bit.
    fn random(numbers: &mut Numbers, cell: Cell, sizes: [usize; 4], options: usize) -> Self {
        let bit = |index: usize| options >> index & 1 == 1;
        let [batch, time, features, units] = sizes;
        let shape = Shape {
            cell,
            batch,
            time,
            features,
            units,
            has_bias: bit(0),
            go_backwards: bit(1),
            zero_output_for_mask: bit(2),
        };
        let mut when = |present: bool, count: usize| present.then(|| numbers.values(count, 0.8));
        let bias = when(bit(0), shape.bias());
        let hidden = when(bit(3), batch * units);
        let memory = when(bit(3) && cell.has_memory(), batch * units);
        let output_gradient = when(bit(4), batch * time * units);
        let hidden_gradient = when(bit(5) || !bit(4), batch * units);
        let memory_gradient = when(bit(5) && cell.has_memory(), batch * units);
        let mask = bit(6).then(|| {
            let mut mask: Vec<u8> = (0..batch * time).map(|_| u8::from(numbers.below(3) > 0)).collect();
            // Some steps are masked in every row, and some rows at every step.
            for step in (0..time).filter(|step| step % 4 == 1) {
                (0..batch).for_each(|row| mask[row * time + step] = 0);
            }
            if batch > 2 {
                mask[time..2 * time].fill(0);
            }
            mask
        });
        let scale = 1.5 / ((features + units).max(1) as f64).sqrt();
        Self {
            shape,
            x: numbers.values(batch * time * features, 1.5),
            kernel: numbers.values(features * shape.width(), scale),
            recurrent: numbers.values(units * shape.width(), scale),
            bias,
            mask,
            hidden,
            memory,
            output_gradient,
            hidden_gradient,
            memory_gradient,
        }
    }

    fn cast<T: Recurrent>(&self) -> Problem<T> {
        let cast = |values: &Vec<f64>| values.iter().map(|&v| T::from_f64(v)).collect::<Vec<T>>();
        Problem {
            shape: self.shape,
            x: cast(&self.x),
            kernel: cast(&self.kernel),
            recurrent: cast(&self.recurrent),
            bias: self.bias.as_ref().map(cast),
            mask: self.mask.clone(),
            hidden: self.hidden.as_ref().map(cast),
            memory: self.memory.as_ref().map(cast),
            output_gradient: self.output_gradient.as_ref().map(cast),
            hidden_gradient: self.hidden_gradient.as_ref().map(cast),
            memory_gradient: self.memory_gradient.as_ref().map(cast),
        }
    }

    /// The definition, in plain loops.
    fn reference(&self) -> Made<f64> {
        let Shape { cell, batch, time, units, go_backwards, zero_output_for_mask, .. } = self.shape;
        let saved_gates = cell.saved();
        let mut out = Made {
            outputs: vec![0.0; batch * time * units],
            hidden: self.hidden.clone().unwrap_or_else(|| vec![0.0; batch * units]),
            memory: self.memory.clone().unwrap_or_else(|| vec![0.0; self.memory_size()]),
            gates: vec![0.0; batch * time * saved_gates * units],
            memories: vec![0.0; time * self.memory_size()],
        };
        for row in 0..batch {
            let own = row * units..(row + 1) * units;
            for step in 0..time {
                let at = row * time + if go_backwards { time - 1 - step } else { step };
                let masked = self.mask.as_ref().is_some_and(|mask| mask[at] == 0);
                let saved = row * time + step;
                if !masked {
                    let mut memory = if cell.has_memory() { out.memory[own.clone()].to_vec() } else { Vec::new() };
                    let (hidden, gates) = self.reference_step(at, &out.hidden[own.clone()], &mut memory);
                    out.hidden[own.clone()].copy_from_slice(&hidden);
                    if cell.has_memory() {
                        out.memory[own.clone()].copy_from_slice(&memory);
                    }
                    out.gates[saved * saved_gates * units..][..saved_gates * units].copy_from_slice(&gates);
                }
                for unit in 0..units {
                    let hidden = out.hidden[row * units + unit];
                    out.outputs[saved * units + unit] = if masked && zero_output_for_mask { 0.0 } else { hidden };
                    if cell.has_memory() {
                        out.memories[saved * units + unit] = out.memory[row * units + unit];
                    }
                }
            }
        }
        out
    }

    /// One step of one row: the hidden state after it, and what is saved.
    fn reference_step(&self, at: usize, hidden: &[f64], memory: &mut [f64]) -> (Vec<f64>, Vec<f64>) {
        let Shape { cell, features, units, .. } = self.shape;
        let width = self.shape.width();
        let sigmoid = |v: f64| 1.0 / (1.0 + (-v).exp());
        let bias = |row: usize, column: usize| {
            if row < cell.bias_rows() { self.bias.as_ref().map_or(0.0, |bias| bias[row * width + column]) } else { 0.0 }
        };
        let from_x = |gate: usize, unit: usize| -> f64 {
            let column = gate * units + unit;
            let sum = (0..features).map(|k| self.x[at * features + k] * self.kernel[k * width + column]).sum::<f64>();
            sum + bias(0, column)
        };
        let from_h = |h: &[f64], gate: usize, unit: usize| -> f64 {
            let column = gate * units + unit;
            (0..units).map(|k| h[k] * self.recurrent[k * width + column]).sum::<f64>() + bias(1, column)
        };
        let every = |f: &dyn Fn(usize) -> f64| (0..units).map(f).collect::<Vec<f64>>();
        match cell {
            Cell::Lstm => {
                let [i, f, g, o] = [0, 1, 2, 3].map(|gate| {
                    every(&|unit| {
                        let z = from_x(gate, unit) + from_h(hidden, gate, unit);
                        if gate == 2 { z.tanh() } else { sigmoid(z) }
                    })
                });
                for unit in 0..units {
                    memory[unit] = f[unit] * memory[unit] + i[unit] * g[unit];
                }
                (every(&|unit| o[unit] * memory[unit].tanh()), [i, f, g, o].concat())
            }
            Cell::Gru { reset_after } => {
                let [z, r] = [0, 1].map(|gate| every(&|unit| sigmoid(from_x(gate, unit) + from_h(hidden, gate, unit))));
                let (saved, candidate) = if reset_after {
                    let n = every(&|unit| from_h(hidden, 2, unit));
                    let candidate = every(&|unit| (from_x(2, unit) + r[unit] * n[unit]).tanh());
                    ([n, z.clone(), r].concat(), candidate)
                } else {
                    let reset = every(&|unit| r[unit] * hidden[unit]);
                    let candidate = every(&|unit| (from_x(2, unit) + from_h(&reset, 2, unit)).tanh());
                    ([z.clone(), r].concat(), candidate)
                };
                let next = every(&|unit| z[unit] * hidden[unit] + (1.0 - z[unit]) * candidate[unit]);
                (next, [saved, candidate].concat())
            }
            Cell::Simple(activation) => {
                let z = every(&|unit| from_x(0, unit) + from_h(hidden, 0, unit));
                let apply = |z: f64| if activation == Activation::Tanh { z.tanh() } else { z.max(0.0) };
                (z.into_iter().map(apply).collect(), Vec::new())
            }
        }
    }

    /// What the gradients are gradients of.
    fn loss(&self) -> f64 {
        let out = self.reference();
        let dot = |weights: &Option<Vec<f64>>, values: &[f64]| {
            weights.as_ref().map_or(0.0, |weights| weights.iter().zip(values).map(|(a, b)| a * b).sum())
        };
        dot(&self.output_gradient, &out.outputs)
            + dot(&self.hidden_gradient, &out.hidden)
            + dot(&self.memory_gradient, &out.memory)
    }
}

impl<T: Recurrent> Problem<T> {
    fn memory_size(&self) -> usize {
        if self.shape.cell.has_memory() { self.shape.batch * self.shape.units } else { 0 }
    }

    fn inputs(&self) -> Inputs<'_, T> {
        Inputs {
            x: &self.x,
            mask: self.mask.as_deref(),
            initial_hidden: self.hidden.as_deref(),
            initial_memory: self.memory.as_deref(),
        }
    }

    fn forward(&self, isa: Isa, numbers: &mut Numbers) -> Made<T> {
        let Shape { batch, time, units, .. } = self.shape;
        let nan = |count: usize| vec![T::from_f64(f64::NAN); count];
        let mut out = Made {
            outputs: nan(batch * time * units),
            hidden: nan(batch * units),
            memory: nan(self.memory_size()),
            gates: nan(batch * time * self.shape.cell.saved() * units),
            memories: nan(time * self.memory_size()),
        };
        let has_memory = self.shape.cell.has_memory();
        let kernel = Forward::new(self.shape);
        let mut scratch = nan(kernel.scratch::<T>() / size_of::<T>());
        let scratch = Disjoint::new(&mut scratch);
        for chunk in numbers.order(kernel.prepare_chunks()) {
            kernel.prepare(chunk, &self.kernel, &self.recurrent, self.bias.as_deref(), scratch);
        }
        let outputs = Outputs {
            outputs: Some(Disjoint::new(&mut out.outputs)),
            last_hidden: Some(Disjoint::new(&mut out.hidden)),
            last_memory: has_memory.then(|| Disjoint::new(&mut out.memory)),
            gates: Some(Disjoint::new(&mut out.gates)),
            memories: has_memory.then(|| Disjoint::new(&mut out.memories)),
        };
        for chunk in numbers.order(kernel.chunks()) {
            kernel.run(isa, chunk, &self.inputs(), &outputs, scratch);
        }
        out
    }

    fn backward(&self, isa: Isa, forward: &Made<T>, numbers: &mut Numbers) -> Found<T> {
        let Shape { batch, time, features, units, has_bias, .. } = self.shape;
        let nan = |count: usize| vec![T::from_f64(f64::NAN); count];
        let mut out = Found {
            x: nan(batch * time * features),
            kernel: nan(features * self.shape.width()),
            recurrent: nan(units * self.shape.width()),
            bias: nan(self.shape.bias()),
            hidden: nan(batch * units),
            memory: nan(self.memory_size()),
        };
        let has_memory = self.shape.cell.has_memory();
        let kernel = Backward::new(self.shape);
        let mut scratch = nan(kernel.scratch::<T>() / size_of::<T>());
        let scratch = Disjoint::new(&mut scratch);
        for chunk in numbers.order(kernel.prepare_chunks()) {
            kernel.prepare(isa, chunk, &self.kernel, &self.recurrent, scratch);
        }
        let saved = Saved {
            outputs: &forward.outputs,
            gates: &forward.gates,
            memories: &forward.memories,
            output_gradient: self.output_gradient.as_deref(),
            last_hidden_gradient: self.hidden_gradient.as_deref(),
            last_memory_gradient: self.memory_gradient.as_deref(),
        };
        let gradients = Gradients {
            x: Some(Disjoint::new(&mut out.x)),
            initial_hidden: Some(Disjoint::new(&mut out.hidden)),
            initial_memory: has_memory.then(|| Disjoint::new(&mut out.memory)),
        };
        for chunk in numbers.order(kernel.chunks()) {
            kernel.run(isa, chunk, &self.inputs(), &saved, &gradients, scratch);
        }
        let gradients = WeightGradients {
            kernel: Some(Disjoint::new(&mut out.kernel)),
            recurrent: Some(Disjoint::new(&mut out.recurrent)),
            bias: has_bias.then(|| Disjoint::new(&mut out.bias)),
        };
        for chunk in numbers.order(kernel.finish_chunks()) {
            kernel.finish(isa, chunk, &gradients, scratch);
        }
        out
    }
}

fn assert_close<T: Recurrent>(what: &str, found: &[T], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        let (found, room) = (found.to_f64(), tolerance * (1.0 + expected.abs()));
        assert!((found - expected).abs() <= room, "{what}[{at}]: {found} instead of {expected}");
    }
}

const CELLS: [Cell; 5] = [
    Cell::Lstm,
    Cell::Gru { reset_after: true },
    Cell::Gru { reset_after: false },
    Cell::Simple(Activation::Tanh),
    Cell::Simple(Activation::Relu),
];

/// batch, time, features, units
const SHAPES: [[usize; 4]; 15] = [
    [2, 3, 2, 3],
    [1, 1, 1, 1],
    [7, 9, 5, 4],
    [5, 4, 20, 17],
    [13, 6, 3, 16],
    [20, 12, 33, 40],
    [100, 5, 12, 24],
    [6, 30, 64, 70],
    [0, 3, 2, 2],
    [3, 0, 2, 2],
    [3, 2, 0, 2],
    [3, 2, 2, 0],
    [30, 10, 80, 13],
    [9, 3, 7, 150],
    [1, 110, 4, 19],
];

fn check_forward<T: Recurrent>(tolerance: f64) {
    let mut numbers = Numbers(1);
    for (case, sizes) in SHAPES.into_iter().enumerate() {
        for round in 0..10 {
            let options = case * 37 + round * 53 + round;
            let problem = Problem::random(&mut numbers, CELLS[round % 5], sizes, options);
            let expected = problem.reference();
            let problem = problem.cast::<T>();
            for isa in Isa::available() {
                let found = problem.forward(isa, &mut numbers);
                assert_close("outputs", &found.outputs, &expected.outputs, tolerance);
                assert_close("hidden", &found.hidden, &expected.hidden, tolerance);
                assert_close("memory", &found.memory, &expected.memory, tolerance);
                assert_close("gates", &found.gates, &expected.gates, tolerance);
                assert_close("memories", &found.memories, &expected.memories, tolerance);
                assert!(found == problem.forward(isa, &mut numbers), "another order of chunks, other bits");
            }
        }
    }
}

#[test]
fn forward_matches_loops() {
    check_forward::<f64>(1e-13);
    check_forward::<f32>(3e-6);
}

/// Every option, every argument, element by element.
#[test]
fn gradients_match_finite_differences() {
    let mut numbers = Numbers(2);
    for (options, cell) in (0..128).flat_map(|options| CELLS.map(|cell| (options, cell))) {
        let sizes = [[2, 3, 2, 3], [3, 4, 1, 2], [7, 5, 3, 2]][options % 3];
        let [batch, _, _, units] = sizes;
        let problem = Problem::random(&mut numbers, cell, sizes, options);
        let forward = problem.forward(Isa::active(), &mut numbers);
        let gradients = problem.backward(Isa::active(), &forward, &mut numbers);
        let difference = |change: &dyn Fn(&mut Problem<f64>, f64)| {
            let at = |step: f64| {
                let mut moved = problem.clone();
                change(&mut moved, step);
                moved.loss()
            };
            (at(1e-5) - at(-1e-5)) / 2e-5
        };
        for (name, values) in gradients.all() {
            for (at, &value) in values.iter().enumerate() {
                let expected = difference(&|p, step| {
                    let target = match name {
                        "x" => &mut p.x,
                        "kernel" => &mut p.kernel,
                        "recurrent" => &mut p.recurrent,
                        "bias" => p.bias.as_mut().unwrap(),
                        "hidden" => p.hidden.get_or_insert_with(|| vec![0.0; batch * units]),
                        _ => p.memory.get_or_insert_with(|| vec![0.0; batch * units]),
                    };
                    target[at] += step;
                });
                assert!((value - expected).abs() < 1e-8, "{cell:?} {options:b} {name}[{at}]: {value}, {expected}");
            }
        }
    }
}

/// Larger shapes: every instruction set and type against the portable path in double precision, which the finite
/// differences vouch for.
#[test]
fn gradients_agree_on_every_path() {
    let mut numbers = Numbers(3);
    for (case, sizes) in SHAPES.into_iter().enumerate() {
        for round in 0..10 {
            let options = case * 37 + round * 53 + round;
            let problem = Problem::random(&mut numbers, CELLS[round % 5], sizes, options);
            let forward = problem.forward(Isa::Scalar, &mut numbers);
            let expected = problem.backward(Isa::Scalar, &forward, &mut numbers);
            let single = problem.cast::<f32>();
            for isa in Isa::available() {
                let found = problem.backward(isa, &problem.forward(isa, &mut numbers), &mut numbers);
                for ((name, found), (_, expected)) in found.all().into_iter().zip(expected.all()) {
                    assert_close(name, found, expected, 1e-12);
                }
                assert!(found == problem.backward(isa, &problem.forward(isa, &mut numbers), &mut numbers));
                let forward = single.forward(isa, &mut numbers);
                let found = single.backward(isa, &forward, &mut numbers);
                assert_close("x", &found.x, &expected.x, 1e-5);
                assert_close("kernel", &found.kernel, &expected.kernel, 3e-5);
                assert_close("recurrent", &found.recurrent, &expected.recurrent, 3e-5);
                assert_close("bias", &found.bias, &expected.bias, 3e-5);
                assert_close("hidden", &found.hidden, &expected.hidden, 1e-5);
                assert_close("memory", &found.memory, &expected.memory, 1e-5);
            }
        }
    }
}

/// A row's result does not depend on the batch around it.
#[test]
fn batch_of_one_has_the_bits_of_many() {
    let mut numbers = Numbers(4);
    for cell in CELLS {
        let problem = Problem::random(&mut numbers, cell, [14, 60, 10, 21], 0b100_1001).cast::<f32>();
        let Shape { batch, time, features, units, .. } = problem.shape;
        for isa in Isa::available() {
            let together = problem.forward(isa, &mut numbers);
            for row in 0..batch {
                let mut alone = problem.clone();
                alone.shape.batch = 1;
                alone.x = problem.x[row * time * features..(row + 1) * time * features].to_vec();
                alone.mask = problem.mask.as_ref().map(|mask| mask[row * time..(row + 1) * time].to_vec());
                alone.hidden = problem.hidden.as_ref().map(|h| h[row * units..(row + 1) * units].to_vec());
                alone.memory = problem.memory.as_ref().map(|c| c[row * units..(row + 1) * units].to_vec());
                let alone = alone.forward(isa, &mut numbers);
                assert!(alone.outputs == together.outputs[row * time * units..(row + 1) * time * units]);
            }
        }
    }
}

#[test]
fn scratch_is_bounded() {
    let shape = Shape {
        cell: Cell::Lstm,
        batch: 4096,
        time: 100,
        features: 1024,
        units: 1024,
        has_bias: true,
        go_backwards: false,
        zero_output_for_mask: false,
    };
    let kernel = Backward::new(shape);
    assert_eq!(kernel.chunks(), 2);
    assert!(Backward::new(Shape { features: 64, units: 64, ..shape }).chunks() > 8);
    assert!(Forward::new(shape).chunks() > 16);
}

/// Numbers from Keras 3.15.1 on JAX 0.10.2 with x64, floatx float64. All arrays are `cos(0.7 n + phase)`:
///
/// ```python
/// layer = keras.layers.LSTM(2, return_sequences=True, return_state=True, go_backwards=.., zero_output_for_mask=..,
///     dtype="float64", activation=lambda v: 2 * jax.nn.sigmoid(2 * v) - 1)     # Keras' tanh goes through float32
/// (y, h, c), _ = layer.stateless_call([kernel, recurrent, bias], [..], x, mask=mask, initial_state=[h0, c0])
/// loss = (y * dy).sum() + h.sum() - c.sum()      # jax.grad; each gradient g recorded as (g.ravel() * wave(8)).sum()
/// ```
#[test]
fn masks_follow_keras() {
    let wave = |count: usize, phase: f64| -> Vec<f64> { (0..count).map(|n| (0.7 * n as f64 + phase).cos()).collect() };
    let with_states = [0.283_662_185_463, 0.834_712_784_839];
    let cases = [
        (
            false,
            [
                0.582_240_597_363,
                -0.021_634_685_559,
                0.046_975_498_629,
                0.051_246_205_32,
                -0.181_713_080_77,
                0.807_670_289_616,
            ],
            true,
        ),
        (
            true,
            [
                0.169_652_018_187,
                -0.007_091_947_225,
                0.141_589_386_429,
                0.160_219_811_685,
                -0.199_484_857_432,
                0.561_075_358_486,
            ],
            true,
        ),
        (
            false,
            [
                0.569_584_131_921,
                0.098_006_135_632,
                0.018_821_420_828,
                -0.066_347_026_947,
                0.078_494_301_184,
                0.711_201_183_22,
            ],
            false,
        ),
        (
            true,
            [
                0.201_823_776_872,
                0.029_821_947_316,
                0.102_219_869_628,
                0.129_566_979_389,
                0.079_032_243_414,
                0.471_368_827_229,
            ],
            false,
        ),
    ];
    let forwards = [
        0.229_806_565_071,
        0.098_926_933_029,
        0.204_341_814_597,
        0.121_346_613_243,
        0.204_341_814_597,
        0.121_346_613_243,
        0.136_954_115_656,
        -0.042_032_650_732,
        0.136_954_115_656,
        -0.042_032_650_732,
        0.057_951_528_668,
        -0.022_946_639_443,
        0.204_861_156_788,
        -0.023_822_307_218,
    ];
    let backwards = [
        0.299_124_792_512,
        0.174_184_944_205,
        0.146_891_704_504,
        0.066_843_547_26,
        0.146_891_704_504,
        0.066_843_547_26,
        0.209_600_873_014,
        -0.001_887_239_685,
        0.074_515_262_02,
        -0.013_765_955_237,
        0.074_515_262_02,
        -0.013_765_955_237,
        0.244_929_449_775,
        0.065_122_448_247,
    ];
    let mut numbers = Numbers(5);
    for (go_backwards, sums, outputs_are_states) in cases {
        let shape = Shape {
            cell: Cell::Lstm,
            batch: 2,
            time: 4,
            features: 2,
            units: 2,
            has_bias: true,
            go_backwards,
            zero_output_for_mask: !outputs_are_states,
        };
        let mask = vec![0, 1, 1, 0, 1, 0, 1, 1];
        let problem = Problem {
            shape,
            x: wave(16, 1.0),
            kernel: wave(16, 2.0),
            recurrent: wave(16, 3.0),
            bias: Some(wave(8, 4.0)),
            mask: Some(mask.clone()),
            hidden: Some(wave(4, 5.0)),
            memory: Some(wave(4, 6.0)),
            output_gradient: Some(wave(16, 7.0)),
            hidden_gradient: Some(vec![1.0; 4]),
            memory_gradient: Some(vec![-1.0; 4]),
        };
        let mut expected = with_states.to_vec();
        expected.extend_from_slice(if go_backwards { &backwards } else { &forwards });
        if !outputs_are_states {
            for row in 0..2 {
                for step in 0..4 {
                    if mask[row * 4 + shape.input_step(step)] == 0 {
                        expected[(row * 4 + step) * 2..][..2].fill(0.0);
                    }
                }
            }
        }
        for isa in Isa::available() {
            let forward = problem.forward(isa, &mut numbers);
            assert_close("outputs", &forward.outputs, &expected, 1e-11);
            let gradients = problem.backward(isa, &forward, &mut numbers);
            for ((name, gradient), expected) in gradients.all().into_iter().zip(sums) {
                let sum: f64 = gradient.iter().zip(wave(gradient.len(), 8.0)).map(|(a, b)| a * b).sum();
                assert!((sum - expected).abs() < 1e-11, "{name}: {sum}, Keras has {expected}");
            }
        }
    }
}
