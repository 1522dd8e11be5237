//! Sorting, searching, running along an axis; elements, rows and boxes at places known when the program runs.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Numbers, array, check_gradients, doubles};
use ironhorn_engine::core::{Array, DType, Dim, Error, Shape, Spec};
use ironhorn_engine::ops::index::dynamic_slice::{DynamicSlice, SliceUpdate};
use ironhorn_engine::ops::index::places::{GatherNd, ScatterKind, ScatterNd};
use ironhorn_engine::ops::index::take_along::{TakeAlong, TakeAlongGrad};
use ironhorn_engine::ops::math::cast::Cast;
use ironhorn_engine::ops::order::cumulate::{Cumulate, CumulateKind};
use ironhorn_engine::ops::order::linear_recurrence::LinearRecurrence;
use ironhorn_engine::ops::order::search_sorted::SearchSorted;
use ironhorn_engine::ops::order::sort::Sort;
use ironhorn_engine::ops::order::top_k::TopK;
use ironhorn_engine::ops::{Graph, Op, Value};
use ironhorn_engine::program::evaluate::evaluate_op;

const KINDS: [ScatterKind; 5] =
    [ScatterKind::Set, ScatterKind::Add, ScatterKind::Max, ScatterKind::Min, ScatterKind::Mul];

#[test]
fn every_type_is_sorted() {
    let x = array(&[2, 3], &[3f64, 1., 2., 0., 5., 5.]);
    for dtype in DType::ALL {
        let x = evaluate_op(&Cast { dtype }.into(), std::slice::from_ref(&x)).unwrap().remove(0);
        let sorted = evaluate_op(&Sort { axis: -1 }.into(), std::slice::from_ref(&x)).unwrap();
        let top = evaluate_op(&TopK { k: 2 }.into(), std::slice::from_ref(&x)).unwrap();
        assert_eq!((sorted[0].dtype(), sorted[1].dtype()), (dtype, DType::Int32));
        if dtype == DType::Bool {
            assert_eq!(doubles(&sorted[1]), [0., 1., 2., 0., 1., 2.]);
            continue;
        }
        assert_eq!(doubles(&sorted[0]), [1., 2., 3., 0., 5., 5.], "{dtype}");
        assert_eq!(doubles(&sorted[1]), [1., 2., 0., 0., 1., 2.], "{dtype}");
        assert_eq!((doubles(&top[0]), doubles(&top[1])), (vec![3., 2., 5., 5.], vec![0., 2., 1., 2.]), "{dtype}");
        let row = evaluate_op(&Cast { dtype }.into(), &[array(&[3], &[1f64, 2., 5.])]).unwrap().remove(0);
        let places = evaluate_op(&SearchSorted { behind: true }.into(), &[row, x]).unwrap();
        assert_eq!(doubles(&places[0]), [2., 1., 2., 0., 3., 3.], "{dtype}");
    }
}

#[test]
fn running_along_an_axis() {
    let x = array(&[2, 3], &[2i32, 3, 4, 5, 6, 7]);
    let run = |kind, axis, reverse, exclusive| {
        let op = Cumulate { kind, axis, reverse, exclusive };
        doubles(&evaluate_op(&op.into(), std::slice::from_ref(&x)).unwrap()[0])
    };
    assert_eq!(run(CumulateKind::Sum, -1, false, false), [2., 5., 9., 5., 11., 18.]);
    assert_eq!(run(CumulateKind::Product, 0, true, false), [10., 18., 28., 5., 6., 7.]);
    assert_eq!(run(CumulateKind::Sum, 1, true, true), [7., 4., 0., 13., 7., 0.]);
    let half = array(&[3], &[half::f16::from_f32(0.5); 3]);
    let op = Cumulate { kind: CumulateKind::Sum, axis: 0, reverse: false, exclusive: false };
    assert_eq!(doubles(&evaluate_op(&op.into(), &[half]).unwrap()[0]), [0.5, 1.0, 1.5]);
}

#[test]
fn derivatives() {
    let mut numbers = Numbers(3);
    for axis in [0, 1, -1] {
        let x = numbers.float64(&[3, 4, 2]);
        check_gradients(std::slice::from_ref(&x), |graph, v| Ok(vec![graph.append(Sort { axis }, v)?[0]]), 1e-7);
        for kind in [CumulateKind::Sum, CumulateKind::Product] {
            for (reverse, exclusive) in [(false, false), (true, false), (false, true), (true, true)] {
                let op = Cumulate { kind, axis, reverse, exclusive };
                check_gradients(std::slice::from_ref(&x), |graph, v| graph.append(op.clone(), v), 1e-7);
                let mut zeros = x.clone();
                for at in [0, 5, 7, 12, 20] {
                    zeros.make_mut::<f64>().unwrap()[at] = 0.0;
                }
                check_gradients(&[zeros], |graph, v| graph.append(op.clone(), v), 1e-7);
            }
        }
        for reverse in [false, true] {
            let both = [x.clone(), numbers.float64(&[3, 4, 2])];
            check_gradients(&both, |graph, v| graph.append(LinearRecurrence { axis, reverse }, v), 1e-7);
        }
        let indices = array(&[3, 4, 2], &[0i32, 1, -1, 0, 1, 1, 0, -2, 1, 1, 0, 0, 1, 0, 1, 1, 0, 0, 1, 1, 0, 1, 0, 1]);
        check_gradients(&[x.clone(), indices.clone()], |graph, v| graph.append(TakeAlong { axis }, v), 1e-7);
        let g = numbers.float64(&[3, 4, 2]);
        check_gradients(&[g, indices, x], |graph, v| graph.append(TakeAlongGrad { axis }, v), 1e-7);
    }
    let x = numbers.float64(&[3, 6]);
    check_gradients(&[x], |graph, v| Ok(vec![graph.append(TopK { k: 2 }, v)?[0]]), 1e-7);
}

#[test]
fn derivatives_at_places() {
    let mut numbers = Numbers(8);
    let (x, updates) = (numbers.float64(&[3, 4, 2]), numbers.float64(&[5, 2]));
    for drop in [false, true] {
        let outside = if drop { 7 } else { -1 };
        let indices = array(&[5, 2], &[0i32, 1, 2, 3, 0, 1, 2, outside, 1, 1]);
        let gather = |graph: &mut Graph, v: &[Value]| graph.append(GatherNd { drop }, v);
        check_gradients(&[x.clone(), indices.clone()], gather, 1e-7);
        for kind in KINDS {
            let scatter = |graph: &mut Graph, v: &[Value]| graph.append(ScatterNd { kind, drop }, v);
            check_gradients(&[x.clone(), indices.clone(), updates.clone()], scatter, 1e-7);
        }
    }
    // Products with one zero, and with two, at a place.
    let indices = array(&[4, 1], &[0i64, 0, 1, 1]);
    let zeros = array(&[4], &[0f64, 2., 0., 0.]);
    let mul = |graph: &mut Graph, v: &[Value]| graph.append(ScatterNd { kind: ScatterKind::Mul, drop: false }, v);
    check_gradients(&[array(&[2], &[3f64, 4.]), indices.clone(), zeros.clone()], mul, 1e-7);
    check_gradients(&[array(&[2], &[0f64, 4.]), indices, zeros], mul, 1e-7);

    let corner = array(&[2], &[1i32, 9]);
    let shape = vec![Dim::Known(2), Dim::Known(3)];
    let x = numbers.float64(&[4, 5]);
    let slice = |graph: &mut Graph, v: &[Value]| graph.append(DynamicSlice { shape: shape.clone() }, v);
    check_gradients(&[x.clone(), corner.clone()], slice, 1e-7);
    check_gradients(&[x, corner, numbers.float64(&[2, 3])], |graph, v| graph.append(SliceUpdate, v), 1e-7);
}

#[test]
fn indices_may_have_any_integer_type_and_elements_any_type() {
    for indices in DType::ALL.into_iter().filter(|dtype| dtype.is_integer()) {
        for dtype in DType::ALL {
            let made = |sizes: &[usize], values: &[i64], dtype| {
                evaluate_op(&Cast { dtype }.into(), &[array(sizes, values)]).unwrap().remove(0)
            };
            let x = made(&[3], &[1, 0, 1], dtype);
            let places = made(&[2, 1], &[2, 1], indices);
            let along = made(&[2], &[1, 2], indices);
            let run = |op: Op, inputs: &[Array]| doubles(&evaluate_op(&op, inputs).unwrap()[0]);
            assert_eq!(run(GatherNd { drop: false }.into(), &[x.clone(), places.clone()]), [1., 0.]);
            assert_eq!(run(TakeAlong { axis: 0 }.into(), &[x.clone(), along.clone()]), [0., 1.]);
            assert_eq!(
                run(DynamicSlice { shape: vec![Dim::Known(2)] }.into(), &[x.clone(), made(&[1], &[2], indices)]),
                [0., 1.]
            );
            for kind in KINDS.into_iter().filter(|kind| dtype != DType::Bool || *kind == ScatterKind::Set) {
                let updates = made(&[2], &[1, 1], dtype);
                let wanted = match kind {
                    ScatterKind::Set | ScatterKind::Max => [1., 1., 1.],
                    ScatterKind::Add => [1., 1., 2.],
                    ScatterKind::Min | ScatterKind::Mul => [1., 0., 1.],
                };
                let got = run(ScatterNd { kind, drop: false }.into(), &[x.clone(), places.clone(), updates]);
                assert_eq!(got, wanted, "{kind:?} {dtype} {indices}");
            }
            if dtype.is_float() {
                let g = made(&[2], &[1, 1], dtype);
                assert_eq!(run(TakeAlongGrad { axis: 0 }.into(), &[g, along, x]), [0., 1., 1.]);
            }
        }
    }
}

#[test]
fn boxes_are_moved_into_the_array() {
    let x = array(&[2, 3], &[0i32, 1, 2, 3, 4, 5]);
    let slice: Op = DynamicSlice { shape: vec![Dim::Known(1), Dim::Known(2)] }.into();
    for (starts, wanted) in
        [([0, 0], [0., 1.]), ([1, 1], [4., 5.]), ([9, 9], [4., 5.]), ([-9, 1], [1., 2.]), ([-1, -3], [3., 4.])]
    {
        assert_eq!(doubles(&evaluate_op(&slice, &[x.clone(), array(&[2], &starts)]).unwrap()[0]), wanted);
    }
    let updates = array(&[1, 2], &[8i32, 9]);
    let updated = evaluate_op(&SliceUpdate.into(), &[x.clone(), array(&[2], &[5i64, 1]), updates]).unwrap();
    assert_eq!(doubles(&updated[0]), [0., 1., 2., 3., 8., 9.]);
    let error = evaluate_op(&slice, &[x, array(&[1], &[0i32])]).unwrap_err();
    assert!(error.message().contains("each needs one number an axis"), "{error}");
}

#[test]
fn what_cannot_be_is_named() {
    let x = array(&[3, 1], &[0f32, 1., 2.]);
    let error = evaluate_op(&TakeAlong { axis: 0 }.into(), &[x.clone(), array(&[1, 1], &[3i32])]).unwrap_err();
    assert_eq!(error, Error::index("take_along: index 3 at position 0 is out of range for an axis of size 3"));
    let error = evaluate_op(&GatherNd { drop: false }.into(), &[x.clone(), array(&[1, 2], &[-4i32, 0])]).unwrap_err();
    assert_eq!(error, Error::index("gather_nd: index -4 at position 0 is out of range for an axis of size 3"));
    let error = Op::from(TakeAlong { axis: 0 })
        .infer(&[&Spec::known(&[3, 2], DType::Float32), &Spec::known(&[3, 1], DType::Int32)])
        .unwrap_err();
    assert!(error.message().contains("all other axes must be equal"), "{error}");
    let error = evaluate_op(&TopK { k: 2 }.into(), &[x]).unwrap_err();
    assert!(error.message().contains("the 2 largest of the last axis of shape (3, 1)"), "{error}");
}

#[test]
fn symbolic_axes_stand_in_the_results() {
    let (batch, time) = (Dim::fresh(), Dim::fresh());
    let x = Spec::new(Shape(vec![batch, time]), DType::Float32);
    let sorted = Op::from(Sort { axis: -1 }).infer(&[&x]).unwrap();
    assert_eq!((sorted[0].shape.clone(), sorted[1].shape.clone()), (x.shape.clone(), x.shape.clone()));
    let top = Op::from(TopK { k: 3 }).infer(&[&x]).unwrap();
    assert_eq!(top[1].shape, Shape(vec![batch, Dim::Known(3)]));
    let indices = Spec::new(Shape(vec![batch, Dim::Known(2)]), DType::Int32);
    assert_eq!(Op::from(TakeAlong { axis: 1 }).infer(&[&x, &indices]).unwrap()[0].shape, indices.shape);
    assert_eq!(Op::from(GatherNd { drop: false }).infer(&[&x, &indices]).unwrap()[0].shape, Shape(vec![batch]));
}

#[test]
fn zero_sizes() {
    let none = Array::zeros(&[0, 3], DType::Float64).unwrap();
    assert_eq!(evaluate_op(&Sort { axis: 0 }.into(), std::slice::from_ref(&none)).unwrap()[1].sizes(), [0, 3]);
    assert_eq!(evaluate_op(&TopK { k: 2 }.into(), std::slice::from_ref(&none)).unwrap()[0].sizes(), [0, 2]);
    let nowhere = Array::zeros(&[0, 1], DType::Int32).unwrap();
    let scatter = ScatterNd { kind: ScatterKind::Add, drop: false };
    let x = array(&[2, 3], &[1f64; 6]);
    let same = evaluate_op(&scatter.into(), &[x, nowhere, none.clone()]).unwrap();
    assert_eq!(doubles(&same[0]), [1.0; 6]);
    for kind in [CumulateKind::Sum, CumulateKind::Product] {
        let op = Cumulate { kind, axis: 0, reverse: false, exclusive: false };
        check_gradients(std::slice::from_ref(&none), |graph, v| graph.append(op.clone(), v), 1e-7);
    }
}
