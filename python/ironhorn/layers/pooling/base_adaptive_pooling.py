"""What adaptive pooling layers share: a number of windows, which the inputs are cut into."""

from __future__ import annotations

from typing import Any

from ironhorn import ops
from ironhorn.layers.convolutional.geometry import as_tuple, data_format_of
from ironhorn.layers.input_spec import InputSpec
from ironhorn.layers.layer import Layer


class BaseAdaptivePooling(Layer):
    """Cuts every spatial axis into equal parts, rounded outwards, and replaces each by its maximum or mean.

    Args:
        output_size: Number of parts of every spatial axis.
        pool_dimensions: Number of spatial axes.
        pool_mode: `"max"` or `"average"`.
        data_format: `"channels_last"` or `"channels_first"`; the configured one if not given.
        **kwargs: `name`, `dtype`, `trainable` of every layer.
    """

    def __init__(
        self,
        output_size: Any,
        pool_dimensions: int,
        pool_mode: str,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.output_size = as_tuple(output_size, pool_dimensions, "output_size")
        self.pool_mode = pool_mode
        self.data_format = data_format_of(data_format)
        self.input_spec = InputSpec(ndim=pool_dimensions + 2)
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        """Computes the outputs."""
        pool = ops.adaptive_max_pool if self.pool_mode == "max" else ops.adaptive_average_pool
        return pool(inputs, output_size=self.output_size, data_format=self.data_format)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs."""
        if self.data_format == "channels_last":
            return (input_shape[0], *self.output_size, input_shape[-1])
        return (input_shape[0], input_shape[1], *self.output_size)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "output_size": self.output_size, "data_format": self.data_format}
