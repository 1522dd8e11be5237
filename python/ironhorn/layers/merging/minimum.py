"""Element-wise minimum of tensors as a layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ironhorn import ops
from ironhorn.layers.merging.base_merge import Merge


class Minimum(Merge):
    """Takes the smallest of the tensors at each place.

    Args:
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Input shape:
        A list of tensors of shapes that can be broadcast.

    Example:
        >>> ironhorn.layers.Minimum()([ironhorn.ops.ones((2, 3)), ironhorn.ops.ones((2, 3))]).shape
        (2, 3)
    """

    def _merge_function(self, inputs: Sequence[Any]) -> Any:
        return self._where_masked_in(inputs, ops.minimum)


def minimum(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """Returns the minimum of a list of tensors; short for `Minimum(**kwargs)(inputs)`."""
    return Minimum(**kwargs)(inputs)
