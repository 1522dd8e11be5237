"""The layer that equalizes the histograms of images."""

from __future__ import annotations

from typing import Any

from ironhorn import ops
from ironhorn.layers.preprocessing.image.base_image_preprocessing import BaseImagePreprocessingLayer
from ironhorn.layers.preprocessing.image.ranges import rescaled, value_range_of


class Equalization(BaseImagePreprocessingLayer):
    """In training, spreads the values of each channel evenly, by the histogram of the whole batch.

    Args:
        value_range: The least and the greatest value that pixels have.
        bins: Number of bins of the histograms.
        data_format: `"channels_last"` or `"channels_first"`.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Input shape:
        `(height, width, channels)`, or a batch of such.

    Example:
        >>> images = ironhorn.ops.reshape([100.0, 101.0, 102.0], (1, 3, 1, 1))
        >>> ironhorn.layers.Equalization()(images, training=True).numpy().ravel()
        array([  0., 128., 255.], dtype=float32)
    """

    _USE_BASE_FACTOR = False

    def __init__(
        self, value_range: Any = (0, 255), bins: int = 256, data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        if isinstance(bins, bool) or not isinstance(bins, int) or bins < 2:
            raise ValueError(f"`bins` of an Equalization layer must be an integer above 1. Received: bins={bins!r}.")
        self.bins = bins
        self.value_range = value_range_of("Equalization", value_range)
        self._build_at_init()

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        """Spreads the values."""
        images = ops.cast(images, self.compute_dtype)
        if not training:
            return images
        axis = self._axes[2]
        channels = self._known_channels(images)
        values = rescaled(images, self.value_range, (0, 255))
        tables = [self._table(plane) for plane in ops.split(values, channels, axis)]
        first = ops.reshape(ops.arange(channels) * self.bins, [channels if a == axis % 4 else 1 for a in range(4)])
        bins = ops.cast(ops.clip(values / 255.0 * (self.bins - 1), 0, self.bins - 1), "int32")
        equalized = ops.take(ops.concatenate([table for table, _ in tables]), bins + ops.cast(first, "int32"))
        # A channel of one value stays as it is.
        flat = ops.reshape(ops.stack([one for _, one in tables]), first.shape)
        result = ops.where(flat, values, ops.cast(equalized, values.dtype))
        return rescaled(result, (0, 255), self.value_range)

    def _table(self, plane: Any) -> tuple[Any, Any]:
        """What the values of each bin become, and whether all values are in one bin."""
        # As in Keras, bins are found in float32.
        place = ops.cast(ops.reshape(plane, (-1,)), "float32") * (self.bins - 1) / 255.0
        place = ops.clip(ops.cast(place, "int32"), 0, self.bins - 1)
        counts = ops.segment_sum(ops.ones_like(place), place, num_segments=self.bins)
        below = ops.cast(ops.cumsum(counts), "float64")
        used = ops.greater(counts, 0)
        least = ops.min(ops.where(used, below, below[-1]))
        spread = below[-1] - least
        table = ops.round((below - least) * 255.0 / ops.where(spread > 0, spread, 1.0))
        return ops.clip(table, 0, 255), ops.less_equal(ops.sum(ops.cast(used, "int32")), 1)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "bins": self.bins, "value_range": self.value_range}
