"""The softmax as a layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ironhorn import activations, backend, ops
from ironhorn.layers.layer import Layer


class Softmax(Layer):
    """`exp(inputs) / sum(exp(inputs))` along an axis; masked positions get nothing.

    Args:
        axis: Axis, or list of axes, along which the outputs add up to one.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Call arguments:
        inputs: The tensor.
        mask: Booleans that can be broadcast to the inputs; positions that are false are left out.
    """

    def __init__(self, axis: int | Sequence[int] = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(axis, int) and not (isinstance(axis, list | tuple) and axis):
            raise ValueError(
                f"`axis` of a Softmax layer must be an integer or a list of them. Received: axis={axis!r}."
            )
        self.axis = axis
        self.supports_masking = True
        self._build_at_init()

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Applies the function."""
        if mask is None:
            return self._softmax(inputs)
        counted = mask
        if backend.standardize_dtype(mask.dtype) != "bool":
            counted = ops.greater(mask, 0.5)
        outputs = self._softmax(ops.where(counted, inputs, ops.cast(-1e9, inputs.dtype)))
        # A slice that is masked throughout would come out uniform.
        return ops.where(counted, outputs, ops.zeros_like(outputs))

    def _softmax(self, inputs: Any) -> Any:
        if isinstance(self.axis, int):
            return activations.softmax(inputs, axis=self.axis)
        axes = tuple(self.axis)
        powers = ops.exp(ops.subtract(inputs, ops.stop_gradient(ops.max(inputs, axis=axes, keepdims=True))))
        return ops.divide(powers, ops.sum(powers, axis=axes, keepdims=True))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs: that of the inputs."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "axis": self.axis}
