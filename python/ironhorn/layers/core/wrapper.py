"""Base of layers around a layer."""

from __future__ import annotations

from typing import Any

from ironhorn.layers.layer import Layer


class Wrapper(Layer):
    """Base of layers that hold one other layer, which they build and save.

    Override `call`.

    Args:
        layer: The layer inside.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Example:
        >>> class Twice(ironhorn.layers.Wrapper):
        ...     def call(self, inputs):
        ...         return self.layer(self.layer(inputs))
        >>> Twice(ironhorn.layers.Dense(3))(ironhorn.ops.ones((2, 3))).shape
        (2, 3)
    """

    def __init__(self, layer: Any, **kwargs: Any) -> None:
        if not isinstance(layer, Layer):
            raise ValueError(
                f"A {type(self).__name__} goes around a layer. Received: {layer!r} (of type {type(layer).__name__}). "
                "Pass a layer object, such as Dense(3)."
            )
        super().__init__(**kwargs)
        self.layer = layer

    def build(self, input_shape: Any) -> None:
        """Builds the layer inside."""
        if not self.layer.built:
            self.layer.build(input_shape)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        from ironhorn.saving import registry

        return {**super().get_config(), "layer": registry.serialize_keras_object(self.layer)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Makes a layer from what `get_config` returned."""
        from ironhorn.saving import registry

        return super().from_config({**config, "layer": registry.deserialize_keras_object(config["layer"])})
