"""Small objects by name: `get`, `serialize` and `deserialize` of initializers, regularizers and constraints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def serialize(thing: Any) -> Any:
    """Returns the configuration of an object."""
    from ironhorn.saving import registry

    return registry.serialize_keras_object(thing)


def deserialize(
    config: Any,
    custom_objects: dict[str, Any] | None,
    *,
    kind: str,
    classes: Mapping[str, Any],
    aliases: Mapping[str, Any],
) -> Any:
    """Makes an object from its configuration or its name.

    Args:
        config: A dictionary as `serialize` returns it, one with just `class_name` and `config`, or a name.
        custom_objects: Names of classes that are not built in.
        kind: What the objects are, in the singular, as in the name of Keras' module.
        classes: Class name -> class.
        aliases: Short name -> class, or function that makes the object.

    Raises:
        ValueError: If nothing is known by that name.
    """
    from ironhorn.saving import registry

    if isinstance(config, str):
        config = {"class_name": config, "config": {}}
    name = config.get("class_name")
    custom = (custom_objects or {}).get(name) or registry.get_registered_object(name, custom_objects)
    if custom is None and ("module" not in config or config["module"] == f"keras.{kind}s"):
        made: Any = classes.get(name) or aliases.get(name)
        if made is None:
            raise ValueError(
                f"Unknown {kind} {name!r}. Built in are: {', '.join(sorted(aliases))}. A class of your own must be "
                "passed as an object, given in `custom_objects`, or registered with "
                "`ironhorn.saving.register_keras_serializable`."
            )
        options = dict(config.get("config") or {})
        make_built_in: Any = getattr(made, "from_config", None)
        return make_built_in(options) if make_built_in is not None else made(**options)
    if custom is not None and "module" not in config:
        make: Any = getattr(custom, "from_config", None)
        return make(config.get("config") or {}) if isinstance(custom, type) else custom
    return registry.deserialize_keras_object(config, custom_objects=custom_objects)


def get(identifier: Any, deserialize: Callable[[Any], Any], *, kind: str, hint: str) -> Any:
    """Returns the object meant by an identifier.

    Args:
        identifier: `None`, a name, a configuration, a class, or a callable.
        deserialize: Makes an object from a name or configuration.
        kind: What the objects are, in the singular.
        hint: What may be passed, for the message.

    Returns:
        An object or function; `None` for `None`.

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
    article = "an" if kind[0] in "aeiou" else "a"
    raise ValueError(
        f"Cannot make {article} {kind} of {identifier!r} (of type {type(identifier).__name__}). Pass {hint}."
    )
