"""The flatten layer."""

from __future__ import annotations

import math
from typing import Any

from ironhorn import backend, ops
from ironhorn.layers.convolutional.geometry import data_format_of
from ironhorn.layers.input_spec import InputSpec
from ironhorn.layers.layer import Layer


class Flatten(Layer):
    """Turns each sample into a vector.

    Args:
        data_format: `"channels_last"` or `"channels_first"`; with the latter channels are moved last before.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Example:
        >>> ironhorn.layers.Flatten()(ironhorn.ops.ones((2, 3, 4))).shape
        (2, 12)
    """

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = data_format_of(data_format)
        self.input_spec = InputSpec(min_ndim=1)

    def call(self, inputs: Any) -> Any:
        """Flattens the inputs."""
        rank = len(inputs.shape)
        if self.data_format == "channels_first" and rank > 2:
            inputs = ops.transpose(inputs, axes=(0, *range(2, rank), 1))
        size = self.compute_output_shape(inputs.shape)[1]
        return ops.reshape(inputs, (ops.shape(inputs)[0], -1 if size is None else size))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs."""
        sizes = input_shape[1:]
        return (input_shape[0], None if any(size is None for size in sizes) else math.prod(sizes))

    def compute_output_spec(self, inputs: Any) -> Any:
        """Returns the outputs' specification; the dtype is that of the inputs."""
        return backend.KerasTensor(self.compute_output_shape(inputs.shape), dtype=inputs.dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "data_format": self.data_format}
