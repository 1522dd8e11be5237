"""Reductions of rows that belong together.

Keras' names and arguments, Keras' rules for types.
"""

import math
from typing import Any

import numpy as np

from ironhorn.backend.dtypes import is_float_dtype
from ironhorn.errors import DTypeError, ShapeError, TracedValueError
from ironhorn.ops._dispatch import op
from ironhorn.ops._values import as_dtype, filled, handle, shape_of, tensor

__all__ = ["segment_max", "segment_min", "segment_prod", "segment_sum"]


def _start(kind: str, dtype: str) -> Any:
    """What combining with changes nothing."""
    if kind in ("add", "mul"):
        return int(kind == "mul")
    if is_float_dtype(dtype):
        return -math.inf if kind == "max" else math.inf
    limits = np.iinfo(dtype)
    return int(limits.min if kind == "max" else limits.max)


def _reduced(name: str, kind: str, data: Any, segment_ids: Any, num_segments: Any) -> Any:
    data, segment_ids = tensor(data), tensor(segment_ids)
    if segment_ids.ndim != 1 or data.ndim == 0:
        raise ShapeError(
            f"ops.{name} takes a vector with a segment for each row of data, got segment_ids of shape "
            f"{segment_ids.shape} and data of shape {data.shape}; reshape them first"
        )
    known = (segment_ids.shape[0], data.shape[0])
    if None not in known and known[0] != known[1]:
        raise ShapeError(f"ops.{name}: {known[0]} segment_ids for {known[1]} rows of data; there must be one for each")
    if num_segments is None:
        if segment_ids.is_traced:
            raise TracedValueError(
                f"How many segments there are is not known while tracing; give ops.{name} num_segments="
            )
        ids = segment_ids.numpy()
        num_segments = int(ids.max()) + 1 if ids.size else 0
    boolean = data.dtype == "bool"
    if boolean and kind in ("add", "mul"):
        raise DTypeError(f"ops.{name} takes numbers, got bool; cast to int32 first")
    data = as_dtype(data, "uint8") if boolean else data
    rows = filled([num_segments, *shape_of(data)[1:]], _start(kind, data.dtype), data.dtype)
    places = handle["reshape"](segment_ids, shape=[shape_of(segment_ids)[0], 1])
    result = handle["scatter_nd"](rows, places, data, kind=kind, drop=True)
    return as_dtype(result, "bool") if boolean else result


def _segment(name: str, kind: str, what: str, empty: str) -> Any:
    def function(data: Any, segment_ids: Any, num_segments: Any = None, sorted: bool = False) -> Any:
        return _reduced(name, kind, data, segment_ids, num_segments)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""{what} over the rows of each segment.

    Args:
        data: array; its rows are along axis 0.
        segment_ids: vector with the segment of each row. Rows of segments outside of `0..num_segments` are left out.
        num_segments: how many segments there are, by default the largest of `segment_ids` plus 1. Needed while tracing.
        sorted: a promise that `segment_ids` are in order; the result does not depend on it.

    Returns:
        Tensor with a row for each segment; {empty} for segments without rows.

    Raises:
        DTypeError: for sums and products of booleans.
        ShapeError: if there is not a segment for each row.
        TracedValueError: while tracing without `num_segments`.
    """
    return op(function)


segment_sum = _segment("segment_sum", "add", "Sum", "zeros")

segment_prod = _segment("segment_prod", "mul", "Product", "ones")

segment_max = _segment("segment_max", "max", "Largest element", "the lowest number of the type")

segment_min = _segment("segment_min", "min", "Smallest element", "the highest number of the type")
