"""Data for `fit`, `evaluate` and `predict`.

`ArrayData` holds NumPy arrays, which the engine reads itself: Python only draws the order of the rows. `BatchData`
walks Python iterables (generators, `PyDataset`, `tf.data`, torch `DataLoader`, ...) batch by batch; they are
recognised by what they can do, so none of these libraries is imported.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ironhorn import tree
from ironhorn.errors import FileFormatError, UnsupportedError
from ironhorn.training.arrays import (
    check_lengths,
    convert_structure,
    is_array_like,
    named_leaves,
    resolve_sample_weight,
)
from ironhorn.training.position import numpy_state, set_numpy_state

DEFAULT_BATCH_SIZE = 32


def unpack_x_y_sample_weight(data: Any) -> tuple[Any, Any, Any]:
    """Splits what a `train_step` receives into inputs, targets and weights.

    Args:
        data: `x`, `(x,)`, `(x, y)` or `(x, y, sample_weight)`.

    Returns:
        `(x, y, sample_weight)` with `None` for what is missing.

    Raises:
        ValueError: If there are more than three parts.
    """
    if isinstance(data, list):
        data = tuple(data)
    if not isinstance(data, tuple):
        return data, None, None
    if 1 <= len(data) <= 3:
        x, y, sample_weight = data + (None,) * (3 - len(data))
        return x, y, sample_weight
    raise ValueError(
        "Data is expected to be in format `x`, `(x,)`, `(x, y)`, or `(x, y, sample_weight)`; "
        f"found a tuple of {len(data)} parts."
    )


def pack_x_y_sample_weight(x: Any, y: Any = None, sample_weight: Any = None) -> Any:
    """Makes what a `train_step` receives.

    Args:
        x: Inputs.
        y: Targets.
        sample_weight: Weights.

    Returns:
        `x` alone (in a tuple if it is a list or tuple itself), `(x, y)`, or `(x, y, sample_weight)`.
    """
    if y is None and sample_weight is None:
        return (x,) if isinstance(x, (tuple, list)) else x
    return (x, y) if sample_weight is None else (x, y, sample_weight)


class PyDataset:
    """Base class of data sets that make one batch at a time.

    Subclasses define `__getitem__(index)`, which returns a batch `(x, y)` or `(x, y, sample_weight)`, and `__len__`,
    the number of batches (or `num_batches`, which may be `None` for no end).

    Args:
        workers: Threads that prepare batches ahead; 0 and 1 prepare each batch when it is needed.
        use_multiprocessing: Not supported; `False` is the only value.
        max_queue_size: Batches prepared ahead, with more than one worker.

    Raises:
        UnsupportedError: If `use_multiprocessing` is set.

    Example:
        ```python
        class Halves(PyDataset):
            def __len__(self):
                return 2

            def __getitem__(self, index):
                return x[index::2], y[index::2]
        ```
    """

    def __init__(self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10):
        if use_multiprocessing:
            raise UnsupportedError(
                "PyDataset(use_multiprocessing=True) is not supported: use workers=n, threads that prepare batches "
                "while the engine trains without holding Python's lock."
            )
        self.workers = workers
        self.use_multiprocessing = use_multiprocessing
        self.max_queue_size = max_queue_size

    def __getitem__(self, index: int) -> Any:
        """Returns the batch with this index."""
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__(self, index).")

    def __len__(self) -> int:
        """Returns the number of batches."""
        raise NotImplementedError(f"{type(self).__name__} must define __len__(self) or num_batches.")

    @property
    def num_batches(self) -> int | None:
        """The number of batches; `None` for no end."""
        return len(self)

    def on_epoch_begin(self) -> None:
        """Called before each epoch."""

    def on_epoch_end(self) -> None:
        """Called after each epoch."""


class ArrayEpoch:
    """One pass over `ArrayData`: which rows, in which order, and how many steps.

    Attributes:
        order: Row numbers of the whole pass, or `None` for all rows in order.
        first_step: Step of the pass at which this epoch begins.
        steps: Number of steps of this epoch.
    """

    __slots__ = ("first_step", "order", "steps")

    def __init__(self, order: np.ndarray | None, first_step: int, steps: int):
        self.order = order
        self.first_step = first_step
        self.steps = steps


class ArrayData:
    """NumPy arrays in batches.

    Args:
        x: Inputs: an array or a structure of arrays.
        y: Targets, or `None`.
        sample_weight: Weights, or `None`.
        batch_size: Samples per step; 32 when `None`.
        steps_per_epoch: Steps that count as an epoch; one pass over the data when `None`.
        shuffle: `True` to draw a new order of samples each pass, `"batch"` to shuffle within each batch only.
        class_weight: Weight per class, in place of `sample_weight`.

    Raises:
        ValueError: For arrays that do not fit together.
    """

    def __init__(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        batch_size: int | None = None,
        steps_per_epoch: int | None = None,
        shuffle: Any = False,
        class_weight: dict[int, float] | None = None,
    ):
        from ironhorn.backend.tracing import ArraySource

        x, y = convert_structure("x", x), convert_structure("y", y)
        sample_weight = resolve_sample_weight(y, sample_weight, class_weight)
        sample_weight = convert_structure("sample_weight", sample_weight)
        leaves = named_leaves("x", x) + named_leaves("y", y) + named_leaves("sample_weight", sample_weight)
        self.samples = check_lengths(leaves)
        if batch_size is None:
            batch_size = math.ceil(self.samples / steps_per_epoch) if steps_per_epoch else DEFAULT_BATCH_SIZE
        if not isinstance(batch_size, (int, np.integer)) or batch_size < 1:
            raise ValueError(f"`batch_size` must be a positive integer. Received: batch_size={batch_size!r}")
        self.batch_size = int(batch_size)
        self.passes_per_epoch = math.ceil(self.samples / self.batch_size)
        self.steps_per_epoch = steps_per_epoch
        self.shuffle = shuffle
        self.arrays = pack_x_y_sample_weight(x, y, sample_weight)
        self.source = ArraySource(self.arrays)
        self._order: np.ndarray | None = None
        self._state_before_order: Any = None
        self._seen = 0
        self._epoch: ArrayEpoch | None = None
        self._resumed = False

    @property
    def num_batches(self) -> int:
        """Steps of an epoch."""
        return self.steps_per_epoch or self.passes_per_epoch

    def example(self) -> Any:
        """Returns a batch whose shapes and dtypes stand for all."""
        return self.arrays

    def epoch(self) -> ArrayEpoch:
        """Returns the next epoch; with `steps_per_epoch` it goes on where the last one stopped."""
        if self._seen == 0 and not self._resumed:
            self._order = self._new_order()
        self._resumed = False
        first = self._seen
        steps = self.passes_per_epoch - first
        if self.steps_per_epoch is not None:
            if steps < self.steps_per_epoch:
                warn_out_of_data(steps, self.steps_per_epoch)
            steps = min(steps, self.steps_per_epoch)
        self._seen = (first + steps) % self.passes_per_epoch
        self._epoch = ArrayEpoch(self._order, first, steps)
        return self._epoch

    def position(self, steps: int) -> dict[str, Any]:
        """Returns where the data stands, for `seek`.

        Args:
            steps: Steps that are done of the epoch at work; 0 between epochs.
        """
        first = self._epoch.first_step if steps and self._epoch is not None else self._seen
        # Where a new order is drawn next, only the generator's own state counts.
        before = self._state_before_order if steps or first else None
        return {
            "samples": self.samples,
            "batch_size": self.batch_size,
            "first": first,
            "steps": steps,
            "state_before_order": before,
        }

    def check_position(self, position: dict[str, Any]) -> None:
        """Raises `FileFormatError` if a position is that of other data."""
        if set(position) != {"samples", "batch_size", "first", "steps", "state_before_order"}:
            raise FileFormatError("was made with data that is no array")
        found = {name: position[name] for name in ("samples", "batch_size")}
        if found != {"samples": self.samples, "batch_size": self.batch_size}:
            raise FileFormatError(
                f"was made with {found['samples']} samples in batches of {found['batch_size']}, this is data of "
                f"{self.samples} samples in batches of {self.batch_size}"
            )

    def seek(self, position: dict[str, Any]) -> None:
        """Goes to a place that `position` returned: draws its order again. Moves NumPy's global generator.

        Args:
            position: The place.
        """
        if position["state_before_order"] is not None:
            set_numpy_state(position["state_before_order"])
            self._order = self._new_order()
        self._seen = position["first"]
        self._resumed = position["steps"] > 0

    def batch(self, order: np.ndarray | None, step: int) -> Any:
        """Gathers the rows of one step, for `run_eagerly`."""
        rows: Any = slice(step * self.batch_size, min((step + 1) * self.batch_size, self.samples))
        if order is not None:
            rows = order[rows]
        return tree.map_structure(lambda array: None if array is None else array[rows], self.arrays)

    def _new_order(self) -> np.ndarray | None:
        if not self.shuffle:
            return None
        self._state_before_order = numpy_state()
        if self.shuffle == "batch":
            starts = range(0, self.samples, self.batch_size)
            batches = [np.arange(start, min(start + self.batch_size, self.samples)) for start in starts]
            return np.concatenate([np.random.permutation(batch) for batch in batches]).astype(np.int64)
        return np.random.permutation(self.samples).astype(np.int64, copy=False)


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

    def _current(self) -> Iterator[Any]:
        if self._iterator is None:
            self._state_before_order = numpy_state()
            self._iterator = self._make_iterator(0)
        return self._iterator

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
            self._iterator = self._make_iterator(self._taken)

    def _convert(self, batch: Any) -> Any:
        x, y, sample_weight = unpack_x_y_sample_weight(batch)
        x, y = convert_structure("x", x), convert_structure("y", y)
        sample_weight = resolve_sample_weight(y, sample_weight, self._class_weight)
        sample_weight = convert_structure("sample_weight", sample_weight)
        check_lengths(named_leaves("x", x) + named_leaves("y", y) + named_leaves("sample_weight", sample_weight))
        return pack_x_y_sample_weight(x, y, sample_weight)


def make_data(
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    batch_size: int | None = None,
    steps_per_epoch: int | None = None,
    shuffle: Any = False,
    class_weight: dict[int, float] | None = None,
) -> ArrayData | BatchData:
    """Chooses how to read the data that `fit`, `evaluate` or `predict` received.

    Args:
        x: Arrays (in any structure), a `PyDataset`, a generator, or another iterable over batches.
        y: Targets, with arrays only.
        sample_weight: Weights, with arrays only.
        batch_size: Samples per step, with arrays only.
        steps_per_epoch: Steps that count as an epoch.
        shuffle: Whether to draw an order each pass (arrays and `PyDataset`).
        class_weight: Weight per class.

    Returns:
        The data.

    Raises:
        ValueError: If the kind of data is not recognised or arguments do not go with it.
    """
    if steps_per_epoch is not None and (not isinstance(steps_per_epoch, (int, np.integer)) or steps_per_epoch < 1):
        raise ValueError(f"The number of steps must be a positive integer. Received: {steps_per_epoch!r}")
    if x is None:
        raise ValueError("There is no data: `x` is None.")
    if is_array_like(x) or isinstance(x, (list, tuple, dict, int, float, str)):
        return ArrayData(x, y, sample_weight, batch_size, steps_per_epoch, shuffle, class_weight)
    kind = type(x).__name__
    for name, value in (("y", y), ("sample_weight", sample_weight)):
        if value is not None:
            raise ValueError(
                f"When `x` is a {kind}, `{name}` should not be passed: each batch must hold it, as (x, y) or "
                "(x, y, sample_weight)."
            )
    if hasattr(x, "__getitem__") and (hasattr(x, "num_batches") or hasattr(x, "__len__")) and not _is_torch(x):
        return _from_py_dataset(x, steps_per_epoch, shuffle, class_weight)
    if not hasattr(x, "__iter__"):
        raise ValueError(
            f"Unrecognized data type: x is of type {type(x)}. Pass arrays, a PyDataset, or an iterable over batches."
        )
    if class_weight is not None and hasattr(x, "__next__"):
        raise ValueError(
            "Argument `class_weight` is not supported for Python generators: yield (x, y, sample_weight) instead."
        )
    if hasattr(x, "__next__"):
        return BatchData(lambda skip: iter(x), None, steps_per_epoch, one_pass=True)
    try:
        batches: int | None = len(x)
    except TypeError:
        batches = None
    return BatchData(lambda skip: itertools.islice(iter(x), skip, None), batches, steps_per_epoch, class_weight)


def _is_torch(x: Any) -> bool:
    return any(parent.__module__.startswith("torch.utils.data") for parent in type(x).__mro__)


def _from_py_dataset(
    dataset: Any, steps_per_epoch: int | None, shuffle: Any, class_weight: dict[int, float] | None
) -> BatchData:
    batches = dataset.num_batches if hasattr(dataset, "num_batches") else len(dataset)
    workers = int(getattr(dataset, "workers", 1))
    if getattr(dataset, "use_multiprocessing", False):
        raise UnsupportedError(
            f"{type(dataset).__name__}.use_multiprocessing is not supported: use workers=n, which are threads."
        )

    def indices(skip: int) -> Iterator[int]:
        if batches is None:
            return itertools.count(skip)
        return iter((np.random.permutation(batches).tolist() if shuffle else range(batches))[skip:])

    def iterator(skip: int) -> Iterator[Any]:
        if workers <= 1:
            return (dataset[index] for index in indices(skip))
        return _prepare_ahead(dataset, indices(skip), workers, int(getattr(dataset, "max_queue_size", 10)))

    return BatchData(
        iterator,
        batches,
        steps_per_epoch,
        class_weight,
        getattr(dataset, "on_epoch_begin", None),
        getattr(dataset, "on_epoch_end", None),
    )


def _prepare_ahead(dataset: Any, indices: Iterator[int], workers: int, ahead: int) -> Iterator[Any]:
    """Yields batches in order while `workers` threads prepare the next ones."""
    from collections import deque
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(workers, thread_name_prefix="ironhorn-data") as pool:
        pending = deque(pool.submit(dataset.__getitem__, index) for index in itertools.islice(indices, ahead))
        try:
            while pending:
                batch = pending.popleft().result()
                for index in itertools.islice(indices, 1):
                    pending.append(pool.submit(dataset.__getitem__, index))
                yield batch
        finally:
            for future in pending:
                future.cancel()
