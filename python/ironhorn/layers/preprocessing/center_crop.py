"""The layer that cuts out the middle of images."""

from __future__ import annotations

from typing import Any

from ironhorn import ops
from ironhorn.layers.convolutional.geometry import data_format_of
from ironhorn.layers.layer import Layer


class CenterCrop(Layer):
    """Cuts images to a size around their centre; images that are too small are resized to it, keeping proportions.

    Args:
        height: Height of the outputs.
        width: Width of the outputs.
        data_format: `"channels_last"` or `"channels_first"`.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Input shape:
        `(height, width, channels)`, or a batch of such.

    Example:
        >>> ironhorn.layers.CenterCrop(3, 4)(ironhorn.ops.ones((2, 6, 6, 1))).shape
        (2, 3, 4, 1)
    """

    def __init__(self, height: int, width: int, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.height, self.width = height, width
        self.data_format = data_format_of(data_format)
        self._allow_non_tensor_positional_args = True
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        """Crops the images."""
        inputs = ops.cast(inputs, self.compute_dtype)
        rank = len(inputs.shape)
        axes = (rank - 3, rank - 2) if self.data_format == "channels_last" else (rank - 2, rank - 1)
        ranges = [slice(None)] * rank
        for axis, wanted in zip(axes, (self.height, self.width), strict=True):
            spare = ops.shape(inputs)[axis] - wanted
            if isinstance(spare, int) and spare < 0:
                size = (self.height, self.width)
                return ops.image.resize(inputs, size, crop_to_aspect_ratio=True, data_format=self.data_format)
            start = spare // 2
            ranges[axis] = slice(start, start + wanted)
        return inputs[tuple(ranges)]

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs."""
        shape = list(input_shape)
        first = -3 if self.data_format == "channels_last" else -2
        shape[first], shape[first + 1] = self.height, self.width
        return tuple(shape)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {
            **super().get_config(),
            "height": self.height,
            "width": self.width,
            "data_format": self.data_format,
        }
