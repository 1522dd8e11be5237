"""Regularizers and their look-up by name."""

from __future__ import annotations

from typing import Any

from ironhorn.regularizers.regularizers import L1, L1L2, L2, OrthogonalRegularizer, Regularizer

#: Class name -> class; what model files may name.
ALL: dict[str, Any] = {cls.__name__: cls for cls in (Regularizer, L1, L2, L1L2, OrthogonalRegularizer)}

l1 = L1
l2 = L2
l1_l2 = L1L2
orthogonal_regularizer = OrthogonalRegularizer

_ALIASES: dict[str, Any] = {
    "l1": L1,
    "l2": L2,
    "orthogonal_regularizer": OrthogonalRegularizer,
}


def serialize(regularizer: Any) -> Any:
    """Returns the configuration of a regularizer as a dictionary."""
    from ironhorn.saving import registry

    return registry.serialize_keras_object(regularizer)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """Makes a regularizer from its configuration or its name.

    Args:
        config: A dictionary as `serialize` returns it, or a name such as `"l2"`.
        custom_objects: Names of classes that are not built in.

    Returns:
        A regularizer.
    """
    from ironhorn.saving import registry

    if isinstance(config, str):
        if config == "l1_l2":
            return L1L2(l1=0.01, l2=0.01)
        config = {"class_name": config, "config": {}}
    name = config.get("class_name")
    custom = (custom_objects or {}).get(name) or registry.get_registered_object(name, custom_objects)
    if custom is None and ("module" not in config or config["module"] == "keras.regularizers"):
        cls = ALL.get(name) or _ALIASES.get(name)
        if cls is None:
            raise ValueError(
                f"Unknown regularizer {name!r}. Built in are: l1, l1_l2, l2, orthogonal_regularizer. A class of your "
                "own must be passed as an object, given in `custom_objects`, or registered with "
                "`ironhorn.saving.register_keras_serializable`."
            )
        return cls.from_config(dict(config.get("config") or {}))
    if custom is not None and "module" not in config:
        make: Any = getattr(custom, "from_config", None)
        return make(config.get("config") or {}) if isinstance(custom, type) else custom
    return registry.deserialize_keras_object(config, custom_objects=custom_objects)


def get(identifier: Any) -> Any:
    """Returns the regularizer meant by an identifier.

    Args:
        identifier: `None`, a name such as `"l2"`, a configuration, a class, or a function from tensor to penalty.

    Returns:
        A regularizer or function; `None` for `None`.

    Raises:
        ValueError: If nothing is known by that identifier.
    """
    if identifier is None:
        return None
    if isinstance(identifier, str | dict):
        return deserialize(identifier)
    if isinstance(identifier, type):
        return identifier()
    if callable(identifier):
        return identifier
    raise ValueError(
        f"Cannot make a regularizer of {identifier!r} (of type {type(identifier).__name__}). Pass a name, a "
        "configuration, a Regularizer or a function."
    )


__all__ = [
    "ALL",
    "L1",
    "L1L2",
    "L2",
    "OrthogonalRegularizer",
    "Regularizer",
    "deserialize",
    "get",
    "l1",
    "l1_l2",
    "l2",
    "orthogonal_regularizer",
    "serialize",
]
