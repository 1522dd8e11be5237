"""How alike two signals are."""

import math
from typing import Any

from ironhorn.errors import ShapeError, ValueRangeError
from ironhorn.ops import numpy as np_ops
from ironhorn.ops._dispatch import op
from ironhorn.ops._values import as_dtype, as_float, handle

__all__ = ["psnr"]


@op
def psnr(x1: Any, x2: Any, max_val: float) -> Any:
    """Peak signal-to-noise ratio in decibels: `10 log10(max_val^2 / mean((x1 - x2)^2))`.

    Args:
        x1: array.
        x2: array of the same shape.
        max_val: the largest value that an element can have.

    Raises:
        ShapeError: if the shapes differ.
        ValueRangeError: if `max_val` is not positive.
    """
    x1, x2 = as_float(x1), as_float(x2)
    known = [pair for pair in zip(x1.shape, x2.shape, strict=False) if None not in pair]
    if x1.ndim != x2.ndim or any(a != b for a, b in known):
        raise ShapeError(f"ops.psnr compares arrays of one shape, got {x1.shape} and {x2.shape}")
    if max_val <= 0:
        raise ValueRangeError(f"ops.psnr: max_val must be positive, got {max_val}")
    error = np_ops.mean(handle["square"](handle["subtract"](x1, as_dtype(x2, x1.dtype))))
    decibels = handle["multiply"](handle["log"](error), -10.0 / math.log(10.0))
    return handle["add"](decibels, 20.0 * math.log10(max_val))
