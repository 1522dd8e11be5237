"""`History`: the logs of every finished epoch; `fit` returns it."""

from __future__ import annotations

from typing import Any

from ironhorn.callbacks.callback import Callback


class History(Callback):
    """Keeps the logs of each epoch.

    Attributes:
        history: Dict of lists, one value per finished epoch. After an interrupted `fit` it holds the epochs that
            were finished (`model.history.history`).
        epoch: The numbers of these epochs.
    """

    def __init__(self) -> None:
        super().__init__()
        self.history: dict[str, list[Any]] = {}
        self.epoch: list[int] = []

    def on_train_begin(self, logs: Any = None) -> None:
        """Starts a new list of epochs."""
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Appends the epoch's logs."""
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
        self.model.history = self
