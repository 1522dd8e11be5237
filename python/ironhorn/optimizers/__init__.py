"""Optimizers: `keras.optimizers`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ironhorn.backend.missing import explain
from ironhorn.optimizers import schedules
from ironhorn.optimizers.adam import Adam, AdamW
from ironhorn.optimizers.optimizer import Optimizer
from ironhorn.optimizers.rmsprop import RMSprop
from ironhorn.optimizers.sgd import SGD
from ironhorn.training.names import unknown_name

ALL: dict[str, Any] = {cls.__name__: cls for cls in (Optimizer, SGD, Adam, AdamW, RMSprop)}
_BY_LOWER_CASE = {name.lower(): cls for name, cls in ALL.items()}

__all__ = ["ALL", "SGD", "Adam", "AdamW", "Optimizer", "RMSprop", "deserialize", "get", "schedules", "serialize"]


def serialize(optimizer: Optimizer) -> Any:
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

    built_in = _BY_LOWER_CASE.get(str(config.get("class_name", "")).lower())
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
    if identifier is None:
        return None
    optimizer = identifier
    if isinstance(identifier, dict):
        optimizer = deserialize(identifier)
    elif isinstance(identifier, str):
        cls = _BY_LOWER_CASE.get(identifier.lower())
        if cls is None:
            from ironhorn.saving.registry import get_registered_object

            cls = get_registered_object(identifier)
        optimizer = cls() if cls is not None and cls is not Optimizer else None
    if not isinstance(optimizer, Optimizer):
        raise unknown_name("optimizer", identifier, [name.lower() for name in ALL if name != "Optimizer"])
    return optimizer


if not TYPE_CHECKING:
    __getattr__ = explain(__name__)
