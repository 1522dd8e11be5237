"""Moments, and functions that scale by them."""

from typing import Any

from ironhorn.errors import UnsupportedError
from ironhorn.ops import numpy as np_ops
from ironhorn.ops._dispatch import op
from ironhorn.ops._values import as_dtype, as_float, axis_of, handle, tensor

__all__ = ["batch_normalization", "batch_normalization_train", "l2_normalize", "moments", "normalize"]


@op
def moments(x: Any, axes: Any, keepdims: bool = False, synchronized: bool = False) -> Any:
    """Mean and population variance over axes."""
    if synchronized:
        raise UnsupportedError("ops.moments has no replicas to synchronise; leave synchronized=False")
    x = as_float(x)
    return np_ops.mean(x, axes, keepdims), np_ops.var(x, axes, keepdims)


@op
def batch_normalization(
    x: Any, mean: Any, variance: Any, axis: int, offset: Any = None, scale: Any = None, epsilon: float = 1e-3
) -> Any:
    """`(x - mean) / sqrt(variance + epsilon) * scale + offset` along an axis (Ioffe and Szegedy, 2015)."""
    x = as_float(x)
    shape = [1] * x.ndim
    shape[axis_of(axis, x.ndim)] = -1

    def along(v: Any) -> Any:
        v = as_dtype(tensor(v), x.dtype)
        return v if shape[-1] == -1 else handle["reshape"](v, shape=shape)

    factor = handle["rsqrt"](handle["add"](as_dtype(tensor(variance), x.dtype), epsilon))
    if scale is not None:
        factor = handle["multiply"](factor, as_dtype(tensor(scale), x.dtype))
    shift = handle["negative"](handle["multiply"](as_dtype(tensor(mean), x.dtype), factor))
    if offset is not None:
        shift = handle["add"](shift, as_dtype(tensor(offset), x.dtype))
    return handle["add"](handle["multiply"](x, along(factor)), along(shift))


@op
def batch_normalization_train(x: Any, scale: Any, offset: Any, epsilon: float = 1e-3, mask: Any = None) -> Any:
    """Batch normalisation of the last axis by the batch's own moments: `(y, mean, variance)`.

    Args:
        x: `(rows.., channels)`.
        scale: `(channels,)`, gamma.
        offset: `(channels,)`, beta.
        epsilon: added to the variance.
        mask: optional `(rows..)`; rows that are False do not count in the moments.
    """
    x = as_float(x)
    inputs = [x, as_dtype(tensor(scale), x.dtype), as_dtype(tensor(offset), x.dtype)]
    if mask is not None:
        inputs.append(as_dtype(tensor(mask), x.dtype))
    return handle["batch_norm_train"](*inputs, epsilon=float(epsilon))


@op
def l2_normalize(x: Any, axis: int = -1, epsilon: float = 1e-12) -> Any:
    """`x / max(|x|, sqrt(epsilon))` along an axis."""
    x = as_float(x)
    total = np_ops.sum(handle["square"](x), axis, True)
    return handle["multiply"](x, handle["rsqrt"](handle["maximum"](total, epsilon)))


@op
def normalize(x: Any, axis: int = -1, order: int = 2, epsilon: float | None = None) -> Any:
    """`x` divided by its norm of `order` along an axis."""
    x = as_float(x)
    small = 1e-7 if epsilon is None else epsilon
    if order == 2:
        return l2_normalize(x, axis, small * small)
    size = np_ops.power(np_ops.sum(np_ops.power(np_ops.absolute(x), float(order)), axis, True), 1.0 / order)
    return handle["divide"](x, handle["maximum"](size, small))
