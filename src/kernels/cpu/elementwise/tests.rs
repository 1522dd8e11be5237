use super::element::Storage;
use super::{Element, Elementwise, Family, Literal, Program, Scalar};
use crate::cpu::cast::convert;
use crate::cpu::error_function;
use crate::cpu::simd::Isa;

/// A small linear congruential generator.
struct Lcg(u64);
impl Lcg {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }
    fn below(&mut self, bound: usize) -> usize {
        self.next() as usize % bound
    }
}

/// Elements of one type, eight bytes of room each, aligned for any.
struct Array {
    element: Element,
    room: Vec<u64>,
    length: usize,
}
impl Array {
    fn new(element: Element, values: &[f64]) -> Self {
        let mut room = vec![0u64; values.len()];
        // SAFETY: eight bytes an element are room for any type.
        unsafe { convert(Element::F64, element, values.as_ptr().cast(), room.as_mut_ptr().cast(), values.len()) };
        Self { element, room, length: values.len() }
    }
    fn empty(element: Element, length: usize) -> Self {
        Self { element, room: vec![0xa5a5_a5a5_a5a5_a5a5; length], length }
    }
    fn values(&self) -> Vec<f64> {
        let mut values = vec![0.0f64; self.length];
        // SAFETY: `room` holds `length` elements.
        unsafe {
            convert(self.element, Element::F64, self.room.as_ptr().cast(), values.as_mut_ptr().cast(), self.length);
        };
        values
    }
    fn pointer(&self) -> *const u8 {
        self.room.as_ptr().cast()
    }
}

fn run(kernel: &Elementwise, isa: Isa, inputs: &[*const u8], outputs: &[*mut u8]) {
    let chunks = kernel.chunks();
    // Odd chunks first, then the even ones backwards.
    let order = (0..chunks).filter(|c| c % 2 == 1).chain((0..chunks).rev().filter(|c| c % 2 == 0));
    for chunk in order {
        // SAFETY: the tests pass arrays as long as their geometry says.
        unsafe { kernel.run(isa, chunk, inputs, outputs) };
    }
}

fn contiguous(shape: &[usize]) -> Vec<isize> {
    let mut strides = vec![1isize; shape.len()];
    for axis in (0..shape.len().saturating_sub(1)).rev() {
        strides[axis] = strides[axis + 1] * shape[axis + 1] as isize;
    }
    strides
}

fn modulo(x: f64, y: f64) -> f64 {
    x - y * (x / y).floor()
}

fn reference(op: Scalar, x: f64, y: f64, z: f64) -> f64 {
    let truth = f64::from;
    match op {
        Scalar::Negative => -x,
        Scalar::Absolute => x.abs(),
        Scalar::Sign => truth(i8::from(x > 0.0) - i8::from(x < 0.0)),
        Scalar::Square => x * x,
        Scalar::Relu => x.max(0.0),
        Scalar::Relu6 => x.clamp(0.0, 6.0),
        Scalar::Sqrt => x.sqrt(),
        Scalar::Rsqrt => 1.0 / x.sqrt(),
        Scalar::Reciprocal => 1.0 / x,
        Scalar::Exp => x.exp(),
        Scalar::Expm1 => x.exp_m1(),
        Scalar::Log => x.ln(),
        Scalar::Log1p => x.ln_1p(),
        Scalar::Log2 => x.log2(),
        Scalar::Log10 => x.log10(),
        Scalar::Sin => x.sin(),
        Scalar::Cos => x.cos(),
        Scalar::Tan => x.tan(),
        Scalar::Exp2 => x.exp2(),
        Scalar::Cbrt => x.cbrt(),
        Scalar::Arcsin => x.asin(),
        Scalar::Arccos => x.acos(),
        Scalar::Arctan => x.atan(),
        Scalar::Sinh => x.sinh(),
        Scalar::Cosh => x.cosh(),
        Scalar::Arcsinh => x.asinh(),
        Scalar::Arccosh => x.acosh(),
        Scalar::Arctanh => x.atanh(),
        Scalar::Tanh => x.tanh(),
        Scalar::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Scalar::Softplus => x.exp().ln_1p(),
        // By its series.
        Scalar::Erf => {
            let (mut term, mut sum) = (x, x);
            for n in 1..60 {
                term *= 2.0 * x * x / f64::from(2 * n + 1);
                sum += term;
            }
            std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp() * sum
        }
        Scalar::Erfc => error_function::erfc(x),
        // Its inverse is tested where it is written.
        Scalar::Erfinv => error_function::erfinv(x),
        // By their series.
        Scalar::I0 | Scalar::I1 => {
            let order = if op == Scalar::I0 { 0.0 } else { 1.0 };
            let mut term = if op == Scalar::I0 { 1.0 } else { 0.5 * x };
            let mut sum = term;
            for k in 1..40 {
                term *= 0.25 * x * x / (f64::from(k) * (f64::from(k) + order));
                sum += term;
            }
            sum
        }
        Scalar::Trunc => x.trunc(),
        Scalar::Floor => x.floor(),
        Scalar::Ceil => x.ceil(),
        Scalar::Round => x.round_ties_even(),
        Scalar::IsNan => truth(i8::from(x.is_nan())),
        Scalar::IsInf => truth(i8::from(x.is_infinite())),
        Scalar::IsFinite => truth(i8::from(x.is_finite())),
        Scalar::SignBit => truth(i8::from(x.is_sign_negative())),
        Scalar::Fmod => x % y,
        Scalar::Hypot => x.hypot(y),
        Scalar::LogAddExp => (x.exp() + y.exp()).ln(),
        // Within the tolerance; exactly where it is written.
        Scalar::NextAfter => x,
        Scalar::BitwiseAnd => (x as i64 & y as i64) as f64,
        Scalar::BitwiseOr => (x as i64 | y as i64) as f64,
        Scalar::BitwiseXor => (x as i64 ^ y as i64) as f64,
        Scalar::LeftShift => (x as i64 * (1 << y as i64)) as f64,
        Scalar::RightShift => (x as i64 >> y as i64) as f64,
        Scalar::Gcd => (1..=3).rev().find(|&n| x as i64 % n == 0 && y as i64 % n == 0).unwrap_or(1) as f64,
        Scalar::Lcm => (1..=9).find(|&n| n % x as i64 == 0 && n % y as i64 == 0).unwrap_or(1) as f64,
        Scalar::Add => x + y,
        Scalar::Subtract => x - y,
        Scalar::Multiply => x * y,
        Scalar::FloorDivide => (x / y).floor(),
        Scalar::Modulo => modulo(x, y),
        Scalar::Power => x.powf(y),
        Scalar::ReluGradient => {
            if x > 0.0 {
                y
            } else {
                0.0
            }
        }
        Scalar::Relu6Gradient => {
            if x > 0.0 && x < 6.0 {
                y
            } else {
                0.0
            }
        }
        Scalar::Maximum => x.max(y),
        Scalar::Minimum => x.min(y),
        Scalar::Divide => x / y,
        Scalar::Arctan2 => x.atan2(y),
        Scalar::Equal => truth(i8::from(x == y)),
        Scalar::NotEqual => truth(i8::from(x != y)),
        Scalar::Less => truth(i8::from(x < y)),
        Scalar::LessEqual => truth(i8::from(x <= y)),
        Scalar::Greater => truth(i8::from(x > y)),
        Scalar::GreaterEqual => truth(i8::from(x >= y)),
        Scalar::LogicalNot => truth(i8::from(x == 0.0)),
        Scalar::LogicalAnd => truth(i8::from(x != 0.0 && y != 0.0)),
        Scalar::LogicalOr => truth(i8::from(x != 0.0 || y != 0.0)),
        Scalar::LogicalXor => truth(i8::from((x != 0.0) != (y != 0.0))),
        Scalar::Select => {
            if x == 0.0 {
                z
            } else {
                y
            }
        }
    }
}

/// Small numbers, so that no integer type overflows: what wraps is tested apart.
fn sample(random: &mut Lcg, op: Scalar, element: Element, length: usize) -> Vec<f64> {
    let signed = !matches!(element, Element::Bool | Element::U8 | Element::U16 | Element::U32 | Element::U64);
    let positive = matches!(
        op,
        Scalar::Sqrt
            | Scalar::Rsqrt
            | Scalar::Reciprocal
            | Scalar::Log
            | Scalar::Log1p
            | Scalar::Log2
            | Scalar::Log10
            | Scalar::Power
            | Scalar::Divide
            | Scalar::FloorDivide
            | Scalar::Modulo
            | Scalar::Fmod
            | Scalar::Arccosh
            | Scalar::LeftShift
            | Scalar::RightShift
            | Scalar::Subtract
    );
    (0..length)
        .map(|_| {
            if element == Element::Bool {
                return random.below(2) as f64;
            }
            if !element.is_float() {
                let value = if op == Scalar::Subtract { 7 + random.below(3) } else { 1 + random.below(3) } as f64;
                return if signed && !positive && random.below(2) == 0 { -value } else { value };
            }
            // Multiples of 1/64 are exact in every float type.
            let limit =
                if matches!(op, Scalar::Arcsin | Scalar::Arccos | Scalar::Arctanh | Scalar::Erfinv) { 60 } else { 192 };
            let value = (1 + random.below(limit)) as f64 / 64.0 + if op == Scalar::Arccosh { 1.0 } else { 0.0 };
            if !positive && random.below(2) == 0 { -value } else { value }
        })
        .collect()
}

#[test]
fn every_instruction_on_every_type() {
    let mut random = Lcg(1);
    for &op in Scalar::ALL {
        for element in Element::ALL.into_iter().filter(|&element| op.accepts(element)) {
            for length in [1, 37, 2500] {
                let types = if op == Scalar::Select {
                    vec![Element::Bool, element, element]
                } else {
                    vec![element; op.arity()]
                };
                let mut program = Program::default();
                let registers: Vec<_> = types.iter().map(|&element| program.operand(element)).collect();
                let result = program.apply(op, &registers).unwrap();
                let stored = if program.element(result) == Element::Bool { Element::Bool } else { element };
                program.output(result, stored).unwrap();
                let sampled =
                    types.iter().map(|&element| Array::new(element, &sample(&mut random, op, element, length)));
                let mut arrays: Vec<Array> = sampled.collect();
                // Unsigned differences stay positive.
                if op == Scalar::Subtract && !element.is_float() {
                    let values = sample(&mut random, Scalar::Add, element, length);
                    arrays[1] = Array::new(element, &values.iter().map(|v| v.abs()).collect::<Vec<_>>());
                }
                let inputs: Vec<Vec<f64>> = arrays.iter().map(Array::values).collect();
                let kernel = Elementwise::new(program, &[length], &vec![vec![1]; types.len()]).unwrap();
                for isa in Isa::available() {
                    let mut output = Array::empty(stored, length);
                    let pointers: Vec<_> = arrays.iter().map(Array::pointer).collect();
                    run(&kernel, isa, &pointers, &[output.room.as_mut_ptr().cast()]);
                    for (i, actual) in output.values().into_iter().enumerate() {
                        let at = |k: usize| inputs.get(k).map_or(0.0, |values| values[i]);
                        let exact = reference(op, at(0), at(1), at(2));
                        // The negative of an unsigned integer wraps.
                        let exact =
                            if op == Scalar::Negative && !element.is_float() && at(0) > 0.0 && stored < Element::I8 {
                                2f64.powi(8 * stored.size() as i32) + exact
                            } else {
                                exact
                            };
                        let expected = Array::new(stored, &[exact]).values()[0];
                        let tolerance = match stored {
                            Element::F64 => 1e-14,
                            Element::F32 => 1e-6,
                            Element::F16 => 1e-3,
                            Element::Bf16 => 8e-3,
                            _ => 0.0,
                        };
                        assert!(
                            (actual - expected).abs() <= tolerance * expected.abs().max(1.0),
                            "{isa:?} {} on {}: {:?} gives {actual}, expected {expected}",
                            op.name(),
                            element.name(),
                            [at(0), at(1), at(2)],
                        );
                    }
                }
            }
        }
    }
}

/// One instruction on the given numbers, on every instruction set.
fn apply<T: Storage + PartialEq + std::fmt::Debug>(op: Scalar, x: &[T], y: &[T]) -> Vec<T> {
    let element = T::ELEMENT;
    let mut program = Program::default();
    let a = program.operand(element);
    let b = program.operand(element);
    let result = if op.arity() == 1 { program.apply(op, &[a]) } else { program.apply(op, &[a, b]) }.unwrap();
    program.output(result, element).unwrap();
    let kernel = Elementwise::new(program, &[x.len()], &[vec![1], vec![1]]).unwrap();
    let mut results: Vec<Vec<T>> = Vec::new();
    for isa in Isa::available() {
        let mut output = vec![T::default(); x.len()];
        run(&kernel, isa, &[x.as_ptr().cast(), y.as_ptr().cast()], &[output.as_mut_ptr().cast()]);
        results.push(output);
    }
    results.pop().unwrap()
}

#[test]
fn integers_wrap_and_divide_like_python() {
    let x = [7i32, -7, 7, -7, i32::MIN, 5, 0];
    let y = [2i32, 2, -2, -2, -1, 0, 3];
    assert_eq!(apply(Scalar::FloorDivide, &x, &y), [3, -4, -4, 3, i32::MIN, 0, 0]);
    assert_eq!(apply(Scalar::Modulo, &x, &y), [1, 1, -1, -1, 0, 0, 0]);
    assert_eq!(apply(Scalar::Add, &[250u8, 1], &[10, 1]), [4, 2]);
    assert_eq!(apply(Scalar::Multiply, &[i64::MAX, 3], &[2, -3]), [-2, -9]);
    assert_eq!(apply(Scalar::Power, &[-3i32, 2, -1, 0, 2, 5], &[3, 10, -3, 0, -1, 0]), [-27, 1024, -1, 1, 0, 1]);
    assert_eq!(apply(Scalar::FloorDivide, &[7u16, 7], &[0, 2]), [0, 3]);
}

#[test]
fn integers_as_bits() {
    assert_eq!(apply(Scalar::LeftShift, &[1i8, 1, -1, 1, 3], &[7, 8, 1, -1, 6]), [-128, 0, -2, 0, -64]);
    assert_eq!(apply(Scalar::RightShift, &[-8i32, -8, 8, 8, -1], &[1, 40, 40, -1, 31]), [-4, -1, 0, 0, -1]);
    assert_eq!(apply(Scalar::RightShift, &[200u8, 200, 200], &[3, 8, 255]), [25, 0, 0]);
    assert_eq!(apply(Scalar::Gcd, &[12i64, -12, 0, 0, 7], &[18, 18, 5, 0, 3]), [6, 6, 5, 0, 1]);
    assert_eq!(apply(Scalar::Lcm, &[4u16, 0, 6], &[6, 3, 6]), [12, 0, 6]);
    assert_eq!(apply(Scalar::Lcm, &[-4i32, 4], &[6, -6]), [12, 12]);
    assert_eq!(apply(Scalar::Fmod, &[-7i32, 7, 5, i32::MIN], &[2, -2, 0, -1]), [-1, 1, 5, 0]);
}

/// Beyond the reach of the vectorised reduction, in a block with others.
#[test]
fn angles_of_any_size() {
    let x: Vec<f32> = (0..300).map(|i| if i % 7 == 3 { 1.7f32.powi(i % 160) * 1e6 } else { i as f32 * 0.37 }).collect();
    for (op, exact) in [(Scalar::Sin, f64::sin as fn(f64) -> f64), (Scalar::Cos, f64::cos), (Scalar::Tan, f64::tan)] {
        for (&x, y) in x.iter().zip(apply(op, &x, &x)) {
            let exact = exact(f64::from(x)) as f32;
            assert!((y - exact).abs() <= 2.4e-7 * exact.abs() || exact.is_nan() && y.is_nan(), "{op:?} {x:e}: {y:e}");
        }
    }
}

#[test]
fn floats_follow_numpy_at_the_edges() {
    let nan = f32::NAN;
    let same = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| a == b || (a.is_nan() && b.is_nan()));
    let x = [nan, 1.0, nan, 2.0];
    let y = [1.0, nan, nan, 3.0];
    assert!(same(&apply(Scalar::Maximum, &x, &y), &[nan, nan, nan, 3.0]));
    assert!(same(&apply(Scalar::Minimum, &x, &y), &[nan, nan, nan, 2.0]));
    assert!(same(&apply(Scalar::Relu, &[nan, -1.0, 2.0], &[0.0; 3]), &[nan, 0.0, 2.0]));
    assert!(same(&apply(Scalar::Sign, &[nan, -4.0, 0.0], &[0.0; 3]), &[nan, -1.0, 0.0]));
    assert_eq!(apply(Scalar::Round, &[0.5f32, 1.5, 2.5, -0.5], &[0.0; 4]), [0.0, 2.0, 2.0, -0.0]);
    let quotients = apply(Scalar::FloorDivide, &[-7.5, 7.5, 1.0, -1.0, 0.3], &[2.0, -2.0, 0.0, 0.0, 0.1]);
    assert_eq!(quotients, [-4.0, -4.0, f64::INFINITY, f64::NEG_INFINITY, 2.0]);
    assert_eq!(apply(Scalar::Modulo, &[-7.5, 7.5, 7.5], &[2.0, -2.0, 2.0]), [0.5, -0.5, 1.5]);
    assert_eq!(apply(Scalar::Fmod, &[-7.5, 7.5, 7.5], &[2.0, -2.0, 2.0]), [-1.5, 1.5, 1.5]);
}

#[test]
fn operands_of_any_strides() {
    let mut random = Lcg(5);
    for case in 0..300 {
        let axes = 1 + random.below(4);
        let limit = if case % 10 == 0 { 40 } else { 7 };
        let shape: Vec<usize> = (0..axes).map(|_| 1 + random.below(limit)).collect();
        let shape = if case % 17 == 0 { [&[900], &shape[..]].concat() } else { shape };
        let elements: usize = shape.iter().product();
        let types = [[Element::F32, Element::F32], [Element::F16, Element::F32], [Element::F32, Element::Bf16]];
        let types = types[case % 3];
        let mut program = Program::default();
        let x = program.operand(types[0]);
        let y = program.operand(types[1]);
        let difference = program.apply(Scalar::Subtract, &[x, y]).unwrap();
        program.output(difference, Element::F32).unwrap();
        let (mut arrays, mut strides, mut origins) = (Vec::new(), Vec::new(), Vec::new());
        for &element in &types {
            // A random order of axes, some broadcast, some reversed, sometimes with a gap.
            let mut order: Vec<usize> = (0..shape.len()).collect();
            if random.below(2) == 0 {
                for i in (1..order.len()).rev() {
                    order.swap(i, random.below(i + 1));
                }
            }
            let (mut stride, mut origin) = (1 + random.below(5) / 4, 0);
            let mut own = vec![0isize; shape.len()];
            for &axis in order.iter().rev() {
                match random.below(5) {
                    0 => {}
                    1 => {
                        own[axis] = -(stride as isize);
                        origin += stride * (shape[axis] - 1);
                        stride *= shape[axis];
                    }
                    _ => {
                        own[axis] = stride as isize;
                        stride *= shape[axis];
                    }
                }
            }
            let values: Vec<f64> = (0..stride).map(|i| (i % 199) as f64 - 99.0).collect();
            arrays.push(Array::new(element, &values));
            strides.push(own);
            origins.push(origin);
        }
        let kernel = Elementwise::new(program, &shape, &strides).unwrap();
        let inputs: Vec<Vec<f64>> = arrays.iter().map(Array::values).collect();
        for isa in Isa::available() {
            let mut output = vec![f32::NAN; elements];
            let pointers: Vec<*const u8> = (0..2)
                // SAFETY: the origin lies in the array.
                .map(|k| unsafe { arrays[k].pointer().add(origins[k] * types[k].size()) })
                .collect();
            run(&kernel, isa, &pointers, &[output.as_mut_ptr().cast()]);
            for (flat, &actual) in output.iter().enumerate() {
                let mut rest = flat;
                let mut offsets = [origins[0] as isize, origins[1] as isize];
                for axis in (0..shape.len()).rev() {
                    let index = rest % shape[axis];
                    rest /= shape[axis];
                    for k in 0..2 {
                        offsets[k] += index as isize * strides[k][axis];
                    }
                }
                let expected = inputs[0][offsets[0] as usize] - inputs[1][offsets[1] as usize];
                assert_eq!(f64::from(actual), expected, "{shape:?} {strides:?} at {flat}");
            }
        }
    }
}

/// A random program of exact instructions on small integers, evaluated in two ways.
#[test]
fn chains_keep_their_meaning() {
    let mut random = Lcg(11);
    for case in 0..200 {
        let element = [Element::F32, Element::F64, Element::I32, Element::I64, Element::I16][case % 5];
        let rows = 1 + random.below(90);
        let columns = 1 + random.below(50);
        let elements = rows * columns;
        let mut program = Program::default();
        let (mut registers, mut wanted) = (Vec::new(), Vec::<Vec<f64>>::new());
        let (mut arrays, mut strides) = (Vec::new(), Vec::new());
        for _ in 0..=random.below(4) {
            let own = [vec![columns as isize, 1], vec![0, 1], vec![1, 0], vec![0, 0]][random.below(4)].clone();
            let values: Vec<f64> = (0..elements).map(|_| random.below(7) as f64 - 3.0).collect();
            let broadcast =
                (0..elements).map(|i| values[i / columns * own[0] as usize + i % columns * own[1] as usize]);
            wanted.push(broadcast.collect());
            registers.push(program.operand(element));
            arrays.push(Array::new(element, &values));
            strides.push(own);
        }
        registers.push(program.constant(element, Literal::Integer(2)));
        wanted.push(vec![2.0; elements]);
        for _ in 0..=random.below(25) {
            let (i, j) = (random.below(registers.len()), random.below(registers.len()));
            let op = [Scalar::Add, Scalar::Subtract, Scalar::Maximum, Scalar::Minimum, Scalar::Negative, Scalar::Sign]
                [random.below(6)];
            if random.below(6) == 0 {
                let condition = program.apply(Scalar::Less, &[registers[i], registers[j]]).unwrap();
                registers.push(program.apply(Scalar::Select, &[condition, registers[j], registers[i]]).unwrap());
                wanted.push(
                    (0..elements)
                        .map(|k| if wanted[i][k] < wanted[j][k] { wanted[j][k] } else { wanted[i][k] })
                        .collect(),
                );
                continue;
            }
            let inputs = [registers[i], registers[j]];
            let result = program.apply(op, &inputs[..op.arity()]).unwrap();
            let values: Vec<f64> = (0..elements).map(|k| reference(op, wanted[i][k], wanted[j][k], 0.0)).collect();
            if values.iter().any(|v| v.abs() > 10_000.0) {
                break;
            }
            registers.push(result);
            wanted.push(values);
        }
        let outputs: Vec<usize> =
            (0..=random.below(3)).map(|_| random.below(registers.len())).chain([registers.len() - 1]).collect();
        for &output in &outputs {
            program.output(registers[output], element).unwrap();
        }
        let kernel = Elementwise::new(program, &[rows, columns], &strides).unwrap();
        for isa in Isa::available() {
            let mut stores: Vec<Array> = outputs.iter().map(|_| Array::empty(element, elements)).collect();
            let pointers: Vec<_> = arrays.iter().map(Array::pointer).collect();
            let to: Vec<*mut u8> = stores.iter_mut().map(|store| store.room.as_mut_ptr().cast()).collect();
            run(&kernel, isa, &pointers, &to);
            for (store, &output) in stores.iter().zip(&outputs) {
                assert_eq!(store.values(), wanted[output], "case {case}");
            }
        }
    }
}

#[test]
fn outputs_may_overwrite_inputs() {
    let length = 5000;
    let mut program = Program::default();
    let x = program.operand(Element::F32);
    let y = program.operand(Element::F32);
    let sum = program.apply(Scalar::Add, &[x, y]).unwrap();
    let product = program.apply(Scalar::Multiply, &[x, sum]).unwrap();
    program.output(sum, Element::F32).unwrap();
    program.output(product, Element::F32).unwrap();
    program.output(y, Element::F32).unwrap();
    let kernel = Elementwise::new(program, &[length], &[vec![1], vec![1]]).unwrap();
    for isa in Isa::available() {
        let mut a: Vec<f32> = (0..length).map(|i| i as f32).collect();
        let mut b = vec![2.0f32; length];
        let mut c = vec![0.0f32; length];
        let (pa, pb) = (a.as_mut_ptr(), b.as_mut_ptr());
        run(&kernel, isa, &[pa.cast(), pb.cast()], &[pb.cast(), pa.cast(), c.as_mut_ptr().cast()]);
        for i in 0..length {
            let x = i as f32;
            assert_eq!((b[i], a[i], c[i]), (x + 2.0, x * (x + 2.0), 2.0));
        }
    }
}

#[test]
fn casts_constants_and_rounding() {
    let mut program = Program::default();
    let x = program.operand(Element::U8);
    let real = program.cast(x, Element::F32);
    let scale = program.constant(Element::F32, Literal::Float(1.0 / 255.0));
    let scaled = program.apply(Scalar::Multiply, &[real, scale]).unwrap();
    let rounded = program.cast(scaled, Element::Bf16);
    program.output(scaled, Element::F16).unwrap();
    program.output(rounded, Element::F32).unwrap();
    program.output(x, Element::U8).unwrap();
    let pixels: Vec<u8> = (0..3000).map(|i| (i % 256) as u8).collect();
    let kernel = Elementwise::new(program, &[3000], &[vec![1]]).unwrap();
    let (mut halves, mut brains, mut copy) = (vec![0u16; 3000], vec![0f32; 3000], vec![0u8; 3000]);
    run(
        &kernel,
        Isa::active(),
        &[pixels.as_ptr()],
        &[halves.as_mut_ptr().cast(), brains.as_mut_ptr().cast(), copy.as_mut_ptr()],
    );
    assert_eq!(copy, pixels);
    for i in 0..3000 {
        let value = f32::from(pixels[i]) * (1.0f32 / 255.0);
        assert_eq!(halves[i], half::f16::from_f32(value).to_bits());
        assert_eq!(brains[i], half::bf16::from_f32(value).to_f32());
    }
}

#[test]
fn nothing_to_do() {
    for shape in [vec![0], vec![3, 0, 2], vec![0, 0]] {
        let mut program = Program::default();
        let x = program.operand(Element::F32);
        let y = program.apply(Scalar::Exp, &[x]).unwrap();
        program.output(y, Element::F32).unwrap();
        let kernel = Elementwise::new(program, &shape, &[contiguous(&shape)]).unwrap();
        assert_eq!((kernel.chunks(), kernel.elements()), (1, 0));
        run(&kernel, Isa::active(), &[std::ptr::null()], &[std::ptr::null_mut()]);
    }
}

#[test]
fn errors_say_what_is_wrong() {
    let mut program = Program::default();
    let x = program.operand(Element::I32);
    let y = program.operand(Element::F32);
    let message = |result: Result<_, String>| result.err().unwrap();
    assert_eq!(message(program.apply(Scalar::Exp, &[x]).map(drop)), "exp is not defined on int32; cast the input");
    assert_eq!(
        message(program.apply(Scalar::Add, &[x, y]).map(drop)),
        "add: the inputs are int32 and float32; cast one"
    );
    assert_eq!(message(program.apply(Scalar::Add, &[x]).map(drop)), "add takes 2 inputs, but got 1");
    assert_eq!(
        message(program.apply(Scalar::Select, &[y, x, x]).map(drop)),
        "select: the condition is float32, but must be bool"
    );
    assert_eq!(message(program.output(y, Element::I32)), "a float32 value cannot be stored as int32; cast it");
    assert_eq!(message(Elementwise::new(program, &[2], &[vec![1]]).map(drop)), "the program has 2 operands, but got 1");
}

#[test]
fn families_have_names_and_arities() {
    let mut names: Vec<_> = Scalar::ALL.iter().map(|op| op.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Scalar::ALL.len());
    assert!(Scalar::ALL.iter().all(|op| (op.arity() == 3) == (op.family() == Family::Select)));
}
