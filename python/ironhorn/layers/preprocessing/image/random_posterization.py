"""The layer that leaves images fewer shades, at random."""

from __future__ import annotations

from typing import Any

from ironhorn import ops, random
from ironhorn.layers.preprocessing.image.base_image_preprocessing import BaseImagePreprocessingLayer
from ironhorn.layers.preprocessing.image.ranges import rescaled, value_range_of


class RandomPosterization(BaseImagePreprocessingLayer):
    """In training, keeps only the highest bits of each image's pixels.

    Args:
        factor: How many of 8 bits are kept: below this number, or from the first of two to below the second; two equal
            ones for just that number.
        value_range: The least and the greatest value that pixels have.
        data_format: `"channels_last"` or `"channels_first"`.
        seed: Integer seed of the random numbers; drawn if not given.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Input shape:
        `(height, width, channels)`, or a batch of such.

    Example:
        >>> layer = ironhorn.layers.RandomPosterization((1, 1))
        >>> layer(ironhorn.ops.full((1, 1, 1, 1), 200.0), training=True).numpy().ravel()
        array([128.], dtype=float32)
    """

    _USE_BASE_FACTOR = False
    _FACTOR_BOUNDS = (1, 8)

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
        self.value_range = value_range_of("RandomPosterization", value_range)
        self._set_seed(seed)
        self._build_at_init()

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """Draws how many bits each image loses."""
        if not training:
            return None
        count, _, _ = self._count_and_size(data)
        least, most = (int(number) for number in self.factor)
        if least == most:
            return {"shift_factor": ops.full((count,), 8 - least, dtype="int32")}
        return {"shift_factor": 8 - random.randint((count,), least, most, seed=self._seed_of(seed))}

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        """Drops the lowest bits."""
        images = ops.cast(images, self.compute_dtype)
        if not training:
            return images
        step = self._per_image(ops.power(2.0, ops.cast(transformation["shift_factor"], images.dtype)))
        whole = ops.floor(ops.clip(rescaled(images, self.value_range, (0, 255)), 0, 255))
        return rescaled(ops.floor(whole / step) * step, (0, 255), self.value_range)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "factor": self.factor, "value_range": self.value_range, "seed": self.seed}
