"""Random boxes in images, as masks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ironhorn import ops


def bounds(uniform: Callable[[Any], Any], count: Any, length: Any, share: Any) -> tuple[Any, Any]:
    """Where boxes start and end along an axis.

    Args:
        uniform: Draws numbers from 0 to 1 of a shape.
        count: Number of images.
        length: Length of the axis.
        share: The boxes' lengths as shares of it, `(count,)`.
    """
    length = ops.cast(length, share.dtype)
    extent = share * length
    start = ops.cast(uniform((count,)), share.dtype) * (length - extent)
    return start, start + extent


def masks(height: Any, width: Any, x: tuple[Any, Any], y: tuple[Any, Any], data_format: str) -> Any:
    """Which pixels lie in each image's box, with one channel."""
    channels_last = data_format == "channels_last"

    def between(length: Any, ends: tuple[Any, Any], shape: list[int]) -> Any:
        start, end = (ops.reshape(value, (-1, 1, 1, 1)) for value in ends)
        place = ops.reshape(ops.arange(length, dtype=start.dtype), shape)
        return ops.logical_and(place >= start, place < end)

    rows = between(height, y, [1, -1, 1, 1] if channels_last else [1, 1, -1, 1])
    columns = between(width, x, [1, 1, -1, 1] if channels_last else [1, 1, 1, -1])
    return ops.logical_and(rows, columns)
