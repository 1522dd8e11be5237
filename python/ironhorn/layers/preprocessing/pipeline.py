"""The layer that applies others one after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ironhorn import backend, tree
from ironhorn.layers.layer import Layer


class Pipeline(Layer):
    """Applies layers one after another; the `training` argument and masks reach those that take them.

    Unlike a `Sequential` model it takes dictionaries, as layers that augment images do.

    Args:
        layers: The layers.
        name: Name of the layer.

    Example:
        >>> layer = ironhorn.layers.Pipeline([ironhorn.layers.Rescaling(2.0), ironhorn.layers.Rescaling(1.0, 1.0)])
        >>> layer(np.array([1.0, 2.0])).numpy()
        array([3., 5.], dtype=float32)
    """

    def __init__(self, layers: Sequence[Layer], name: str | None = None) -> None:
        super().__init__(name=name)
        wrong = [layer for layer in layers if not isinstance(layer, Layer)]
        if wrong:
            raise ValueError(f"A Pipeline takes a list of layers. Received: {wrong!r} among them.")
        self._pipeline_layers = list(layers)
        self._convert_input_args = False
        self._allow_non_tensor_positional_args = True

    @property
    def layers(self) -> list[Layer]:
        """The layers."""
        return self._pipeline_layers

    def call(self, inputs: Any, training: bool = True, mask: Any = None) -> Any:
        """Applies the layers."""
        outputs = inputs
        for layer in self._pipeline_layers:
            options: dict[str, Any] = {}
            if layer._call_has_mask_arg:
                options["mask"] = mask
            if layer._call_has_training_arg and training is not None:
                options["training"] = training
            outputs = layer(outputs, **options)
            mask = tree.map_structure(backend.get_keras_mask, outputs)
        return outputs

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        from ironhorn.saving import registry

        return {"layers": registry.serialize_keras_object(self._pipeline_layers), "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Makes a layer from what `get_config` returned."""
        from ironhorn.saving import registry

        layers = config.get("layers")
        if not isinstance(layers, list | tuple):
            raise ValueError(f"The configuration of a Pipeline has a list of 'layers'. Received: layers={layers!r}.")
        return cls(**{**config, "layers": [registry.deserialize_keras_object(layer) for layer in layers]})
