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


def test_switch_clips_its_index() -> None:
    branches = [lambda x: x * 1.0, lambda x: x * 2.0, lambda x: x * 3.0]
    compiled = CompiledFunction(lambda i, x: ops.switch(i, branches, x))
    for index, factor in ((-3, 1), (0, 1), (1, 2), (2, 3), (7, 3)):
        np.testing.assert_allclose(np.asarray(ops.switch(index, branches, X)), factor * X)
        np.testing.assert_allclose(np.asarray(compiled(np.array(index), X)), factor * X)
    assert compiled.trace_count == 1
    slope = ironhorn.grad(lambda x: ops.sum(ops.switch(ops.cast(x[0, 0] * 0.0 + 1, "int32"), branches, x)))
    np.testing.assert_allclose(np.asarray(both(slope, X)), np.full_like(X, 2.0))
    with pytest.raises(TypeError, match="list of at least one function"):
        ops.switch(0, [])


def test_fori_loop_between_numbers_lengths_and_tensors() -> None:
    def power(upper: Any, x: Any) -> Any:
        return ops.fori_loop(0, upper, lambda i, state: state * x, ops.ones_like(x))

    np.testing.assert_allclose(np.asarray(both(lambda x: power(3, x), X)), X**3)
    np.testing.assert_allclose(np.asarray(both(lambda x: power(0, x), X)), np.ones_like(X))
    np.testing.assert_allclose(np.asarray(both(lambda x: power(ops.shape(x)[0], x), X)), X**5)
    np.testing.assert_allclose(np.asarray(both(ironhorn.grad(lambda x: ops.sum(power(3, x))), X)), 3 * X**2)
    np.testing.assert_allclose(np.asarray(CompiledFunction(power)(np.array(4), X)), X**4)
    total = ops.fori_loop(2, 5, lambda i, state: {"sum": state["sum"] + i}, {"sum": 0})
    assert int(total["sum"]) == 9


def test_map_of_structures() -> None:
    found = both(lambda x, y: ops.map(lambda pair: {"sum": pair[0] + pair[1], "none": None}, (x, y)), X, X[:, 0])
    np.testing.assert_allclose(np.asarray(found["sum"]), X + X[:, :1])
    assert found["none"] is None


def test_associative_scan_of_structures() -> None:
    # Linear recurrences h = a h + b, as state space models have them.
    def combine(left: Any, right: Any) -> Any:
        return {"a": left["a"] * right["a"], "b": left["b"] * right["a"] + right["b"]}

    for length in (1, 2, 3, 5, 8):
        a, b = X[:length] * 0.5, np.cos(X[:length])
        found = both(lambda a, b: ops.associative_scan(combine, {"a": a, "b": b}), a, b)["b"]
        state, wanted = np.zeros(3), []
        for decay, term in zip(a, b, strict=True):
            state = state * decay + term
            wanted.append(state)
        np.testing.assert_allclose(np.asarray(found), np.stack(wanted))
    compiled = CompiledFunction(
        lambda x: ops.associative_scan(lambda a, b: a + b, x, axis=1, reverse=True),
        dynamic_axes=lambda index, rank: {1},
    )
    for length in (1, 2, 3):
        np.testing.assert_allclose(
            np.asarray(compiled(X[:, :length])), np.cumsum(X[:, :length][:, ::-1], 1)[:, ::-1], rtol=1e-12
        )
    assert compiled.trace_count == 1


def test_vectorize_with_arguments_that_are_left_out() -> None:
    function = ops.vectorize(lambda x, factor: x * factor, excluded={1})
    np.testing.assert_allclose(np.asarray(both(lambda x: function(x, 3.0), X)), 3 * X)
    with pytest.raises(errors.ValueRangeError, match="signature must look like"):
        ops.vectorize(ops.add, signature="m,n->k")
    with pytest.raises(errors.ShapeError, match="is for 2 arguments"):
        ops.vectorize(ops.matmul, signature="(m,n),(n)->(m)")(X)


def test_while_loops_with_a_limit_have_derivatives() -> None:
    def function(x: Any) -> Any:
        return ops.while_loop(lambda x: ops.sum(x) < 20.0, lambda x: x * 2.0, x, maximum_iterations=8)

    start = np.array([1.0, 2.0])
    slope = ironhorn.grad(lambda x: ops.sum(function(x)))
    assert np.asarray(both(function, start)).tolist() == [8.0, 16.0]
    assert np.asarray(both(slope, start)).tolist() == [8.0, 8.0]
    with pytest.raises(errors.UnsupportedError, match="maximum_iterations"):
        CompiledFunction(
            ironhorn.grad(lambda x: ops.sum(ops.while_loop(lambda x: ops.sum(x) < 20.0, lambda x: x * 2.0, x)))
        )(start)


def test_bodies_read_variables() -> None:
    weight = Variable(np.array([2.0, 3.0, 4.0]), dtype="float64")

    def function(x: Any) -> Any:
        with GradientTape() as tape:
            value = ops.sum(ops.map(lambda row: row * weight, x)) + ops.sum(
                ops.switch(1, [ops.sin, lambda y: y * weight], x)
            )
        return value, tape.gradient(value, weight)

    value, gradient = both(function, X)
    np.testing.assert_allclose(float(value), 2 * (X * [2, 3, 4]).sum())
    np.testing.assert_allclose(np.asarray(gradient), 2 * X.sum(0))


def test_loops_in_functional_models() -> None:
    x = ironhorn.Input((None, 3))
    mapped = ops.map(lambda row: row * 2.0, x)
    total = ops.scan(lambda carry, row: (carry + row, carry), ops.zeros_like(x[:, 0]), ops.transpose(x, (1, 0, 2)))[0]
    running = ops.associative_scan(lambda a, b: a + b, x, axis=1)
    model = ironhorn.Model(x, [mapped, total, running])
    assert [output.shape for output in model.outputs] == [(None, None, 3), (None, 3), (None, None, 3)]
    for length in (2, 4):
        data = np.random.default_rng(length).normal(size=(5, length, 3)).astype("float32")
        found = model.predict(data, verbose=0)
        for got, wanted in zip(found, (data * 2, data.sum(1), np.cumsum(data, 1)), strict=True):
            np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)


def test_cond_writes_variables() -> None:
    """Of the function that is not chosen nothing is written; reads after a write see it, inside and after the cond."""
    v, w = Variable(np.float64(1.0), name="v"), Variable(np.float64(5.0), name="w")

    def step(x: Any) -> Any:
        def positive() -> Any:
            v.assign_add(x)
            w.assign(w * 2.0)
            return v + w

        def negative() -> Any:
            w.assign_add(100.0)
            return w * 1.0

        chosen = ops.cond(x > 0.0, positive, negative)
        assert ops.cond(x > 10.0, lambda: v.assign(-1.0), lambda: None) is None
        return chosen, v + 0.0

    def expected(x: float, v: float, w: float) -> tuple[float, float, float, float]:
        v, w, chosen = (v + x, 2 * w, v + x + 2 * w) if x > 0 else (v, w + 100, w + 100)
        v = -1.0 if x > 10 else v
        return chosen, v, v, w

    compiled = CompiledFunction(step)
    for x in (2.0, -1.0, 3.0, 11.0, -2.0):
        before = float(v), float(w)
        found = [float(value) for value in compiled(np.float64(x))]
        assert (*found, float(v), float(w)) == expected(x, *before)


def test_cond_in_cond_writes_and_draws() -> None:
    from ironhorn import random

    seeds, count = random.SeedGenerator(3), Variable(0, name="count")

    def step(x: Any) -> Any:
        def inner() -> Any:
            count.assign_add(1)
            return ops.cond(x > 1.0, lambda: count.assign_add(10), lambda: count * 1) + 0

        return ops.cond(x > 0.0, lambda: (inner(), random.uniform((2,), seed=seeds)), lambda: (count * 1, ops.zeros(2)))

    compiled = CompiledFunction(step)
    assert [int(compiled(np.float32(x))[0]) for x in (0.5, 2.0, -1.0, 2.0)] == [1, 12, 12, 23]
    a, b = compiled(np.float32(1.0))[1], compiled(np.float32(1.0))[1]
    assert (np.asarray(a) != np.asarray(b)).all()
    fresh = Variable(np.asarray(seeds.state))
    compiled(np.float32(-1.0))
    np.testing.assert_array_equal(fresh, seeds.state)


@pytest.mark.parametrize("chosen", [True, False])
def test_cond_updates_weights_where_they_lie(chosen: bool) -> None:
    """An optimizer's step in a cond: taken or left out as a whole, also beside other readers of the weights."""
    from ironhorn import optimizers

    start = np.linspace(-1.0, 1.0, 70).reshape(7, 10)
    results = []
    for traced in (False, True):
        weights = [Variable(start, name="a"), Variable(start.T, name="b")]
        optimizer = optimizers.Adam(0.1)
        optimizer.build(weights)

        def step(flag: Any, x: Any) -> Any:
            a, b = weights  # noqa: B023
            loss = ops.sum(ops.matmul(x, a) ** 2) + ops.sum(b)
            gradients = [ops.matmul(ops.transpose(x), ops.matmul(x, a)) * 2.0, ops.ones_like(b)]
            ops.cond(flag, lambda: optimizer.apply(gradients, weights), lambda: None)  # noqa: B023
            return loss, ops.sum(a * a), ops.sum(a[0])

        run = CompiledFunction(step) if traced else step
        numbers = []
        for flag in (chosen, True, False):
            given = [ops.convert_to_tensor(value) for value in (np.bool_(flag), start[:, :7])]
            numbers += [float(value) for value in run(*given)]
        results.append([*numbers, *(np.asarray(variable) for variable in (*weights, *optimizer.variables))])
    for eager, traced_value in zip(*results, strict=True):
        np.testing.assert_allclose(eager, traced_value, rtol=1e-12)
    assert int(optimizer.iterations) == 1 + chosen


def test_loops_do_not_write_variables() -> None:
    count = Variable(0, name="count")

    def body(i: Any, x: Any) -> Any:
        ops.cond(x > 0.0, lambda: count.assign_add(1), lambda: None)
        return x

    with pytest.raises(errors.UnsupportedError, match="cannot write variables"):
        CompiledFunction(lambda x: ops.fori_loop(0, 3, body, x))(np.float64(1.0))
    assert int(count) == 0
