"""The layer that equalizes the histograms of parts of images."""

from __future__ import annotations

from typing import Any

import numpy as np

from ironhorn import ops
from ironhorn.layers.convolutional.geometry import as_tuple
from ironhorn.layers.preprocessing.image.base_image_preprocessing import BaseImagePreprocessingLayer
from ironhorn.layers.preprocessing.image.ranges import is_number, rescaled, value_range_of

_BINS = 256


class ContrastLimitedAdaptiveHistogramEqualization(BaseImagePreprocessingLayer):
    """Spreads the values of each channel by the histogram of their neighbourhood (CLAHE; Pizer et al., 1987).

    Each image is cut into tiles. A pixel becomes what the histograms of the four tiles around it make of its value,
    interpolated by the distances from the tiles' centres. Bins are cut at a limit before, and what is cut off is spread
    over all bins, so that flat parts stay calm. This happens in training and otherwise.

    Args:
        value_range: The least and the greatest value that pixels have.
        clip_limit: What bins are cut at, as a multiple of the count that an even histogram has; 0 not to cut them.
        tile_grid_size: Number of tiles along height and width.
        data_format: `"channels_last"` or `"channels_first"`.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Input shape:
        `(height, width, channels)`, or a batch of such; height and width must be known.

    Example:
        >>> layer = ironhorn.layers.ContrastLimitedAdaptiveHistogramEqualization(tile_grid_size=(2, 2))
        >>> layer(ironhorn.ops.ones((2, 8, 8, 3))).shape
        (2, 8, 8, 3)
    """

    _USE_BASE_FACTOR = False

    def __init__(
        self,
        value_range: Any = (0, 255),
        clip_limit: float = 4.0,
        tile_grid_size: Any = (8, 8),
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.value_range = value_range_of(type(self).__name__, value_range)
        if not is_number(clip_limit):
            raise ValueError(f"`clip_limit` must be a number. Received: clip_limit={clip_limit!r}.")
        self.clip_limit = clip_limit
        self.tile_grid_size = as_tuple(tile_grid_size, 2, "tile_grid_size")
        self._build_at_init()

    def transform_images(self, images: Any, transformation: Any = None, training: bool = True) -> Any:
        """Spreads the values."""
        images = ops.cast(images, self.compute_dtype)
        height, width = self._known_size(images)
        first = self.data_format == "channels_first"
        # As in Keras, everything is computed in float32 at the least.
        batch = ops.cast(images, self._draw_dtype)
        batch = rescaled(batch if first else ops.transpose(batch, (0, 3, 1, 2)), self.value_range, (0, 255))
        spread = rescaled(self._spread(batch, height, width), (0, 255), self.value_range)
        return ops.cast(spread if first else ops.transpose(spread, (0, 2, 3, 1)), images.dtype)

    def _spread(self, batch: Any, height: int, width: int) -> Any:
        """`(batch, channels, height, width)` with values of 0 to 255."""
        rows, columns = self.tile_grid_size
        tile_height, tile_width = -(-height // rows), -(-width // columns)
        margins = (tile_height * rows - height, tile_width * columns - width)
        if any(margins):
            batch = ops.pad(batch, [(0, 0), (0, 0), (0, margins[0]), (0, margins[1])], mode="symmetric")
        count, channels, padded_height, padded_width = ops.shape(batch)
        planes = count * channels
        values = ops.cast(ops.clip(batch, 0, 255), "int32")
        values = ops.reshape(values, (planes, padded_height, padded_width))
        tables = self._tables(values, planes, tile_height, tile_width)

        places = ops.reshape(ops.arange(planes, dtype="int32") * (rows * columns * _BINS), (-1, 1, 1)) + values
        total = None
        for row, row_weight in _neighbours(rows, tile_height, batch.dtype):
            for column, column_weight in _neighbours(columns, tile_width, batch.dtype):
                offset = (row[:, None] * columns + column[None, :]) * _BINS
                found = ops.take(tables, places + ops.convert_to_tensor(offset.astype("int32")))
                part = found * ops.convert_to_tensor(row_weight[:, None] * column_weight[None, :])
                total = part if total is None else total + part
        return ops.reshape(total, (count, channels, padded_height, padded_width))[:, :, :height, :width]

    def _tables(self, values: Any, planes: Any, tile_height: int, tile_width: int) -> Any:
        """What each tile makes of each value, tiles after each other."""
        rows, columns = self.tile_grid_size
        tiles = np.arange(rows * tile_height)[:, None] // tile_height * columns
        tiles = (tiles + np.arange(columns * tile_width)[None, :] // tile_width) * _BINS
        first = ops.reshape(ops.arange(planes, dtype="int32") * (rows * columns * _BINS), (-1, 1, 1))
        places = ops.reshape(values + first + ops.convert_to_tensor(tiles.astype("int32")), (-1,))
        dtype = self._draw_dtype
        counts = ops.segment_sum(ops.ones_like(places, dtype=dtype), places, planes * (rows * columns * _BINS))
        counts = ops.reshape(counts, (-1, _BINS))
        size = tile_height * tile_width
        if self.clip_limit > 0:
            cut = ops.clip(counts, 0, self.clip_limit * size / _BINS)
            counts = cut + ops.sum(counts - cut, axis=-1, keepdims=True) / _BINS
        below = ops.cumsum(counts, axis=-1)
        least = below[:, :1]
        spread = size - least
        table = (below - least) * 255.0 / ops.where(ops.equal(spread, 0), 1.0, spread)
        return ops.reshape(ops.clip(table, 0, 255), (-1,))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {
            **super().get_config(),
            "value_range": self.value_range,
            "clip_limit": self.clip_limit,
            "tile_grid_size": self.tile_grid_size,
        }


def _neighbours(tiles: int, length: int, dtype: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """The tiles before and behind each place of an axis, and what they count."""
    places = (np.arange(tiles * length) - length / 2.0) / length
    before = np.floor(places)
    share = places - before
    inside = [np.clip(tile, 0, tiles - 1).astype("int64") for tile in (before, before + 1)]
    return [(inside[0], (1.0 - share).astype(dtype)), (inside[1], share.astype(dtype))]
