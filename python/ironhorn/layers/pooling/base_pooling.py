"""What pooling layers share: a window that slides over the spatial axes."""

from __future__ import annotations

from typing import Any

from ironhorn import ops
from ironhorn.layers.convolutional.geometry import as_tuple, data_format_of, padding_of, window_output_shape
from ironhorn.layers.input_spec import InputSpec
from ironhorn.layers.layer import Layer


class BasePooling(Layer):
    """Replaces each window by its maximum or mean.

    Args:
        pool_size: Sizes of the window.
        strides: Steps of the window; `pool_size` if not given.
        pool_dimensions: Number of spatial axes.
        pool_mode: `"max"` or `"average"`.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"` or `"channels_first"`; the configured one if not given.
        name: Name of the layer.
        **kwargs: `dtype`, `trainable` of every layer.
    """

    def __init__(
        self,
        pool_size: Any,
        strides: Any,
        pool_dimensions: int,
        pool_mode: str = "max",
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.pool_size = as_tuple(pool_size, pool_dimensions, "pool_size")
        self.strides = self.pool_size if strides is None else as_tuple(strides, pool_dimensions, "strides")
        self.pool_mode = pool_mode
        self.padding = padding_of(padding)
        self.data_format = data_format_of(data_format)
        self.input_spec = InputSpec(ndim=pool_dimensions + 2)
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        """Computes the outputs."""
        pool = ops.max_pool if self.pool_mode == "max" else ops.average_pool
        return pool(
            inputs,
            pool_size=self.pool_size,
            strides=self.strides,
            padding=self.padding,
            data_format=self.data_format,
        )

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs."""
        return window_output_shape(
            input_shape, self.pool_size, self.strides, self.padding, self.data_format, layer=self.name
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {
            **super().get_config(),
            "pool_size": self.pool_size,
            "padding": self.padding,
            "strides": self.strides,
            "data_format": self.data_format,
        }
