"""Global average pooling over all three spatial axes."""

from __future__ import annotations

from typing import Any

from ironhorn import ops
from ironhorn.layers.pooling.base_global_pooling import BaseGlobalPooling


class GlobalAveragePooling3D(BaseGlobalPooling):
    """Replaces all three spatial axes by the mean over them.

    Args:
        data_format: `"channels_last"` or `"channels_first"`; the configured one if not given.
        keepdims: Whether reduced axes stay, with size one.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Input shape:
        `(batch, planes, rows, columns, channels)`, or `(batch, channels, planes, rows, columns)` with `channels_first`.

    Output shape:
        `(batch, channels)`, or with axes of size one if `keepdims` is set.

    Example:
        >>> ironhorn.layers.GlobalAveragePooling3D()(ironhorn.ops.ones((1, 4, 4, 4, 3))).shape
        (1, 3)
    """

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(pool_dimensions=3, data_format=data_format, keepdims=keepdims, **kwargs)

    def call(self, inputs: Any) -> Any:
        """Computes the outputs."""
        return ops.mean(inputs, axis=self._axes, keepdims=self.keepdims)
