"""The unit normalization layer."""

from __future__ import annotations

from typing import Any

from ironhorn import ops
from ironhorn.layers.layer import Layer
from ironhorn.layers.normalization.base_normalization import check_axes, checked_axis


class UnitNormalization(Layer):
    """Divides every example by the square root of its sum of squares, so that it has length 1.

    Args:
        axis: Axis, or list of axes, that the sum is taken over.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Example:
        >>> ironhorn.layers.UnitNormalization()(ironhorn.ops.convert_to_tensor([[3.0, 4.0]])).numpy().round(3)
        array([[0.6, 0.8]], dtype=float32)
    """

    def __init__(self, axis: Any = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = checked_axis("UnitNormalization", axis)
        self.supports_masking = True
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        """Normalizes the inputs."""
        return ops.normalize(inputs, axis=self.axis, order=2, epsilon=1e-12)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs: that of the inputs."""
        check_axes(self, self.axis, input_shape)
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "axis": self.axis}
