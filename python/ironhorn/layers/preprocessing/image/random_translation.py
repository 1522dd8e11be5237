"""The layer that shifts images at random."""

from __future__ import annotations

from typing import Any

from ironhorn import ops
from ironhorn.layers.preprocessing.image.base_affine import BaseAffine
from ironhorn.layers.preprocessing.image.ranges import range_of


class RandomTranslation(BaseAffine):
    """In training, shifts each image by a random share of its height and width.

    Args:
        height_factor: Shift as a share of the height: a number for both directions, or the least and the greatest.
            Positive shifts go down.
        width_factor: Shift as a share of the width. Positive shifts go right.
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
        >>> ironhorn.layers.RandomTranslation(0.1, (-0.2, 0.3))(ironhorn.ops.ones((2, 4, 4, 3)), training=True).shape
        (2, 4, 4, 3)
    """

    _USE_BASE_FACTOR = False

    def __init__(
        self,
        height_factor: Any,
        width_factor: Any,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.height_factor, self.width_factor = height_factor, width_factor
        name = type(self).__name__
        self.height_lower, self.height_upper = range_of(name, "height_factor", height_factor, (-1, 1))
        self.width_lower, self.width_upper = range_of(name, "width_factor", width_factor, (-1, 1))
        self._set_sampling(fill_mode, interpolation, fill_value)
        self._set_seed(seed)
        self._build_at_init()

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """Draws shifts in pixels, `(batch, 2)`: to the right and down."""
        if not training:
            return None
        count, height, width = self._count_and_size(data)
        height, width = (self._number(length, self._draw_dtype) for length in (height, width))
        down = self._uniform((count, 1), self.height_lower, self.height_upper, seed) * height
        right = self._uniform((count, 1), self.width_lower, self.width_upper, seed) * width
        return {"translations": ops.concatenate([right, down], axis=1)}

    def _map(self, images: Any, transformation: Any) -> Any:
        shifts = transformation["translations"]
        return self._rows(1.0, 0.0, -shifts[:, 0], 0.0, 1.0, -shifts[:, 1], 0.0, 0.0)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "height_factor": self.height_factor, "width_factor": self.width_factor}
