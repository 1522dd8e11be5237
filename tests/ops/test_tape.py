"""Derivatives: `GradientTape`, `grad`, `value_and_grad`, eager and traced."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ironhorn
from ironhorn import GradientTape, Variable, errors, ops
from ironhorn.backend import CompiledFunction

X = np.array([1.0, 2.0, 3.0])


def tensor(values: Any, dtype: str = "float64") -> Any:
    return ops.convert_to_tensor(values, dtype)


def numbers(gradient: Any) -> Any:
    return np.asarray(gradient).tolist()


def test_variables_are_watched() -> None:
    x = Variable(X)
    with GradientTape() as tape:
        y = ops.sum(x * x)
    assert numbers(tape.gradient(y, x)) == [2.0, 4.0, 6.0]


def test_tensors_must_be_watched() -> None:
    x, y = tensor(X), tensor(X)
    with GradientTape() as tape:
        tape.watch([x])
        z = ops.sum(x * y)
    dx, dy = tape.gradient(z, [x, y])
    assert numbers(dx) == X.tolist()
    assert dy is None


def test_the_target_is_summed() -> None:
    x = Variable(X)
    with GradientTape() as tape:
        y = x * x
    assert numbers(tape.gradient(y, x)) == [2.0, 4.0, 6.0]


def test_output_gradients_weigh_targets() -> None:
    x = Variable(X)
    with GradientTape() as tape:
        y, z = x * x, x * 3.0
    assert numbers(tape.gradient([y, z], x, output_gradients=[np.array([1.0, 0.0, 2.0]), np.ones(3)])) == [
        5.0,
        3.0,
        15.0,
    ]


def test_structures_of_sources_and_targets() -> None:
    a, b = Variable(1.0), Variable(2.0)
    with GradientTape() as tape:
        loss = {"x": a * b, "y": [a * a, b * 1.0]}
    gradients = tape.gradient(loss, {"second": b, "first": (a,)})
    assert float(gradients["first"][0]) == 4.0
    assert float(gradients["second"]) == 2.0


def test_unconnected_sources() -> None:
    x, other = Variable(X), Variable(np.ones((2, 2), "float32"))
    with GradientTape(persistent=True) as tape:
        y = ops.sum(x)
    assert tape.gradient(y, other) is None
    zero = tape.gradient(y, other, unconnected_gradients="zero")
    assert (numbers(zero), zero.dtype) == ([[0.0, 0.0]] * 2, "float32")
    with pytest.raises(ValueError, match="'none' or 'zero'"):
        tape.gradient(y, x, unconnected_gradients="one")


def test_a_tape_is_asked_once_unless_persistent() -> None:
    x = Variable(2.0)
    with GradientTape() as tape:
        y = x**3
    assert float(tape.gradient(y, x)) == 12.0
    with pytest.raises(RuntimeError, match="persistent"):
        tape.gradient(y, x)
    with GradientTape(persistent=True) as tape:
        y, z = x**3, x * 5.0
    assert float(tape.gradient(y, x)) == 12.0
    assert float(tape.gradient(z, x)) == 5.0
    assert float(tape.gradient(y, x)) == 12.0


def test_what_happens_outside_is_not_recorded() -> None:
    x = Variable(2.0)
    before = x * 3.0
    with GradientTape() as tape:
        y = x * x
    after = y * 2.0
    with pytest.raises(RuntimeError, match="with statement"):
        GradientTape().gradient(y, x)
    assert tape.gradient([before, after], x) is None


def test_nested_tapes_give_second_derivatives() -> None:
    x = Variable(X)
    with GradientTape() as outer:
        with GradientTape() as inner:
            y = ops.sum(x**3)
        first = inner.gradient(y, x)
        again = ops.sum(first * first)
    assert numbers(first) == [3.0, 12.0, 27.0]
    np.testing.assert_allclose(np.asarray(outer.gradient(again, x)), 36.0 * X**3)


def test_a_gradient_penalty() -> None:
    weight = Variable(np.array([[0.3], [-0.7]]))
    x = tensor([[1.0, 2.0]])

    def loss() -> Any:
        with GradientTape() as inner:
            inner.watch(x)
            y = ops.tanh(ops.matmul(x, weight))
        slope = inner.gradient(y, x)
        return ops.sum(slope * slope)

    with GradientTape() as outer:
        penalty = loss()
    found = np.asarray(outer.gradient(penalty, weight))
    start = weight.numpy()
    for place in range(2):
        sides = []
        for step in (1e-6, -1e-6):
            weight.assign(start + step * np.eye(2)[:, place : place + 1])
            sides.append(float(loss()))
        np.testing.assert_allclose(found[place, 0], (sides[0] - sides[1]) / 2e-6, rtol=1e-6)
    weight.assign(start)


@pytest.mark.parametrize("traced", [False, True], ids=["eager", "traced"])
def test_assignments_inside_a_tape(traced: bool) -> None:
    x = Variable(3.0)

    def both_values(_: Any) -> Any:
        with GradientTape() as tape:
            y = x * x
            x.assign(10.0)
            z = y + x * 2.0
        return tape.gradient(z, x)

    def only_the_new_value(_: Any) -> Any:
        with GradientTape() as tape:
            x.assign_add(x * x)
            z = x * 2.0 + x * x
        return tape.gradient(z, x), x.value

    def run(function: Any) -> Any:
        x.assign(3.0)
        return (CompiledFunction(function) if traced else function)(X)

    assert float(run(both_values)) == 8.0
    assert float(x) == 10.0
    gradient, value = run(only_the_new_value)
    assert float(gradient) == 26.0
    assert float(value) == float(x) == 12.0


def test_stop_gradient_and_integers_cut() -> None:
    x = Variable(X)
    with GradientTape(persistent=True) as tape:
        y = ops.sum(x * ops.stop_gradient(x))
        z = ops.sum(ops.cast(ops.cast(x, "int32"), "float64"))
    assert numbers(tape.gradient(y, x)) == X.tolist()
    assert tape.gradient(z, x) is None
    with GradientTape() as tape:
        count = ops.cast(x, "int32")
    assert tape.gradient(count, x) is None


def test_gradients_cross_types() -> None:
    x = Variable(np.array([1.0, 2.0], "float32"))
    with GradientTape() as tape:
        y = ops.sum(ops.cast(x, "float64") ** 2)
    gradient = tape.gradient(y, x)
    assert (gradient.dtype, numbers(gradient)) == ("float32", [2.0, 4.0])


def test_one_value_in_two_places() -> None:
    found = ironhorn.grad(lambda x: ops.sum(ops.where(x > 1.5, x * x, x) + x))(X)
    assert numbers(found) == [2.0, 5.0, 7.0]


def test_value_and_grad() -> None:
    value, (dx, dy) = ironhorn.value_and_grad(lambda x, y: ops.sum(x * y), argnums=(0, 1))(X, X + 1)
    assert float(value) == 20.0
    assert numbers(dx) == (X + 1).tolist()
    assert numbers(dy) == X.tolist()
    (value, extra), gradient = ironhorn.value_and_grad(lambda x: (ops.sum(x), "more"), has_aux=True)(X)
    assert (float(value), extra, numbers(gradient)) == (6.0, "more", [1.0, 1.0, 1.0])
    nested = ironhorn.grad(lambda p: ops.sum(p["a"] * p["b"][0]))({"a": X, "b": [X * 2]})
    assert numbers(nested["b"][0]) == X.tolist()
    assert numbers(ironhorn.grad(lambda x, scale: x * scale)(2.0, scale=3.0)) == 3.0


def test_higher_derivatives() -> None:
    def power(x: Any) -> Any:
        return x**5

    found = [5 * 16.0, 20 * 8.0, 60 * 4.0, 120 * 2.0, 120.0]
    function = power
    for wanted in found:
        function = ironhorn.grad(function)
        np.testing.assert_allclose(float(function(2.0)), wanted, rtol=1e-6)


def test_tapes_inside_compiled_functions() -> None:
    weight = Variable(np.array([[2.0], [-1.0]]))

    def step(x: Any) -> Any:
        with GradientTape() as tape:
            loss = ops.sum(ops.matmul(x, weight) ** 2)
        (gradient,) = tape.gradient(loss, [weight])
        weight.assign_sub(0.01 * gradient)
        return loss

    x = np.array([[1.0, 2.0], [0.5, 0.1], [3.0, -2.0]])
    compiled = CompiledFunction(step, "step")
    start = weight.numpy()
    losses = [float(compiled(x)) for _ in range(3)]
    ended = weight.numpy()
    weight.assign(start)
    np.testing.assert_allclose(losses, [float(step(x)) for _ in range(3)], rtol=1e-12)
    np.testing.assert_allclose(ended, weight.numpy(), rtol=1e-12)
    assert losses[2] < losses[1] < losses[0]


def test_second_derivatives_inside_compiled_functions() -> None:
    def slopes(x: Any) -> Any:
        return ironhorn.grad(lambda v: ops.sum(ironhorn.grad(lambda w: ops.sum(ops.sin(w) * w))(v) ** 2))(x)

    np.testing.assert_allclose(np.asarray(CompiledFunction(slopes)(X)), np.asarray(slopes(X)), rtol=1e-12)


def test_unsupported_arguments_say_so() -> None:
    with pytest.raises(errors.UnsupportedError, match="watch_accessed_variables"):
        GradientTape(watch_accessed_variables=False)


def test_tapes_of_threads_are_apart() -> None:
    import threading

    x, results = Variable(3.0), []

    def work() -> None:
        with GradientTape() as tape:
            y = x * x
        results.append(float(tape.gradient(y, x)))

    with GradientTape() as tape:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        z = x * 5.0
        for thread in threads:
            thread.join()
    assert results == [6.0] * 4
    assert float(tape.gradient(z, x)) == 5.0


def test_an_error_inside_a_tape_closes_it() -> None:
    x = Variable(2.0)
    with pytest.raises(errors.ShapeError), GradientTape():
        ops.matmul(np.ones((2, 3)), np.ones((2, 3)))
    with GradientTape() as tape:
        y = x * x
    assert float(tape.gradient(y, x)) == 4.0


def resident_megabytes() -> float:
    import pathlib

    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


def test_results_do_not_keep_a_tape_alive() -> None:
    weight = Variable(np.ones((500, 500), "float32"))
    kept, before = [], 0.0
    for step in range(25):
        with GradientTape() as tape:
            x = ops.tanh(weight * 0.5)
            for _ in range(6):
                x = ops.tanh(x)
            loss = ops.sum(x)
        kept.append((loss, ops.sum(tape.gradient(loss, weight))))
        if step == 4:
            before = resident_megabytes()
    assert resident_megabytes() - before < 60, "each step's 8 MB stay with its loss"
