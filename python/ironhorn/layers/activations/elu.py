"""The exponential linear unit as a layer."""

from __future__ import annotations

from typing import Any

from ironhorn import activations
from ironhorn.layers.layer import Layer


class ELU(Layer):
    """`inputs` where they are positive, `alpha * (exp(inputs) - 1)` elsewhere.

    Args:
        alpha: Minus the lower bound of the outputs.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Example:
        >>> ironhorn.layers.ELU()(ironhorn.ops.convert_to_tensor([0.0, 1.0])).numpy()
        array([0., 1.], dtype=float32)
    """

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alpha = alpha
        self.supports_masking = True
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        """Applies the function."""
        return activations.elu(inputs, alpha=self.alpha)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs: that of the inputs."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "alpha": self.alpha}
