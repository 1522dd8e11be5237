"""Element-wise product of tensors as a layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ironhorn import ops
from ironhorn.layers.merging.base_merge import Merge, mask_of


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
        masks = [mask_of(value) for value in inputs]
        result = None
        for value, mask in zip(inputs, masks, strict=True):
            factor = value if mask is None else ops.where(mask, value, ops.ones_like(value))
            result = factor if result is None else ops.multiply(result, factor)
        if any(mask is None for mask in masks):
            return result
        some = masks[0]
        for mask in masks[1:]:
            some = ops.logical_or(some, mask)
        return ops.where(some, result, ops.zeros_like(result))


def multiply(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """Returns the product of a list of tensors; short for `Multiply(**kwargs)(inputs)`."""
    return Multiply(**kwargs)(inputs)
