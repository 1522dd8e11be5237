"""Averages, spreads, correlations and distances.

Keras' names and arguments, Keras' rules for types.
"""

from typing import Any

from ironhorn.backend.dtypes import is_float_dtype
from ironhorn.errors import ShapeError, ValueRangeError
from ironhorn.ops import product, reduction, shaping
from ironhorn.ops._dispatch import op
from ironhorn.ops._values import as_dtype, as_float, axis_of, handle, paired, shape_of

__all__ = ["average", "cdist", "corrcoef", "correlate", "logsumexp", "ptp"]


@op
def average(x: Any, axis: Any = None, weights: Any = None) -> Any:
    """Weighted mean over axes.

    Args:
        x: array.
        axis: axis, tuple of axes, or None for all.
        weights: array of the shape of `x`, or of one axis, the length of `axis`; all the same by default.

    Raises:
        ShapeError: if the weights fit neither.
    """
    x = as_float(x)
    if weights is None:
        return reduction.mean(x, axis)
    x, w = paired(x, as_float(weights))
    if w.ndim != x.ndim:
        if w.ndim != 1 or not isinstance(axis, int):
            raise ShapeError(
                f"ops.average takes weights of the shape of x, {x.shape}, or of one axis; got shape {w.shape} with "
                f"axis={axis!r}"
            )
        lengths: list[Any] = [1] * x.ndim
        lengths[axis_of(axis, x.ndim)] = shape_of(w)[0]
        w = handle["reshape"](w, shape=lengths)
    w = handle["broadcast_to"](w, shape=shape_of(x))
    return handle["divide"](reduction.sum(handle["multiply"](x, w), axis), reduction.sum(w, axis))


@op
def ptp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The largest minus the smallest element over axes."""
    return handle["subtract"](reduction.max(x, axis, keepdims), reduction.min(x, axis, keepdims))


@op
def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """`log(sum(exp(x)))` over axes, without overflow on the way."""
    x = as_float(x)
    top = handle["stop_gradient"](reduction.max(x, axis, True))
    top = handle["select"](handle["isfinite"](top), top, 0.0)
    total = reduction.sum(handle["exp"](handle["subtract"](x, top)), axis, keepdims)
    if not keepdims:
        top = handle["reshape"](top, shape=shape_of(total))
    return handle["add"](handle["log"](total), top)


@op
def corrcoef(x: Any) -> Any:
    """Pearson's correlation of every two rows: a square matrix, with 1 on its diagonal.

    Args:
        x: array of one or two axes: a row for each variable, a column for each observation.
    """
    x = as_float(x)
    if x.ndim > 2:
        raise ShapeError(f"ops.corrcoef takes one or two axes, got shape {x.shape}")
    if x.ndim < 2:
        return handle["divide"](reduction.var(x), reduction.var(x))
    centred = handle["subtract"](x, reduction.mean(x, 1, True))
    products = product.matmul(centred, shaping.transpose(centred))
    scale = handle["sqrt"](reduction.sum(handle["square"](centred), 1))
    ratio = handle["divide"](products, shaping.expand_dims(scale, 1))
    ratio = handle["divide"](ratio, shaping.expand_dims(scale, 0))
    return handle["maximum"](handle["minimum"](ratio, 1.0), -1.0)


@op
def correlate(x1: Any, x2: Any, mode: str = "valid") -> Any:
    """The sums of products of `x1` with `x2` moved along it: `y[k] = sum_n x1[n + k] x2[n]`.

    Args:
        x1: vector.
        x2: vector.
        mode: "valid" for full overlap only, "same" for as many results as the longer vector has elements, "full" for
            any overlap.

    Raises:
        ShapeError: if an argument is not a vector of known length.
        ValueRangeError: for another mode.
    """
    if mode not in ("valid", "same", "full"):
        raise ValueRangeError(f"ops.correlate takes mode 'valid', 'same' or 'full', got {mode!r}")
    a, b = paired(x1, x2)
    if a.ndim != 1 or b.ndim != 1 or a.shape[0] is None or b.shape[0] is None:
        raise ShapeError(f"ops.correlate takes two vectors of known lengths, got shapes {a.shape} and {b.shape}")
    dtype = str(a.dtype)
    if dtype not in ("float32", "float64"):
        wide = "float32" if is_float_dtype(dtype) else "float64"
        return as_dtype(correlate(as_dtype(a, wide), as_dtype(b, wide), mode), "int32" if dtype == "bool" else dtype)
    swapped = a.shape[0] < b.shape[0]
    if swapped:
        a, b = b, a
    length, window = a.shape[0], b.shape[0]
    if window == 0:
        raise ShapeError("ops.correlate takes vectors of one element at least")
    before, after = {"valid": (0, 0), "same": (window // 2, (window - 1) // 2), "full": (window - 1, window - 1)}[mode]
    a = handle["pad"](a, low=[before], high=[after], value=0.0)
    count = length + before + after - window + 1
    signal, kernel = handle["reshape"](a, shape=[1, length + before + after, 1]), handle["reshape"](b, shape=[-1, 1, 1])
    from ironhorn.ops.convolution import conv

    result = handle["reshape"](conv(signal, kernel), shape=[count])
    return shaping.flip(result) if swapped else result


@op
def cdist(x: Any, y: Any) -> Any:
    """Euclidean distances between all rows of two arrays.

    Args:
        x: array of shape `(..., n, d)`.
        y: array of shape `(..., m, d)`.

    Returns:
        Array of shape `(..., n, m)`.

    Raises:
        ShapeError: if an argument has fewer than two axes, or the rows differ in length.
    """
    a, b = (as_float(t) for t in paired(x, y))
    if a.ndim < 2 or b.ndim < 2 or (None not in (a.shape[-1], b.shape[-1]) and a.shape[-1] != b.shape[-1]):
        raise ShapeError(f"ops.cdist takes arrays (..., n, d) and (..., m, d), got shapes {a.shape} and {b.shape}")
    difference = handle["subtract"](shaping.expand_dims(a, -2), shaping.expand_dims(b, -3))
    return handle["sqrt"](reduction.sum(handle["square"](difference), -1))
