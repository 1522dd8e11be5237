"""The layer that rotates images at random."""

from __future__ import annotations

import math
from typing import Any

from ironhorn import ops
from ironhorn.layers.preprocessing.image.base_affine import BaseAffine


class RandomRotation(BaseAffine):
    """In training, rotates each image around its centre by an angle of its own.

    Args:
        factor: Angle as a share of a full turn: a number for both directions, or the least and the greatest. Positive
            angles turn counter-clockwise.
        fill_mode: What lies outside: `"reflect"` (the image backwards), `"wrap"` (the image again), `"constant"`
            (`fill_value`) or `"nearest"` (the outermost pixels).
        interpolation: `"bilinear"` or `"nearest"`.
        seed: Integer seed of the random numbers; drawn if not given.
        fill_value: What to fill with.
        data_format: `"channels_last"` or `"channels_first"`.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Input shape:
        `(height, width, channels)`, or a batch of such.

    Example:
        >>> ironhorn.layers.RandomRotation(0.1)(ironhorn.ops.ones((2, 4, 4, 3)), training=True).shape
        (2, 4, 4, 3)
    """

    def __init__(
        self,
        factor: Any,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(factor=factor, data_format=data_format, **kwargs)
        self._set_sampling(fill_mode, interpolation, fill_value)
        self._set_seed(seed)
        self._build_at_init()

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """Draws angles, and makes the maps of them."""
        if not training:
            return None
        count, height, width = self._count_and_size(data)
        degrees = self._uniform((count,), self.factor[0] * 360.0, self.factor[1] * 360.0, seed)
        angle = degrees * (math.pi / 180.0)
        cosine, sine = ops.cos(angle), ops.sin(angle)
        x, y = (0.5 * (self._number(length, self._draw_dtype) - 1.0) for length in (width, height))
        matrix = self._rows(cosine, -sine, x - x * cosine + y * sine, sine, cosine, y - x * sine - y * cosine, 0, 0)
        return {"angle": degrees, "rotation_matrix": matrix}

    def _map(self, images: Any, transformation: Any) -> Any:
        return transformation["rotation_matrix"]

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "factor": self.factor}
