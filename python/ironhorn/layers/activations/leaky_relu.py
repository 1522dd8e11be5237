"""The leaky rectified linear unit as a layer."""

from __future__ import annotations

from typing import Any

from ironhorn import activations
from ironhorn.layers.layer import Layer


class LeakyReLU(Layer):
    """`inputs` where they are positive, `negative_slope * inputs` elsewhere.

    Args:
        negative_slope: Slope below zero.
        **kwargs: `name`, `dtype`, `trainable` of every layer.
    """

    def __init__(self, negative_slope: float = 0.3, **kwargs: Any) -> None:
        if "alpha" in kwargs:  # Its name in older versions of Keras.
            negative_slope = kwargs.pop("alpha")
        super().__init__(**kwargs)
        if negative_slope is None or negative_slope < 0:
            raise ValueError(f"`negative_slope` must be a non-negative number. Received: {negative_slope}.")
        self.negative_slope = negative_slope
        self.supports_masking = True
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        """Applies the function."""
        return activations.leaky_relu(inputs, negative_slope=self.negative_slope)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs: that of the inputs."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "negative_slope": self.negative_slope}
