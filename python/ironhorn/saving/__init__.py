"""Files and configurations: `keras.saving`. What reads and writes files is imported when it is first used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ironhorn.saving.registry import (
    CustomObjectScope,
    custom_object_scope,
    deserialize_keras_object,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
    serialize_keras_object,
)

if TYPE_CHECKING:
    from ironhorn.saving.model_files import load_model, load_weights, model_from_json, save_model, save_weights

__all__ = [
    "CustomObjectScope",
    "custom_object_scope",
    "deserialize_keras_object",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "load_model",
    "load_weights",
    "model_from_json",
    "register_keras_serializable",
    "save_model",
    "save_weights",
    "serialize_keras_object",
]

_IN_MODEL_FILES = ("load_model", "load_weights", "model_from_json", "save_model", "save_weights")


def __getattr__(name: str) -> Any:
    """Imports the functions for files when one of them is asked for."""
    if name in _IN_MODEL_FILES:
        from ironhorn.saving import model_files

        for each in _IN_MODEL_FILES:
            globals()[each] = getattr(model_files, each)
        return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Lists the lazily imported functions too."""
    return sorted({*globals(), *_IN_MODEL_FILES})
