"""`ModelCheckpoint`: saves the model or its weights during training."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from ironhorn.callbacks.monitor_callback import MonitorCallback
from ironhorn.errors import UnsupportedError
from ironhorn.training.progress import write_line


class ModelCheckpoint(MonitorCallback):
    """Saves the model every epoch, every so many batches, or whenever a value improves.

    Args:
        filepath: File to write; `{epoch}`, `{batch}` and names of logs are filled in, as in
            `"{epoch:02d}-{val_loss:.2f}.keras"`. Ends with `.weights.h5` for weights, else with `.keras`.
        monitor: Name of the value, for `save_best_only`.
        verbose: 1 to say what is done.
        save_best_only: Whether to save only when the value improved.
        save_weights_only: Whether to save weights only.
        mode: `"min"`, `"max"` or `"auto"`.
        save_freq: `"epoch"` or a number of batches. A number makes the callback listen to every batch.
        initial_value_threshold: The first best value.

    Raises:
        ValueError: If `filepath` does not end as it must, or `save_freq` is neither.
        UnsupportedError: If whole models are to be saved as `.h5`.
    """

    _kept_state = ("best", "_batches_since_saving", "_last_batch")

    def __init__(
        self,
        filepath: Any,
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: Any = "epoch",
        initial_value_threshold: float | None = None,
    ):
        super().__init__(monitor, mode, initial_value_threshold)
        self.filepath = os.fspath(filepath)
        self.verbose = verbose
        self.save_best_only = save_best_only
        self.save_weights_only = save_weights_only
        self.save_freq = save_freq
        self._current_epoch = 0
        self._batches_since_saving = 0
        self._last_batch: int | None = None
        if save_freq != "epoch" and (isinstance(save_freq, bool) or not isinstance(save_freq, int)):
            raise ValueError(f"Unrecognized save_freq: {save_freq}. Expected save_freq are 'epoch' or integer values")
        ending = ".weights.h5" if save_weights_only else ".keras"
        if not save_weights_only and self.filepath.endswith(".h5"):
            raise UnsupportedError(
                "ModelCheckpoint does not write whole models in the legacy HDF5 format. Let the filepath end in "
                f"`.keras`, or pass `save_weights_only=True` with `.weights.h5`. Received: filepath={self.filepath}"
            )
        if not self.filepath.endswith(ending):
            raise ValueError(
                f"With save_weights_only={save_weights_only} the filepath must end in {ending}. "
                f"Received: filepath={self.filepath}"
            )
        if save_freq != "epoch":
            self.on_train_batch_end = self._on_train_batch_end  # type: ignore[method-assign]

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Remembers the epoch."""
        self._current_epoch = epoch

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Saves, if it is time."""
        if self.monitor_op is None and self.save_best_only:
            self._set_monitor_op()
        if self.save_freq == "epoch":
            self._save(epoch, None, logs or {})

    def _on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        new_epoch = self._last_batch is None or batch <= self._last_batch
        self._batches_since_saving += batch + 1 if new_epoch else batch - (self._last_batch or 0)
        self._last_batch = batch
        if self._batches_since_saving >= self.save_freq:
            self._batches_since_saving = 0
            self._save(self._current_epoch, batch, logs or {})

    def _save(self, epoch: int, batch: int | None, logs: dict[str, Any]) -> None:
        path = self._path(epoch, batch, logs)
        if not self._should_save(epoch, logs, path):
            return
        folder = os.path.dirname(path)
        if folder:
            os.makedirs(folder, exist_ok=True)
        if os.path.isdir(path):
            raise OSError(f"ModelCheckpoint cannot write {path}: it is a folder. Give the path of a file.")
        if self.save_weights_only:
            self.model.save_weights(path, overwrite=True)
        else:
            self.model.save(path, overwrite=True)
        if self.verbose > 0:
            write_line(f"\nEpoch {epoch + 1}: finished saving model to {path}")

    def _should_save(self, epoch: int, logs: dict[str, Any], path: str) -> bool:
        if not self.save_best_only:
            return True
        current = logs.get(self.monitor)
        if current is None:
            import warnings

            warnings.warn(f"Can save best model only with {self.monitor} available.", stacklevel=2)
            return True
        if np.ndim(current) > 0:
            import warnings

            warnings.warn(
                f"Can save best model only when `monitor` is a scalar value. Received: {self.monitor}={current}. "
                "Falling back to `save_best_only=False`.",
                stacklevel=2,
            )
            return True
        best = "None" if self.best is None else f"{self.best:.5f}"
        improved = self._is_improvement(current, self.best)
        if self.verbose > 0:
            what = f"improved from {best} to {current:.5f}" if improved else f"did not improve from {best}"
            write_line(
                f"\nEpoch {epoch + 1}: {self.monitor} {what}" + (f", saving model to {path}" if improved else "")
            )
        if improved:
            self.best = current
        return improved

    def _path(self, epoch: int, batch: int | None, logs: dict[str, Any]) -> str:
        values = {"epoch": epoch + 1, **logs}
        if batch is not None:
            values.setdefault("batch", batch + 1)
        try:
            return self.filepath.format(**values)
        except KeyError as error:
            raise KeyError(
                f'Failed to format this callback filepath: "{self.filepath}". {error} is not logged. '
                f"Logged: {', '.join(values)}."
            ) from error
