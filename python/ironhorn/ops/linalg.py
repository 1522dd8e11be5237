"""Linear algebra beyond products."""

from typing import Any

from ironhorn.errors import UnsupportedError
from ironhorn.ops import numpy as np_ops
from ironhorn.ops._dispatch import op
from ironhorn.ops._values import as_float, handle

__all__ = ["norm"]


@op
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """The norm of vectors along axes: Euclidean (Frobenius) by default, or of order 1, 2 or infinity along one axis.

    Raises:
        UnsupportedError: for other orders, and for matrix norms other than Frobenius'.
    """
    x = as_float(x)
    axes = axis if isinstance(axis, (list, tuple)) or axis is None else (axis,)
    if ord in (None, "fro") or (ord == 2 and axes is not None and len(axes) == 1):
        return handle["sqrt"](np_ops.sum(handle["square"](x), axis, keepdims))
    if axes is not None and len(axes) == 1 and ord == 1:
        return np_ops.sum(handle["absolute"](x), axis, keepdims)
    if axes is not None and len(axes) == 1 and ord == float("inf"):
        return np_ops.max(handle["absolute"](x), axis, keepdims)
    raise UnsupportedError(
        f"ops.norm with ord={ord!r}, axis={axis!r} is not supported; use numpy.linalg.norm on the array"
    )
