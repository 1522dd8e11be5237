"""The layer that takes part of the colour out of images at random."""

from __future__ import annotations

from typing import Any

from ironhorn import ops
from ironhorn.layers.preprocessing.image.base_image_preprocessing import BaseImagePreprocessingLayer
from ironhorn.layers.preprocessing.image.ranges import value_range_of


class RandomColorDegeneration(BaseImagePreprocessingLayer):
    """In training, mixes each image with a grey copy of it.

    Args:
        factor: The copy's share, 0 for the image and 1 for the copy: a number for both signs, or the least and the
            greatest.
        value_range: The least and the greatest value that pixels have; results are clipped to them.
        data_format: `"channels_last"` or `"channels_first"`.
        seed: Integer seed of the random numbers; drawn if not given.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Input shape:
        `(height, width, 3)`, or a batch of such.

    Example:
        >>> ironhorn.layers.RandomColorDegeneration((0, 1))(ironhorn.ops.ones((2, 4, 4, 3)), training=True).shape
        (2, 4, 4, 3)
    """

    def __init__(
        self,
        factor: Any,
        value_range: Any = (0, 255),
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(factor=factor, data_format=data_format, **kwargs)
        self.value_range = value_range_of("RandomColorDegeneration", value_range)
        self._set_seed(seed)
        self._build_at_init()

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """Draws the grey copy's share for each image."""
        if not training:
            return None
        return {"factor": self._uniform((self._count_and_size(data)[0], 1, 1, 1), *self.factor, seed)}

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        """Mixes the images with grey ones."""
        images = ops.cast(images, self.compute_dtype)
        if not training:
            return images
        grey = ops.image.rgb_to_grayscale(images, data_format=self.data_format)
        share = ops.cast(transformation["factor"], images.dtype)
        return ops.clip(images + share * (grey - images), *self.value_range)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "factor": self.factor, "value_range": self.value_range, "seed": self.seed}
