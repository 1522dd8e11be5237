"""`EarlyStopping`: ends training when a value has stopped improving."""

from __future__ import annotations

from typing import Any

from ironhorn.callbacks.monitor_callback import MonitorCallback
from ironhorn.training.progress import write_line


class EarlyStopping(MonitorCallback):
    """Stops `fit` when the monitored value has not improved for `patience` epochs.

    Args:
        monitor: Name of the value.
        min_delta: Changes smaller than this are no improvement.
        patience: Epochs without improvement after which to stop.
        verbose: 1 to say so.
        mode: `"min"`, `"max"` or `"auto"`.
        baseline: Value that must be beaten for the patience to start anew.
        restore_best_weights: Whether to end with the weights of the best epoch.
        start_from_epoch: Epochs to wait before watching.

    Example:
        ```python
        model.fit(x, y, validation_split=0.1, epochs=100, callbacks=[EarlyStopping(patience=3)])
        ```
    """

    _kept_state = ("best", "wait", "stopped_epoch", "best_epoch", "best_weights")

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ):
        super().__init__(monitor, mode, min_delta=min_delta)
        self.patience = patience
        self.verbose = verbose
        self.baseline = baseline
        self.wait = 0
        self.stopped_epoch = 0
        self.restore_best_weights = restore_best_weights
        self.best_weights: Any = None
        self.best_epoch = 0
        self.start_from_epoch = start_from_epoch

    def on_train_begin(self, logs: Any = None) -> None:
        """Forgets what an earlier `fit` saw."""
        self.wait = 0
        self.stopped_epoch = 0
        self.best = None
        self.best_weights = None
        self.best_epoch = 0

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Compares, remembers, and stops if the patience is over."""
        if self.monitor_op is None:
            self._set_monitor_op()
        current = self.get_monitor_value(logs)
        if current is None or epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            self.best_weights = self.model.get_weights()
            self.best_epoch = epoch
        self.wait += 1
        if self._is_improvement(current, self.best):
            self.best = current
            self.best_epoch = epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.baseline is None or self._is_improvement(current, self.baseline):
                self.wait = 0
            return
        if self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Any = None) -> None:
        """Restores the best weights, if asked to."""
        if self.stopped_epoch > 0 and self.verbose > 0:
            write_line(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose > 0:
                write_line(f"Restoring model weights from the end of the best epoch: {self.best_epoch + 1}.")
            self.model.set_weights(self.best_weights)

    def get_monitor_value(self, logs: Any) -> Any:
        """Returns the monitored value; warns if the logs do not have it."""
        logs = logs or {}
        value = logs.get(self.monitor)
        if value is None:
            import warnings

            warnings.warn(
                f"Early stopping conditioned on metric `{self.monitor}` which is not available. Available metrics "
                f"are: {','.join(logs)}",
                stacklevel=2,
            )
        return value
