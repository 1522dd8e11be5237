"""The layer that gives images their full contrast."""

from __future__ import annotations

from typing import Any

from ironhorn import ops
from ironhorn.layers.preprocessing.image.base_image_preprocessing import BaseImagePreprocessingLayer
from ironhorn.layers.preprocessing.image.ranges import value_range_of


class AutoContrast(BaseImagePreprocessingLayer):
    """Stretches the values of each channel of each image over the whole value range, in training and otherwise.

    Args:
        value_range: The least and the greatest value that pixels have.
        **kwargs: `data_format`, and `name`, `dtype`, `trainable` of every layer.

    Input shape:
        `(height, width, channels)`, or a batch of such.

    Example:
        >>> images = ironhorn.ops.reshape([10.0, 20.0, 30.0], (1, 3, 1, 1))
        >>> ironhorn.layers.AutoContrast()(images).numpy().ravel()
        array([  0. , 127.5, 255. ], dtype=float32)
    """

    _USE_BASE_FACTOR = False

    def __init__(self, value_range: Any = (0, 255), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.value_range = value_range_of("AutoContrast", value_range)
        self._build_at_init()

    def transform_images(self, images: Any, transformation: Any = None, training: bool = True) -> Any:
        """Stretches the values; channels of one value stay as they are."""
        images = ops.cast(images, self.compute_dtype)
        low = ops.min(images, axis=self._axes[:2], keepdims=True)
        spread = ops.max(images, axis=self._axes[:2], keepdims=True) - low
        flat = ops.equal(spread, 0)
        least, greatest = self.value_range
        stretched = (images - low) * ((greatest - least) / ops.where(flat, 1.0, spread)) + least
        return ops.where(flat, images, ops.clip(stretched, least, greatest))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "value_range": self.value_range}
