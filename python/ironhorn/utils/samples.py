"""`SampleDataset`: samples by number, alone or in batches; and what makes one: `split_dataset` and time series."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ironhorn import tree
from ironhorn.errors import UnsupportedError
from ironhorn.training.py_dataset import PyDataset


class SampleDataset(PyDataset):
    """Samples that are fetched by their numbers, alone or in batches.

    It is what `split_dataset` and the `..._from_directory` functions return. Elements are samples until `batch` is
    called; a loop over it is one pass. Like every `PyDataset` it goes into `fit`, which leaves its order alone.

    Args:
        fetch: Given an array of sample numbers, returns the samples: arrays in any structure, samples first.
        samples: Number of samples.
        batch_size: Samples per element; `None` for single samples.
        shuffle: Whether to draw a new order for each pass.
        seed: Seed of the order; drawn from NumPy's global generator when `None`.
        workers: Threads that fetch ahead in `fit`.

    Example:
        >>> left, right = ironhorn.utils.split_dataset(np.arange(10.0), left_size=0.8)
        >>> len(left), len(left.batch(4))
        (8, 2)
    """

    keeps_order = True

    def __init__(
        self,
        fetch: Callable[[np.ndarray], Any],
        samples: int,
        batch_size: int | None = None,
        shuffle: bool = False,
        seed: int | None = None,
        workers: int = 1,
    ):
        super().__init__(workers=workers)
        if batch_size is not None and (not isinstance(batch_size, (int, np.integer)) or batch_size < 1):
            raise ValueError(f"`batch_size` must be a positive integer or None. Received: batch_size={batch_size!r}")
        self._fetch = fetch
        self._functions: tuple[Callable[..., Any], ...] = ()
        self._rows = np.arange(samples)
        self._batch_size = batch_size
        self._shuffle = bool(shuffle)
        self._generator = np.random.default_rng(np.random.randint(2**31) if shuffle and seed is None else seed)
        self._draw()

    def __len__(self) -> int:
        return len(self._order) if self._batch_size is None else -(-len(self._order) // self._batch_size)

    def __getitem__(self, index: int) -> Any:
        if not -len(self) <= index < len(self):
            raise IndexError(f"There are {len(self)} elements, so there is none at index {index}.")
        index %= len(self)
        if self._batch_size is None:
            element = tree.map_structure(lambda array: array[0], self._fetch(self._order[index : index + 1]))
        else:
            start = index * self._batch_size
            element = self._fetch(self._order[start : start + self._batch_size])
        for function in self._functions:
            element = function(*element) if isinstance(element, tuple) else function(element)
        return element

    def __iter__(self) -> Iterator[Any]:
        for index in range(len(self)):
            yield self[index]
        self.on_epoch_end()

    def on_epoch_end(self) -> None:
        """Draws the order of the next pass."""
        if self._shuffle:
            self._draw()

    def _draw(self) -> None:
        self._order = self._generator.permutation(self._rows) if self._shuffle else self._rows

    def _copy(self) -> SampleDataset:
        import copy

        other = copy.copy(self)
        other._generator = copy.deepcopy(self._generator)
        return other

    def batch(self, batch_size: int, drop_remainder: bool = False) -> SampleDataset:
        """Returns the data in batches.

        Args:
            batch_size: Samples per batch.
            drop_remainder: Whether to leave out a last, smaller batch.
        """
        if self._batch_size is not None:
            raise ValueError("The elements are batches already: call `unbatch()` first.")
        if self._functions:
            raise UnsupportedError("`batch` after `map` is not supported: batch first, then map whole batches.")
        other = self._copy()
        other._batch_size = batch_size
        if drop_remainder:
            if self._shuffle:
                raise UnsupportedError("`drop_remainder` of shuffled data is not supported: batch first, then shuffle.")
            other._rows = self._rows[: len(self._rows) // batch_size * batch_size]
        other._draw()
        return other

    def unbatch(self) -> SampleDataset:
        """Returns the data as single samples."""
        if self._functions:
            raise UnsupportedError("`unbatch` after `map` is not supported: unbatch first.")
        other = self._copy()
        other._batch_size = None
        return other

    def shuffle(self, buffer_size: int | None = None, seed: int | None = None) -> SampleDataset:
        """Returns the data in a new order for each pass.

        Args:
            buffer_size: Not needed: all samples are shuffled.
            seed: Seed of the order.
        """
        other = self._copy()
        other._shuffle = True
        other._generator = np.random.default_rng(np.random.randint(2**31) if seed is None else seed)
        other._draw()
        return other

    def map(self, function: Callable[..., Any], num_parallel_calls: Any = None) -> SampleDataset:
        """Returns the data with a function applied to each element.

        Args:
            function: Called with an element; with its parts, if it is a tuple.
            num_parallel_calls: Not needed: `prefetch` and `workers` decide.
        """
        other = self._copy()
        other._functions = (*self._functions, function)
        return other

    def take(self, count: int) -> SampleDataset:
        """Returns the first elements of the present order.

        Args:
            count: How many; -1 for all.
        """
        return self._part(0, len(self) if count == -1 else count)

    def skip(self, count: int) -> SampleDataset:
        """Returns the elements after the first ones of the present order.

        Args:
            count: How many to leave out.
        """
        return self._part(count, len(self))

    def _part(self, first: int, last: int) -> SampleDataset:
        size = self._batch_size or 1
        other = self._copy()
        other._rows = self._order[first * size : last * size]
        other._order = other._rows
        return other

    def cache(self) -> SampleDataset:
        """Returns the data, all samples of which are fetched at first use and kept in memory."""
        kept: list[Any] = []
        places = {int(row): place for place, row in enumerate(np.sort(self._rows))}
        fetch, rows = self._fetch, np.sort(self._rows)

        def fetch_kept(wanted: np.ndarray) -> Any:
            if not kept:
                kept.append(fetch(rows))
            found = np.array([places[int(row)] for row in wanted], dtype=np.int64)
            return tree.map_structure(lambda array: array[found], kept[0])

        if self._functions:
            raise UnsupportedError("`cache` after `map` is not supported: cache first, then map.")
        other = self._copy()
        other._fetch = fetch_kept
        return other

    def prefetch(self, buffer_size: int = 2) -> SampleDataset:
        """Returns the data with elements fetched ahead by threads in `fit`.

        Args:
            buffer_size: Elements ahead; -1 for the default.
        """
        other = self._copy()
        other.workers = max(2, self.workers)
        other.max_queue_size = 10 if buffer_size < 1 else int(buffer_size)
        return other


def split_dataset(
    dataset: Any,
    left_size: float | int | None = None,
    right_size: float | int | None = None,
    shuffle: bool = False,
    seed: int | None = None,
    preferred_backend: str | None = None,
) -> tuple[SampleDataset, SampleDataset]:
    """Splits data in two.

    Args:
        dataset: Arrays in any structure, a list of samples, or an iterable over samples (read into memory).
        left_size: Share (a float) or number (an integer) of samples of the first part; `None` for what the other
            leaves.
        right_size: The same for the second part.
        shuffle: Whether to shuffle before the split.
        seed: Seed of the order.
        preferred_backend: Must be `None`: the results are data sets of this library.

    Returns:
        Two `SampleDataset`s of single samples; call `batch` on them before `fit`.

    Raises:
        ValueError: If sizes do not fit the data.

    Example:
        >>> left, right = ironhorn.utils.split_dataset(np.arange(10.0), left_size=0.8)
        >>> len(left), len(right)
        (8, 2)
    """
    if preferred_backend is not None:
        raise UnsupportedError(
            f"preferred_backend={preferred_backend!r} is not supported: split_dataset returns data sets of its own, "
            "which `fit` takes after `batch(...)`. Leave the argument out."
        )
    arrays = _as_arrays(dataset)
    samples = len(tree.flatten(arrays)[0])
    left, right = _sizes(left_size, right_size, samples)
    rows = np.arange(samples)
    if shuffle:
        rows = np.random.default_rng(np.random.randint(2**31) if seed is None else seed).permutation(rows)

    def part(chosen: np.ndarray) -> SampleDataset:
        return SampleDataset(
            lambda wanted: tree.map_structure(lambda array: array[chosen[wanted]], arrays), len(chosen)
        )

    return part(rows[:left]), part(rows[samples - right :])


def _as_arrays(dataset: Any) -> Any:
    from ironhorn.training.arrays import check_lengths, is_array_like, named_leaves, to_numpy

    if isinstance(dataset, SampleDataset) or not (is_array_like(dataset) or isinstance(dataset, (list, tuple, dict))):
        if not hasattr(dataset, "__iter__") and not hasattr(dataset, "__getitem__"):
            raise TypeError(f"`dataset` must hold arrays or samples. Received: {type(dataset).__name__}")
        dataset = list(dataset)
        if not dataset:
            raise ValueError("`dataset` is empty.")
        return tree.map_structure(lambda *leaves: np.stack([np.asarray(leaf) for leaf in leaves]), *dataset)
    if is_array_like(dataset):
        return to_numpy(dataset, "dataset")
    flat = tree.flatten(dataset)
    if not flat:
        raise ValueError("`dataset` is empty.")
    if all(is_array_like(leaf) and np.ndim(leaf) for leaf in flat) and (
        not isinstance(dataset, list) or len({len(leaf) for leaf in flat}) == 1
    ):
        arrays = tree.map_structure(np.asarray, tuple(dataset) if isinstance(dataset, list) else dataset)
        check_lengths(named_leaves("dataset", arrays))
        return arrays
    if isinstance(dataset, list):
        return tree.map_structure(lambda *leaves: np.stack([np.asarray(leaf) for leaf in leaves]), *dataset)
    raise TypeError("`dataset` must hold arrays whose first axis are the samples.")


def _sizes(left: float | int | None, right: float | int | None, total: int) -> tuple[int, int]:
    for name, size in (("left_size", left), ("right_size", right)):
        if size is None:
            continue
        if isinstance(size, bool) or not isinstance(size, (int, float, np.integer, np.floating)):
            raise TypeError(f"`{name}` must be an int, a float or None. Received: {name}={size!r}")
        limit = 1 if isinstance(size, (float, np.floating)) else total
        if not 0 < size < limit:
            raise ValueError(
                f"`{name}` must be a float between 0 and 1, or a positive int smaller than {total}, the number of "
                f"samples. Received: {name}={size!r}"
            )
    if left is None and right is None:
        raise ValueError("At least one of `left_size` and `right_size` must be given.")
    counts = [
        None if size is None else round(size * total) if isinstance(size, (float, np.floating)) else int(size)
        for size in (left, right)
    ]
    first = counts[0] if counts[0] is not None else total - (counts[1] or 0)
    second = counts[1] if counts[1] is not None else total - first
    if first + second > total:
        raise ValueError(
            f"`left_size` and `right_size` make {first} + {second} samples, but there are {total}. Make one smaller, "
            "or leave it out."
        )
    if not first or not second:
        raise ValueError(f"One part of {total} samples would be empty: {first} and {second}. Choose other sizes.")
    return first, second


def timeseries_dataset_from_array(
    data: Any,
    targets: Any,
    sequence_length: int,
    sequence_stride: int = 1,
    sampling_rate: int = 1,
    batch_size: int | None = 128,
    shuffle: bool = False,
    seed: int | None = None,
    start_index: int | None = None,
    end_index: int | None = None,
    format: str | None = None,
) -> SampleDataset:
    """Makes windows of a time series.

    Window `i` starts at step `i * sequence_stride` and takes every `sampling_rate`-th step; windows are cut out when
    a batch is made, so the series is kept in memory once.

    Args:
        data: The series: an array whose first axis is time.
        targets: One target per window start (`targets[i]` belongs to the window that starts at step `i`), or `None`.
        sequence_length: Steps of a window.
        sequence_stride: Steps between the starts of two windows.
        sampling_rate: Steps between two steps of a window.
        batch_size: Windows per batch; `None` for single windows.
        shuffle: Whether to shuffle windows, anew for each pass.
        seed: Seed of the order.
        start_index: First step to use.
        end_index: Step before which to stop.
        format: `"tf"`, `"grain"` or `None`: the result is the same data set of this library.

    Returns:
        A `SampleDataset` of `windows`, or `(windows, targets)`.

    Raises:
        ValueError: If an argument is out of range, or no window fits.

    Example:
        >>> data = ironhorn.utils.timeseries_dataset_from_array(np.arange(10.0), None, sequence_length=3, batch_size=4)
        >>> data[0].shape
        (4, 3)
    """
    if format not in (None, "tf", "grain"):
        raise ValueError(f"`format` must be 'tf', 'grain' or None. Received: format={format!r}")
    numbers = {"sequence_length": sequence_length, "sequence_stride": sequence_stride, "sampling_rate": sampling_rate}
    for name, number in numbers.items():
        if number <= 0:
            raise ValueError(f"`{name}` must be higher than 0. Received: {name}={number}")
    if batch_size is not None and batch_size <= 0:
        raise ValueError(f"`batch_size` must be higher than 0. Received: batch_size={batch_size}")
    data = np.asarray(data)
    first, last = 0 if start_index is None else start_index, len(data) if end_index is None else end_index
    for name, index in (("start_index", start_index), ("end_index", end_index)):
        if index is not None and not 0 <= index <= len(data):
            raise ValueError(f"`{name}` must lie from 0 to {len(data)}, the length of the data. Received: {index}")
    if end_index is not None and last <= first:
        raise ValueError(f"`end_index` must be higher than `start_index`. Received: {first} and {last}")
    for name in ("sampling_rate", "sequence_stride"):
        if numbers[name] >= len(data):
            raise ValueError(
                f"`{name}` must be lower than the length of the data, {len(data)}. Received: {numbers[name]}"
            )
    windows = last - first - (sequence_length - 1) * sampling_rate
    if targets is not None:
        targets = np.asarray(targets)
        windows = min(windows, len(targets) - first)
    starts = np.arange(0, windows, sequence_stride)
    if not len(starts):
        raise ValueError(
            f"No window of {sequence_length} steps at a rate of {sampling_rate} fits into {last - first} steps."
        )
    steps = np.arange(0, sequence_length * sampling_rate, sampling_rate)
    part = data[first:last]

    def fetch(rows: np.ndarray) -> Any:
        chosen = starts[rows]
        cut = part[chosen[:, None] + steps]
        return cut if targets is None else (cut, targets[first + chosen])

    return SampleDataset(fetch, len(starts), batch_size, shuffle, seed)
