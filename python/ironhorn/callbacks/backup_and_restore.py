"""`BackupAndRestore`: a `fit` that was cut short goes on where it stood.

The backup is one zip archive of `position.json` and `variables.h5`. It is written to a temporary name, forced to disk
and renamed, so that there is always a whole one; it is read with the distrust of every other file.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import zipfile
from typing import Any

import numpy as np

from ironhorn.callbacks.callback import Callback
from ironhorn.errors import FileFormatError

_FORMAT = 1
_NAME = "latest.backup"
_POSITION = "position.json"
_VARIABLES = "variables.h5"
_FIELDS = {
    "epoch": int,
    "steps": int,
    "stopped": bool,
    "random": dict,
    "variables": list,
    "callbacks": list,
    "data": dict,
}


class BackupAndRestore(Callback):
    """Saves where training stands, and goes on from there when the same program is run again after a crash.

    A run that was killed at any moment and started again ends with the weights of an uninterrupted one, bit for bit.
    The backup has weights, optimizer, metrics, seeds, NumPy's and Python's global random state, the epoch, the batch in
    it, and what `EarlyStopping`, `ReduceLROnPlateau`, `ModelCheckpoint` and `SwapEMAWeights` of the same `fit`
    remember. The epoch of the backup takes the place of `initial_epoch`.

    Arrays and `PyDataset` go on at the very batch. From generators and other iterables the batches that were used are
    taken again and dropped. What a data set keeps for itself (an order that it shuffles in `on_epoch_end`) is its own
    to restore.

    Args:
        backup_dir: Folder of the backup; for one training run alone.
        save_freq: `"epoch"`, or a number of batches, which makes the callback listen to every batch.
        double_checkpoint: Whether to keep the backup before the last one too, and use it if the last is damaged.
        delete_checkpoint: Whether to delete the backup at the end of training.

    Raises:
        ValueError: If `backup_dir` is empty or `save_freq` is neither.
        FileFormatError: When training starts, if the backup is damaged or that of another model or data.

    Example:
        ```python
        model.fit(x, y, epochs=100, callbacks=[BackupAndRestore("backup")])
        ```
    """

    _runs_last = True

    def __init__(
        self, backup_dir: Any, save_freq: Any = "epoch", double_checkpoint: bool = False, delete_checkpoint: bool = True
    ):
        super().__init__()
        if not backup_dir:
            raise ValueError("Empty `backup_dir` argument passed")
        if save_freq != "epoch" and (isinstance(save_freq, bool) or not isinstance(save_freq, int) or save_freq < 1):
            raise ValueError(
                "Invalid value for argument `save_freq`. Expected 'epoch' or a positive number of batches. "
                f"Received: save_freq={save_freq}"
            )
        self.backup_dir = os.fspath(backup_dir)
        self.save_freq = save_freq
        self.double_checkpoint = double_checkpoint
        self.delete_checkpoint = delete_checkpoint
        self._path = os.path.join(self.backup_dir, _NAME)
        self._previous_path = f"{self._path}.previous"
        self._current_epoch = 0
        self._last_batch = -1
        self._since_saving = 0
        self._resumed: Any = None
        if save_freq != "epoch":
            self.on_train_batch_end = self._on_train_batch_end  # type: ignore[method-assign]

    def on_train_begin(self, logs: Any = None) -> None:
        """Restores the backup, if there is one."""
        self._resumed = None
        self._since_saving = 0
        for path in (self._path, self._previous_path):
            if not os.path.exists(path):
                continue
            try:
                self._resumed = self._restore(read_backup(path), path)
            except FileFormatError as error:
                if path == self._previous_path or not os.path.exists(self._previous_path):
                    raise
                import warnings

                warnings.warn(f"{error} The backup before it is used.", stacklevel=2)
                continue
            return

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Remembers the epoch; where training goes on within an epoch, undoes what other callbacks do at its start."""
        self._current_epoch = epoch
        self._last_batch = -1
        if self._resumed is not None:
            resumed, self._resumed = self._resumed, None
            steps = resumed[0]["steps"]
            if steps:
                self._last_batch = steps - 1
                self._position.restore_again(*resumed)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Saves, if it is time."""
        if self.save_freq == "epoch":
            self._save(epoch + 1, 0)

    def _on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._since_saving += batch - self._last_batch
        self._last_batch = batch
        if self._since_saving >= self.save_freq:
            self._since_saving = 0
            self._save(self._current_epoch, batch + 1)

    def on_train_end(self, logs: Any = None) -> None:
        """Deletes the backup, if asked to."""
        if not self.delete_checkpoint or not os.path.isdir(self.backup_dir):
            return
        for name in os.listdir(self.backup_dir):
            if name.startswith(_NAME):
                os.unlink(os.path.join(self.backup_dir, name))
        with contextlib.suppress(OSError):
            os.rmdir(self.backup_dir)

    @property
    def _position(self) -> Any:
        position = self.model._fit_position
        if position is None:
            raise RuntimeError("BackupAndRestore works within `fit` only: pass it as `fit(callbacks=[...])`.")
        return position

    def _save(self, epoch: int, steps: int) -> None:
        from ironhorn.saving.atomic import replacing

        document, variables, kept = self._position.capture(epoch, steps)
        os.makedirs(self.backup_dir, exist_ok=True)
        if self.double_checkpoint and os.path.exists(self._path):
            with open(self._path, "rb") as last, replacing(self._previous_path) as previous:
                while piece := last.read(1 << 20):
                    previous.write(piece)
        with replacing(self._path) as file:
            write_backup(file, document, variables, kept)

    def _restore(self, backup: Any, path: str) -> Any:
        try:
            self._position.restore(*backup)
        except FileFormatError as error:
            raise FileFormatError(
                f"The backup {path!r} {error}. Run the program that made it, or delete the backup to train anew."
            ) from error
        return backup


def write_backup(file: Any, document: dict[str, Any], variables: list[Any], kept: list[list[np.ndarray]]) -> None:
    """Writes a backup.

    Args:
        file: Binary file to write to.
        document: What JSON can hold of the position.
        variables: The variables.
        kept: The arrays that each callback keeps.
    """
    from ironhorn.saving.hdf5 import WeightsWriter

    text = json.dumps({"format": _FORMAT, "arrays": [len(arrays) for arrays in kept], **document})
    with tempfile.SpooledTemporaryFile(max_size=64 << 20) as buffer, zipfile.ZipFile(file, "w") as archive:
        writer = WeightsWriter(buffer)  # type: ignore[arg-type]
        try:
            for path, values in [("state", variables), *((f"callback{i}", arrays) for i, arrays in enumerate(kept))]:
                group = writer.group(path, None)
                for index, value in enumerate(values):
                    group[str(index)] = value
        finally:
            writer.close()
        archive.writestr(_POSITION, text)
        buffer.seek(0)
        with archive.open(_VARIABLES, "w", force_zip64=True) as target:
            while piece := buffer.read(1 << 20):
                target.write(piece)


def read_backup(path: str) -> tuple[dict[str, Any], list[np.ndarray], list[list[np.ndarray]]]:
    """Reads a backup.

    Args:
        path: Its path.

    Returns:
        What JSON holds of the position; the values of the variables; and the arrays that each callback keeps.

    Raises:
        FileFormatError: If the file is damaged, or is no backup.
    """
    from ironhorn.saving.archive import Archive
    from ironhorn.saving.hdf5 import WeightsReader

    try:
        with Archive(path) as archive:
            document = _checked_document(archive.text(_POSITION))
            with (
                archive.open(_VARIABLES) as file,
                WeightsReader(file, f"`{_VARIABLES}` of {archive.description}") as reader,
            ):
                values = _read_group(reader, "state", len(document["variables"]))
                kept = [_read_group(reader, f"callback{i}", n) for i, n in enumerate(document["arrays"])]
    except FileFormatError as error:
        raise FileFormatError(
            f"The backup {path!r} cannot be read: {error} Delete it to train anew; `double_checkpoint=True` keeps an "
            "earlier one beside it."
        ) from error
    return document, values, kept


def _read_group(reader: Any, path: str, count: int) -> list[np.ndarray]:
    group = reader.group(path)
    if len(group) != count:
        raise FileFormatError(f"{reader.description} has {len(group)} arrays in {path!r}, not {count}.")
    return [group[str(index)] for index in range(count)]


def _checked_document(text: str) -> dict[str, Any]:
    """Parses `position.json`, and checks what is read from it without further questions."""
    try:
        document = json.loads(text)
        if document["format"] != _FORMAT:
            raise FileFormatError(f"It has format {document['format']!r}, this version of Ironhorn reads {_FORMAT}.")
        fields = all(type(document[name]) is kind for name, kind in _FIELDS.items())
        variables = all(
            isinstance(path, str) and isinstance(dtype, str) and all(type(length) is int for length in shape)
            for path, shape, dtype in document["variables"]
        )
        callbacks = all(isinstance(name, str) and isinstance(kept, dict) for name, kept in document["callbacks"])
        numbers = [document["epoch"], document["steps"], *document["arrays"], *_numbers(document["data"])]
        valid = fields and variables and callbacks and all(type(number) is int and number >= 0 for number in numbers)
        validation = document["validation"]
        valid = valid and (validation is None or all(n >= 0 for n in _numbers(validation)))
    except FileFormatError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise FileFormatError(f"`{_POSITION}` is damaged ({error}).") from error
    if not valid:
        raise FileFormatError(f"`{_POSITION}` is damaged.")
    return document


def _numbers(position: dict[str, Any]) -> list[int]:
    """The numbers of a place in data, of which all that are there must be whole and not negative."""
    numbers = [position[name] for name in ("first", "taken", "steps") if name in position]
    if not all(type(number) is int for number in numbers) or "steps" not in position:
        raise TypeError("a place in the data is no number")
    return numbers
