"""The layer that shears images at random."""

from __future__ import annotations

from typing import Any

from ironhorn import ops
from ironhorn.layers.preprocessing.image.base_affine import BaseAffine
from ironhorn.layers.preprocessing.image.ranges import range_of


class RandomShear(BaseAffine):
    """In training, shears each image: rows are shifted in proportion to their place, and columns likewise.

    Args:
        x_factor: How far rows are shifted, per row: a number from 0 to 1 for both directions, or the least and the
            greatest, whose direction is drawn.
        y_factor: How far columns are shifted, per column, likewise.
        interpolation: `"bilinear"` or `"nearest"`.
        fill_mode: What lies outside: `"reflect"` (the image backwards), `"wrap"` (the image again), `"constant"`
            (`fill_value`) or `"nearest"` (the outermost pixels).
        fill_value: What to fill with.
        data_format: `"channels_last"` or `"channels_first"`.
        seed: Integer seed of the random numbers; drawn if not given.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Input shape:
        `(height, width, channels)`, or a batch of such.

    Example:
        >>> ironhorn.layers.RandomShear(0.2)(ironhorn.ops.ones((2, 4, 4, 3)), training=True).shape
        (2, 4, 4, 3)
    """

    _USE_BASE_FACTOR = False
    _FACTOR_BOUNDS = (0, 1)

    def __init__(
        self,
        x_factor: Any = 0.0,
        y_factor: Any = 0.0,
        interpolation: str = "bilinear",
        fill_mode: str = "reflect",
        fill_value: float = 0.0,
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.x_factor = range_of("RandomShear", "x_factor", x_factor, self._FACTOR_BOUNDS)
        self.y_factor = range_of("RandomShear", "y_factor", y_factor, self._FACTOR_BOUNDS)
        self._set_sampling(fill_mode, interpolation, fill_value)
        self._set_seed(seed)
        self._build_at_init()

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Makes a layer from what `get_config` returned, where a factor of one number has become a range."""
        config = dict(config)
        for name in ("x_factor", "y_factor"):
            least, greatest = config[name] if isinstance(config.get(name), list | tuple) else (0, 0)
            if least < 0 and least == -greatest:
                config[name] = greatest
        return super().from_config(config)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """Draws how far each image is sheared along x and y, `(batch, 2)`."""
        if not training:
            return None
        count, _, _ = self._count_and_size(data)
        invert = ops.greater(self._uniform((count, 1), 0.0, 1.0, seed), 0.5)
        y = self._uniform((count, 1), *self.y_factor, seed)
        x = self._uniform((count, 1), *self.x_factor, seed)
        both = ops.concatenate([x, y], axis=1)
        return {"shear_factor": ops.where(invert, -both, both)}

    def _map(self, images: Any, transformation: Any) -> Any:
        shear = transformation["shear_factor"]
        return self._rows(1.0, shear[:, 0], 0.0, shear[:, 1], 1.0, 0.0, 0.0, 0.0)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "x_factor": self.x_factor, "y_factor": self.y_factor}
