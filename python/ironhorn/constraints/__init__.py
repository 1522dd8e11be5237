"""Constraints and their look-up by name."""

from __future__ import annotations

from typing import Any

from ironhorn.constraints.constraints import Constraint, MaxNorm, MinMaxNorm, NonNeg, UnitNorm

#: Class name -> class; what model files may name.
ALL: dict[str, Any] = {cls.__name__: cls for cls in (Constraint, MaxNorm, MinMaxNorm, NonNeg, UnitNorm)}

max_norm = MaxNorm
min_max_norm = MinMaxNorm
non_neg = NonNeg
unit_norm = UnitNorm

_ALIASES: dict[str, Any] = {
    "max_norm": MaxNorm,
    "min_max_norm": MinMaxNorm,
    "non_neg": NonNeg,
    "unit_norm": UnitNorm,
}


def serialize(constraint: Any) -> Any:
    """Returns the configuration of a constraint as a dictionary."""
    from ironhorn.saving import registry

    return registry.serialize_keras_object(constraint)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """Makes a constraint from its configuration or its name.

    Args:
        config: A dictionary as `serialize` returns it, or a name such as `"non_neg"`.
        custom_objects: Names of classes that are not built in.

    Returns:
        A constraint.
    """
    from ironhorn.saving import registry

    if isinstance(config, str):
        config = {"class_name": config, "config": {}}
    name = config.get("class_name")
    custom = (custom_objects or {}).get(name) or registry.get_registered_object(name, custom_objects)
    if custom is None and ("module" not in config or config["module"] == "keras.constraints"):
        cls = ALL.get(name) or _ALIASES.get(name)
        if cls is None:
            raise ValueError(
                f"Unknown constraint {name!r}. Built in are: {', '.join(sorted(_ALIASES))}. A class of your own must "
                "be passed as an object, given in `custom_objects`, or registered with "
                "`ironhorn.saving.register_keras_serializable`."
            )
        return cls.from_config(dict(config.get("config") or {}))
    if custom is not None and "module" not in config:
        make: Any = getattr(custom, "from_config", None)
        return make(config.get("config") or {}) if isinstance(custom, type) else custom
    return registry.deserialize_keras_object(config, custom_objects=custom_objects)


def get(identifier: Any) -> Any:
    """Returns the constraint meant by an identifier.

    Args:
        identifier: `None`, a name such as `"non_neg"`, a configuration, a class, or a function from weight to weight.

    Returns:
        A constraint or function; `None` for `None`.

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
        f"Cannot make a constraint of {identifier!r} (of type {type(identifier).__name__}). Pass a name, a "
        "configuration, a Constraint or a function."
    )


__all__ = [
    "ALL",
    "Constraint",
    "MaxNorm",
    "MinMaxNorm",
    "NonNeg",
    "UnitNorm",
    "deserialize",
    "get",
    "max_norm",
    "min_max_norm",
    "non_neg",
    "serialize",
    "unit_norm",
]
