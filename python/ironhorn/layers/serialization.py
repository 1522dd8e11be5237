"""Layers as configurations, and back."""

from __future__ import annotations

from typing import Any


def serialize(layer: Any) -> dict[str, Any]:
    """Returns the configuration of a layer as a dictionary.

    Args:
        layer: A layer or model.

    Example:
        >>> ironhorn.layers.serialize(ironhorn.layers.ReLU())["class_name"]
        'ReLU'
    """
    from ironhorn.saving import registry

    config: dict[str, Any] = registry.serialize_keras_object(layer)
    return config


def deserialize(config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
    """Makes a layer from its configuration.

    Args:
        config: A dictionary as `serialize` returns it; one with just `class_name` and `config` means a built-in layer.
        custom_objects: Names of classes and functions that are not built in.

    Raises:
        ValueError: If what is made is no layer.

    Example:
        >>> ironhorn.layers.deserialize({"class_name": "Dense", "config": {"units": 2}}).units
        2
    """
    from ironhorn.layers import ALL
    from ironhorn.layers.layer import Layer
    from ironhorn.saving import registry

    if isinstance(config, dict) and "module" not in config and config.get("class_name") in ALL:
        config = {**config, "module": "keras.layers", "registered_name": None}
    layer = registry.deserialize_keras_object(config, custom_objects=custom_objects)
    if not isinstance(layer, Layer):
        raise ValueError(f"The configuration describes no layer but {layer!r}. Configuration: {config}.")
    return layer
