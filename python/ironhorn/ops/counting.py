"""How often numbers come: by value, by bin.

Keras' names and arguments, Keras' rules for types.
"""

from typing import Any

import numpy as np

from ironhorn.backend.dtypes import is_int_dtype
from ironhorn.errors import DTypeError, ShapeError, TracedValueError, UnsupportedError, ValueRangeError
from ironhorn.ops._dispatch import op
from ironhorn.ops._values import as_dtype, as_float, filled, handle, shape_of, tensor

__all__ = ["bincount", "histogram"]


def _sums(weights: Any, place: Any, count: Any) -> Any:
    """Sums of weights by place; places outside of `0..count` are left out."""
    zeros = filled([count], 0, weights.dtype)
    return handle["scatter_nd"](zeros, handle["reshape"](place, shape=[-1, 1]), weights, kind="add", drop=True)


@op
def bincount(x: Any, weights: Any = None, minlength: int = 0, sparse: bool = False) -> Any:
    """How often each of the numbers 0, 1, .. comes, or the sum of its weights.

    Args:
        x: vector of integers from 0 up, or a matrix whose rows are counted apart.
        weights: a number for each element, of the shape of `x`.
        minlength: the least length of the result.
        sparse: must not be True.

    Returns:
        int32, or the type of the weights: a vector (for a matrix a row each) as long as the largest number plus 1.

    Raises:
        TracedValueError: while tracing, as the result's length depends on the data.
        UnsupportedError: for sparse results.
        ValueRangeError: for negative numbers.

    Example:
        >>> bincount([1, 2, 2, 4]).numpy().tolist()
        [0, 1, 2, 0, 1]
    """
    if sparse:
        raise UnsupportedError("ops.bincount gives dense tensors; leave sparse=False")
    x = tensor(x)
    weights = filled(shape_of(x), 1, "int32") if weights is None else tensor(weights)
    if x.is_traced or weights.is_traced:
        raise TracedValueError(
            "How long ops.bincount's result is depends on the data, which is not known while tracing; "
            "use ops.segment_sum(weights, x, num_segments=...)"
        )
    if not is_int_dtype(x.dtype) and x.dtype != "bool":
        raise DTypeError(f"ops.bincount takes integers, got {x.dtype}; cast them first")
    if x.ndim not in (1, 2) or weights.shape != x.shape:
        raise ShapeError(f"ops.bincount takes a vector or a matrix and weights like it, got {x.shape}, {weights.shape}")
    numbers = x.numpy().astype("int64")
    if numbers.size and numbers.min() < 0:
        raise ValueRangeError(f"ops.bincount takes numbers from 0 up, got {numbers.min()}")
    count = max(int(numbers.max()) + 1 if numbers.size else 0, int(minlength))
    rows = x.shape[0] if x.ndim == 2 else 1
    places = numbers + count * np.arange(rows)[:, None] if x.ndim == 2 else numbers
    sums = _sums(handle["reshape"](weights, shape=[-1]), tensor(places), rows * count)
    return handle["reshape"](sums, shape=[rows, count] if x.ndim == 2 else [count])


@op
def histogram(x: Any, bins: int = 10, range: Any = None) -> Any:
    """How many elements of a vector fall into each of several equal bins.

    Args:
        x: vector.
        bins: how many.
        range: `(low, high)`, the ends of the first and last bin; by default the smallest and largest element. Elements
            outside are not counted.

    Returns:
        Counts, and the `bins + 1` edges, both in floats of the type of `x`. The last bin has its right edge as well.

    Raises:
        ValueRangeError: for a number of bins or a range that is none.
        ShapeError: if `x` has several axes.
    """
    if not isinstance(bins, int) or bins < 1:
        raise ValueRangeError(f"ops.histogram: bins must be a positive integer, got {bins!r}")
    x = as_float(x)
    if x.ndim > 1:
        raise ShapeError(f"ops.histogram takes a vector, got shape {x.shape}; use ops.ravel first")
    x = handle["reshape"](x, shape=[-1])
    if range:
        if not isinstance(range, (tuple, list)) or len(range) != 2 or range[1] < range[0]:
            raise ValueRangeError(f"ops.histogram: range must be a pair (low, high), got {range!r}")
        low, high = (filled([], end, x.dtype) for end in range)
    else:
        low, high = (handle["reduce"](x, kind=kind) for kind in ("min", "max"))
    same = as_dtype(handle["equal"](low, high), x.dtype)
    low, high = handle["subtract"](low, same * 0.5), handle["add"](high, same * 0.5)
    part = tensor((np.arange(bins + 1) / bins).astype("float64"))
    part = as_dtype(part, x.dtype)
    edges = handle["add"](handle["multiply"](low, 1.0 - part), handle["multiply"](high, part))
    place = handle["subtract"](handle["search_sorted"](edges, x, side="right"), 1)
    place = handle["select"](handle["equal"](x, high), bins - 1, place)
    return _sums(filled(shape_of(x), 1, x.dtype), place, bins), edges
