"""Optimizer updates: one fused pass over all variables of a type, in place on the variables."""

from typing import Any

from ironhorn import _core


def _groups(variables: Any) -> list[list[int]]:
    """Positions of the variables, grouped by type."""
    by_type: dict[str, list[int]] = {}
    for position, variable in enumerate(variables):
        by_type.setdefault(variable.dtype, []).append(position)
    return list(by_type.values())


def _as_type(value: Any, dtype: str) -> Any:
    tensor = _core.tensor(value)
    return tensor if tensor.dtype == dtype else _core.op("cast")(tensor, dtype=dtype)


def _run(
    name: str,
    learning_rate: Any,
    step: list[Any],
    columns: list[Any],
    written: list[Any],
    attributes: dict[str, Any],
    decay: Any,
) -> None:
    """Applies an update op to each group; its outputs are the new values of the `written` columns."""
    for group in _groups(columns[0]):
        dtype = columns[0][group[0]].dtype
        # 16-bit floats are storage: the step is made in float32, and `write` rounds what it gives.
        compute = "float32" if dtype in ("float16", "bfloat16") else dtype
        values = [_as_type(column[i], compute) for column in columns for i in group]
        rates = None if decay is None else [float(decay[i]) for i in group]
        scalars = [_as_type(learning_rate, compute), *step]
        outputs = _core.op(name)(*scalars, *values, count=len(group), weight_decay=rates, **attributes)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        targets = [column[i] for column in written for i in group]
        for target, value in zip(targets, outputs, strict=True):
            target.write(value)


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
    columns = [variables, gradients] + ([] if momentums is None else [momentums])
    written = [variables] + ([] if momentums is None else [momentums])
    attributes = {"momentum": float(momentum), "nesterov": bool(nesterov)}
    _run("sgd_update", learning_rate, [], columns, written, attributes, weight_decay)


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
    slots = [momentums, velocities] + ([] if velocity_hats is None else [velocity_hats])
    attributes = {
        "beta_1": float(beta_1),
        "beta_2": float(beta_2),
        "epsilon": float(epsilon),
        "amsgrad": velocity_hats is not None,
    }
    columns, written = [variables, gradients, *slots], [variables, *slots]
    _run("adam_update", learning_rate, [step], columns, written, attributes, weight_decay)
