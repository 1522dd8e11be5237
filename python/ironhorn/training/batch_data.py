"""`BatchData`: batches from a Python iterable: a generator, a `PyDataset`, `tf.data`, a torch `DataLoader`, ..."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

from ironhorn.errors import FileFormatError
from ironhorn.training.arrays import check_lengths, convert_structure, named_leaves, resolve_sample_weight
from ironhorn.training.packing import pack_x_y_sample_weight, unpack_x_y_sample_weight
from ironhorn.training.position import numpy_state, set_numpy_state


def warn_out_of_data(received: int, expected: int | None) -> None:
    """Warns that data ended before the epoch did."""
    import warnings

    expected_text = f"{expected} steps" if expected else "more data"
    warnings.warn(
        f"Your input ran out of data after {received} steps of an epoch that expected {expected_text}; interrupting "
        "the epoch. Make sure that the data can give at least `steps_per_epoch * epochs` batches; a generator that "
        "is to last for several epochs must not end.",
        stacklevel=4,
    )


class BatchData:
    """Batches from a Python iterable.

    Args:
        make_iterator: Returns an iterator over the batches of one pass, without so many of the first ones.
        num_batches: Batches of a pass, if known.
        steps_per_epoch: Steps that count as an epoch; one pass when `None`.
        class_weight: Weight per class, applied to each batch.
        on_epoch_begin: Called before each epoch.
        on_epoch_end: Called after each epoch.
        one_pass: Whether all iterators are one and the same, so that what was taken is gone.
    """

    def __init__(
        self,
        make_iterator: Callable[[int], Iterator[Any]],
        num_batches: int | None,
        steps_per_epoch: int | None,
        class_weight: dict[int, float] | None = None,
        on_epoch_begin: Callable[[], None] | None = None,
        on_epoch_end: Callable[[], None] | None = None,
        one_pass: bool = False,
    ):
        self._make_iterator = make_iterator
        self._one_pass = one_pass
        self._known_batches = num_batches
        self.steps_per_epoch = steps_per_epoch
        self._class_weight = class_weight
        self._on_epoch_begin = on_epoch_begin
        self._on_epoch_end = on_epoch_end
        self._iterator: Iterator[Any] | None = None
        self._opened: Iterator[Any] | None = None
        self._state_before_order: Any = None
        self._taken = 0
        self._done = 0

    @property
    def num_batches(self) -> int | None:
        """Steps of an epoch, if known."""
        return self.steps_per_epoch or self._known_batches

    def example(self) -> Any:
        """Returns the first batch; it stays the first of the next epoch."""
        iterator = self._current()
        try:
            first = next(iterator)
        except StopIteration:
            raise ValueError(
                "The data is empty: the generator or data set gave no batch. A generator that was used before is "
                "exhausted: make a new one."
            ) from None
        self._iterator = itertools.chain([first], iterator)
        return self._convert(first)

    def epoch(self) -> Iterator[Any]:
        """Yields the batches of the next epoch; with `steps_per_epoch` it goes on where the last one stopped."""
        if self._on_epoch_begin is not None:
            self._on_epoch_begin()
        limit = self.steps_per_epoch
        steps, self._done = self._done, 0
        restarted = False
        while limit is None or steps < limit:
            try:
                batch = next(self._current())
            except StopIteration:
                self._iterator = None
                self._taken = 0
                if steps == 0 and not restarted:
                    restarted = True
                    continue
                if limit is not None or steps == 0:
                    warn_out_of_data(steps, limit)
                elif self._known_batches is None:
                    self._known_batches = steps
                break
            steps += 1
            self._taken += 1
            yield self._convert(batch)
        if self._on_epoch_end is not None:
            self._on_epoch_end()

    def restart(self) -> None:
        """Makes the next epoch begin with the first batch, where the data can be read again."""
        if not self._one_pass and (self._taken or self._done):
            self.close()
            self._taken, self._done = 0, 0

    def close(self) -> None:
        """Ends the pass at work: workers that prepare its batches stop. A generator of the user's stays open."""
        opened, self._opened = self._opened, None
        if self._one_pass:
            return
        self._iterator = None
        if opened is not None and hasattr(opened, "close"):
            opened.close()

    def _current(self) -> Iterator[Any]:
        if self._iterator is None:
            self._state_before_order = numpy_state()
            self._open(0)
        assert self._iterator is not None
        return self._iterator

    def _open(self, skip: int) -> None:
        self._iterator = self._opened = self._make_iterator(skip)

    def position(self, steps: int) -> dict[str, Any]:
        """Returns where the data stands, for `seek`.

        Args:
            steps: Steps that are done of the epoch at work; 0 between epochs.
        """
        before = self._state_before_order if self._taken else None
        return {"batches": self._known_batches, "taken": self._taken, "steps": steps, "state_before_order": before}

    def check_position(self, position: dict[str, Any]) -> None:
        """Raises `FileFormatError` if a position is that of other data."""
        if set(position) != {"batches", "taken", "steps", "state_before_order"}:
            raise FileFormatError("was made with arrays, this is data that comes in batches")
        found = position["batches"]
        if None not in (found, self._known_batches) and found != self._known_batches:
            raise FileFormatError(f"was made with data of {found} batches, this has {self._known_batches}")

    def seek(self, position: dict[str, Any]) -> None:
        """Goes to a place that `position` returned. Moves NumPy's global generator.

        A `PyDataset` goes to the batch at once; from anything else the batches before it are taken and dropped.

        Args:
            position: The place.
        """
        self._taken, self._done = position["taken"], position["steps"]
        if self._one_pass:
            iterator = self._current()
            for _ in itertools.islice(iterator, self._taken):
                pass
            return
        self._iterator = None
        if self._taken:
            set_numpy_state(position["state_before_order"])
            self._state_before_order = position["state_before_order"]
            self._open(self._taken)

    def _convert(self, batch: Any) -> Any:
        x, y, sample_weight = unpack_x_y_sample_weight(batch)
        x, y = convert_structure("x", x), convert_structure("y", y)
        sample_weight = resolve_sample_weight(y, sample_weight, self._class_weight)
        sample_weight = convert_structure("sample_weight", sample_weight)
        check_lengths(named_leaves("x", x) + named_leaves("y", y) + named_leaves("sample_weight", sample_weight))
        return pack_x_y_sample_weight(x, y, sample_weight)
