"""Zero padding of images."""

from __future__ import annotations

from typing import Any

from ironhorn.layers.convolutional.geometry import data_format_of
from ironhorn.layers.reshaping.base_zero_padding import BaseZeroPadding
from ironhorn.layers.reshaping.borders import borders_of


class ZeroPadding2D(BaseZeroPadding):
    """Puts borders of zeros around images.

    Args:
        padding: An integer for all borders, or for each of the 2 spatial axes an integer or a pair (before, after).
        data_format: `"channels_last"` or `"channels_first"`.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Input shape:
        `(batch, height, width, channels)`, or with the channels after the batch.

    Output shape:
        `(batch, larger height, larger width, channels)`.

    Example:
        >>> ironhorn.layers.ZeroPadding2D(1)(ironhorn.ops.ones((2, 4, 3, 3))).shape
        (2, 6, 5, 3)
    """

    def __init__(self, padding: Any = (1, 1), data_format: str | None = None, **kwargs: Any) -> None:
        self.padding = borders_of(padding, 2, "padding")
        super().__init__(self.padding, data_format_of(data_format), **kwargs)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "padding": self.padding, "data_format": self.data_format}
