"""`Callback`: the hooks that `fit`, `evaluate` and `predict` call."""

from __future__ import annotations

from typing import Any


class Callback:
    """Base class of callbacks: override the hooks you need.

    Hooks of batches (`on_train_batch_end` and its like) make the engine return to Python after every step; without
    them many steps run in one call.

    Attributes:
        params: Dict with `verbose`, `epochs` and `steps`.
        model: The model at work.

    Example:
        ```python
        class StopAt(Callback):
            def on_epoch_end(self, epoch, logs=None):
                if logs["accuracy"] > 0.9:
                    self.model.stop_training = True
        ```
    """

    _kept_state: tuple[str, ...] = ()
    """Attributes that `BackupAndRestore` keeps: plain values, and at most one list of arrays."""

    _runs_last = False
    """Whether a `CallbackList` calls this callback after the others."""

    def __init__(self) -> None:
        self.params: dict[str, Any] | None = None
        self._model: Any = None

    def set_params(self, params: dict[str, Any]) -> None:
        """Takes `verbose`, `epochs` and `steps`."""
        self.params = params

    def set_model(self, model: Any) -> None:
        """Takes the model."""
        self._model = model

    @property
    def model(self) -> Any:
        """The model at work."""
        return self._model

    def on_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Older name of `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        """Older name of `on_train_batch_end`."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Called at the start of an epoch of `fit`.

        Args:
            epoch: Number of the epoch, from 0.
            logs: Empty.
        """

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Called at the end of an epoch of `fit`, after validation.

        Args:
            epoch: Number of the epoch, from 0.
            logs: Metrics of the epoch; those of validation begin with `val_`.
        """

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Called before a training step (with `steps_per_execution=n` before every n steps).

        Args:
            batch: Number of the step within the epoch, from 0.
            logs: Empty.
        """
        self.on_batch_begin(batch, logs=logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Called after a training step (with `steps_per_execution=n` after every n steps).

        Args:
            batch: Number of the last step done, from 0.
            logs: Metrics of the epoch so far.
        """
        self.on_batch_end(batch, logs=logs)

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Called before a step of `evaluate` or of validation."""

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """Called after a step of `evaluate` or of validation, with the metrics so far."""

    def on_predict_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Called before a batch of `predict`."""

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        """Called after a batch of `predict`, with `{"outputs": predictions}`."""

    def on_train_begin(self, logs: Any = None) -> None:
        """Called at the start of `fit`."""

    def on_train_end(self, logs: Any = None) -> None:
        """Called at the end of `fit`, with the logs of the last epoch."""

    def on_test_begin(self, logs: Any = None) -> None:
        """Called at the start of `evaluate` or of validation."""

    def on_test_end(self, logs: Any = None) -> None:
        """Called at the end of `evaluate` or of validation, with its metrics."""

    def on_predict_begin(self, logs: Any = None) -> None:
        """Called at the start of `predict`."""

    def on_predict_end(self, logs: Any = None) -> None:
        """Called at the end of `predict`."""
