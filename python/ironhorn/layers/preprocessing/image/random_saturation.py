"""The layer that changes the saturation of images at random."""

from __future__ import annotations

from typing import Any

from ironhorn import backend, ops
from ironhorn.layers.preprocessing.image.base_image_preprocessing import BaseImagePreprocessingLayer
from ironhorn.layers.preprocessing.image.ranges import value_range_of


class RandomSaturation(BaseImagePreprocessingLayer):
    """In training, multiplies the saturation of each image.

    Args:
        factor: How saturated images become: from 0 (grey) over 0.5 (as they are) to 1 (fully), the greatest alone or
            the least and the greatest. Saturation is multiplied by `factor / (1 - factor)`.
        value_range: The least and the greatest saturation; results are clipped to them.
        data_format: `"channels_last"` or `"channels_first"`.
        seed: Integer seed of the random numbers; drawn if not given.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Input shape:
        `(height, width, 3)`, or a batch of such, with values from 0 to 1.

    Example:
        >>> ironhorn.layers.RandomSaturation((0.2, 0.8))(ironhorn.ops.ones((2, 4, 4, 3)), training=True).shape
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
        self.value_range = value_range_of("RandomSaturation", value_range)
        self._set_seed(seed)
        self._build_at_init()

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """Draws what each image's saturation is multiplied with."""
        if not training:
            return None
        count, _, _ = self._count_and_size(data)
        factor = self._uniform((count,), *self.factor, seed)
        return {"factor": factor / (1.0 - factor + backend.epsilon())}

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        """Multiplies the saturation."""
        images = ops.cast(images, self.compute_dtype)
        if not training:
            return images
        factor = self._per_image(ops.cast(transformation["factor"], images.dtype))
        axis = self._axes[2]
        hue, saturation, value = ops.split(ops.image.rgb_to_hsv(images, data_format=self.data_format), 3, axis)
        saturation = ops.clip(saturation * factor, *self.value_range)
        changed = ops.concatenate([hue, saturation, value], axis=axis)
        return ops.image.hsv_to_rgb(changed, data_format=self.data_format)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "factor": self.factor, "value_range": self.value_range, "seed": self.seed}
