"""The layer that inverts images at random."""

from __future__ import annotations

from typing import Any

from ironhorn import ops
from ironhorn.layers.preprocessing.image.base_image_preprocessing import BaseImagePreprocessingLayer
from ironhorn.layers.preprocessing.image.ranges import value_range_of


class RandomInvert(BaseImagePreprocessingLayer):
    """In training, replaces the pixels of some images by the greatest value minus the pixel.

    Args:
        factor: The chance that an image is inverted: the greatest, from 0 to 1, or the least and the greatest. A chance
            is drawn for each image.
        value_range: The least and the greatest value that pixels have.
        seed: Integer seed of the random numbers; drawn if not given.
        data_format: `"channels_last"` or `"channels_first"`.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Input shape:
        `(height, width, channels)`, or a batch of such.

    Example:
        >>> layer = ironhorn.layers.RandomInvert((1.0, 1.0))
        >>> layer(ironhorn.ops.ones((1, 1, 1, 1)), training=True).numpy().ravel()
        array([254.], dtype=float32)
    """

    _USE_BASE_FACTOR = False
    _FACTOR_BOUNDS = (0, 1)

    def __init__(
        self,
        factor: Any = 1.0,
        value_range: Any = (0, 255),
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self._set_factor(factor)
        self.value_range = value_range_of("RandomInvert", value_range)
        self._set_seed(seed)
        self._build_at_init()

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """Draws which images are inverted."""
        if not training:
            return None
        return {"apply_inversion": self._chosen(self._count_and_size(data)[0], seed)}

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        """Inverts the images that were drawn."""
        images = ops.cast(images, self.compute_dtype)
        if not training:
            return images
        return ops.where(self._per_image(transformation["apply_inversion"]), self.value_range[1] - images, images)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "factor": self.factor, "value_range": self.value_range, "seed": self.seed}
