//! Taking and placing by index.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Numbers, array, check_gradients, doubles, run};
use ironhorn_engine::core::{Array, DType, Dim, Error, Shape, Spec};
use ironhorn_engine::ops::index::one_hot::OneHot;
use ironhorn_engine::ops::index::take::{Take, TakeGrad};
use ironhorn_engine::ops::{Attribute, Attributes, Op};
use ironhorn_engine::program::evaluate::evaluate_op;

fn take(axis: i64) -> Op {
    Take { axis }.into()
}

#[test]
fn take_picks_rows_and_counts_from_the_end() {
    let x = array(&[3, 2], &[0f32, 1., 2., 3., 4., 5.]);
    let rows = evaluate_op(&take(0), &[x.clone(), array(&[2, 2], &[2i32, 0, -1, -3])]).unwrap();
    assert_eq!(rows[0].sizes(), [2, 2, 2]);
    assert_eq!(doubles(&rows[0]), [4., 5., 0., 1., 4., 5., 0., 1.]);
    let columns = evaluate_op(&take(-1), &[x.clone(), array(&[3], &[1i64, 1, -2])]).unwrap();
    assert_eq!(doubles(&columns[0]), [1., 1., 0., 3., 3., 2., 5., 5., 4.]);
    let scalar = evaluate_op(&take(0), &[x, array(&[], &[1u8])]).unwrap();
    assert_eq!((scalar[0].sizes(), doubles(&scalar[0])), (&[2][..], vec![2., 3.]));
}

#[test]
fn indices_may_have_any_integer_type_and_elements_any_type() {
    let x = array(&[3], &[half::f16::from_f32(0.5), half::f16::from_f32(1.5), half::f16::from_f32(2.5)]);
    for dtype in DType::ALL.into_iter().filter(|dtype| dtype.is_integer()) {
        let cast: Op = ironhorn_engine::ops::math::cast::Cast { dtype }.into();
        let indices = evaluate_op(&cast, &[array(&[2], &[2i64, 1])]).unwrap().remove(0);
        let taken = evaluate_op(&take(0), &[x.clone(), indices.clone()]).unwrap().remove(0);
        assert_eq!(doubles(&taken), [2.5, 1.5], "{dtype}");
        let back: Op = TakeGrad { axis: 0 }.into();
        let sums = evaluate_op(&back, &[taken, indices, x.clone()]).unwrap().remove(0);
        assert_eq!((doubles(&sums), sums.dtype()), (vec![0.0, 1.5, 2.5], DType::Float16), "{dtype}");
    }
}

#[test]
fn an_index_out_of_range_is_named_with_its_position() {
    let x = array(&[3, 1], &[0f32, 1., 2.]);
    let error = evaluate_op(&take(0), &[x.clone(), array(&[2, 2], &[0i32, 1, 3, 0])]).unwrap_err();
    assert_eq!(error, Error::index("take: index 3 at position 2 is out of range for an axis of size 3"));
    let error = evaluate_op(&take(0), &[x.clone(), array(&[1], &[-4i32])]).unwrap_err();
    assert_eq!(error, Error::index("take: index -4 at position 0 is out of range for an axis of size 3"));
    let error = evaluate_op(&take(0), &[x, array(&[1], &[1f32])]).unwrap_err();
    assert_eq!(error.message(), "take: indices must be integers, got float32; cast them first");
}

#[test]
fn zero_sizes() {
    let empty = Array::zeros(&[0], DType::Int32).unwrap();
    let x = array(&[2, 3], &[1f64; 6]);
    assert_eq!(evaluate_op(&take(0), &[x.clone(), empty.clone()]).unwrap()[0].sizes(), [0, 3]);
    let g = Array::zeros(&[0, 3], DType::Float64).unwrap();
    let back = evaluate_op(&TakeGrad { axis: 0 }.into(), &[g, empty.clone(), x]).unwrap();
    assert_eq!(doubles(&back[0]), [0.0; 6]);
    let none = Array::zeros(&[0, 3], DType::Float64).unwrap();
    assert_eq!(evaluate_op(&take(0), &[none, empty]).unwrap()[0].sizes(), [0, 3]);
}

#[test]
fn take_and_its_gradient_differentiate() {
    let mut numbers = Numbers(1);
    let indices = array(&[2, 2], &[0i32, 2, -1, 2]);
    for axis in [0, 1, -1] {
        let x = numbers.float64(&[3, 4, 3]);
        check_gradients(&[x, indices.clone()], |graph, v| graph.append(Take { axis }, v), 1e-8);
    }
    let (g, x) = (numbers.float64(&[2, 2, 4]), numbers.float64(&[3, 4]));
    check_gradients(&[g, indices, x], |graph, v| graph.append(TakeGrad { axis: 0 }, v), 1e-8);
}

#[test]
fn symbolic_axes_stand_in_the_result() {
    let (batch, time) = (Dim::fresh(), Dim::fresh());
    let indices = Spec::new(Shape(vec![batch, time]), DType::Int32);
    let outputs = Take { axis: 0 };
    let outputs = Op::from(outputs).infer(&[&Spec::known(&[10, 4], DType::Float32), &indices]).unwrap();
    assert_eq!(outputs[0].shape, Shape(vec![batch, time, Dim::Known(4)]));
}

#[test]
fn one_hot_places_the_axis_and_ignores_what_is_outside() {
    let indices = array(&[2], &[1i32, -1]);
    for dtype in [DType::Float32, DType::Bool, DType::Float16, DType::Int64] {
        let hot = evaluate_op(&OneHot { depth: 3, axis: -1, dtype }.into(), std::slice::from_ref(&indices)).unwrap();
        assert_eq!((hot[0].sizes(), hot[0].dtype()), (&[2, 3][..], dtype));
        assert_eq!(doubles(&hot[0]), [0., 1., 0., 0., 0., 0.]);
    }
    let first = OneHot { depth: 2, axis: 0, dtype: DType::Float32 };
    let hot = evaluate_op(&first.into(), &[array(&[3], &[0u64, 1, 7])]).unwrap();
    assert_eq!((hot[0].sizes(), doubles(&hot[0])), (&[2, 3][..], vec![1., 0., 0., 0., 1., 0.]));
    let empty = run(&[array(&[2], &[0i8, 0])], |graph, v| {
        graph.append(OneHot { depth: 0, axis: -1, dtype: DType::Float32 }, v)
    });
    assert_eq!(empty.unwrap()[0].sizes(), [2, 0]);
    let error = Op::parse("one_hot", Attributes::new().with("depth", Attribute::Int(-2))).unwrap_err();
    assert_eq!(error.message(), "depth must be 0 or more, got -2");
}
