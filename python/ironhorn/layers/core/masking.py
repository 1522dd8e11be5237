"""The masking layer: steps that equal a value are padding."""

from __future__ import annotations

from typing import Any

from ironhorn import backend, ops
from ironhorn.layers.layer import Layer


class Masking(Layer):
    """Masks the steps whose features all equal `mask_value`, and sets them to zero.

    Args:
        mask_value: The value of padding.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Input shape:
        `(batch, steps, features)`.

    Output shape:
        The same.
    """

    def __init__(self, mask_value: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mask_value = mask_value
        self.supports_masking = True
        self._build_at_init()

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Returns where some feature differs from `mask_value`."""
        return ops.any(ops.not_equal(inputs, self.mask_value), axis=-1)

    def call(self, inputs: Any) -> Any:
        """Sets masked steps to zero."""
        kept = ops.any(ops.not_equal(inputs, self.mask_value), axis=-1, keepdims=True)
        outputs = ops.multiply(inputs, ops.cast(kept, inputs.dtype))
        backend.set_keras_mask(outputs, ops.squeeze(kept, axis=-1))
        return outputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "mask_value": self.mask_value}
