"""The layer that makes images sharper or softer at random."""

from __future__ import annotations

from typing import Any

import numpy as np

from ironhorn import ops
from ironhorn.layers.preprocessing.image.base_image_preprocessing import BaseImagePreprocessingLayer
from ironhorn.layers.preprocessing.image.ranges import value_range_of


class RandomSharpness(BaseImagePreprocessingLayer):
    """In training, mixes each image with a smoothed copy of it, or moves it away from that copy.

    Args:
        factor: From 0 (smoothed) over 0.5 (as it is) to 1 (sharpened): the greatest alone, or the least and the
            greatest.
        value_range: The least and the greatest value that pixels have; results are clipped to them.
        data_format: `"channels_last"` or `"channels_first"`.
        seed: Integer seed of the random numbers; drawn if not given.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Input shape:
        `(height, width, channels)`, or a batch of such.

    Example:
        >>> ironhorn.layers.RandomSharpness(0.9)(ironhorn.ops.ones((2, 4, 4, 3)), training=True).shape
        (2, 4, 4, 3)
    """

    _USE_BASE_FACTOR = False
    _FACTOR_BOUNDS = (0, 1)

    def __init__(
        self,
        factor: Any,
        value_range: Any = (0, 255),
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self._set_factor(factor)
        self.value_range = value_range_of("RandomSharpness", value_range)
        self._set_seed(seed)
        self._build_at_init()

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """Draws a sharpness for each image."""
        if not training:
            return None
        count, _, _ = self._count_and_size(data)
        return {"factor": self._uniform((count,), *self.factor, seed)}

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        """Mixes the images with smoothed ones."""
        images = ops.cast(images, self.compute_dtype)
        if not training:
            return images
        softness = self._per_image(ops.cast(1.0 - 2.0 * transformation["factor"], images.dtype))
        smoothed = ops.depthwise_conv(images, self._kernel(images), padding="same", data_format=self.data_format)
        return ops.clip(images + softness * (smoothed - images), *self.value_range)

    def _kernel(self, images: Any) -> Any:
        channels = self._known_channels(images)
        weights = np.full((3, 3, 1, 1), 1.0 / 13.0)
        weights[1, 1] = 5.0 / 13.0
        return ops.convert_to_tensor(np.tile(weights, (1, 1, channels, 1)), dtype=images.dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "factor": self.factor, "value_range": self.value_range, "seed": self.seed}
