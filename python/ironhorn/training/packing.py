"""What a step receives: inputs, targets and weights, packed into one value and taken apart again."""

from __future__ import annotations

from typing import Any


def unpack_x_y_sample_weight(data: Any) -> tuple[Any, Any, Any]:
    """Splits what a `train_step` receives into inputs, targets and weights.

    Args:
        data: `x`, `(x,)`, `(x, y)` or `(x, y, sample_weight)`.

    Returns:
        `(x, y, sample_weight)` with `None` for what is missing.

    Raises:
        ValueError: If there are more than three parts.
    """
    if isinstance(data, list):
        data = tuple(data)
    if not isinstance(data, tuple):
        return data, None, None
    if 1 <= len(data) <= 3:
        x, y, sample_weight = data + (None,) * (3 - len(data))
        return x, y, sample_weight
    raise ValueError(
        "Data is expected to be in format `x`, `(x,)`, `(x, y)`, or `(x, y, sample_weight)`; "
        f"found a tuple of {len(data)} parts."
    )


def pack_x_y_sample_weight(x: Any, y: Any = None, sample_weight: Any = None) -> Any:
    """Makes what a `train_step` receives.

    Args:
        x: Inputs.
        y: Targets.
        sample_weight: Weights.

    Returns:
        `x` alone (in a tuple if it is a list or tuple itself), `(x, y)`, or `(x, y, sample_weight)`.
    """
    if y is None and sample_weight is None:
        return (x,) if isinstance(x, (tuple, list)) else x
    return (x, y) if sample_weight is None else (x, y, sample_weight)
