"""What functions of images and sequences share: lengths along spatial axes, and where the channels are."""

from typing import Any

from ironhorn.errors import ValueRangeError
from ironhorn.ops._values import handle


def lengths_of(value: Any, count: int, what: str) -> list[int]:
    """One integer for every spatial axis, of one for all or one for each."""
    values = [value] * count if isinstance(value, int) else list(value)
    if len(values) != count:
        raise ValueRangeError(f"{what} must be an integer or {count} integers, got {value!r}")
    return [int(length) for length in values]


def to_last(x: Any) -> Any:
    """Channels from axis 1 to the end."""
    return handle["transpose"](x, axes=[0, *range(2, x.ndim), 1])


def to_first(x: Any) -> Any:
    """Channels from the end to axis 1."""
    return handle["transpose"](x, axes=[0, x.ndim - 1, *range(1, x.ndim - 1)])
