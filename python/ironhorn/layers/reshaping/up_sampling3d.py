"""Up-sampling of volumes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ironhorn.layers.convolutional.geometry import as_tuple, data_format_of
from ironhorn.layers.reshaping.base_up_sampling import BaseUpSampling


class UpSampling3D(BaseUpSampling):
    """Repeats every position of volumes along the three spatial axes.

    Args:
        size: How often on all axes, or for each of them.
        data_format: `"channels_last"` or `"channels_first"`.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Input shape:
        `(batch, depth, height, width, channels)`, or with the channels after the batch.

    Output shape:
        `(batch, depth * size[0], height * size[1], width * size[2], channels)`.

    Example:
        >>> ironhorn.layers.UpSampling3D(2)(ironhorn.ops.ones((1, 2, 3, 4, 5))).shape
        (1, 4, 6, 8, 5)
    """

    def __init__(self, size: int | Sequence[int] = (2, 2, 2), data_format: str | None = None, **kwargs: Any) -> None:
        self.data_format = data_format_of(data_format)
        self.size = as_tuple(size, 3, "size")
        super().__init__(self.size, self.data_format, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "size": self.size, "data_format": self.data_format}
