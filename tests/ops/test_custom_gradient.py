"""`ops.custom_gradient` and `ops.jvp`: derivatives that are written by hand, and forward ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ironhorn
from ironhorn import GradientTape, Variable, errors, layers, models, ops
from ironhorn.backend import CompiledFunction

X = np.random.default_rng(0).normal(size=(4, 3))


@ops.custom_gradient
def log1pexp(x: Any) -> Any:
    """The example of the literature: a derivative without the overflow."""
    e = ops.exp(x)
    return ops.log(1.0 + e), lambda upstream: upstream * (1.0 - 1.0 / (1.0 + e))


@ops.custom_gradient
def ten_times(x: Any) -> Any:
    """The identity whose derivative is ten."""
    return x, lambda upstream: upstream * 10.0


def gradient_of(function: Any, x: Any, traced: bool) -> Any:
    def run(x: Any) -> Any:
        return ironhorn.grad(lambda x: ops.sum(function(x)))(x)

    return (CompiledFunction(run) if traced else run)(x)


def sigmoid(x: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-x))


@pytest.mark.parametrize("traced", [False, True])
def test_the_gradient_function_is_used(traced: bool) -> None:
    np.testing.assert_allclose(np.asarray(gradient_of(log1pexp, X, traced)), sigmoid(X), rtol=1e-12)
    np.testing.assert_allclose(np.asarray(gradient_of(lambda x: ten_times(x) ** 2, X, traced)), 20 * X, rtol=1e-12)


@pytest.mark.parametrize("traced", [False, True])
def test_second_derivatives_are_those_of_the_gradient_function(traced: bool) -> None:
    second = gradient_of(lambda x: ironhorn.grad(lambda x: ops.sum(log1pexp(x)))(x), X, traced)
    np.testing.assert_allclose(np.asarray(second), sigmoid(X) * (1 - sigmoid(X)), rtol=1e-12)
    # The derivative of x ** 2 through ten_times is 2 * x * 10 with x by way of ten_times again: 200.
    second = gradient_of(lambda x: ironhorn.grad(lambda x: ops.sum(ten_times(x) ** 2))(x), X, traced)
    np.testing.assert_allclose(np.asarray(second), np.full_like(X, 200.0), rtol=1e-12)


@pytest.mark.parametrize("traced", [False, True])
def test_one_within_another(traced: bool) -> None:
    @ops.custom_gradient
    def outer(x: Any) -> Any:
        return ten_times(x) * 2.0, lambda upstream: ten_times(upstream) * 3.0

    np.testing.assert_allclose(np.asarray(gradient_of(outer, X, traced)), np.full_like(X, 3.0))


@pytest.mark.parametrize("traced", [False, True])
def test_structures_and_missing_gradients(traced: bool) -> None:
    @ops.custom_gradient
    def function(pair: Any, c: Any) -> Any:
        a, b = pair
        return {"sum": a + b, "product": a * c}, lambda up: ((up["sum"] * 2.0, None), up["product"] * 5.0)

    def run(a: Any, b: Any, c: Any) -> Any:
        with GradientTape() as tape:
            a, b, c = (ops.convert_to_tensor(x) for x in (a, b, c))
            tape.watch([a, b, c])
            made = function((a, b), c)
            total = ops.sum(made["sum"]) + ops.sum(made["product"] * 3.0)
        return tape.gradient(total, [a, b, c], unconnected_gradients="zero")

    found = (CompiledFunction(run) if traced else run)(X, X + 1, X + 2)
    for got, wanted in zip(found, (2.0, 0.0, 15.0), strict=True):
        np.testing.assert_allclose(np.asarray(got), np.full_like(X, wanted))


def test_the_result_does_not_depend_on_recording() -> None:
    np.testing.assert_array_equal(np.asarray(log1pexp(X)), np.asarray(CompiledFunction(log1pexp)(X)))


def test_a_gradient_function_for_another_backend() -> None:
    @ops.custom_gradient
    def function(x: Any) -> Any:
        def grad(*args: Any, upstream: Any) -> Any:
            return upstream * args[0]

        return x * 1.0, grad

    np.testing.assert_allclose(np.asarray(gradient_of(function, X, False)), X)


def test_a_function_that_uses_itself() -> None:
    @ops.custom_gradient
    def exponential(x: Any) -> Any:
        return ops.exp(x), lambda upstream: upstream * exponential(x)

    np.testing.assert_allclose(np.asarray(gradient_of(exponential, X, True)), np.exp(X), rtol=1e-12)
    function = exponential
    for _ in range(5):
        function = (lambda inner: lambda x: ironhorn.grad(lambda x: ops.sum(inner(x)))(x))(function)
    with pytest.raises(errors.UnsupportedError, match="followed for its first derivatives only"):
        function(ops.convert_to_tensor(X))


def test_variables() -> None:
    weight = Variable(np.array([2.0, 3.0, 4.0]), dtype="float64")

    @ops.custom_gradient
    def function(x: Any) -> Any:
        return x * weight, lambda upstream: upstream * weight * 7.0

    def run(x: Any) -> Any:
        with GradientTape() as tape:
            x = ops.convert_to_tensor(x)
            tape.watch(x)
            total = ops.sum(function(x))
        return tape.gradient(total, [x, weight])

    for traced in (False, True):
        by_x, by_weight = (CompiledFunction(run) if traced else run)(X)
        np.testing.assert_allclose(np.asarray(by_x), np.broadcast_to([14.0, 21.0, 28.0], X.shape))
        assert by_weight is None
    by_variable = ironhorn.grad(lambda x: ops.sum(ten_times(weight) * x))(ops.convert_to_tensor(X))
    np.testing.assert_allclose(np.asarray(by_variable), np.broadcast_to([2.0, 3.0, 4.0], X.shape))


def test_in_the_body_of_a_scan() -> None:
    def function(x: Any) -> Any:
        return ops.scan(lambda carry, row: (carry + ten_times(row), None), ops.zeros((3,), "float64"), x)[0]

    for traced in (False, True):
        np.testing.assert_allclose(np.asarray(gradient_of(function, X, traced)), np.full_like(X, 10.0))


class Reversal(layers.Layer):
    """Gradients with the sign turned, as in domain adaptation."""

    def call(self, x: Any) -> Any:
        @ops.custom_gradient
        def reverse(x: Any) -> Any:
            return x, lambda upstream: -upstream

        return reverse(x)


@pytest.mark.parametrize("eager", [False, True])
def test_training(eager: bool) -> None:
    results = []
    for sign in (1.0, -1.0):
        ironhorn.utils.set_random_seed(0)
        middle = [Reversal()] if sign < 0 else []
        model = models.Sequential([layers.Input((3,)), layers.Dense(2, name="first"), *middle, layers.Dense(1)])
        before = model.get_layer("first").kernel.numpy()
        model.compile("sgd", "mse", run_eagerly=eager)
        model.fit(X, X[:, :1], epochs=1, batch_size=4, verbose=0)
        results.append(model.get_layer("first").kernel.numpy() - before)
    np.testing.assert_allclose(results[0], -results[1], rtol=1e-4, atol=1e-7)


def test_errors() -> None:
    with pytest.raises(ValueError, match="must return a pair"):
        ops.custom_gradient(lambda x: x)(X)
    with GradientTape():
        with pytest.raises(errors.ShapeError, match="returned a gradient of shape"):
            ops.custom_gradient(lambda x: (x, lambda up: ops.sum(up)))(ops.convert_to_tensor(X))
        with pytest.raises(errors.ValueRangeError, match="2 gradients for 1"):
            ops.custom_gradient(lambda x: (x, lambda up: (up, up)))(ops.convert_to_tensor(X))
    with pytest.raises(errors.UnsupportedError, match="takes no symbolic tensors"):
        ten_times(ironhorn.KerasTensor((None, 3)))


def test_jvp_of_structures() -> None:
    def function(pair: Any, c: Any) -> Any:
        return {"a": pair[0] * c, "b": ops.sum(pair[1])}, "aux"

    primals, tangents = ((X, X + 1), X + 2), ((X * 0.5, X), X * 2)
    value, slope, aux = ops.jvp(function, primals, tangents, has_aux=True)
    assert aux == "aux"
    np.testing.assert_allclose(np.asarray(value["a"]), X * (X + 2))
    np.testing.assert_allclose(np.asarray(slope["a"]), X * 0.5 * (X + 2) + X * X * 2)
    np.testing.assert_allclose(np.asarray(slope["b"]), X.sum())


def test_jvp_of_one_array_in_two_places() -> None:
    x = ops.convert_to_tensor(X)
    _, slope = ops.jvp(lambda a, b: a * a * b, (x, x), (np.ones_like(X), np.zeros_like(X)))
    np.testing.assert_allclose(np.asarray(slope), 2 * X * X, rtol=1e-12)


def test_jvp_of_what_does_not_depend() -> None:
    value, slope = ops.jvp(lambda x: ops.ones((2,)), (1.0,), (1.0,))
    assert value.numpy().tolist() == [1.0, 1.0]
    assert slope.numpy().tolist() == [0.0, 0.0]
