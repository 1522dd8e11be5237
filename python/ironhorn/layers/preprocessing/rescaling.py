"""The rescaling layer."""

from __future__ import annotations

from typing import Any

from ironhorn import backend, ops
from ironhorn.layers.layer import Layer


class Rescaling(Layer):
    """`inputs * scale + offset`, e.g. from pixels of 0 to 255 to the range from 0 to 1.

    Args:
        scale: A number, or an array that is broadcast to the inputs.
        offset: A number, or an array that is broadcast to the inputs.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Example:
        >>> layer = ironhorn.layers.Rescaling(1 / 255)
        >>> layer(ironhorn.ops.convert_to_tensor([[0, 255]], dtype="uint8")).numpy()
        array([[0., 1.]], dtype=float32)
    """

    def __init__(self, scale: Any, offset: Any = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale = scale
        self.offset = offset
        self.supports_masking = True
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        """Scales the inputs."""
        dtype = self.compute_dtype
        scale, offset = (self._aligned(value, dtype) for value in (self.scale, self.offset))
        return ops.add(ops.multiply(ops.cast(inputs, dtype), scale), offset)

    def _aligned(self, value: Any, dtype: str) -> Any:
        value = ops.convert_to_tensor(value, dtype=dtype)
        rank = len(value.shape)
        if rank > 0 and backend.image_data_format() == "channels_first":
            value = ops.reshape(value, (*value.shape, *(1,) * (3 - rank)))
        return value

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs: that of the inputs."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        from ironhorn.saving import registry

        return {
            **super().get_config(),
            "scale": registry.serialize_keras_object(self.scale),
            "offset": registry.serialize_keras_object(self.offset),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Makes a layer from what `get_config` returned."""
        from ironhorn.saving import registry

        return super().from_config(
            {
                **config,
                "scale": registry.deserialize_keras_object(config["scale"]),
                "offset": registry.deserialize_keras_object(config["offset"]),
            }
        )
