"""An activation function as a layer."""

from __future__ import annotations

from typing import Any

from ironhorn import activations
from ironhorn.layers.layer import Layer


class Activation(Layer):
    """Applies an activation function.

    Args:
        activation: Name of a built-in activation, or a function of one tensor.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Example:
        >>> ironhorn.layers.Activation("relu")(ironhorn.ops.convert_to_tensor([-1.0, 1.0])).numpy()
        array([0., 1.], dtype=float32)
    """

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.activation = activations.get(activation)
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        """Applies the function."""
        return self.activation(inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs: that of the inputs."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "activation": activations.serialize(self.activation)}
