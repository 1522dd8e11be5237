"""The RMS normalization layer."""

from __future__ import annotations

from typing import Any

from ironhorn import ops
from ironhorn.layers.layer import Layer
from ironhorn.layers.normalization.base_normalization import check_axes, checked_axis, sizes_of


class RMSNormalization(Layer):
    """Divides every example by the root mean square of its own features, then scales them.

        outputs = scale * inputs / sqrt(mean(inputs ** 2) + epsilon)

    Args:
        axis: Axis, or list of axes, that the mean is taken over; `scale` has their sizes.
        epsilon: Added to the mean.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Reference:
        Zhang and Sennrich, 2019, "Root mean square layer normalization".

    Example:
        >>> ironhorn.layers.RMSNormalization()(2.0 * ironhorn.ops.ones((1, 2))).numpy().round(3)
        array([[1., 1.]], dtype=float32)
    """

    def __init__(self, axis: Any = -1, epsilon: float = 1e-6, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = checked_axis("RMSNormalization", axis)
        self.epsilon = epsilon

    def build(self, input_shape: Any) -> None:
        """Makes the scale."""
        self.axis, sizes = sizes_of(self, self.axis, input_shape)
        self.scale = self.add_weight(name="scale", shape=sizes, initializer="ones")

    def call(self, x: Any) -> Any:
        """Normalizes the inputs."""
        return ops.rms_normalization(x, scale=self.scale, axis=self.axis, epsilon=self.epsilon)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs: that of the inputs."""
        check_axes(self, self.axis, input_shape)
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "axis": self.axis, "epsilon": self.epsilon}
