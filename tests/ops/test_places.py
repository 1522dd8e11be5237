"""What the case table does not say of sorting, searching and scattering: errors, traced forms, bits, Keras' numbers."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import ironhorn
from ironhorn import KerasTensor, ops
from ironhorn.backend import CompiledFunction
from ironhorn.errors import DTypeError, IndexRangeError, ShapeError, TracedValueError, UnsupportedError, ValueRangeError
from ops.order_cases import CASES, arguments, functional

REFERENCE = np.load(pathlib.Path(__file__).with_name("order_reference.npz"))
NUMBERS = np.array([3, 1, 2, 1], "int32")


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: ops.sort(3.0), IndexRangeError, "axis -1 is out of range"),
        (
            lambda: ops.take_along_axis(np.eye(2), [[0], [2]], 1),
            IndexRangeError,
            "index 2 at position 1 is out of range",
        ),
        (lambda: ops.take_along_axis(np.eye(2), [0], 1), ShapeError, "they need 2 axes"),
        (lambda: ops.take_along_axis(np.eye(2), [[0.0]], 1), DTypeError, "indices must be integers, got float32"),
        (lambda: ops.top_k(np.eye(2), 3), ShapeError, "the 3 largest of the last axis of shape (2, 2)"),
        (lambda: ops.top_k(np.eye(2), -1), ValueRangeError, "k must be 0 or more"),
        (lambda: ops.searchsorted(np.eye(2), 1.0), ShapeError, "must be a vector, got shape (2, 2)"),
        (lambda: ops.searchsorted([1.0], 1.0, "middle"), ValueRangeError, "side must be one of 'left', 'right'"),
        (lambda: ops.digitize(1.0, np.eye(2)), ShapeError, "bins must be a vector"),
        (lambda: ops.argpartition(NUMBERS, 4), ValueRangeError, "kth 4 is out of range for an axis of 4 elements"),
        (lambda: ops.bincount([1, -2]), ValueRangeError, "numbers from 0 up, got -2"),
        (lambda: ops.bincount([1.5]), DTypeError, "takes integers, got float32"),
        (lambda: ops.bincount([1], sparse=True), UnsupportedError, "sparse=False"),
        (lambda: ops.histogram([1.0], 0), ValueRangeError, "bins must be a positive integer"),
        (lambda: ops.histogram([1.0], 2, (1.0, 0.0)), ValueRangeError, "range must be a pair"),
        (lambda: ops.scatter([[0, 2]], [1.0], (2, 2)), IndexRangeError, "index 2 at position 1 is out of range"),
        (lambda: ops.scatter([[0, 0, 0]], [1.0], (2, 2)), ShapeError, "indices of shape (1, 3)"),
        (lambda: ops.scatter_update(NUMBERS, [[0]], [1], "mean"), ValueRangeError, "'add', 'max', 'min' or 'mul'"),
        (lambda: ops.slice(NUMBERS, [0], [5]), ShapeError, "a box of shape (5,) is larger than the array's (4,)"),
        (lambda: ops.segment_sum(NUMBERS, [0, 1], 2), ShapeError, "2 segment_ids for 4 rows of data"),
        (lambda: ops.segment_sum([True], [0], 2), DTypeError, "takes numbers, got bool"),
        (lambda: ops.quantile([1.0], 0.5, method="weibull"), ValueRangeError, "method must be one of linear"),
        (lambda: ops.diff([1.0], -1), ValueRangeError, "n must be 0 or more"),
        (lambda: ops.multi_hot([1]), ValueRangeError, "needs num_classes"),
    ],
)
def test_what_cannot_be_is_named(call: Callable[[], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (ops.nonzero, "ops.where(condition, x1, x2)"),
        (ops.unique, "give size="),
        (ops.bincount, "use ops.segment_sum(weights, x, num_segments=...)"),
        (lambda x: ops.segment_sum(x, x), "give ops.segment_sum num_segments="),
    ],
)
def test_lengths_that_depend_on_data_are_refused_while_tracing(function: Callable[..., Any], text: str) -> None:
    with pytest.raises(TracedValueError) as caught:
        CompiledFunction(function, "traced")(NUMBERS)
    assert text in str(caught.value)
    with pytest.raises(TracedValueError):
        function(KerasTensor((None,), "int32"))


@pytest.mark.parametrize("size", [1, 3, 6])
@pytest.mark.parametrize("fill_value", [None, 9])
def test_unique_of_a_size_is_the_same_traced(size: int, fill_value: int | None) -> None:
    def function(x: Any) -> Any:
        return ops.unique(x, True, True, True, True, size=size, fill_value=fill_value)

    compiled = CompiledFunction(function, "traced")
    for x in (NUMBERS, np.array([5, 5, 5, 0, 0], "int32"), np.array([[2, 1], [1, 7]], "float32")):
        for eager, traced in zip(function(x), compiled(x), strict=True):
            assert eager.dtype == traced.dtype
            np.testing.assert_array_equal(np.asarray(eager), np.asarray(traced))


def test_unique_rows() -> None:
    rows = np.array([[3, 1], [2, 1], [3, 1]], "int32")
    values, index, inverse, counts = ops.unique(rows, True, True, True, True, axis=0)
    assert np.asarray(values).tolist() == [[2, 1], [3, 1]]
    assert [np.asarray(part).tolist() for part in (index, inverse, counts)] == [[1, 0], [1, 0, 1], [1, 2]]
    padded = ops.unique(rows, axis=0, size=3)
    assert np.asarray(padded).tolist() == [[2, 1], [3, 1], [2, 1]]
    with pytest.raises(UnsupportedError, match="along an axis is not traced"):
        CompiledFunction(lambda x: ops.unique(x, axis=0, size=3), "traced")(rows)


def test_of_several_updates_of_a_place_the_last_stays_and_alone_has_a_gradient() -> None:
    def total(x: Any, updates: Any) -> Any:
        return ops.sum(ops.scatter_update(x, [[1], [0], [1]], updates) * np.array([1.0, 2.0, 3.0]))

    of_x, of_updates = ironhorn.grad(total, argnums=(0, 1))(np.ones(3), np.array([5.0, 6.0, 7.0]))
    assert np.asarray(of_x).tolist() == [0.0, 0.0, 3.0]
    assert np.asarray(of_updates).tolist() == [0.0, 1.0, 2.0]


def test_extremes_are_shared_by_those_that_reach_them() -> None:
    def total(data: Any) -> Any:
        return ops.sum(ops.segment_max(data, [0, 0, 1, 0], 2))

    gradient = ironhorn.grad(total)(np.array([2.0, 2.0, 5.0, 1.0]))
    assert np.asarray(gradient).tolist() == [0.5, 0.5, 1.0, 0.0]


def test_boxes_may_start_where_a_traced_value_says() -> None:
    x = np.arange(12.0).reshape(3, 4)

    def box(x: Any, row: Any) -> Any:
        return ops.slice(x, (row, -9), (2, -1 + 3))

    compiled = CompiledFunction(box, "traced")
    for row, wanted in ((0, 0), (1, 1), (7, 1), (-1, 1), (-3, 0)):
        found = compiled(x, np.array(row, "int32"))
        np.testing.assert_array_equal(np.asarray(found), x[wanted : wanted + 2, :2])
        updated = ops.slice_update(x, [row, 3], np.zeros((2, 1)))
        assert (np.asarray(updated) == 0).sum() >= 2


def test_every_nan_is_last_and_the_largest() -> None:
    x = np.array([np.nan, -np.inf, 1.0, np.nan, np.inf])
    assert np.asarray(ops.argsort(x)).tolist() == [1, 2, 4, 0, 3]
    values, positions = ops.top_k(x, 3)
    assert np.asarray(positions).tolist() == [0, 3, 4]
    assert np.isnan(np.asarray(values)[:2]).all()
    assert np.asarray(ops.searchsorted(np.sort(x), [np.nan, 2.0])).tolist() == [3, 2]
    assert np.isnan(float(ops.median(x)))
    assert float(ops.nanmedian(x)) == 1.0


def test_products_of_zeros_have_their_gradients() -> None:
    x = np.array([2.0, 0.0, 3.0, 0.0, 5.0])
    gradient = ironhorn.grad(lambda x: ops.sum(ops.cumprod(x, 0)))(x)
    assert np.asarray(gradient).tolist() == [1.0, 8.0, 0.0, 0.0, 0.0]
    gradient = ironhorn.grad(lambda x: ops.sum(ops.segment_prod(x, [0, 0, 1, 2, 2], 3)))(x)
    assert np.asarray(gradient).tolist() == [0.0, 2.0, 1.0, 5.0, 0.0]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", CASES)
def test_results_and_gradients_are_keras(name: str, dtype: str) -> None:
    call = CASES[name][1]
    inputs = [ops.convert_to_tensor(array, dtype) for array in arguments(name)]
    tolerance = 1e-10 if dtype == "float64" else 2e-5

    def number(*tensors: Any) -> Any:
        outputs = call(ops, *tensors)
        weights = ops.cast(functional(name, REFERENCE[f"{name}/result"].shape), outputs.dtype)
        return ops.sum(outputs * weights), outputs

    both = ironhorn.value_and_grad(number, argnums=tuple(range(len(inputs))), has_aux=True)
    for function in (both, CompiledFunction(both, name)):
        (_, outputs), gradients = function(*inputs)
        for key, found in (("result", outputs), *((f"gradient{i}", gradient) for i, gradient in enumerate(gradients))):
            wanted = REFERENCE[f"{name}/{key}"]
            np.testing.assert_allclose(np.asarray(found), wanted, rtol=tolerance, atol=tolerance, err_msg=key)
