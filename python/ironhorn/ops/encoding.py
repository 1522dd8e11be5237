"""Integers as vectors."""

from typing import Any

from ironhorn.backend.dtypes import standardize_dtype
from ironhorn.errors import UnsupportedError
from ironhorn.ops import shaping
from ironhorn.ops._dispatch import op
from ironhorn.ops._values import axis_of, handle, tensor

__all__ = ["one_hot"]


@op
def one_hot(x: Any, num_classes: int, axis: int = -1, dtype: Any = None, sparse: bool = False) -> Any:
    """A 1 at the place that each integer names, zeros elsewhere; only zeros for integers outside `0..num_classes`."""
    if sparse:
        raise UnsupportedError("ops.one_hot gives dense tensors; leave sparse=False, or use the integers themselves")
    x = tensor(x)
    hot = handle["one_hot"](x, depth=int(num_classes), dtype=standardize_dtype(dtype))
    place = axis_of(axis, x.ndim + 1)
    return hot if place == x.ndim else shaping.moveaxis(hot, -1, place)
