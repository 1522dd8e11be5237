"""Average pooling over three axes."""

from __future__ import annotations

from typing import Any

from ironhorn.layers.pooling.base_pooling import BasePooling


class AveragePooling3D(BasePooling):
    """Replaces each window of three axes by its mean.

    Args:
        pool_size: Sizes of the window: an integer or a triple.
        strides: Steps of the window; `pool_size` if not given.
        padding: `"valid"` or `"same"`; padded positions do not count in the mean.
        data_format: `"channels_last"` or `"channels_first"`; the configured one if not given.
        name: Name of the layer.
        **kwargs: `dtype`, `trainable` of every layer.

    Input shape:
        `(batch, planes, rows, columns, channels)`, or `(batch, channels, planes, rows, columns)` with `channels_first`.

    Example:
        >>> ironhorn.layers.AveragePooling3D(2)(ironhorn.ops.ones((1, 4, 4, 4, 3))).shape
        (1, 2, 2, 2, 3)
    """

    def __init__(
        self,
        pool_size: Any,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            pool_size,
            strides,
            pool_dimensions=3,
            pool_mode="average",
            padding=padding,
            data_format=data_format,
            name=name,
            **kwargs,
        )
