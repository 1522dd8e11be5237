"""The layer that makes images brighter or darker at random."""

from __future__ import annotations

from typing import Any

from ironhorn import ops
from ironhorn.layers.preprocessing.image.base_image_preprocessing import BaseImagePreprocessingLayer
from ironhorn.layers.preprocessing.image.ranges import value_range_of


class RandomBrightness(BaseImagePreprocessingLayer):
    """In training, adds a number of its own to each image.

    Args:
        factor: What is added, as a share of the value range: a number from -1 to 1 for both directions, or the least
            and the greatest.
        value_range: The least and the greatest value that pixels have; results are clipped to them.
        seed: Integer seed of the random numbers; drawn if not given.
        **kwargs: `data_format`, and `name`, `dtype`, `trainable` of every layer.

    Input shape:
        `(height, width, channels)`, or a batch of such.

    Example:
        >>> layer = ironhorn.layers.RandomBrightness((0.1, 0.1))
        >>> layer(ironhorn.ops.zeros((1, 1, 1, 1)), training=True).numpy().ravel()
        array([25.5], dtype=float32)
    """

    def __init__(self, factor: Any, value_range: Any = (0, 255), seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(factor=factor, **kwargs)
        self._set_seed(seed)
        self.value_range = value_range_of("RandomBrightness", value_range)
        self._build_at_init()

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """Draws what is added to each image."""
        if not training:
            return None
        count, _, _ = self._count_and_size(data)
        share = self._uniform((count, 1, 1, 1), *self.factor, seed)
        return {"rgb_delta": share * (self.value_range[1] - self.value_range[0])}

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        """Adds what was drawn."""
        images = ops.cast(images, self.compute_dtype)
        if not training:
            return images
        return ops.clip(images + ops.cast(transformation["rgb_delta"], images.dtype), *self.value_range)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "factor": self.factor, "value_range": self.value_range, "seed": self.seed}
