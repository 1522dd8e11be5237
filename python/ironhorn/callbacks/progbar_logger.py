"""`ProgbarLogger`: shows a progress line; added by `verbose=1` and `verbose=2`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ironhorn.callbacks.callback import Callback
from ironhorn.training.progress import Progbar, write_line


class ProgbarLogger(Callback):
    """Writes progress and metrics to standard output, at most ten times a second."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0
        self.progbar: Progbar | None = None
        self.target: int | None = None
        self.verbose = 1
        self.epochs = 1
        self._called_in_fit = False

    def set_params(self, params: dict[str, Any]) -> None:
        """Takes `verbose`, `epochs` and `steps`."""
        self.params = params
        self.verbose = 1 if params["verbose"] == "auto" else params["verbose"]
        self.epochs = params["epochs"]
        self.target = params["steps"]

    def on_train_begin(self, logs: Any = None) -> None:
        """Keeps validation silent."""
        self._called_in_fit = True

    def on_train_end(self, logs: Any = None) -> None:
        """Lets a later `evaluate` with this callback speak again."""
        self._called_in_fit = False

    def on_test_begin(self, logs: Any = None) -> None:
        """Starts the line of `evaluate`."""
        if not self._called_in_fit:
            self._start()

    def on_predict_begin(self, logs: Any = None) -> None:
        """Starts the line of `predict`."""
        self._start()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Starts the line of an epoch."""
        self._start()
        if self.verbose and self.epochs > 1:
            write_line(f"Epoch {epoch + 1}/{self.epochs}")

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Updates the line."""
        self.progress("train", batch, lambda: logs)

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """Updates the line of `evaluate`."""
        self.progress("test", batch, lambda: logs)

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        """Updates the line of `predict`; predictions are not shown."""
        self.progress("predict", batch, lambda: None)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Finishes the line."""
        self._finish(logs)

    def on_test_end(self, logs: Any = None) -> None:
        """Finishes the line of `evaluate`."""
        if not self._called_in_fit:
            self._finish(logs)

    def on_predict_end(self, logs: Any = None) -> None:
        """Finishes the line of `predict`."""
        self._finish(None)

    def progress(self, phase: str, batch: int, read_logs: Callable[[], Any]) -> None:
        """Updates the line if it is time; only then are logs read.

        Args:
            phase: `"train"`, `"test"` or `"predict"`.
            batch: Number of the last step done, from 0.
            read_logs: Returns the logs.
        """
        if phase == "test" and self._called_in_fit:
            return
        self.seen = batch + 1
        bar = self._bar()
        if bar.due():
            values = (read_logs() or {}) if phase != "predict" else {}
            bar.update(self.seen, list(values.items()), finalize=False)
        elif self.seen == 1:
            bar.update(self.seen, finalize=False)

    def close(self) -> None:
        """Ends an unfinished line."""
        self._called_in_fit = False
        if self.progbar is not None:
            self.progbar.close()

    def _start(self) -> None:
        self.seen = 0
        self.progbar = None
        self._bar()

    def _bar(self) -> Progbar:
        if self.progbar is None:
            self.progbar = Progbar(self.target, verbose=self.verbose, interval=0.1, stateless_metrics=())
        return self.progbar

    def _finish(self, logs: Any) -> None:
        bar = self._bar()
        if self.target is None:
            self.target = self.seen
            bar.target = self.seen
        bar.update(self.target, list((logs or {}).items()), finalize=True)
