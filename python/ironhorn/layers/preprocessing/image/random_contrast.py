"""The layer that changes the contrast of images at random."""

from __future__ import annotations

from typing import Any

from ironhorn import ops
from ironhorn.layers.preprocessing.image.base_image_preprocessing import BaseImagePreprocessingLayer
from ironhorn.layers.preprocessing.image.ranges import value_range_of


class RandomContrast(BaseImagePreprocessingLayer):
    """In training, moves the pixels of each channel away from the channel's mean: `(x - mean) * contrast + mean`.

    Args:
        factor: A number from 0 to 1 for contrasts from 1 to `1 + factor`, or two for contrasts from `1 - least` to
            `1 + greatest`.
        value_range: The least and the greatest value that pixels have; results are clipped to them.
        seed: Integer seed of the random numbers; drawn if not given.
        **kwargs: `data_format`, and `name`, `dtype`, `trainable` of every layer.

    Input shape:
        `(height, width, channels)`, or a batch of such.

    Example:
        >>> ironhorn.layers.RandomContrast(0.2)(ironhorn.ops.ones((2, 4, 4, 3)), training=True).shape
        (2, 4, 4, 3)
    """

    _FACTOR_BOUNDS = (0, 1)

    def __init__(self, factor: Any, value_range: Any = (0, 255), seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(factor=factor, **kwargs)
        self.value_range = value_range_of("RandomContrast", value_range)
        self._set_seed(seed)
        self._build_at_init()

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """Draws a contrast for each image."""
        if not training:
            return None
        count, _, _ = self._count_and_size(data)
        return {
            "contrast_factor": self._uniform((count, 1, 1, 1), 1.0 - self.factor[0], 1.0 + self.factor[1], seed),
        }

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        """Changes the contrast."""
        images = ops.cast(images, self.compute_dtype)
        if not training:
            return images
        contrast = ops.cast(transformation["contrast_factor"], images.dtype)
        mean = ops.mean(images, axis=self._axes[:2], keepdims=True)
        return ops.clip((images - mean) * contrast + mean, *self.value_range)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "factor": self.factor, "value_range": self.value_range, "seed": self.seed}
