"""The layer that does nothing."""

from __future__ import annotations

from typing import Any

from ironhorn import backend, tree
from ironhorn.layers.layer import Layer


class Identity(Layer):
    """Returns its inputs, a tensor or a nest of them.

    Args:
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Example:
        >>> ironhorn.layers.Identity()(ironhorn.ops.ones((2,))).numpy()
        array([1., 1.], dtype=float32)
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        """Returns the inputs."""
        return inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs: that of the inputs."""
        return input_shape

    def compute_output_spec(self, inputs: Any) -> Any:
        """Returns the outputs' specification: that of the inputs."""
        return tree.map_structure(lambda x: backend.KerasTensor(x.shape, dtype=x.dtype), inputs)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return super().get_config()
