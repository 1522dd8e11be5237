//! Pooling against naive loops over the windows.

use super::*;
use crate::cpu::gemm::tests::Lcg;

/// Image elements of each output element's window, in order.
fn windows(shape: &PoolShape) -> Vec<Vec<usize>> {
    let of = |axis: &Axis, index: usize| -> Vec<usize> {
        match axis.windows {
            Windows::Sliding { size, stride, padding: (before, _) } => (0..size)
                .filter_map(|k| (index * stride + k).checked_sub(before))
                .filter(|&at| at < axis.length)
                .collect(),
            Windows::Adaptive { count } => {
                let edge = |i: usize| i as f64 * axis.length as f64 / count as f64;
                (edge(index).floor() as usize..edge(index + 1).ceil() as usize).collect()
            }
        }
    };
    let [depth, height, width] = shape.axes.map(|axis| axis.outputs());
    let mut windows = Vec::new();
    for pixel in 0..shape.batch * depth * height * width {
        let [n, z, y, x] =
            [pixel / (depth * height * width), pixel / (height * width) % depth, pixel / width % height, pixel % width];
        for c in 0..shape.channels {
            let mut window = Vec::new();
            for z in of(&shape.axes[0], z) {
                for y in of(&shape.axes[1], y) {
                    for x in of(&shape.axes[2], x) {
                        let at = (n * shape.axes[0].length + z) * shape.axes[1].length + y;
                        window.push((at * shape.axes[2].length + x) * shape.channels + c);
                    }
                }
            }
            windows.push(window);
        }
    }
    windows
}

fn first_maximum(x: &[f64], window: &[usize]) -> Option<usize> {
    let nan = window.iter().copied().find(|&at| x[at].is_nan());
    let greatest = window.iter().map(|&at| x[at]).fold(f64::NEG_INFINITY, f64::max);
    nan.or_else(|| window.iter().copied().find(|&at| x[at] == greatest))
}

fn assert_close<T: Compute>(found: &[T], expected: &[f64], what: &str, isa: Isa, shape: &PoolShape) {
    for (index, (found, &expected)) in found.iter().zip(expected).enumerate() {
        let found = found.to_f64();
        let equal = found == expected || (found - expected).abs() < 1e-5 || (found.is_nan() && expected.is_nan());
        assert!(equal, "{what}: {found} is not {expected} at {index}: {isa:?} {shape:?}");
    }
}

fn check<T: Compute>(shape: &PoolShape, with_nan: bool, random: &mut Lcg) {
    // Few different values: many ties.
    let mut x: Vec<T> = random.halves(shape.input_elements());
    if with_nan {
        x.iter_mut().step_by(5).for_each(|x| *x = T::from_f64(f64::NAN));
    }
    let dy: Vec<T> = random.halves(shape.output_elements());
    let wide: Vec<f64> = x.iter().map(|x| x.to_f64()).collect();
    let v: Vec<T> = random.halves(x.len());
    let (mut max_y, mut average_y, mut selected) = (Vec::new(), Vec::new(), Vec::new());
    let (mut max_dx, mut average_dx) = (vec![0.0; x.len()], vec![0.0; x.len()]);
    for (window, dy) in windows(shape).iter().zip(&dy) {
        let place = first_maximum(&wide, window);
        max_y.push(place.map_or(f64::NEG_INFINITY, |place| wide[place]));
        selected.push(place.map_or(0.0, |place| v[place].to_f64()));
        if let Some(place) = place {
            max_dx[place] += dy.to_f64();
        }
        let count = window.len().max(1) as f64;
        average_y.push(window.iter().map(|&at| wide[at]).sum::<f64>() / count);
        for &at in window {
            average_dx[at] += dy.to_f64() / count;
        }
    }
    let nan = T::from_f64(f64::NAN);
    for isa in Isa::available() {
        let mut y = vec![nan; dy.len()];
        let kernel = MaxPool::new(*shape);
        for chunk in random.shuffled(kernel.chunks()) {
            kernel.run(isa, chunk, &x, Disjoint::new(&mut y));
        }
        assert_close(&y, &max_y, "max", isa, shape);

        let kernel = MaxPoolSelect::new(*shape);
        for chunk in random.shuffled(kernel.chunks()) {
            kernel.run(isa, chunk, &x, &v, Disjoint::new(&mut y));
        }
        assert_close(&y, &selected, "max select", isa, shape);

        let kernel = AveragePool::new(*shape);
        for chunk in random.shuffled(kernel.chunks()) {
            kernel.run(isa, chunk, &x, Disjoint::new(&mut y));
        }
        assert_close(&y, &average_y, "average", isa, shape);

        let mut dx = vec![nan; x.len()];
        let kernel = MaxPoolBackward::new(*shape);
        for chunk in random.shuffled(kernel.chunks()) {
            kernel.run(isa, chunk, &x, &dy, Disjoint::new(&mut dx));
        }
        assert_close(&dx, &max_dx, "max backward", isa, shape);

        check_places(shape, isa, &x, &dy, random);

        let kernel = AveragePoolBackward::new(*shape);
        for chunk in random.shuffled(kernel.chunks()) {
            kernel.run(isa, chunk, &dy, Disjoint::new(&mut dx));
        }
        assert_close(&dx, &average_dx, "average backward", isa, shape);
    }
}

/// By places the same bits come as from `x`; gated ones are those of a relu's derivative.
fn check_places<T: Compute>(shape: &PoolShape, isa: Isa, x: &[T], dy: &[T], random: &mut Lcg) {
    let (mut y, mut places) = (vec![T::ZERO; dy.len()], vec![0; dy.len()]);
    let bits = |values: &[T]| values.iter().map(|value| value.to_f64().to_bits()).collect::<Vec<_>>();
    let mut expected_y = y.clone();
    let kernel = MaxPool::new(*shape);
    for chunk in random.shuffled(kernel.chunks()) {
        kernel.run(isa, chunk, x, Disjoint::new(&mut expected_y));
    }
    let mut expected = vec![T::ZERO; x.len()];
    let kernel = MaxPoolBackward::new(*shape);
    for chunk in random.shuffled(kernel.chunks()) {
        kernel.run(isa, chunk, x, dy, Disjoint::new(&mut expected));
    }
    for gated in [false, true] {
        let kernel = MaxPoolPlaces::new(*shape);
        for chunk in random.shuffled(kernel.chunks()) {
            let wanted = (!gated).then(|| Disjoint::new(&mut y));
            kernel.run(isa, chunk, gated, x, wanted, Disjoint::new(&mut places));
        }
        assert_eq!(bits(&y), bits(&expected_y), "{isa:?} {shape:?}");
        let mut dx = vec![T::from_f64(f64::NAN); x.len()];
        let kernel = MaxPoolPlacesBackward::new(*shape);
        for chunk in random.shuffled(kernel.chunks()) {
            kernel.run(isa, chunk, &places, dy, Disjoint::new(&mut dx));
        }
        if gated {
            for (expected, &x) in expected.iter_mut().zip(x) {
                *expected = if x > T::ZERO { *expected } else { T::ZERO };
            }
        }
        check_sums(shape, isa, &places, dy, &dx, random);
        let positive = |values: &[T]| values.iter().map(|&value| value + T::ZERO).collect::<Vec<_>>();
        assert_eq!(bits(&positive(&dx)), bits(&positive(&expected)), "gated {gated} {isa:?} {shape:?}");
    }
}

/// Each gradient that has a place goes to one pixel, so that both have the same sum.
fn check_sums<T: Compute>(shape: &PoolShape, isa: Isa, places: &[u8], dy: &[T], dx: &[T], random: &mut Lcg) {
    if shape.channels == 0 {
        return;
    }
    let kernel = MaxPoolPlacesSums::new(dy.len() / shape.channels, shape.channels);
    let (mut partial, mut sums) = (vec![T::ZERO; kernel.partial_elements()], vec![T::ZERO; shape.channels]);
    for chunk in random.shuffled(kernel.chunks()) {
        kernel.run(isa, chunk, places, dy, Disjoint::new(&mut partial));
    }
    kernel.finish(isa, &mut sums, &partial);
    for (channel, &sum) in sums.iter().enumerate() {
        let wanted: f64 = dx.chunks_exact(shape.channels).map(|pixel| pixel[channel].to_f64()).sum();
        assert!((sum.to_f64() - wanted).abs() <= 1e-4, "{isa:?} {shape:?}: {sum:?}, not {wanted}");
    }
}

fn any(length: usize, random: &mut Lcg) -> Axis {
    let length = random.below(length);
    if random.below(4) == 0 {
        return Axis { length, windows: Windows::Adaptive { count: random.below(7) } };
    }
    let padding = (random.below(4), random.below(4));
    let windows = Windows::Sliding { size: 1 + random.below(4), stride: 1 + random.below(3), padding };
    Axis { length, windows }
}

#[test]
fn random_geometry() {
    let mut random = Lcg::new(11);
    for case in 0..400 {
        let shape = PoolShape {
            batch: random.below(4),
            axes: [
                if case % 2 == 0 { Axis::ONE } else { any(6, &mut random) },
                any(10, &mut random),
                any(12, &mut random),
            ],
            channels: [0, 1, 3, 16, 20, 33][random.below(6)],
        };
        check::<f32>(&shape, case % 7 == 0, &mut random);
        check::<f64>(&shape, false, &mut random);
    }
}

#[test]
fn many_chunks() {
    let mut random = Lcg::new(12);
    for (size, stride) in [(2, 2), (3, 2), (3, 1), (2, 3)] {
        let axis = |length: usize, padding| Axis { length, windows: Windows::Sliding { size, stride, padding } };
        let image = [Axis::ONE, axis(31, (1, 1)), axis(29, (0, 1))];
        for axes in [image, [axis(9, (1, 0)), axis(12, (0, 1)), axis(7, (0, 0))]] {
            let shape = PoolShape { batch: 3, axes, channels: 32 };
            assert!(MaxPoolBackward::new(shape).chunks() > 1);
            check::<f32>(&shape, false, &mut random);
        }
    }
    let parts = |length: usize, count: usize| Axis { length, windows: Windows::Adaptive { count } };
    let shape = PoolShape { batch: 2, axes: [parts(5, 3), parts(31, 7), parts(29, 9)], channels: 20 };
    assert!(AveragePoolBackward::new(shape).chunks() > 1);
    check::<f64>(&shape, false, &mut random);
}
