"""`LearningRateScheduler`: a function of the epoch sets the learning rate."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from ironhorn.callbacks.callback import Callback
from ironhorn.callbacks.optimizers_of import learning_rate_of, log_learning_rates, optimizers_of
from ironhorn.training.progress import write_line


class LearningRateScheduler(Callback):
    """Sets the learning rate at the start of every epoch, and logs it.

    Args:
        schedule: Function of the epoch, from 0, and (if it takes two arguments) of the current learning rate; returns
            the new one.
        verbose: 1 to say what is done.

    Raises:
        ValueError: At the start of an epoch, if the function returns no float.

    Example:
        ```python
        LearningRateScheduler(lambda epoch, rate: rate if epoch < 10 else rate * 0.9)
        ```
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0):
        super().__init__()
        self.schedule = schedule
        self.verbose = verbose

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Sets the learning rate."""
        for optimizer in optimizers_of(self.model):
            rate = self._ask(epoch, learning_rate_of(optimizer))
            if not isinstance(rate, (float, np.float32, np.float64)):
                raise ValueError(f"The output of the `schedule` function should be a float. Got: {rate}")
            optimizer.learning_rate = rate
            if self.verbose > 0:
                which = f"{optimizer.name} " if hasattr(self.model.optimizer, "optimizers") else ""
                write_line(f"\nEpoch {epoch + 1}: LearningRateScheduler setting {which}learning rate to {rate}.")

    def _ask(self, epoch: int, rate: float) -> Any:
        try:
            parameters = inspect.signature(self.schedule).parameters.values()
        except (TypeError, ValueError):
            return self.schedule(epoch, rate)
        places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        takes_two = len(places) > 1 or any(p.kind is p.VAR_POSITIONAL for p in parameters)
        return self.schedule(epoch, rate) if takes_two else self.schedule(epoch)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Logs the learning rate."""
        log_learning_rates(self.model, logs)
