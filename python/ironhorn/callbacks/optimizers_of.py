"""The optimizers of a model: one, or those inside one that holds several."""

from __future__ import annotations

from typing import Any

import numpy as np


def optimizers_of(model: Any) -> list[Any]:
    """Returns the optimizers whose learning rates callbacks read and set.

    Args:
        model: A compiled model.
    """
    return list(getattr(model.optimizer, "optimizers", None) or [model.optimizer])


def learning_rate_of(optimizer: Any) -> float:
    """Returns the current learning rate as a number."""
    return float(np.asarray(optimizer.learning_rate))


def log_learning_rates(model: Any, logs: Any) -> None:
    """Adds `learning_rate` to the logs of an epoch, or one for each of several optimizers."""
    if logs is None:
        return
    optimizers = optimizers_of(model)
    several = hasattr(model.optimizer, "optimizers")
    for optimizer in optimizers:
        logs[f"learning_rate_{optimizer.name}" if several else "learning_rate"] = learning_rate_of(optimizer)
