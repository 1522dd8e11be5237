"""Element-wise mean of tensors as a layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ironhorn import ops
from ironhorn.layers.merging.base_merge import Merge


class Average(Merge):
    """Averages tensors.

    Args:
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Input shape:
        A list of tensors of shapes that can be broadcast.

    Example:
        >>> ironhorn.layers.Average()([ironhorn.ops.ones((2, 3)), ironhorn.ops.ones((2, 3))]).shape
        (2, 3)
    """

    def _merge_function(self, inputs: Sequence[Any]) -> Any:
        result = inputs[0]
        for value in inputs[1:]:
            result = ops.add(result, value)
        return ops.divide(result, len(inputs))


def average(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """Returns the mean of a list of tensors; short for `Average(**kwargs)(inputs)`."""
    return Average(**kwargs)(inputs)
