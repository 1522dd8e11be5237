"""The permute layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ironhorn import backend, ops
from ironhorn.layers.input_spec import InputSpec
from ironhorn.layers.layer import Layer


class Permute(Layer):
    """Orders the axes of each sample anew.

    Args:
        dims: For each axis of the outputs the axis of the inputs that it was, counted from 1; the batch axis is left
            out and stays first.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Example:
        >>> ironhorn.layers.Permute((2, 1))(ironhorn.ops.ones((4, 3, 5))).shape
        (4, 5, 3)
    """

    def __init__(self, dims: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dims = tuple(dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ValueError(
                "`dims` of a Permute layer must hold each of the axes 1 to their number once. Received: "
                f"dims={self.dims}; (2, 1) swaps the two axes after the batch."
            )
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        """Permutes the axes."""
        return ops.transpose(inputs, axes=(0, *self.dims))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs."""
        return (input_shape[0], *(input_shape[axis] for axis in self.dims))

    def compute_output_spec(self, inputs: Any) -> Any:
        """Returns the outputs' specification; the dtype is that of the inputs."""
        return backend.KerasTensor(self.compute_output_shape(inputs.shape), dtype=inputs.dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "dims": self.dims}
