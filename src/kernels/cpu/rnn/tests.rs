//! The LSTM against plain loops in double precision, against finite differences and against real Keras.

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
    shape: LstmShape,
    x: Vec<T>,
    kernel: Vec<T>,
    recurrent: Vec<T>,
    bias: Option<Vec<T>>,
    mask: Option<Vec<u8>>,
    hidden: Option<Vec<T>>,
    cell: Option<Vec<T>>,
    output_gradient: Option<Vec<T>>,
    hidden_gradient: Option<Vec<T>>,
    cell_gradient: Option<Vec<T>>,
}

/// All outputs, or all gradients, as vectors.
#[derive(Debug, PartialEq)]
struct Forward<T> {
    outputs: Vec<T>,
    hidden: Vec<T>,
    cell: Vec<T>,
    gates: Vec<T>,
    cells: Vec<T>,
}

#[derive(Debug, PartialEq)]
struct Gradients<T> {
    x: Vec<T>,
    kernel: Vec<T>,
    recurrent: Vec<T>,
    bias: Vec<T>,
    hidden: Vec<T>,
    cell: Vec<T>,
}

impl Gradients<f64> {
    fn all(&self) -> [(&'static str, &Vec<f64>); 6] {
        let Self { x, kernel, recurrent, bias, hidden, cell } = self;
        [("x", x), ("kernel", kernel), ("recurrent", recurrent), ("bias", bias), ("hidden", hidden), ("cell", cell)]
    }
}

impl Problem<f64> {
    /// `options` selects what is present, bit by bit.
    fn random(numbers: &mut Numbers, batch: usize, time: usize, features: usize, units: usize, options: usize) -> Self {
        let bit = |index: usize| options >> index & 1 == 1;
        let shape = LstmShape {
            batch,
            time,
            features,
            units,
            has_bias: bit(0),
            go_backwards: bit(1),
            zero_output_for_mask: bit(2),
        };
        let mut when = |present: bool, count: usize| present.then(|| numbers.values(count, 0.8));
        let bias = when(bit(0), 4 * units);
        let hidden = when(bit(3), batch * units);
        let cell = when(bit(3), batch * units);
        let output_gradient = when(bit(4), batch * time * units);
        let hidden_gradient = when(bit(5) || !bit(4), batch * units);
        let cell_gradient = when(bit(5), batch * units);
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
            kernel: numbers.values(features * 4 * units, scale),
            recurrent: numbers.values(units * 4 * units, scale),
            bias,
            mask,
            hidden,
            cell,
            output_gradient,
            hidden_gradient,
            cell_gradient,
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
            cell: self.cell.as_ref().map(cast),
            output_gradient: self.output_gradient.as_ref().map(cast),
            hidden_gradient: self.hidden_gradient.as_ref().map(cast),
            cell_gradient: self.cell_gradient.as_ref().map(cast),
        }
    }

    /// The definition, in plain loops.
    fn reference(&self) -> Forward<f64> {
        let LstmShape { batch, time, features, units, go_backwards, zero_output_for_mask, .. } = self.shape;
        let sigmoid = |v: f64| 1.0 / (1.0 + (-v).exp());
        let mut out = Forward {
            outputs: vec![0.0; batch * time * units],
            hidden: self.hidden.clone().unwrap_or_else(|| vec![0.0; batch * units]),
            cell: self.cell.clone().unwrap_or_else(|| vec![0.0; batch * units]),
            gates: vec![0.0; batch * time * 4 * units],
            cells: vec![0.0; batch * time * units],
        };
        for row in 0..batch {
            for step in 0..time {
                let at = row * time + if go_backwards { time - 1 - step } else { step };
                let masked = self.mask.as_ref().is_some_and(|mask| mask[at] == 0);
                let saved = row * time + step;
                if !masked {
                    let z: Vec<f64> = (0..4 * units)
                        .map(|column| {
                            let bias = self.bias.as_ref().map_or(0.0, |bias| bias[column]);
                            let x =
                                (0..features).map(|k| self.x[at * features + k] * self.kernel[k * 4 * units + column]);
                            let h = (0..units)
                                .map(|k| out.hidden[row * units + k] * self.recurrent[k * 4 * units + column]);
                            bias + x.sum::<f64>() + h.sum::<f64>()
                        })
                        .collect();
                    for unit in 0..units {
                        let [i, f, g, o] = [0, 1, 2, 3].map(|gate| z[gate * units + unit]);
                        let gates = [sigmoid(i), sigmoid(f), g.tanh(), sigmoid(o)];
                        let cell = &mut out.cell[row * units + unit];
                        *cell = gates[1] * *cell + gates[0] * gates[2];
                        out.hidden[row * units + unit] = gates[3] * cell.tanh();
                        for (gate, value) in gates.into_iter().enumerate() {
                            out.gates[(saved * 4 + gate) * units + unit] = value;
                        }
                    }
                }
                for unit in 0..units {
                    let hidden = out.hidden[row * units + unit];
                    out.outputs[saved * units + unit] = if masked && zero_output_for_mask { 0.0 } else { hidden };
                    out.cells[saved * units + unit] = out.cell[row * units + unit];
                }
            }
        }
        out
    }

    /// What the gradients are gradients of.
    fn loss(&self) -> f64 {
        let out = self.reference();
        let dot = |weights: &Option<Vec<f64>>, values: &[f64]| {
            weights.as_ref().map_or(0.0, |weights| weights.iter().zip(values).map(|(a, b)| a * b).sum())
        };
        dot(&self.output_gradient, &out.outputs)
            + dot(&self.hidden_gradient, &out.hidden)
            + dot(&self.cell_gradient, &out.cell)
    }
}

impl<T: Recurrent> Problem<T> {
    fn inputs(&self) -> LstmInputs<'_, T> {
        LstmInputs {
            x: &self.x,
            mask: self.mask.as_deref(),
            initial_hidden: self.hidden.as_deref(),
            initial_cell: self.cell.as_deref(),
        }
    }

    fn forward(&self, isa: Isa, numbers: &mut Numbers) -> Forward<T> {
        let LstmShape { batch, time, units, .. } = self.shape;
        let nan = |count: usize| vec![T::from_f64(f64::NAN); count];
        let mut out = Forward {
            outputs: nan(batch * time * units),
            hidden: nan(batch * units),
            cell: nan(batch * units),
            gates: nan(batch * time * 4 * units),
            cells: nan(batch * time * units),
        };
        let kernel = Lstm::new(self.shape);
        let mut scratch = nan(kernel.scratch::<T>() / size_of::<T>());
        let scratch = Disjoint::new(&mut scratch);
        for chunk in numbers.order(kernel.prepare_chunks()) {
            kernel.prepare(chunk, &self.kernel, &self.recurrent, self.bias.as_deref(), scratch);
        }
        let outputs = LstmOutputs {
            outputs: Some(Disjoint::new(&mut out.outputs)),
            last_hidden: Some(Disjoint::new(&mut out.hidden)),
            last_cell: Some(Disjoint::new(&mut out.cell)),
            gates: Some(Disjoint::new(&mut out.gates)),
            cells: Some(Disjoint::new(&mut out.cells)),
        };
        for chunk in numbers.order(kernel.chunks()) {
            kernel.run(isa, chunk, &self.inputs(), &outputs, scratch);
        }
        out
    }

    fn backward(&self, isa: Isa, forward: &Forward<T>, numbers: &mut Numbers) -> Gradients<T> {
        let LstmShape { batch, time, features, units, has_bias, .. } = self.shape;
        let nan = |count: usize| vec![T::from_f64(f64::NAN); count];
        let mut out = Gradients {
            x: nan(batch * time * features),
            kernel: nan(features * 4 * units),
            recurrent: nan(units * 4 * units),
            bias: nan(if has_bias { 4 * units } else { 0 }),
            hidden: nan(batch * units),
            cell: nan(batch * units),
        };
        let kernel = LstmBackward::new(self.shape);
        let mut scratch = nan(kernel.scratch::<T>() / size_of::<T>());
        let scratch = Disjoint::new(&mut scratch);
        for chunk in numbers.order(kernel.prepare_chunks()) {
            kernel.prepare(isa, chunk, &self.kernel, &self.recurrent, scratch);
        }
        let saved = LstmSaved {
            outputs: &forward.outputs,
            gates: &forward.gates,
            cells: &forward.cells,
            output_gradient: self.output_gradient.as_deref(),
            last_hidden_gradient: self.hidden_gradient.as_deref(),
            last_cell_gradient: self.cell_gradient.as_deref(),
        };
        let gradients = LstmGradients {
            x: Some(Disjoint::new(&mut out.x)),
            initial_hidden: Some(Disjoint::new(&mut out.hidden)),
            initial_cell: Some(Disjoint::new(&mut out.cell)),
        };
        for chunk in numbers.order(kernel.chunks()) {
            kernel.run(isa, chunk, &self.inputs(), &saved, &gradients, scratch);
        }
        let gradients = LstmWeightGradients {
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

/// batch, time, features, units
const SHAPES: [[usize; 4]; 13] = [
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
];

fn check_forward<T: Recurrent>(tolerance: f64) {
    let mut numbers = Numbers(1);
    for (case, [batch, time, features, units]) in SHAPES.into_iter().enumerate() {
        for round in 0..5 {
            let options = case * 37 + round * 53 + round;
            let problem = Problem::random(&mut numbers, batch, time, features, units, options);
            let expected = problem.reference();
            let problem = problem.cast::<T>();
            for isa in Isa::available() {
                let found = problem.forward(isa, &mut numbers);
                assert_close("outputs", &found.outputs, &expected.outputs, tolerance);
                assert_close("hidden", &found.hidden, &expected.hidden, tolerance);
                assert_close("cell", &found.cell, &expected.cell, tolerance);
                assert_close("gates", &found.gates, &expected.gates, tolerance);
                assert_close("cells", &found.cells, &expected.cells, tolerance);
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
    for options in 0..128 {
        let [batch, time, features, units] = [[2, 3, 2, 3], [3, 4, 1, 2], [7, 5, 3, 2]][options % 3];
        let problem = Problem::random(&mut numbers, batch, time, features, units, options);
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
                        _ => p.cell.get_or_insert_with(|| vec![0.0; batch * units]),
                    };
                    target[at] += step;
                });
                assert!((value - expected).abs() < 1e-8, "{options:b} {name}[{at}]: {value}, {expected}");
            }
        }
    }
}

/// Larger shapes: every instruction set and type against the portable path in double precision, which the finite
/// differences vouch for.
#[test]
fn gradients_agree_on_every_path() {
    let mut numbers = Numbers(3);
    for (case, [batch, time, features, units]) in SHAPES.into_iter().enumerate() {
        for round in 0..4 {
            let options = case * 37 + round * 53 + round;
            let problem = Problem::random(&mut numbers, batch, time, features, units, options);
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
                assert_close("cell", &found.cell, &expected.cell, 1e-5);
            }
        }
    }
}

/// A row's result does not depend on the batch around it.
#[test]
fn batch_of_one_has_the_bits_of_many() {
    let mut numbers = Numbers(4);
    let problem = Problem::random(&mut numbers, 14, 6, 10, 21, 0b100_1001).cast::<f32>();
    let LstmShape { batch, time, features, units, .. } = problem.shape;
    for isa in Isa::available() {
        let together = problem.forward(isa, &mut numbers);
        for row in 0..batch {
            let mut alone = problem.clone();
            alone.shape.batch = 1;
            alone.x = problem.x[row * time * features..(row + 1) * time * features].to_vec();
            alone.mask = problem.mask.as_ref().map(|mask| mask[row * time..(row + 1) * time].to_vec());
            alone.hidden = problem.hidden.as_ref().map(|h| h[row * units..(row + 1) * units].to_vec());
            alone.cell = problem.cell.as_ref().map(|c| c[row * units..(row + 1) * units].to_vec());
            let alone = alone.forward(isa, &mut numbers);
            assert!(alone.outputs == together.outputs[row * time * units..(row + 1) * time * units]);
        }
    }
}

#[test]
fn scratch_is_bounded() {
    let shape = LstmShape {
        batch: 4096,
        time: 100,
        features: 1024,
        units: 1024,
        has_bias: true,
        go_backwards: false,
        zero_output_for_mask: false,
    };
    let kernel = LstmBackward::new(shape);
    assert_eq!(kernel.chunks(), 2);
    assert!(LstmBackward::new(LstmShape { features: 64, units: 64, ..shape }).chunks() > 8);
    assert!(Lstm::new(shape).chunks() > 16);
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
        let shape = LstmShape {
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
            cell: Some(wave(4, 6.0)),
            output_gradient: Some(wave(16, 7.0)),
            hidden_gradient: Some(vec![1.0; 4]),
            cell_gradient: Some(vec![-1.0; 4]),
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
