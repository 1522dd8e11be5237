"""Limits on epochs and steps for a quick trial of a whole program: `keras.config.set_max_epochs` and its kin.

They can also be set from outside, by `KERAS_MAX_EPOCHS` and `KERAS_MAX_STEPS_PER_EPOCH`.
"""

from __future__ import annotations

import os
import warnings


def _from_environment(name: str) -> int | None:
    text = os.environ.get(name)
    return int(text) if text else None


_max_epochs = _from_environment("KERAS_MAX_EPOCHS")
_max_steps = _from_environment("KERAS_MAX_STEPS_PER_EPOCH")


def max_epochs() -> int | None:
    """Returns the largest number of epochs that `fit` runs; `None` without a limit."""
    return _max_epochs


def set_max_epochs(max_epochs: int | None) -> None:
    """Limits the number of epochs of every `fit`.

    Args:
        max_epochs: The limit; `None` for none.

    Example:
        >>> ironhorn.config.set_max_epochs(None)
    """
    global _max_epochs
    _max_epochs = max_epochs


def max_steps_per_epoch() -> int | None:
    """Returns the largest number of steps of an epoch, of `evaluate` and of `predict`; `None` without a limit."""
    return _max_steps


def set_max_steps_per_epoch(max_steps_per_epoch: int | None) -> None:
    """Limits the number of steps of every epoch, `evaluate` and `predict`.

    Args:
        max_steps_per_epoch: The limit; `None` for none.

    Example:
        >>> ironhorn.config.set_max_steps_per_epoch(None)
    """
    global _max_steps
    _max_steps = max_steps_per_epoch


def limited_epochs(epochs: int) -> int:
    """Returns `epochs`, or the limit with a warning."""
    if not _max_epochs or _max_epochs >= epochs:
        return epochs
    warnings.warn(f"Limiting epochs to {_max_epochs}", stacklevel=3)
    return _max_epochs


def limited_steps(steps: int | None) -> int | None:
    """Returns `steps`, or the limit with a warning."""
    if not _max_steps or (steps and steps <= _max_steps):
        return steps
    warnings.warn(f"Limiting steps_per_epoch to {_max_steps}", stacklevel=4)
    return _max_steps
