"""What layers that cut or add borders share: how their widths are given."""

from __future__ import annotations

from typing import Any

from ironhorn.layers.convolutional.geometry import as_tuple


def borders_of(value: Any, rank: int, name: str) -> tuple[tuple[int, int], ...]:
    """Returns `(before, after)` for each spatial axis.

    Args:
        value: An integer for all borders, or for each axis an integer or a pair.
        rank: Number of spatial axes.
        name: Name of the argument, for the message.

    Raises:
        ValueError: If it is something else.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return ((value, value),) * rank
    if not isinstance(value, list | tuple) or len(value) != rank:
        raise ValueError(
            f"`{name}` must be a non-negative integer, or hold {rank} entries, for each spatial axis an integer or a "
            f"pair (before, after). Received: {name}={value!r}."
        )
    pairs = [as_tuple(entry, 2, f"{name}[{axis}]", allow_zero=True) for axis, entry in enumerate(value)]
    return tuple((before, after) for before, after in pairs)


def spatial_axes(rank: int, data_format: str) -> range:
    """Returns the axes between batch and channels (after both with `"channels_first"`)."""
    first = 1 if data_format == "channels_last" else 2
    return range(first, first + rank)
