"""Activation functions."""

import math
from typing import Any

from ironhorn.errors import ShapeError
from ironhorn.ops import numpy as np_ops
from ironhorn.ops._dispatch import op
from ironhorn.ops._values import (
    as_dtype,
    as_float,
    axis_of,
    handle,
    product_of_lengths,
    shape_of,
)

__all__ = [
    "celu",
    "elu",
    "gelu",
    "glu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "leaky_relu",
    "log_sigmoid",
    "log_softmax",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
    "squareplus",
    "swish",
    "tanh_shrink",
    "threshold",
]


@op
def relu(x: Any) -> Any:
    """`max(x, 0)`."""
    return handle["relu"](x)


@op
def sigmoid(x: Any) -> Any:
    """`1 / (1 + exp(-x))`."""
    return handle["sigmoid"](x)


@op
def softplus(x: Any) -> Any:
    """`log(1 + exp(x))`."""
    return handle["softplus"](x)


@op
def relu6(x: Any) -> Any:
    """`min(max(x, 0), 6)`."""
    return handle["relu6"](x)


@op
def leaky_relu(x: Any, negative_slope: float = 0.2) -> Any:
    """`x` where it is positive, else `negative_slope * x`."""
    x = as_float(x)
    return handle["select"](handle["greater"](x, 0.0), x, handle["multiply"](x, float(negative_slope)))


@op
def elu(x: Any, alpha: float = 1.0) -> Any:
    """`x` where it is positive, else `alpha * (exp(x) - 1)`."""
    x = as_float(x)
    below = handle["multiply"](handle["expm1"](handle["minimum"](x, 0.0)), float(alpha))
    return handle["select"](handle["greater"](x, 0.0), x, below)


@op
def celu(x: Any, alpha: float = 1.0) -> Any:
    """`x` where it is positive, else `alpha * (exp(x / alpha) - 1)` (Barron, 2017)."""
    x = as_float(x)
    below = handle["expm1"](handle["divide"](handle["minimum"](x, 0.0), float(alpha)))
    return handle["add"](handle["maximum"](x, 0.0), handle["multiply"](below, float(alpha)))


@op
def selu(x: Any) -> Any:
    """Scaled elu (Klambauer et al., 2017)."""
    return handle["multiply"](elu(x, 1.6732632423543772), 1.0507009873554805)


@op
def gelu(x: Any, approximate: bool = True) -> Any:
    """`x` times the normal distribution function of `x` (Hendrycks and Gimpel, 2016), by tanh when `approximate`."""
    x = as_float(x)
    if approximate:
        cubic = handle["multiply"](handle["multiply"](handle["multiply"](x, x), x), 0.044715)
        inner = handle["multiply"](handle["add"](x, cubic), math.sqrt(2.0 / math.pi))
        gate = handle["add"](handle["tanh"](inner), 1.0)
    else:
        gate = handle["add"](handle["erf"](handle["multiply"](x, math.sqrt(0.5))), 1.0)
    return handle["multiply"](handle["multiply"](x, gate), 0.5)


@op
def silu(x: Any) -> Any:
    """`x * sigmoid(x)`."""
    x = as_float(x)
    return handle["multiply"](x, handle["sigmoid"](x))


@op
def swish(x: Any) -> Any:
    """`x * sigmoid(x)`."""
    return silu(x)


@op
def softsign(x: Any) -> Any:
    """`x / (1 + |x|)`."""
    x = as_float(x)
    return handle["divide"](x, handle["add"](handle["absolute"](x), 1.0))


@op
def hard_sigmoid(x: Any) -> Any:
    """`min(max(x / 6 + 1 / 2, 0), 1)`."""
    return np_ops.clip(handle["add"](handle["divide"](as_float(x), 6.0), 0.5), 0.0, 1.0)


@op
def hard_silu(x: Any) -> Any:
    """`x * hard_sigmoid(x)`."""
    x = as_float(x)
    return handle["multiply"](x, hard_sigmoid(x))


@op
def hard_swish(x: Any) -> Any:
    """`x * hard_sigmoid(x)`."""
    return hard_silu(x)


@op
def hard_tanh(x: Any) -> Any:
    """`min(max(x, -1), 1)`."""
    return np_ops.clip(x, -1.0, 1.0)


@op
def log_sigmoid(x: Any) -> Any:
    """`log(sigmoid(x))`."""
    return handle["negative"](handle["softplus"](handle["negative"](as_float(x))))


@op
def tanh_shrink(x: Any) -> Any:
    """`x - tanh(x)`."""
    x = as_float(x)
    return handle["subtract"](x, handle["tanh"](x))


@op
def glu(x: Any, axis: int = -1) -> Any:
    """The first half of `x` along an axis times the sigmoid of the second (Dauphin et al., 2017).

    Raises:
        ShapeError: if the axis has no halves.
    """
    x = as_float(x)
    length = x.shape[axis_of(axis, x.ndim)]
    if length is None or length % 2:
        raise ShapeError(f"ops.glu halves axis {axis}, whose length must be known and even; got shape {x.shape}")
    values, gates = np_ops.split(x, 2, axis)
    return handle["multiply"](values, handle["sigmoid"](gates))


@op
def hard_shrink(x: Any, threshold: float = 0.5) -> Any:
    """`x` where `|x| > threshold`, else 0."""
    x = as_float(x)
    return handle["select"](handle["greater"](handle["absolute"](x), float(threshold)), x, 0.0)


@op
def soft_shrink(x: Any, threshold: float = 0.5) -> Any:
    """`x` moved towards 0 by `threshold`, and no further than 0."""
    x, edge = as_float(x), float(threshold)
    below = handle["select"](handle["less"](x, -edge), handle["add"](x, edge), 0.0)
    return handle["select"](handle["greater"](x, edge), handle["subtract"](x, edge), below)


@op
def threshold(x: Any, threshold: float, default_value: float) -> Any:
    """`x` where it is greater than `threshold`, else `default_value`."""
    x = as_float(x)
    return handle["select"](handle["greater"](x, float(threshold)), x, float(default_value))


@op
def sparse_plus(x: Any) -> Any:
    """0 below -1, `x` above 1, and `(x + 1)^2 / 4` between: a softplus with zeros (Martins and Astudillo, 2016)."""
    x = as_float(x)
    middle = handle["multiply"](handle["square"](handle["add"](x, 1.0)), 0.25)
    upper = handle["select"](handle["greater_equal"](x, 1.0), x, middle)
    return handle["select"](handle["less_equal"](x, -1.0), 0.0, upper)


@op
def sparse_sigmoid(x: Any) -> Any:
    """`min(max((x + 1) / 2, 0), 1)`: the derivative of `sparse_plus`."""
    return handle["multiply"](np_ops.clip(handle["add"](as_float(x), 1.0), 0.0, 2.0), 0.5)


@op
def sparsemax(x: Any, axis: int = -1) -> Any:
    """`max(x - t, 0)` along an axis, with a threshold `t` that leaves few elements (Martins and Astudillo, 2016).

    The threshold is Keras': `(sum of the running sums of the k largest elements - 1) / k`, where `k` elements are kept.
    It is the paper's, whose results add up to 1, where `k` is 1; beyond, the paper has the last running sum alone.
    """
    x = as_float(x)
    axis = axis_of(axis, x.ndim)
    falling = handle["negative"](np_ops.sort(handle["negative"](x), axis))
    running = np_ops.cumsum(falling, axis)
    lengths: list[Any] = [1] * x.ndim
    lengths[axis] = shape_of(x)[axis]
    rank = handle["add"](handle["iota"](shape=lengths, axis=axis, dtype=x.dtype), 1.0)
    kept = handle["greater"](falling, handle["divide"](handle["subtract"](running, 1.0), rank))
    count = np_ops.sum(as_dtype(kept, x.dtype), axis, True)
    total = np_ops.sum(handle["select"](kept, running, 0.0), axis, True)
    edge = handle["divide"](handle["subtract"](total, 1.0), count)
    return handle["maximum"](handle["subtract"](x, edge), 0.0)


@op
def squareplus(x: Any, b: float = 4) -> Any:
    """`(x + sqrt(x^2 + b)) / 2`: a softplus without exponentials (Barron, 2021)."""
    x = as_float(x)
    root = handle["sqrt"](handle["add"](handle["square"](x), float(b)))
    return handle["multiply"](handle["add"](x, root), 0.5)


def _over_last(name: str, x: Any, axis: Any) -> Any:
    x = as_float(x)
    if axis is None:
        shape = shape_of(x)
        return handle["reshape"](handle[name](handle["reshape"](x, shape=[-1])), shape=shape)
    if isinstance(axis, (list, tuple)):
        axes = sorted(axis_of(a, x.ndim) for a in axis)
        kept = [a for a in range(x.ndim) if a not in axes]
        order = kept + axes
        moved = handle["transpose"](x, axes=order)
        shape = shape_of(moved)
        flat = handle["reshape"](
            moved, shape=[*shape[: len(kept)], product_of_lengths(shape, range(len(kept), len(shape)))]
        )
        back = handle["reshape"](handle[name](flat), shape=shape)
        return handle["transpose"](back, axes=[order.index(a) for a in range(x.ndim)])
    axis = axis_of(axis, x.ndim)
    if axis == x.ndim - 1:
        return handle[name](x)
    order = [a for a in range(x.ndim) if a != axis] + [axis]
    moved = handle[name](handle["transpose"](x, axes=order))
    return handle["transpose"](moved, axes=[order.index(a) for a in range(x.ndim)])


@op
def softmax(x: Any, axis: Any = -1) -> Any:
    """`exp(x) / sum(exp(x))` along axes."""
    return _over_last("softmax", x, axis)


@op
def log_softmax(x: Any, axis: Any = -1) -> Any:
    """`x - log(sum(exp(x)))` along axes."""
    return _over_last("log_softmax", x, axis)
