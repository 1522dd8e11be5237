"""Adaptive max pooling over two axes."""

from __future__ import annotations

from typing import Any

from ironhorn.layers.pooling.base_adaptive_pooling import BaseAdaptivePooling


class AdaptiveMaxPooling2D(BaseAdaptivePooling):
    """Cuts every spatial axis into equal parts and replaces each window by its maximum.

    The outputs have one size whatever the size of the inputs. Parts are rounded outwards, so that neighbours may share
    elements.

    Args:
        output_size: Number of parts: an integer or a pair.
        data_format: `"channels_last"` or `"channels_first"`; the configured one if not given.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Input shape:
        `(batch, rows, columns, channels)`, or `(batch, channels, rows, columns)` with `channels_first`.

    Output shape:
        `(batch, *output_size, channels)`, or `(batch, channels, *output_size)`.

    Example:
        >>> ironhorn.layers.AdaptiveMaxPooling2D(2)(ironhorn.ops.ones((1, 7, 9, 3))).shape
        (1, 2, 2, 3)
    """

    def __init__(self, output_size: Any, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(output_size, pool_dimensions=2, pool_mode="max", data_format=data_format, **kwargs)
