"""Element-wise product of tensors as a layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ironhorn import ops
from ironhorn.layers.merging.base_merge import Merge


class Multiply(Merge):
    """Multiplies tensors.

    Args:
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Input shape:
        A list of tensors of shapes that can be broadcast.

    Example:
        >>> ironhorn.layers.Multiply()([ironhorn.ops.ones((2, 3)), ironhorn.ops.ones((2, 3))]).shape
        (2, 3)
    """

    def _merge_function(self, inputs: Sequence[Any]) -> Any:
        result = inputs[0]
        for value in inputs[1:]:
            result = ops.multiply(result, value)
        return result


def multiply(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """Returns the product of a list of tensors; short for `Multiply(**kwargs)(inputs)`."""
    return Multiply(**kwargs)(inputs)
