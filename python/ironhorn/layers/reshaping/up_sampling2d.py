"""Up-sampling of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ironhorn import ops
from ironhorn.layers.convolutional.geometry import as_tuple, data_format_of
from ironhorn.layers.reshaping.base_up_sampling import BaseUpSampling


class UpSampling2D(BaseUpSampling):
    """Makes images larger.

    Args:
        size: Factor of height and width, or a pair of factors.
        data_format: `"channels_last"` or `"channels_first"`.
        interpolation: `"nearest"` (repeats pixels), `"bilinear"`, `"bicubic"`, `"lanczos3"` or `"lanczos5"`.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Input shape:
        `(batch, height, width, channels)`, or with the channels after the batch.

    Output shape:
        `(batch, height * size[0], width * size[1], channels)`.

    Example:
        >>> layer = ironhorn.layers.UpSampling2D(2, interpolation="bilinear")
        >>> layer(ironhorn.ops.reshape([0.0, 4.0], (1, 1, 2, 1))).numpy()[0, 0, :, 0]
        array([0., 1., 3., 4.], dtype=float32)
    """

    def __init__(
        self,
        size: int | Sequence[int] = (2, 2),
        data_format: str | None = None,
        interpolation: str = "nearest",
        **kwargs: Any,
    ) -> None:
        self.data_format = data_format_of(data_format)
        self.size = as_tuple(size, 2, "size")
        super().__init__(self.size, self.data_format, **kwargs)
        self.interpolation = str(interpolation).lower()
        known = ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")
        if self.interpolation not in known:
            raise ValueError(f"`interpolation` must be one of {known}. Received: interpolation={interpolation!r}.")

    def call(self, inputs: Any) -> Any:
        """Makes the images larger."""
        if self.interpolation == "nearest":
            return super().call(inputs)
        lengths = ops.shape(inputs)
        size = tuple(lengths[axis] * factor for axis, factor in zip(self._axes, self._factors, strict=True))
        return ops.image.resize(inputs, size, interpolation=self.interpolation, data_format=self.data_format)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {
            **super().get_config(),
            "size": self.size,
            "data_format": self.data_format,
            "interpolation": self.interpolation,
        }
