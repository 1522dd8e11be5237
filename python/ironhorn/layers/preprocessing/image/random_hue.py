"""The layer that turns the colours of images at random."""

from __future__ import annotations

from typing import Any

from ironhorn import ops
from ironhorn.layers.preprocessing.image.base_image_preprocessing import BaseImagePreprocessingLayer
from ironhorn.layers.preprocessing.image.ranges import rescaled, value_range_of


class RandomHue(BaseImagePreprocessingLayer):
    """In training, turns the hue of each image.

    Args:
        factor: How far hues turn, in either direction, as a share of half a turn: the greatest, from 0 to 1, or the
            least and the greatest.
        value_range: The least and the greatest value that pixels have; results are clipped to them.
        data_format: `"channels_last"` or `"channels_first"`.
        seed: Integer seed of the random numbers; drawn if not given.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Input shape:
        `(height, width, 3)`, or a batch of such.

    Example:
        >>> ironhorn.layers.RandomHue(0.2)(ironhorn.ops.ones((2, 4, 4, 3)), training=True).shape
        (2, 4, 4, 3)
    """

    _FACTOR_BOUNDS = (0, 1)

    def __init__(
        self,
        factor: Any,
        value_range: Any = (0, 255),
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(factor=factor, data_format=data_format, **kwargs)
        self.value_range = value_range_of("RandomHue", value_range)
        self._set_seed(seed)
        self._build_at_init()

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """Draws how far, and in which direction, each image's hues turn: shares of a full turn."""
        if not training:
            return None
        count, _, _ = self._count_and_size(data)
        sign = ops.where(ops.greater(self._uniform((count,), 0.0, 1.0, seed), 0.5), -1.0, 1.0)
        turn = self._uniform((count,), *self.factor, seed)
        return {"factor": turn * ops.cast(sign, turn.dtype) * 0.5}

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        """Turns the hues."""
        images = ops.cast(images, self.compute_dtype)
        if not training:
            return images
        turn = self._per_image(ops.cast(transformation["factor"], images.dtype))
        images = rescaled(images, self.value_range, (0, 1))
        axis = self._axes[2]
        hue, saturation, value = ops.split(ops.image.rgb_to_hsv(images, data_format=self.data_format), 3, axis)
        hue = hue + turn
        hue = ops.where(hue > 1.0, hue - 1.0, hue)
        hue = ops.where(hue < 0.0, hue + 1.0, hue)
        turned = ops.concatenate([hue, saturation, value], axis=axis)
        images = ops.clip(ops.image.hsv_to_rgb(turned, data_format=self.data_format), 0, 1)
        return rescaled(images, (0, 1), self.value_range)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "factor": self.factor, "value_range": self.value_range, "seed": self.seed}
