"""The layer that shows images from other sides at random."""

from __future__ import annotations

from typing import Any

from ironhorn import ops
from ironhorn.layers.preprocessing.image.base_image_preprocessing import BaseImagePreprocessingLayer
from ironhorn.layers.preprocessing.image.ranges import is_number


class RandomPerspective(BaseImagePreprocessingLayer):
    """In training, moves the corners of some images, and all other pixels with them.

    Args:
        factor: The chance that an image is changed: the greatest, from 0 to 1, or the least and the greatest. A chance
            is drawn for each image.
        scale: How far corners move, from 0 to 1; at 1 by up to half of their coordinates.
        interpolation: `"bilinear"` or `"nearest"`.
        fill_value: What lies outside.
        seed: Integer seed of the random numbers; drawn if not given.
        data_format: `"channels_last"` or `"channels_first"`.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Input shape:
        `(height, width, channels)`, or a batch of such.

    Example:
        >>> ironhorn.layers.RandomPerspective(scale=0.3)(ironhorn.ops.ones((2, 4, 4, 3)), training=True).shape
        (2, 4, 4, 3)
    """

    _USE_BASE_FACTOR = False
    _FACTOR_BOUNDS = (0, 1)

    def __init__(
        self,
        factor: Any = 1.0,
        scale: float = 1.0,
        interpolation: str = "bilinear",
        fill_value: float = 0.0,
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self._set_factor(factor)
        if not is_number(scale) or not 0 <= scale <= 1:
            raise ValueError(f"`scale` of a RandomPerspective layer must be a number from 0 to 1. Received: {scale!r}.")
        if interpolation not in ("nearest", "bilinear"):
            raise NotImplementedError(
                "`interpolation` of a RandomPerspective layer must be 'nearest' or 'bilinear'. Received: "
                f"interpolation={interpolation!r}."
            )
        self.scale = scale
        self.interpolation = interpolation
        self.fill_value = fill_value
        self._set_seed(seed)
        self._build_at_init()

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """Draws which images are changed, and where their corners go, `(batch, 4, 2)`."""
        if not training:
            return None
        count, height, width = self._count_and_size(data)
        chosen = self._chosen(count, seed)
        moves = self._uniform((count, 4, 2), -0.5 * self.scale, 0.5 * self.scale, seed)
        right, bottom = (ops.cast(length, moves.dtype) - 1.0 for length in (width, height))
        zero = ops.zeros_like(right)
        corners = ops.stack([zero, zero, right, zero, zero, bottom, right, bottom])
        start = ops.broadcast_to(ops.reshape(corners, (1, 4, 2)), ops.shape(moves))
        return {"apply_perspective": chosen, "start_points": start, "end_points": start + start * moves}

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        """Moves the images' pixels."""
        images = ops.cast(images, self.compute_dtype)
        if not training or transformation is None:
            return images
        moved = ops.image.perspective_transform(
            images,
            transformation["start_points"],
            transformation["end_points"],
            interpolation=self.interpolation,
            fill_value=self.fill_value,
            data_format=self.data_format,
        )
        return ops.where(self._per_image(transformation["apply_perspective"]), moved, images)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {
            **super().get_config(),
            "factor": self.factor,
            "scale": self.scale,
            "interpolation": self.interpolation,
            "fill_value": self.fill_value,
            "seed": self.seed,
        }
