"""`x[key]`: against NumPy, eagerly and traced, with gradients; bounds and sizes that are lengths."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ironhorn
from ironhorn import errors, ops
from ironhorn.backend import CompiledFunction

X = np.random.default_rng(0).normal(size=(4, 5, 6))
ROWS = np.array([[0, 2], [3, -1]])
COLUMNS = np.array([1, -2])
MASK = X[:, 0, 0] > 0

KEYS: dict[str, Any] = {
    "ints": (1, -2),
    "slices": (slice(1, None), slice(None, None, 2)),
    "backwards": (slice(None, None, -1), slice(4, 0, -2)),
    "ellipsis": (..., 2),
    "ellipsis and new axis": (..., None, slice(1, 3)),
    "new axes": (None, 1, None, slice(2)),
    "one array": ROWS,
    "one array behind": (slice(None), ROWS),
    "array and new axis": (None, ROWS),
    "array and Ellipsis": (..., ROWS, slice(1, 3)),
    "two arrays": (ROWS, COLUMNS),
    "two arrays behind": (slice(1, 3), ROWS, COLUMNS),
    "two arrays apart": (ROWS, slice(None), COLUMNS),
    "two arrays and a new axis between": (ROWS, None, COLUMNS),
    "array and int": (ROWS, 2),
    "int, slice, array": (1, slice(None), COLUMNS),
    "three arrays": (ROWS, COLUMNS, 0),
    "list": ([0, 1, 3],),
    "mask": MASK,
    "mask of two axes": X[..., 0] > 0,
    "mask and slice": (MASK, slice(None, None, 2)),
    "slice and mask": (slice(None), X[0, :, 0] > 0),
    "mask and array": (np.array([True, False, True, False]), COLUMNS),
    "no elements": (slice(3, 1),),
    "array of nothing": (np.zeros((0,), "int64"),),
}


@pytest.mark.parametrize("name", KEYS)
def test_values_and_gradients(name: str) -> None:
    key = KEYS[name]
    wanted = X[key]
    weights = np.random.default_rng(1).normal(size=wanted.shape)
    slope = np.zeros_like(X)
    np.add.at(slope, key, weights)

    def function(x: Any) -> Any:
        return x[key], ironhorn.grad(lambda x: ops.sum(x[key] * weights))(x)

    for run in (function, CompiledFunction(function)):
        found, gradient = run(ops.convert_to_tensor(X))
        np.testing.assert_array_equal(np.asarray(found), wanted)
        np.testing.assert_allclose(np.asarray(gradient), slope, rtol=1e-12)


@pytest.mark.parametrize("name", [name for name in KEYS if "mask" not in name])
def test_symbolic_tensors(name: str) -> None:
    assert ironhorn.KerasTensor(X.shape)[KEYS[name]].shape == X[KEYS[name]].shape


def test_traced_indices() -> None:
    compiled = CompiledFunction(lambda x, i, j, k: (x[i, j], x[i, :, j], x[k], x[k, :, j], x[:, k, k]))
    for i, j, k in ((ROWS, COLUMNS, np.array(1)), (ROWS.T, COLUMNS[::-1], np.array(-1))):
        found = compiled(X, i, j, k)
        for got, wanted in zip(found, (X[i, j], X[i, :, j], X[k], X[k, :, j], X[:, k, k]), strict=True):
            np.testing.assert_array_equal(np.asarray(got), wanted)
    for i, j in ((4, 0), (0, 5), (-5, 0), (0, -6)):
        with pytest.raises(errors.IndexRangeError):
            compiled(X, np.array([i]), np.array([j]), np.array(0))
    with pytest.raises(errors.TracedValueError, match=r"ops\.where\(mask"):
        CompiledFunction(lambda x: x[x > 0])(X)


def test_what_is_refused() -> None:
    x = ops.convert_to_tensor(X)
    with pytest.raises(errors.IndexRangeError, match="4 indices"):
        x[0, 0, 0, 0]
    with pytest.raises(errors.IndexRangeError, match="index 4 is out of range for axis 0"):
        x[4]
    with pytest.raises(errors.ShapeError, match="mask of shape"):
        x[np.ones(3, bool)]
    with pytest.raises(errors.DTypeError, match="integers or booleans"):
        x[np.array([0.5])]
    with pytest.raises(errors.IndexRangeError, match="one Ellipsis"):
        x[..., ...]


def lengths(function: Any) -> Any:
    """A function of a matrix whose axes are both unknown while it is traced."""
    return CompiledFunction(function, dynamic_axes=lambda index, rank: {0, 1})


def sliced(x: Any) -> Any:
    rows, columns = ops.shape(x)[0], ops.shape(x)[1]
    half = columns // 2
    return [
        x[:, :half],
        x[:, half:],
        x[:, -half:],
        x[:, columns - 3 :],
        x[:, :-half:2],
        x[:, columns - 1],
        x[:, -half],
        x[:, half - 1 :: -1],
        x[:, 1 : half + 1],
        x[None, : columns - 2, ..., : rows + 100],
    ]


def sized(x: Any) -> Any:
    rows, columns = ops.shape(x)[0], ops.shape(x)[1]
    return [
        ops.arange(columns),
        ops.arange(2, columns + 1),
        ops.zeros((columns, 4)),
        ops.ones((columns // 2,)),
        ops.full((rows, 2 * columns), 7.0),
        ops.broadcast_to(x[:, :1], (rows, 3)),
        ops.reshape(x, (rows * columns,)),
        ops.reshape(x, (rows * columns // 2, 2)),
        ops.reshape(ops.concatenate([x, x], 1), (rows, 2, columns)),
        x * (columns % 3),
        x / columns,
        x + rows * 0.5,
        (-columns) * x,
        ops.where(ops.less(columns, 5), x, -x),
        x[:, : columns - columns % 4],
        ops.zeros((ops.shape(x[:, 1:])[1],)),
        ops.arange(ops.shape(x[:, ::2])[1]) * ops.shape(x[:, 1:3])[1],
    ]


@pytest.mark.parametrize("function", [sliced, sized])
def test_lengths_of_a_traced_function(function: Any) -> None:
    compiled = lengths(function)
    for rows, columns in ((2, 4), (3, 6), (2, 8)):
        x = np.random.default_rng(columns).normal(size=(rows, columns))
        for number, (got, wanted) in enumerate(zip(compiled(x), function(ops.convert_to_tensor(x)), strict=True)):
            np.testing.assert_allclose(np.asarray(got), np.asarray(wanted), rtol=1e-12, err_msg=str(number))
    assert compiled.trace_count == 1


def test_gradients_through_bounds_that_are_lengths() -> None:
    def loss(x: Any) -> Any:
        columns = ops.shape(x)[1]
        return ops.sum(ops.square(x[:, columns // 2 :])) + 3 * ops.sum(x[:, -(columns // 2) :: 2])

    compiled = lengths(ironhorn.grad(loss))
    for columns in (4, 6):
        x = np.random.default_rng(columns).normal(size=(2, columns))
        np.testing.assert_allclose(np.asarray(compiled(x)), np.asarray(ironhorn.grad(loss)(x)), rtol=1e-12)
    assert compiled.trace_count == 1


def test_lengths_are_not_compared() -> None:
    for compare in (lambda n: n < 3, lambda n: n >= 3, lambda n: max(n, 3), lambda n: 3 > n):
        with pytest.raises(errors.TracedValueError, match=r"ops\.less"):
            CompiledFunction(lambda x, compare=compare: x if compare(ops.shape(x)[0]) else -x)(X)


def test_a_length_that_would_be_negative() -> None:
    with pytest.raises(errors.IndexRangeError, match="negative"):
        CompiledFunction(lambda x: x[ops.shape(x)[0] - 9 :])(X)
