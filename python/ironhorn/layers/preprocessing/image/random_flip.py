"""The layer that flips images at random."""

from __future__ import annotations

from typing import Any

from ironhorn import ops
from ironhorn.layers.preprocessing.image.base_image_preprocessing import BaseImagePreprocessingLayer

_MODES = ("horizontal", "vertical", "horizontal_and_vertical")


class RandomFlip(BaseImagePreprocessingLayer):
    """In training, flips every other image, chosen at random.

    Args:
        mode: `"horizontal"` for left and right, `"vertical"` for top and bottom, `"horizontal_and_vertical"` for both
            at once.
        seed: Integer seed of the random numbers; drawn if not given.
        data_format: `"channels_last"` or `"channels_first"`.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Input shape:
        `(height, width, channels)`, or a batch of such.

    Example:
        >>> layer = ironhorn.layers.RandomFlip("horizontal", seed=1)
        >>> layer(ironhorn.ops.ones((2, 4, 4, 3)), training=True).shape
        (2, 4, 4, 3)
    """

    _USE_BASE_FACTOR = False

    def __init__(
        self,
        mode: str = "horizontal_and_vertical",
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        if mode not in _MODES:
            raise ValueError(f"`mode` of a RandomFlip layer must be one of {_MODES}. Received: mode={mode!r}.")
        self.mode = mode
        self._set_seed(seed)
        self._build_at_init()

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """Draws which images are flipped."""
        if not training:
            return None
        count, _, _ = self._count_and_size(data)
        shape = (count, 1, 1, 1) if len(self._images_in(data).shape) == 4 else (1, 1, 1)
        return {"flips": ops.less_equal(self._uniform(shape, 0.0, 1.0, seed), 0.5)}

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        """Flips the images that were drawn."""
        images = ops.cast(images, self.compute_dtype)
        if not training or transformation is None:
            return images
        height, width, _ = self._axes
        axes = {"horizontal": [width], "vertical": [height], "horizontal_and_vertical": [width, height]}[self.mode]
        return ops.where(transformation["flips"], ops.flip(images, axis=axes), images)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "mode": self.mode, "seed": self.seed}
