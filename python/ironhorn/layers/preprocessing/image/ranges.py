"""Arguments of image layers that are ranges: factors, of one number or two, and ranges of pixel values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def is_number(value: Any) -> bool:
    """Whether a value is an int or a float."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def range_of(
    layer: str,
    name: str,
    value: Any,
    bounds: tuple[float, float],
    mirrored: bool = True,
    floor: float | None = None,
    open_below: bool = False,
    overlap: bool = False,
) -> tuple[float, float]:
    """The range that random numbers are drawn from.

    Args:
        layer: Name of the layer's class, for messages.
        name: Name of the argument, for messages.
        value: A number, or two in any order.
        bounds: What numbers may be.
        mirrored: Whether the range of one number starts at its negative; otherwise it starts at 0.
        floor: Where the range of one number starts at the lowest.
        open_below: Whether the lower bound itself is refused.
        overlap: Whether it is enough that a range of two numbers overlaps with the bounds.

    Raises:
        ValueError: For anything else.
    """
    low, high = bounds
    numbers = list(value) if isinstance(value, list | tuple) else [value]
    fine = len(numbers) in (1, 2) and all(is_number(number) for number in numbers)
    if fine and len(numbers) == 2 and overlap:
        fine = numbers[0] <= high and numbers[1] >= low
    elif fine:
        fine = all(low <= number <= high and not (open_below and number == low) for number in numbers)
    if not fine or (len(numbers) == 1 and isinstance(value, list | tuple)):
        least = f"above {low} and up" if open_below else f"from {low}"
        raise ValueError(
            f"`{name}` of a {layer} layer must be a number {least} to {high}, or two of them: the least and the "
            f"greatest. Received: {name}={value!r}."
        )
    if len(numbers) == 2:
        return min(numbers), max(numbers)
    greatest = abs(numbers[0])
    lowest = -greatest if mirrored else 0
    return (lowest if floor is None else max(lowest, floor)), greatest


def value_range_of(layer: str, value_range: Any) -> list[Any]:
    """The least and the greatest value that pixels have.

    Raises:
        ValueError: If it is not two numbers.
    """
    if (
        not isinstance(value_range, Sequence)
        or isinstance(value_range, str)
        or len(value_range) != 2
        or not all(is_number(value) for value in value_range)
        or value_range[0] == value_range[1]
    ):
        raise ValueError(
            f"`value_range` of a {layer} layer must be the least and the greatest value that pixels have, such as "
            f"(0, 255). Received: value_range={value_range!r}."
        )
    return sorted(value_range)


def rescaled(images: Any, source: Sequence[float], target: Sequence[float]) -> Any:
    """Images whose values lay in one range, in another."""
    if source[0] == target[0] and source[1] == target[1]:
        return images
    share = (images - source[0]) / (source[1] - source[0])
    return share * (target[1] - target[0]) + target[0]
