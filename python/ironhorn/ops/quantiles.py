"""Medians, quantiles and percentiles, with and without NaN.

The axes that are reduced are flattened to the last and sorted; the quantile `q` of `n` elements stands at `q (n - 1)`.
Keras' names and arguments, Keras' rules for types.
"""

import math
from typing import Any

import numpy as np

from ironhorn import _core
from ironhorn.errors import ShapeError, ValueRangeError
from ironhorn.ops import shaping
from ironhorn.ops._dispatch import op
from ironhorn.ops._values import as_dtype, as_float, axes_of, handle, product_of_lengths, shape_of, tensor

__all__ = ["median", "nanmedian", "nanpercentile", "nanquantile", "percentile", "quantile"]

_METHODS = ("linear", "lower", "higher", "midpoint", "nearest")


def _quantile(x: Any, q: Any, axis: Any, method: str, keepdims: bool, skip_nan: bool, scale: float = 1.0) -> Any:
    if method not in _METHODS:
        raise ValueRangeError(f"method must be one of {', '.join(_METHODS)}, got {method!r}")
    x = as_float(x)
    wide = x.dtype if x.dtype == "float64" else "float32"
    # Python's numbers are doubles: they go to the type wanted, not by way of float32.
    q = as_dtype(q if isinstance(q, _core.Tensor) else tensor(np.asarray(q, "float64")), wide)
    if q.ndim > 1:
        raise ShapeError(f"q must be a number or a vector, got shape {q.shape}")
    q = handle["divide"](q, scale) if scale != 1.0 else q
    shape = shape_of(x)
    axes = axes_of(axis, x.ndim)
    kept = [a for a in range(x.ndim) if a not in axes]
    rest = [shape[a] for a in kept]
    count = product_of_lengths(shape, axes)
    rows = handle["reshape"](handle["transpose"](x, axes=[*kept, *axes]), shape=[*rest, count])
    ordered = handle["sort"](rows, axis=-1)[0]
    wanted = handle["reshape"](q, shape=[-1])
    if skip_nan:
        present = as_dtype(handle["logical_not"](handle["isnan"](ordered)), wide)
        last = handle["subtract"](handle["reduce"](present, kind="sum", axis=[len(rest)], keepdims=True), 1.0)
    else:
        last = as_dtype(tensor(count - 1), wide)
    place = handle["multiply"](wanted, last)

    def picked(at: Any) -> Any:
        at = as_dtype(handle["maximum"](handle["minimum"](at, last), 0.0), "int32")
        if skip_nan:
            return as_dtype(handle["take_along"](ordered, at, axis=-1), wide)
        return as_dtype(handle["take"](ordered, at, axis=len(rest)), wide)

    below = handle["floor"](place)
    beyond = handle["subtract"](place, below)
    if method == "lower":
        found = picked(below)
    elif method == "higher":
        found = picked(handle["ceil"](place))
    else:
        low, high = picked(below), picked(handle["ceil"](place))
        if method == "linear":
            found = handle["multiply"](low, handle["subtract"](1.0, beyond)) + handle["multiply"](high, beyond)
        elif method == "midpoint":
            found = handle["multiply"](handle["add"](low, high), 0.5)
        else:
            found = handle["select"](handle["less_equal"](beyond, 0.5), low, high)
    if not skip_nan:
        before: list[Any] = [None] * len(rest)
        largest = handle["slice"](ordered, starts=[*before, -1], stops=[*before, None], steps=[1] * ordered.ndim)
        found = handle["select"](handle["isnan"](largest), math.nan, found)
    found = as_dtype(shaping.moveaxis(found, -1, 0), x.dtype)
    lengths = [1 if a in axes else shape[a] for a in range(x.ndim)] if keepdims else rest
    return handle["reshape"](found, shape=[*shape_of(q), *lengths])


@op
def quantile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Any:
    """The numbers below which given parts of the elements lie, in floats; NaN where an element is.

    Args:
        x: array.
        q: the part, from 0 to 1, or a vector of them.
        axis: axis, axes, or None for all.
        method: how to choose between two elements: "linear" goes from one to the other as far as `q` does, "lower" and
            "higher" take one of them, "nearest" the nearer, "midpoint" the middle.
        keepdims: whether reduced axes stay, with length 1.

    Returns:
        Tensor of the shape that remains, with the axis of `q` in front where it is a vector.

    Raises:
        ValueRangeError: for an unknown method.

    Example:
        >>> quantile([1.0, 2.0, 4.0], [0.5, 0.75]).numpy().tolist()
        [2.0, 3.0]
    """
    return _quantile(x, q, axis, method, keepdims, skip_nan=False)


@op
def nanquantile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Any:
    """`quantile` of the elements that are not NaN; NaN where all are."""
    return _quantile(x, q, axis, method, keepdims, skip_nan=True)


@op
def percentile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Any:
    """`quantile` with `q` from 0 to 100."""
    return _quantile(x, q, axis, method, keepdims, skip_nan=False, scale=100.0)


@op
def nanpercentile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Any:
    """`quantile`, with `q` from 0 to 100, of the elements that are not NaN; NaN where all are."""
    return _quantile(x, q, axis, method, keepdims, skip_nan=True, scale=100.0)


@op
def median(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The middle element over axes, or the mean of the two in the middle, in floats; NaN where an element is.

    Args:
        x: array.
        axis: axis, axes, or None for all.
        keepdims: whether reduced axes stay, with length 1.

    Example:
        >>> float(median([5.0, 1.0, 2.0]))
        2.0
    """
    return _quantile(x, 0.5, axis, "midpoint", keepdims, skip_nan=False)


@op
def nanmedian(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """`median` of the elements that are not NaN; NaN where all are."""
    return _quantile(x, 0.5, axis, "midpoint", keepdims, skip_nan=True)
