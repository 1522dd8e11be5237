"""Moments, and functions that scale by them."""

from typing import Any

from ironhorn.backend.config import epsilon as backend_epsilon
from ironhorn.errors import ShapeError, UnsupportedError
from ironhorn.ops import numpy as np_ops
from ironhorn.ops._dispatch import op
from ironhorn.ops._values import as_dtype, as_float, axes_of, axis_of, handle, product_of_lengths, shape_of, tensor

__all__ = [
    "batch_normalization",
    "batch_normalization_train",
    "group_normalization",
    "l2_normalize",
    "layer_normalization",
    "moments",
    "normalize",
    "rms_normalization",
]


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
def layer_normalization(
    x: Any, gamma: Any = None, beta: Any = None, axis: Any = -1, epsilon: float | None = None, **kwargs: Any
) -> Any:
    """`(x - mean) / sqrt(variance + epsilon) * gamma + beta`, with moments over some axes (Ba et al., 2016).

    Args:
        x: array.
        gamma: scale; its axes are those normalised over.
        beta: offset, of the same shape.
        axis: axis, or list of axes, that are normalised over.
        epsilon: added to the variance; `ironhorn.config.epsilon()` by default.
        **kwargs: `rms_scaling=True`, which Keras has deprecated: `x / sqrt(variance + epsilon) * gamma`.

    Returns:
        An array of the shape and type of `x`. Sixteen-bit floats are normalised in float32.

    Example:
        >>> from ironhorn import ops
        >>> ops.layer_normalization([[1.0, 3.0]], epsilon=0.0).numpy().tolist()
        [[-1.0, 1.0]]
    """
    scaling = kwargs.pop("rms_scaling", False)
    if kwargs:
        raise TypeError(f"ops.layer_normalization does not take the argument(s) {sorted(kwargs)}")
    if not scaling:
        return _by_rows(x, gamma, beta, axis, epsilon, centred=True)
    x, dtype = _wide(x)
    axes = axes_of(axis, x.ndim)
    factor = handle["rsqrt"](handle["add"](np_ops.var(x, axes, True), _small(epsilon)))
    y = handle["multiply"](x, factor)
    if gamma is not None:
        shape = [length if i in axes else 1 for i, length in enumerate(shape_of(x))]
        y = handle["multiply"](y, handle["reshape"](as_dtype(tensor(gamma), x.dtype), shape=shape))
    return as_dtype(y, dtype)


@op
def rms_normalization(x: Any, scale: Any = None, axis: Any = -1, epsilon: float | None = None) -> Any:
    """`x / sqrt(mean(x^2) + epsilon) * scale`, with the mean over some axes (Zhang and Sennrich, 2019).

    Args:
        x: array.
        scale: what columns are multiplied by; its axes are those normalised over.
        axis: axis, or list of axes, that are normalised over.
        epsilon: added to the mean; `ironhorn.config.epsilon()` by default.

    Returns:
        An array of the shape and type of `x`. Sixteen-bit floats are normalised in float32.
    """
    x = tensor(x)
    if x.ndim == 0:
        x = handle["reshape"](x, shape=[1])
    return _by_rows(x, scale, None, axis, epsilon, centred=False)


@op
def group_normalization(
    x: Any, groups: int, axis: int = -1, gamma: Any = None, beta: Any = None, epsilon: float = 1e-3
) -> Any:
    """Normalises every example's channels in groups by the groups' moments (Wu and He, 2018).

    Args:
        x: `(batch, ...)` with channels on `axis`.
        groups: number of groups; it divides the number of channels.
        axis: axis of the channels.
        gamma: scale `(channels,)`, 1 by default.
        beta: offset `(channels,)`, 0 by default.
        epsilon: added to the variance.

    Returns:
        An array of the shape and type of `x`.

    Raises:
        ShapeError: if the channels do not fall into equal groups.
    """
    x, dtype = _wide(x)
    axis = axis_of(axis, x.ndim)
    lengths = shape_of(x)
    channels = lengths[axis]
    if axis == 0 or not isinstance(channels, int) or channels % groups:
        raise ShapeError(
            f"ops.group_normalization: axis {axis} of an input of shape {x.shape} does not fall into {groups} groups"
        )
    # (batch, groups, rest): a group's elements are one row.
    apart = [*lengths[:axis], groups, channels // groups, *lengths[axis + 1 :]]
    order = [0, axis, *(i for i in range(1, x.ndim + 1) if i != axis)]
    rows = handle["transpose"](handle["reshape"](x, shape=apart), axes=order)
    count = product_of_lengths(apart, order[2:])
    y = handle["layer_norm"](
        handle["reshape"](rows, shape=[lengths[0], groups, count]), epsilon=float(epsilon), centred=True
    )
    y = handle["transpose"](
        handle["reshape"](y, shape=[apart[i] for i in order]), axes=[order.index(i) for i in range(x.ndim + 1)]
    )
    y = handle["reshape"](y, shape=lengths)
    along = [1] * x.ndim
    along[axis] = channels
    for name, parameter in (("multiply", gamma), ("add", beta)):
        if parameter is not None:
            y = handle[name](y, handle["reshape"](as_dtype(tensor(parameter), x.dtype), shape=along))
    return as_dtype(y, dtype)


def _small(epsilon: float | None) -> float:
    return backend_epsilon() if epsilon is None else float(epsilon)


def _wide(x: Any) -> tuple[Any, str]:
    """An array in a type that is computed in, and the type that the result has."""
    x = tensor(x)
    dtype = str(x.dtype)
    return (x if dtype in ("float32", "float64") else as_dtype(x, "float32")), dtype


def _by_rows(x: Any, gamma: Any, beta: Any, axis: Any, epsilon: float | None, centred: bool) -> Any:
    """Normalises over some axes, which are brought to the end and made one."""
    x, dtype = _wide(x)
    axes = sorted(axes_of(axis, x.ndim))
    rest = [i for i in range(x.ndim) if i not in axes]
    order = [*rest, *axes]
    moved = order != sorted(order)
    rows = handle["transpose"](x, axes=order) if moved else x
    lengths = shape_of(rows)
    columns = product_of_lengths(lengths, range(len(rest), x.ndim))
    flat = len(axes) != 1
    if flat:
        rows = handle["reshape"](rows, shape=[*lengths[: len(rest)], columns])
    parameters = []
    for parameter in (gamma, beta):
        if parameter is not None:
            one = as_dtype(tensor(parameter), x.dtype)
            parameters.append(one if one.ndim == 1 and not flat else handle["reshape"](one, shape=[columns]))
    y = handle["layer_norm"](
        rows, *parameters, epsilon=_small(epsilon), centred=centred, scale=gamma is not None, offset=beta is not None
    )
    if flat:
        y = handle["reshape"](y, shape=lengths)
    if moved:
        y = handle["transpose"](y, axes=[order.index(i) for i in range(x.ndim)])
    return as_dtype(y, dtype)


@op
def l2_normalize(x: Any, axis: Any = -1, epsilon: float = 1e-12) -> Any:
    """`x / max(|x|, sqrt(epsilon))` along an axis."""
    x = as_float(x)
    total = np_ops.sum(handle["square"](x), axis, True)
    return handle["multiply"](x, handle["rsqrt"](handle["maximum"](total, epsilon)))


@op
def normalize(x: Any, axis: Any = -1, order: int = 2, epsilon: float | None = None) -> Any:
    """`x` divided by its norm of `order` along an axis."""
    x = as_float(x)
    small = 1e-7 if epsilon is None else epsilon
    if order == 2:
        return l2_normalize(x, axis, small * small)
    size = np_ops.power(np_ops.sum(np_ops.power(np_ops.absolute(x), float(order)), axis, True), 1.0 / order)
    return handle["divide"](x, handle["maximum"](size, small))
