"""`ReduceLROnPlateau`: a smaller learning rate when a value has stopped improving."""

from __future__ import annotations

from typing import Any

from ironhorn.callbacks.monitor_callback import MonitorCallback
from ironhorn.callbacks.optimizers_of import learning_rate_of, log_learning_rates, optimizers_of
from ironhorn.training.progress import write_line


class ReduceLROnPlateau(MonitorCallback):
    """Multiplies the learning rate by a factor after some epochs without improvement, and logs it.

    Args:
        monitor: Name of the value.
        factor: The factor; below 1.
        patience: Number of epochs without improvement.
        verbose: 1 to say what is done.
        mode: `"min"`, `"max"` or `"auto"`.
        min_delta: Changes smaller than this are no improvement.
        cooldown: Number of epochs to wait after a reduction.
        min_lr: The least learning rate.
        **kwargs: Taken for compatibility with older programs; there are none.

    Raises:
        ValueError: If `factor` is 1 or more.
    """

    _kept_state = ("best", "wait", "cooldown_counter")

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
        **kwargs: Any,
    ):
        if kwargs:
            raise TypeError(f"ReduceLROnPlateau got unexpected arguments: {', '.join(kwargs)}")
        super().__init__(monitor, mode, min_delta=min_delta)
        if factor >= 1.0:
            raise ValueError(f"ReduceLROnPlateau does not support a factor >= 1.0. Received factor={factor}")
        self.factor = factor
        self.patience = patience
        self.verbose = verbose
        self.cooldown = cooldown
        self.min_lr = min_lr
        self.cooldown_counter = 0
        self.wait = 0

    def on_train_begin(self, logs: Any = None) -> None:
        """Forgets earlier runs."""
        self.best = None
        self.cooldown_counter = 0
        self.wait = 0

    def in_cooldown(self) -> bool:
        """Whether a reduction was a short time ago."""
        return self.cooldown_counter > 0

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Looks at the value, and reduces the learning rate if it is time."""
        logs = {} if logs is None else logs
        log_learning_rates(self.model, logs)
        current = logs.get(self.monitor)
        if current is None:
            import warnings

            warnings.warn(
                f"Learning rate reduction is conditioned on metric `{self.monitor}` which is not available. Available "
                f"metrics are: {','.join(logs)}.",
                stacklevel=2,
            )
            return
        if self.monitor_op is None:
            self._set_monitor_op()
        if self.in_cooldown():
            self.cooldown_counter -= 1
            self.wait = 0
        if self._is_improvement(current, self.best):
            self.best = current
            self.wait = 0
        elif not self.in_cooldown():
            self.wait += 1
            if self.wait >= self.patience and any([self._reduce(o, epoch) for o in optimizers_of(self.model)]):
                self.cooldown_counter = self.cooldown
                self.wait = 0

    def _reduce(self, optimizer: Any, epoch: int) -> bool:
        """Reduces the learning rate of one optimizer; whether that was possible."""
        old = learning_rate_of(optimizer)
        if old <= self.min_lr:
            return False
        optimizer.learning_rate = new = max(old * self.factor, self.min_lr)
        if self.verbose > 0:
            which = f" {optimizer.name}" if hasattr(self.model.optimizer, "optimizers") else ""
            write_line(f"\nEpoch {epoch + 1}: ReduceLROnPlateau reducing{which} learning rate to {new}.")
        return True
