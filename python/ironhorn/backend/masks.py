"""Masks that travel with tensors: which time steps are padding."""

from typing import Any


def get_keras_mask(x: Any) -> Any:
    """The mask that travels with `x`, or None."""
    return getattr(x, "_keras_mask", None)


def set_keras_mask(x: Any, mask: Any) -> None:
    """Lets `mask` travel with `x`; None takes a mask away."""
    if mask is None and get_keras_mask(x) is None:
        return
    x._keras_mask = mask
