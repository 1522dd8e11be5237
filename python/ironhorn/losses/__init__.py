"""Losses: `keras.losses`. Their names stand in `__init__.pyi`; modules are imported when first used.

A loss is a class (`MeanSquaredError()`), a function (`mean_squared_error`), or a name in `compile`
(`"mean_squared_error"`, `"mse"`). Any function `fn(y_true, y_pred)` that returns one value per sample is one too.
"""

from __future__ import annotations

from typing import Any

from ironhorn.backend.lazy import attach
from ironhorn.training.names import unknown_name

ALL, __getattr__ = attach(__name__, __file__, globals())
__all__ = sorted([*ALL, "ALL", "deserialize", "get", "serialize"])


def __dir__() -> list[str]:
    return __all__


def serialize(loss: Any) -> Any:
    """Returns the config of a loss instance or function.

    Args:
        loss: A `Loss` or a loss function.

    Returns:
        What `deserialize` turns back into the loss.
    """
    from ironhorn.saving.registry import serialize_keras_object

    return serialize_keras_object(loss)


def deserialize(name: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """Makes a loss from its config.

    Args:
        name: The config (or name).
        custom_objects: Your own classes and functions by name.

    Returns:
        A `Loss` or a loss function.
    """
    if isinstance(name, str) and name in ALL:
        return ALL[name]
    from ironhorn.saving.registry import deserialize_keras_object

    return deserialize_keras_object(name, custom_objects=custom_objects)


def get(identifier: Any) -> Any:
    """Returns the loss that `identifier` stands for.

    Args:
        identifier: `None`, a name, a config, a function, or a `Loss`.

    Returns:
        `None`, a function or a `Loss`.

    Raises:
        UnknownObjectError: If no loss has that name; the message names the closest one.
    """
    if identifier is None:
        return None
    loss = identifier
    if isinstance(identifier, dict):
        loss = deserialize(identifier)
    elif isinstance(identifier, str):
        loss = ALL.get(identifier) or _registered(identifier)
    if loss is None or not callable(loss):
        raise unknown_name("loss", identifier, [name for name in ALL if name != "Loss"])
    return loss() if isinstance(loss, type) else loss


def _registered(name: str) -> Any:
    """Returns what the program registered under `name`, or `None`."""
    from ironhorn.saving.registry import get_registered_object

    return get_registered_object(name)
