"""Cropping of volumes."""

from __future__ import annotations

from typing import Any

from ironhorn.layers.convolutional.geometry import data_format_of
from ironhorn.layers.reshaping.base_cropping import BaseCropping
from ironhorn.layers.reshaping.borders import borders_of


class Cropping3D(BaseCropping):
    """Cuts the borders off volumes.

    Args:
        cropping: An integer for all borders, or for each of the 3 spatial axes an integer or a pair (before, after).
        data_format: `"channels_last"` or `"channels_first"`.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Input shape:
        `(batch, depth, height, width, channels)`, or with the channels after the batch.

    Output shape:
        `(batch, smaller depth, smaller height, smaller width, channels)`.

    Example:
        >>> ironhorn.layers.Cropping3D(1)(ironhorn.ops.ones((2, 6, 5, 4, 3))).shape
        (2, 4, 3, 2, 3)
    """

    def __init__(self, cropping: Any = ((1, 1), (1, 1), (1, 1)), data_format: str | None = None, **kwargs: Any) -> None:
        self.cropping = borders_of(cropping, 3, "cropping")
        self.data_format = data_format_of(data_format)
        super().__init__(self.cropping, self.data_format, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "cropping": self.cropping, "data_format": self.data_format}
