"""Optimizer updates: one fused pass over all variables of a type, in place on the variables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ironhorn import _core

#: Scalars that count steps; the others have the type of what is trained.
_COUNTERS = ("step",)


def rule(
    name: str,
    variables: Sequence[Any],
    gradients: Sequence[Any],
    slots: Sequence[Sequence[Any]],
    learning_rate: Any,
    options: dict[str, float] | None = None,
    scalars: dict[str, Any] | None = None,
    *,
    weight_decay: Sequence[float] | None = None,
    clipnorm: float | None = None,
    clipvalue: float | None = None,
    global_clipnorm: float | None = None,
    averages: Sequence[Any] | None = None,
    kept_average: Any = None,
) -> None:
    """One step of an optimizer on all variables, by a rule of the engine's table (`src/kernels/cpu/update/rules.rs`).

    Gradients are clipped, variables decay, the rule is applied and averages follow in one pass over memory; norms take
    one pass over the gradients before it.

    Args:
        name: name of the rule, "adagrad" for example.
        variables: what is trained.
        gradients: a gradient for each.
        slots: for each slot of the rule, in its order, a variable for each variable.
        learning_rate: number or scalar tensor.
        options: numbers that stay, by the names of the rule.
        scalars: what changes from step to step, by the names and in the order of the rule; `step` counts from 1.
        weight_decay: a rate for each variable, or None; `p -= p * rate * lr` comes first.
        clipnorm: largest norm of each gradient.
        clipvalue: largest absolute value in a gradient.
        global_clipnorm: largest norm of all gradients together.
        averages: a moving average of each variable, or None.
        kept_average: scalar tensor: how much of the averages is kept.

    Example:
        >>> variable, accumulator = ironhorn.Variable([1.0]), ironhorn.Variable([0.0])
        >>> rule("adagrad", [variable], [[3.0]], [[accumulator]], 0.5, {"epsilon": 0.0})
        >>> variable.numpy().tolist()
        [0.5]
    """
    written = [variables, *slots] + ([] if averages is None else [averages])
    columns = [variables, gradients, *written[1:]]
    groups = _groups(variables)
    arriving = [[_as_type(gradients[i], dtype) for i in group] for dtype, group in groups]
    scales: list[Any] = [None] * len(groups)
    if clipnorm is not None:
        scales = [_norm_scale(sums_of_squares(group), clipnorm) for group in arriving]
    elif global_clipnorm is not None:
        scales = [_global_scale(gradients, global_clipnorm)] * len(groups)
    for (dtype, group), values, scale in zip(groups, arriving, scales, strict=True):
        numbers = [_as_type(learning_rate, dtype)]
        for key, value in (scalars or {}).items():
            numbers.append(_core.tensor(value) if key in _COUNTERS else _as_type(value, dtype))
        numbers += [] if scale is None else [_as_type(scale, dtype)]
        numbers += [] if averages is None else [_as_type(kept_average, dtype)]
        rest = [_as_type(column[i], dtype) for column in columns[2:] for i in group]
        outputs = _core.op("rule_update")(
            *numbers,
            *[_as_type(variables[i], dtype) for i in group],
            *values,
            *rest,
            rule=name,
            count=len(group),
            weight_decay=None if weight_decay is None else [float(weight_decay[i]) for i in group],
            clip=None if clipvalue is None else float(clipvalue),
            scaled=scale is not None,
            averaged=averages is not None,
            **{key: float(value) for key, value in (options or {}).items()},
        )
        targets = [column[i] for column in written for i in group]
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        for target, value in zip(targets, outputs, strict=True):
            target.write(value)


def sums_of_squares(values: Sequence[Any]) -> Any:
    """The sum of squares of every tensor, in one pass over all of them.

    Args:
        values: tensors of float types and any shapes; where one is float64, all are summed in it, else in float32.

    Returns:
        A vector with one number for each tensor.

    Example:
        >>> sums_of_squares([np.array([3.0, 4.0]), np.ones((2, 2))]).numpy().tolist()
        [25.0, 4.0]
    """
    tensors = [_core.tensor(value) for value in values]
    dtype = "float64" if any(tensor.dtype == "float64" for tensor in tensors) else "float32"
    return _core.op("sum_of_squares")(*[_as_type(tensor, dtype) for tensor in tensors])


def sgd(
    variables: Any,
    gradients: Any,
    momentums: Any,
    learning_rate: Any,
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: Any = None,
) -> None:
    """Stochastic gradient descent: `p -= lr g`, or with momentum `m = momentum m - lr g`, `p += m`.

    Args:
        variables: what is trained.
        gradients: a gradient for each.
        momentums: a slot variable for each, or None without momentum.
        learning_rate: number or scalar tensor.
        momentum: how much of the last step is kept.
        nesterov: whether the step looks ahead: `p += momentum m - lr g`.
        weight_decay: a rate for each variable, or None; `p -= p * rate * lr` comes first.
    """
    if momentums is None:
        rule("sgd", variables, gradients, [], learning_rate, weight_decay=weight_decay)
        return
    name = "sgd_nesterov" if nesterov else "sgd_momentum"
    options = {"momentum": momentum}
    rule(name, variables, gradients, [momentums], learning_rate, options, weight_decay=weight_decay)


def adam(
    variables: Any,
    gradients: Any,
    momentums: Any,
    velocities: Any,
    velocity_hats: Any,
    step: Any,
    learning_rate: Any,
    beta_1: float,
    beta_2: float,
    epsilon: float,
    weight_decay: Any = None,
) -> None:
    """Adam (Kingma and Ba, 2014), with Keras' order of operations.

    Args:
        variables: what is trained.
        gradients: a gradient for each.
        momentums: a slot for the first moment of each.
        velocities: a slot for the second moment of each.
        velocity_hats: a slot for the largest second moment of each (AMSGrad), or None.
        step: number of this step, from 1.
        learning_rate: number or scalar tensor.
        beta_1: decay of the first moment.
        beta_2: decay of the second moment.
        epsilon: added to the root of the second moment.
        weight_decay: a rate for each variable, or None; `p -= p * rate * lr` comes first.
    """
    name = "adam" if velocity_hats is None else "adam_amsgrad"
    slots = [momentums, velocities] + ([] if velocity_hats is None else [velocity_hats])
    options = {"beta_1": beta_1, "beta_2": beta_2, "epsilon": epsilon}
    rule(name, variables, gradients, slots, learning_rate, options, {"step": step}, weight_decay=weight_decay)


def _groups(variables: Any) -> list[tuple[str, list[int]]]:
    """Positions of the variables by type, with the type that each group's step is made in."""
    by_type: dict[str, list[int]] = {}
    for position, variable in enumerate(variables):
        by_type.setdefault(variable.dtype, []).append(position)
    # 16-bit floats are storage: the step is made in float32, and `write` rounds what it gives.
    return [("float32" if dtype in ("float16", "bfloat16") else dtype, group) for dtype, group in by_type.items()]


def _as_type(value: Any, dtype: str) -> Any:
    tensor = _core.tensor(value)
    return tensor if tensor.dtype == dtype else _core.op("cast")(tensor, dtype=dtype)


def _norm_scale(squares: Any, limit: float) -> Any:
    """What each gradient is multiplied by, from the squares of their norms."""
    from ironhorn import ops

    return ops.divide(limit, ops.maximum(ops.sqrt(squares), limit))


def _global_scale(gradients: Sequence[Any], limit: float) -> Any:
    """What all gradients are multiplied by; NaN where their norm is not finite, as in Keras."""
    from ironhorn import ops

    norm = ops.sqrt(ops.sum(sums_of_squares(gradients)))
    scale = ops.multiply(limit, ops.minimum(ops.divide(1.0, norm), 1.0 / limit))
    return ops.add(scale, ops.subtract(norm, norm))
