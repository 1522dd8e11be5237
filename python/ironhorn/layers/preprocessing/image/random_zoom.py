"""The layer that zooms into and out of images at random."""

from __future__ import annotations

from typing import Any

from ironhorn.layers.preprocessing.image.base_affine import BaseAffine
from ironhorn.layers.preprocessing.image.ranges import range_of


class RandomZoom(BaseAffine):
    """In training, zooms into each image or out of it, around its centre.

    Args:
        height_factor: How much more of the height is seen, as a share of it: a number for both directions, or the
            least and the greatest. Positive numbers zoom out, negative ones, above -1, zoom in.
        width_factor: The same for the width; by default what is drawn for the height, so that images keep their
            proportions.
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
        >>> ironhorn.layers.RandomZoom(0.2)(ironhorn.ops.ones((2, 4, 4, 3)), training=True).shape
        (2, 4, 4, 3)
    """

    _USE_BASE_FACTOR = False

    def __init__(
        self,
        height_factor: Any,
        width_factor: Any = None,
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
        zoom = (-1, 1)
        self.height_lower, self.height_upper = range_of(name, "height_factor", height_factor, zoom, open_below=True)
        if width_factor is not None:
            self.width_lower, self.width_upper = range_of(name, "width_factor", width_factor, zoom, open_below=True)
        self._set_sampling(fill_mode, interpolation, fill_value)
        self._set_seed(seed)
        self._build_at_init()

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """Draws what share of height and width is seen, `(batch, 1)` each."""
        if not training:
            return None
        count, _, _ = self._count_and_size(data)
        height = self._uniform((count, 1), 1.0 + self.height_lower, 1.0 + self.height_upper, seed)
        width = height
        if self.width_factor is not None:
            width = self._uniform((count, 1), 1.0 + self.width_lower, 1.0 + self.width_upper, seed)
        return {"height_zoom": height, "width_zoom": width}

    def _map(self, images: Any, transformation: Any) -> Any:
        x, y = transformation["width_zoom"], transformation["height_zoom"]
        _, height, width = self._count_and_size(images)
        height, width = (self._number(length, y.dtype) for length in (height, width))
        right, down = (0.5 * (length - 1.0) * (1.0 - zoom) for length, zoom in ((width, x), (height, y)))
        return self._rows(x, 0.0, right, 0.0, y, down, 0.0, 0.0)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "height_factor": self.height_factor, "width_factor": self.width_factor}
