"""Models: functional, sequential and subclassed."""

from __future__ import annotations

from typing import Any

from ironhorn.models.cloning import clone_model
from ironhorn.models.functional import Functional
from ironhorn.models.model import Model, model_from_json
from ironhorn.models.sequential import Sequential

#: Class name -> class; what model files may name.
ALL: dict[str, Any] = {"Functional": Functional, "Model": Model, "Sequential": Sequential}

_SAVING = ("load_model", "save_model")


def __getattr__(name: str) -> Any:
    """Looks up functions of `ironhorn.saving` that Keras lists here too."""
    if name in _SAVING:
        from ironhorn import saving

        return getattr(saving, name)
    raise AttributeError(f"module 'ironhorn.models' has no attribute '{name}'")


__all__ = ["ALL", "Functional", "Model", "Sequential", "clone_model", "load_model", "model_from_json", "save_model"]
