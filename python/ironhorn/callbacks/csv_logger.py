"""`CSVLogger`: the logs of every epoch as a row of a file."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import numpy as np

from ironhorn.callbacks.callback import Callback


class CSVLogger(Callback):
    """Writes the logs of every epoch to a CSV file, and flushes it.

    Args:
        filename: Path of the file.
        separator: What separates the values of a row.
        append: Whether to continue a file that is there.
    """

    def __init__(self, filename: Any, separator: str = ",", append: bool = False):
        super().__init__()
        self.filename = os.fspath(filename)
        self.sep = separator
        self.append = append
        self.keys: list[str] | None = None
        self._file: Any = None
        self._writer: Any = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Opens the file."""
        self._close()
        self.keys = None
        self._file = open(self.filename, "a" if self.append else "w", newline="", encoding="utf-8")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Writes a row; the first call decides which columns there are."""
        logs = logs or {}
        if self._writer is None:
            import csv

            self.keys = sorted(logs)
            if not any(key.startswith("val_") for key in self.keys):
                # Validation may come in later epochs.
                self.keys += [f"val_{key}" for key in self.keys]
            self._writer = csv.DictWriter(self._file, ["epoch", *self.keys], delimiter=self.sep)
            if self._file.tell() == 0:
                self._writer.writeheader()
        values = {key: _as_cell(logs.get(key, "NA")) for key in self.keys or ()}
        self._writer.writerow({"epoch": epoch, **values})
        self._file.flush()

    def on_train_end(self, logs: Any = None) -> None:
        """Closes the file."""
        self._close()

    def _close(self) -> None:
        if self._file is not None and not self._file.closed:
            self._file.close()
        self._file = self._writer = None


def _as_cell(value: Any) -> Any:
    """A value as it stands in a row: lists in brackets."""
    if isinstance(value, str) or np.ndim(value) == 0 or not isinstance(value, Iterable):
        return value
    return f'"[{", ".join(map(str, value))}]"'
