"""What global pooling layers share: the spatial axes are reduced to nothing."""

from __future__ import annotations

from typing import Any

from ironhorn.layers.convolutional.geometry import data_format_of
from ironhorn.layers.input_spec import InputSpec
from ironhorn.layers.layer import Layer


class BaseGlobalPooling(Layer):
    """Reduces all spatial axes.

    Args:
        pool_dimensions: Number of spatial axes.
        data_format: `"channels_last"` or `"channels_first"`; the configured one if not given.
        keepdims: Whether reduced axes stay, with size one.
        **kwargs: `name`, `dtype`, `trainable` of every layer.
    """

    def __init__(
        self, pool_dimensions: int, data_format: str | None = None, keepdims: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.data_format = data_format_of(data_format)
        self.keepdims = keepdims
        first = 1 if self.data_format == "channels_last" else 2
        self._axes = tuple(range(first, first + pool_dimensions))
        self.input_spec = InputSpec(ndim=pool_dimensions + 2)
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        """Computes the outputs."""
        raise NotImplementedError(f"{type(self).__name__} has no `call` method.")

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs."""
        if self.keepdims:
            return tuple(1 if axis in self._axes else size for axis, size in enumerate(input_shape))
        return tuple(size for axis, size in enumerate(input_shape) if axis not in self._axes)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "data_format": self.data_format, "keepdims": self.keepdims}
