"""The reshape layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ironhorn import backend, ops
from ironhorn.layers.layer import Layer


class Reshape(Layer):
    """Gives each sample another shape.

    Args:
        target_shape: Shape of one sample, without the batch axis; one size may be -1.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Example:
        >>> ironhorn.layers.Reshape((2, -1))(ironhorn.ops.ones((3, 8))).shape
        (3, 2, 4)
    """

    def __init__(self, target_shape: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        target = (target_shape,) if isinstance(target_shape, int) else tuple(target_shape)
        if any(not isinstance(size, int) or size < -1 for size in target) or target.count(-1) > 1:
            raise ValueError(
                "`target_shape` must hold non-negative integers and at most one -1. "
                f"Received: target_shape={target_shape!r}."
            )
        self.target_shape = target
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        """Reshapes the inputs."""
        target = self.compute_output_shape(inputs.shape)[1:]
        return ops.reshape(inputs, (ops.shape(inputs)[0], *(-1 if size is None else size for size in target)))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs."""
        sizes = input_shape[1:]
        target = self.target_shape
        known = math.prod(size for size in target if size != -1)
        if any(size is None for size in sizes):
            return (input_shape[0], *(None if size == -1 else size for size in target))
        count = math.prod(sizes)
        if (-1 in target and (known == 0 or count % known != 0)) or (-1 not in target and known != count):
            raise ValueError(
                f"Layer '{self.name}' cannot reshape samples of shape {tuple(sizes)} ({count} elements) to {target}. "
                "The number of elements must stay the same."
            )
        return (input_shape[0], *(count // known if size == -1 else size for size in target))

    def compute_output_spec(self, inputs: Any) -> Any:
        """Returns the outputs' specification; the dtype is that of the inputs."""
        return backend.KerasTensor(self.compute_output_shape(inputs.shape), dtype=inputs.dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "target_shape": self.target_shape}
