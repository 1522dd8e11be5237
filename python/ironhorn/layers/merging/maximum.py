"""Element-wise maximum of tensors as a layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ironhorn import ops
from ironhorn.layers.merging.base_merge import Merge


class Maximum(Merge):
    """Takes the largest of the tensors at each place.

    Args:
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Input shape:
        A list of tensors of shapes that can be broadcast.

    Example:
        >>> ironhorn.layers.Maximum()([ironhorn.ops.ones((2, 3)), ironhorn.ops.ones((2, 3))]).shape
        (2, 3)
    """

    def _merge_function(self, inputs: Sequence[Any]) -> Any:
        return self._where_masked_in(inputs, ops.maximum)


def maximum(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """Returns the maximum of a list of tensors; short for `Maximum(**kwargs)(inputs)`."""
    return Maximum(**kwargs)(inputs)
