"""Element-wise difference of tensors as a layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ironhorn import ops
from ironhorn.layers.merging.base_merge import Merge


class Subtract(Merge):
    """Subtracts the second of two tensors from the first.

    Args:
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Input shape:
        A list of tensors of shapes that can be broadcast.

    Example:
        >>> ironhorn.layers.Subtract()([ironhorn.ops.ones((2, 3)), ironhorn.ops.ones((2, 3))]).shape
        (2, 3)
    """

    def _merge_function(self, inputs: Sequence[Any]) -> Any:
        if len(inputs) != 2:
            raise ValueError(f"Layer '{self.name}' subtracts one tensor from another. Received {len(inputs)} tensors.")
        return ops.subtract(inputs[0], inputs[1])


def subtract(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """Returns the difference of a list of tensors; short for `Subtract(**kwargs)(inputs)`."""
    return Subtract(**kwargs)(inputs)
