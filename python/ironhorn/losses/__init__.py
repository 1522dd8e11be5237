"""Losses: `keras.losses`.

A loss is a class (`MeanSquaredError()`), a function (`mean_squared_error`), or a name in `compile`
(`"mean_squared_error"`, `"mse"`). Any function `fn(y_true, y_pred)` that returns one value per sample is one too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ironhorn.backend.missing import explain
from ironhorn.losses.loss import Loss
from ironhorn.losses.losses import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    LossFunctionWrapper,
    MeanAbsoluteError,
    MeanSquaredError,
    SparseCategoricalCrossentropy,
    binary_crossentropy,
    categorical_crossentropy,
    mean_absolute_error,
    mean_squared_error,
    sparse_categorical_crossentropy,
)
from ironhorn.training.names import unknown_name

_CLASSES = (
    Loss,
    LossFunctionWrapper,
    BinaryCrossentropy,
    CategoricalCrossentropy,
    MeanAbsoluteError,
    MeanSquaredError,
    SparseCategoricalCrossentropy,
)
_FUNCTIONS = (
    binary_crossentropy,
    categorical_crossentropy,
    mean_absolute_error,
    mean_squared_error,
    sparse_categorical_crossentropy,
)
_SHORT_NAMES = {
    "bce": binary_crossentropy,
    "BCE": binary_crossentropy,
    "mae": mean_absolute_error,
    "MAE": mean_absolute_error,
    "mse": mean_squared_error,
    "MSE": mean_squared_error,
}

ALL: dict[str, Any] = {
    **{cls.__name__: cls for cls in _CLASSES},
    **{function.__name__: function for function in _FUNCTIONS},
}

__all__ = [
    "ALL",
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "Loss",
    "LossFunctionWrapper",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "SparseCategoricalCrossentropy",
    "binary_crossentropy",
    "categorical_crossentropy",
    "deserialize",
    "get",
    "mean_absolute_error",
    "mean_squared_error",
    "serialize",
    "sparse_categorical_crossentropy",
]


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
    if isinstance(name, str) and name in _SHORT_NAMES:
        return _SHORT_NAMES[name]
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
        loss = _SHORT_NAMES.get(identifier) or ALL.get(identifier) or _registered(identifier)
    if loss is None or not callable(loss):
        raise unknown_name("loss", identifier, [*(name for name in ALL if name not in ("Loss",)), *_SHORT_NAMES])
    return loss() if isinstance(loss, type) else loss


def _registered(name: str) -> Any:
    """Returns what the program registered under `name`, or `None`."""
    from ironhorn.saving.registry import get_registered_object

    return get_registered_object(name)


if not TYPE_CHECKING:
    __getattr__ = explain(__name__)
