"""Optimizers: `keras.optimizers`. Their names stand in `__init__.pyi`; modules are imported when first used."""

from __future__ import annotations

from typing import Any

from ironhorn.backend.lazy import attach
from ironhorn.optimizers import schedules as schedules
from ironhorn.training.names import unknown_name

ALL, __getattr__ = attach(__name__, __file__, globals())
__all__ = sorted([*ALL, "ALL", "deserialize", "get", "schedules", "serialize"])


def __dir__() -> list[str]:
    return __all__


def _class_named(name: str) -> Any:
    """The optimizer class of a name in any case, or `None`."""
    return ALL.get({known.lower(): known for known in ALL}.get(name.lower(), ""))


def serialize(optimizer: Any) -> Any:
    """Returns the config of an optimizer.

    Args:
        optimizer: The optimizer.

    Returns:
        What `deserialize` turns back into the optimizer, without its state.
    """
    from ironhorn.saving.registry import serialize_keras_object

    return serialize_keras_object(optimizer)


def deserialize(config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
    """Makes an optimizer from its config.

    Args:
        config: The config; names of built-in classes may be in any case.
        custom_objects: Your own classes by name.

    Returns:
        The optimizer.
    """
    from ironhorn.saving.registry import deserialize_keras_object

    built_in = _class_named(str(config.get("class_name", "")))
    if built_in is not None and "module" not in config:
        return built_in.from_config(config.get("config", {}))
    return deserialize_keras_object(config, custom_objects=custom_objects)


def get(identifier: Any) -> Any:
    """Returns the optimizer that `identifier` stands for.

    Args:
        identifier: `None`, a name in any case, a config, or an `Optimizer`.

    Returns:
        `None` or an `Optimizer`.

    Raises:
        UnknownObjectError: If no optimizer has that name; the message names the closest one.
    """
    from ironhorn.optimizers.optimizer import Optimizer

    if identifier is None:
        return None
    optimizer = identifier
    if isinstance(identifier, dict):
        optimizer = deserialize(identifier)
    elif isinstance(identifier, str):
        cls = _class_named(identifier)
        if cls is None:
            from ironhorn.saving.registry import get_registered_object

            cls = get_registered_object(identifier)
        optimizer = cls() if cls is not None and cls is not Optimizer else None
    if not isinstance(optimizer, Optimizer):
        raise unknown_name("optimizer", identifier, [name.lower() for name in ALL if name != "Optimizer"])
    return optimizer
