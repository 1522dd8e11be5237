"""The rectified linear unit as a layer."""

from __future__ import annotations

from typing import Any

from ironhorn import activations
from ironhorn.layers.layer import Layer


class ReLU(Layer):
    """`max(inputs, 0)` with the default arguments.

    Args:
        max_value: Upper bound of the outputs; `None` for none.
        negative_slope: Slope below the threshold.
        threshold: Value below which the outputs are `negative_slope * (inputs - threshold)`.
        **kwargs: `name`, `dtype`, `trainable` of every layer.
    """

    def __init__(
        self, max_value: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if max_value is not None and max_value < 0:
            raise ValueError(f"`max_value` of a ReLU layer must not be negative. Received: max_value={max_value}.")
        if negative_slope is None or negative_slope < 0:
            raise ValueError(f"`negative_slope` must be a non-negative number. Received: {negative_slope}.")
        if threshold is None or threshold < 0:
            raise ValueError(f"`threshold` must be a non-negative number. Received: {threshold}.")
        self.max_value = max_value
        self.negative_slope = negative_slope
        self.threshold = threshold
        self.supports_masking = True
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        """Applies the function."""
        return activations.relu(
            inputs, negative_slope=self.negative_slope, max_value=self.max_value, threshold=self.threshold
        )

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs: that of the inputs."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {
            **super().get_config(),
            "max_value": self.max_value,
            "negative_slope": self.negative_slope,
            "threshold": self.threshold,
        }
