"""Global average pooling over the spatial axis."""

from __future__ import annotations

from typing import Any

from ironhorn import ops
from ironhorn.layers.pooling.base_global_pooling import BaseGlobalPooling


class GlobalAveragePooling1D(BaseGlobalPooling):
    """Replaces the spatial axis by the mean over them.

    Args:
        data_format: `"channels_last"` or `"channels_first"`; the configured one if not given.
        keepdims: Whether reduced axes stay, with size one.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Input shape:
        `(batch, steps, channels)`, or `(batch, channels, steps)` with `channels_first`.

    Output shape:
        `(batch, channels)`, or with axes of size one if `keepdims` is set.

    Example:
        >>> ironhorn.layers.GlobalAveragePooling1D()(ironhorn.ops.ones((1, 4, 3))).shape
        (1, 3)
    """

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(pool_dimensions=1, data_format=data_format, keepdims=keepdims, **kwargs)
        self.supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Computes the outputs."""
        if mask is not None:
            counted = ops.expand_dims(ops.cast(mask, "bool"), axis=2 if self._axes == (1,) else 1)
            total = ops.sum(ops.where(counted, inputs, ops.zeros_like(inputs)), axis=self._axes, keepdims=self.keepdims)
            return ops.divide(total, ops.sum(ops.cast(counted, inputs.dtype), axis=self._axes, keepdims=self.keepdims))
        return ops.mean(inputs, axis=self._axes, keepdims=self.keepdims)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Returns nothing: the masked axis is gone."""
        return None
