"""`ops.cond` and `ops.scan`: structures, gradients, symbolic lengths, what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ironhorn
from ironhorn import GradientTape, Variable, errors, ops
from ironhorn.backend import CompiledFunction

X = np.random.default_rng(0).normal(size=(5, 3))


def both(function: Any, *arrays: Any) -> Any:
    """What a function gives eagerly, after checking that it gives the same traced."""
    eager = function(*arrays)
    traced = CompiledFunction(function)(*arrays)
    for a, b in zip(ironhorn.tree.flatten(eager), ironhorn.tree.flatten(traced), strict=True):
        if a is None:
            assert b is None
        else:
            assert (a.shape, a.dtype) == (b.shape, b.dtype)
            np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-12)
    return eager


def running_total(xs: Any) -> Any:
    return ops.scan(lambda carry, x: (carry + x, carry * 2.0), ops.zeros((3,), "float64"), xs)


def test_scan_goes_over_the_first_axis() -> None:
    last, results = both(running_total, X)
    np.testing.assert_allclose(np.asarray(last), X.sum(0))
    before = np.concatenate([np.zeros((1, 3)), np.cumsum(X, 0)[:-1]])
    np.testing.assert_allclose(np.asarray(results), 2 * before)


def test_scan_backwards() -> None:
    _, results = both(lambda xs: ops.scan(lambda c, x: (c + x, c + x), xs[0] * 0.0, xs, reverse=True), X)
    np.testing.assert_allclose(np.asarray(results), np.cumsum(X[::-1], 0)[::-1])


def test_scan_of_structures() -> None:
    def step(carry: Any, x: Any) -> Any:
        return {"sum": carry["sum"] + x[0], "count": carry["count"] + 1}, (x[1] * carry["sum"][0], None)

    def function(xs: Any, ys: Any) -> Any:
        start = {"sum": ops.zeros((3,), "float64"), "count": ops.cast(0, "int32")}
        return ops.scan(step, start, (xs, ys))

    carry, (results, nothing) = both(function, X, X[:, 0])
    assert int(carry["count"]) == 5
    assert nothing is None
    assert results.shape == (5,)


def test_scan_with_a_length_alone() -> None:
    powers = both(lambda x: ops.scan(lambda c, _: (c * 2.0, c), x, length=4)[1], np.ones(2))
    assert np.asarray(powers).tolist() == [[1.0, 1.0], [2.0, 2.0], [4.0, 4.0], [8.0, 8.0]]


def test_scan_of_many_lengths_is_traced_once() -> None:
    compiled = CompiledFunction(running_total)
    for length in (5, 3, 1):
        last, results = compiled(X[:length])
        np.testing.assert_allclose(np.asarray(last), X[:length].sum(0))
        assert results.shape == (length, 3)
    assert compiled.trace_count == 1


def test_gradients_of_scan() -> None:
    weight = Variable(np.array([[0.3, -0.2, 0.1], [0.5, 0.4, -0.6], [0.2, 0.1, 0.7]]))

    def loss(xs: Any, start: Any) -> Any:
        def step(carry: Any, x: Any) -> Any:
            new = ops.tanh(ops.matmul(carry, weight) + x)
            return new, ops.sum(new * new)

        last, squares = ops.scan(step, start, xs)
        return ops.sum(last) + ops.sum(squares * squares)

    ironhorn.testing.check_gradients(loss, [X, X[:1]])
    ironhorn.testing.check_gradients(
        lambda xs, start: list(ironhorn.grad(loss, argnums=(0, 1))(xs, start)), [X, X[:1]], rtol=1e-4, samples=6
    )

    def by_weight(xs: Any, start: Any) -> Any:
        with GradientTape() as tape:
            value = loss(xs, start)
        return value, tape.gradient(value, weight)

    value, gradient = both(by_weight, X, X[:1])
    kept, step = weight.numpy(), 1e-6
    weight.assign(kept + step * np.eye(3))
    upper = float(loss(X, X[:1]))
    weight.assign(kept - step * np.eye(3))
    lower = float(loss(X, X[:1]))
    weight.assign(kept)
    np.testing.assert_allclose(np.trace(np.asarray(gradient)), (upper - lower) / (2 * step), rtol=1e-6)
    assert float(value) == float(loss(X, X[:1]))


def test_scan_refuses_what_does_not_fit() -> None:
    def total(c: Any, x: Any) -> Any:
        return c + x, None

    with pytest.raises(errors.ShapeError, match="same"):
        ops.scan(total, 0.0, X[:, 0], length=3)
    with pytest.raises(ValueError, match="length"):
        ops.scan(total, 0.0)
    with pytest.raises(errors.ShapeError, match="scalar"):
        ops.scan(total, 0.0, 1.0)
    with pytest.raises(ValueError, match="pair"):
        ops.scan(lambda c, x: c, 0.0, X)
    with pytest.raises(errors.IronhornError):
        CompiledFunction(lambda xs: ops.scan(lambda c, x: (ops.concatenate([c, x], 0), None), xs[0], xs))(X)
    count = Variable(0)

    def writes(c: Any, x: Any) -> Any:
        count.assign_add(1)
        return c, None

    with pytest.raises(errors.UnsupportedError, match="variable"):
        CompiledFunction(lambda xs: ops.scan(writes, xs[0], xs)[0])(X)
    assert int(count) == 0


def choose(x: Any) -> Any:
    return ops.cond(ops.sum(x) > 0, lambda: {"y": x * 2.0, "none": None}, lambda: {"y": ops.sin(x), "none": None})


def test_cond_runs_one_of_two() -> None:
    compiled = CompiledFunction(choose)
    for x in (np.abs(X), -np.abs(X), X[:2]):
        found = compiled(x)
        np.testing.assert_allclose(np.asarray(found["y"]), x * 2 if x.sum() > 0 else np.sin(x))
        assert found["none"] is None
        both(choose, x)
    assert compiled.trace_count == 1


def test_cond_runs_only_the_branch_that_is_chosen() -> None:
    table = np.arange(4.0, dtype="float32")

    def function(i: Any) -> Any:
        return ops.cond(i[0] < 4, lambda: ops.take(table, i, 0), lambda: i * 0.0 - 1.0)

    compiled = CompiledFunction(function)
    assert np.asarray(compiled(np.array([3], "int32"))).tolist() == [3.0]
    assert np.asarray(compiled(np.array([9], "int32"))).tolist() == [-1.0]


def test_gradients_of_cond() -> None:
    def loss(x: Any) -> Any:
        return ops.sum(ops.cond(ops.sum(x) > 0, lambda: x * x, lambda: ops.exp(x)))

    for x in (np.abs(X), -np.abs(X)):
        wanted = 2 * x if x.sum() > 0 else np.exp(x)
        np.testing.assert_allclose(np.asarray(both(ironhorn.grad(loss), x)), wanted)
        second = ironhorn.grad(lambda v: ops.sum(ironhorn.grad(loss)(v)))
        np.testing.assert_allclose(np.asarray(both(second, x)), np.full_like(x, 2.0) if x.sum() > 0 else np.exp(x))


def test_cond_refuses_what_does_not_fit() -> None:
    with pytest.raises(TypeError, match="two functions"):
        ops.cond(True, 1.0, 2.0)
    for other in (lambda: X[:2], lambda: X.astype("float32"), lambda: (X, X), lambda: None):
        with pytest.raises(errors.ShapeError):
            CompiledFunction(lambda x, other=other: ops.cond(ops.sum(x) > 0, lambda: X, other))(X)


def test_conditions_inside_scans() -> None:
    def step(carry: Any, x: Any) -> Any:
        new = ops.cond(ops.sum(x) > 0, lambda: carry + x, lambda: carry * 0.5)
        return new, new

    last, _ = both(lambda xs: ops.scan(step, xs[0], xs), X)
    carry = X[0]
    for x in X:
        carry = carry + x if x.sum() > 0 else carry * 0.5
    np.testing.assert_allclose(np.asarray(last), carry)
    ironhorn.testing.check_gradients(lambda xs: ops.scan(step, xs[0], xs)[0], [X])
