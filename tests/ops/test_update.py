"""Optimizer updates against their formulas, eager and traced, in both float types."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ironhorn import Variable, errors, ops
from ironhorn.backend import CompiledFunction
from ironhorn.ops import update

SHAPES = [(3, 5), (1000,), (), (0, 4)]


def arrays(seed: int, dtype: str) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [generator.normal(size=shape).astype(dtype) for shape in SHAPES]


def zeros(dtype: str) -> list[Variable]:
    return [Variable(np.zeros(shape, dtype)) for shape in SHAPES]


def close(variables: list[Variable], wanted: list[np.ndarray], dtype: str) -> None:
    for variable, array in zip(variables, wanted, strict=True):
        assert variable.dtype == dtype
        np.testing.assert_allclose(variable.numpy(), array, rtol={"float32": 2e-6, "float64": 1e-13}[dtype], atol=1e-6)


def run(step: Any, gradients: list[np.ndarray], traced: bool) -> None:
    function = CompiledFunction(lambda *values: step(list(values))) if traced else lambda *values: step(list(values))
    for _ in range(3):
        function(*gradients)


@pytest.mark.parametrize("traced", [False, True], ids=["eager", "traced"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("momentum", "nesterov"), [(0.0, False), (0.9, False), (0.9, True)])
@pytest.mark.parametrize("decay", [None, 0.01])
def test_sgd(dtype: str, momentum: float, nesterov: bool, decay: float | None, traced: bool) -> None:
    variables = [Variable(array) for array in arrays(0, dtype)]
    slots = zeros(dtype) if momentum else None
    rate = Variable(np.float32(0.1))
    gradients = arrays(1, dtype)
    rates = None if decay is None else [decay, 0.0, decay, decay]

    def step(values: list[Any]) -> Any:
        update.sgd(variables, values, slots, rate, momentum, nesterov, rates)
        return values[0]

    run(step, gradients, traced)
    wanted, speeds = [a.astype("float64") for a in arrays(0, dtype)], [np.zeros(shape) for shape in SHAPES]
    step_size = float(np.float32(0.1))
    for _ in range(3):
        for i, gradient in enumerate(gradients):
            wanted[i] = wanted[i] - (rates[i] if rates else 0.0) * step_size * wanted[i]
            if momentum:
                speeds[i] = momentum * speeds[i] - step_size * gradient
                wanted[i] = wanted[i] + (momentum * speeds[i] - step_size * gradient if nesterov else speeds[i])
            else:
                wanted[i] = wanted[i] - step_size * gradient
    close(variables, wanted, dtype)
    if slots is not None:
        close(slots, speeds, dtype)


@pytest.mark.parametrize("traced", [False, True], ids=["eager", "traced"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("amsgrad", [False, True])
@pytest.mark.parametrize("decay", [None, 0.01])
def test_adam(dtype: str, amsgrad: bool, decay: float | None, traced: bool) -> None:
    variables = [Variable(array) for array in arrays(0, dtype)]
    first, second, largest = zeros(dtype), zeros(dtype), zeros(dtype)
    steps = Variable(0)
    gradients = arrays(1, dtype)
    rates = None if decay is None else [decay] * len(SHAPES)

    def step(values: list[Any]) -> Any:
        update.adam(
            variables, values, first, second, largest if amsgrad else None, steps + 1, 0.01, 0.9, 0.99, 1e-7, rates
        )
        steps.assign_add(1)
        return values[0]

    run(step, gradients, traced)
    wanted = [a.astype("float64") for a in arrays(0, dtype)]
    rate = float(np.float32(0.01))
    m, v, top = ([np.zeros(shape) for shape in SHAPES] for _ in range(3))
    for t in range(1, 4):
        alpha = rate * np.sqrt(1 - 0.99**t) / (1 - 0.9**t)
        for i, gradient in enumerate(gradients):
            wanted[i] = wanted[i] * (1 - rate * (decay or 0.0))
            m[i] = m[i] + (gradient - m[i]) * 0.1
            v[i] = v[i] + (gradient.astype("float64") ** 2 - v[i]) * 0.01
            top[i] = np.maximum(top[i], v[i])
            wanted[i] = wanted[i] - alpha * m[i] / (np.sqrt(top[i] if amsgrad else v[i]) + 1e-7)
    for variable, array in zip(variables, wanted, strict=True):
        # The bias correction is computed in float32.
        np.testing.assert_allclose(variable.numpy(), array, rtol=1e-5, atol=2e-6)
    assert int(steps) == 3


def test_variables_of_two_types() -> None:
    variables = [Variable(np.ones(3, "float32")), Variable(np.ones(2, "float64")), Variable(np.ones(1, "float32"))]
    gradients = [np.ones(variable.shape, variable.dtype) for variable in variables]
    update.sgd(variables, gradients, None, 0.5)
    assert [variable.numpy().tolist() for variable in variables] == [[0.5] * 3, [0.5] * 2, [0.5]]


def test_values_read_before_an_update_stay() -> None:
    variable = Variable(np.ones(3, "float32"))
    before = variable.value
    seen = np.asarray(before)
    update.sgd([variable], [np.ones(3, "float32")], None, 0.5)
    assert seen.tolist() == before.numpy().tolist() == [1.0, 1.0, 1.0]

    def step(gradient: Any) -> Any:
        old = variable.value * 1.0
        update.sgd([variable], [gradient], None, 0.5)
        return old, variable.value * 2.0, ops.sum(variable)

    old, new, total = CompiledFunction(step)(np.ones(3, "float32"))
    assert old.numpy().tolist() == [0.5] * 3
    assert new.numpy().tolist() == [0.0] * 3
    assert float(total) == 0.0


def test_shapes_are_checked() -> None:
    with pytest.raises(errors.ShapeError, match=r"\(3,\)"):
        update.sgd([Variable(np.ones(3, "float32"))], [np.ones(4, "float32")], None, 0.5)


def test_a_rule_is_named_and_given_what_it_reads() -> None:
    variable, slot = Variable(np.ones(3, "float32")), Variable(np.zeros(3, "float32"))
    gradient = np.full(3, 3.0, "float32")
    update.rule("adagrad", [variable], [gradient], [[slot]], 0.5, {"epsilon": 0.0}, clipvalue=2.0)
    assert variable.numpy().tolist() == [0.5] * 3
    assert slot.numpy().tolist() == [4.0] * 3
    with pytest.raises(ValueError, match="no rule 'adagrid'; known are sgd,"):
        update.rule("adagrid", [variable], [gradient], [[slot]], 0.5)
    with pytest.raises(ValueError, match="rule 'adagrad' needs the number 'epsilon'"):
        update.rule("adagrad", [variable], [gradient], [[slot]], 0.5)
    with pytest.raises(ValueError, match="4 inputs in all, got 3"):
        update.rule("adagrad", [variable], [gradient], [], 0.5, {"epsilon": 0.0})
