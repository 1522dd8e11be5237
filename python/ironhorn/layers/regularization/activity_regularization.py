"""The layer that penalizes what passes through it."""

from __future__ import annotations

from typing import Any

from ironhorn import regularizers
from ironhorn.layers.layer import Layer


class ActivityRegularization(Layer):
    """Adds a penalty on its inputs to the loss and passes them on.

    The penalty is `(l1 * sum(abs(inputs)) + l2 * sum(inputs ** 2)) / batch`.

    Args:
        l1: Factor of the absolute values.
        l2: Factor of the squares.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Example:
        >>> layer = ironhorn.layers.ActivityRegularization(l2=0.5)
        >>> outputs = layer(ironhorn.ops.ones((2, 3)))
        >>> float(layer.losses[0])
        1.5
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Any) -> None:
        super().__init__(activity_regularizer=regularizers.L1L2(l1=l1, l2=l2), **kwargs)
        self.supports_masking = True
        self.l1 = l1
        self.l2 = l2
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        """Returns the inputs."""
        return inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs: that of the inputs."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        config = super().get_config()
        config.pop("activity_regularizer", None)
        return {**config, "l1": self.l1, "l2": self.l2}
