"""`PyDataset`: data that makes one batch at a time, and the workers that make batches ahead of their use."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ironhorn.training.batch_data import BatchData


class PyDataset:
    """Base class of data sets that make one batch at a time.

    Subclasses define `__getitem__(index)`, which returns a batch `(x, y)` or `(x, y, sample_weight)`, and `__len__`,
    the number of batches (or `num_batches`, which may be `None` for no end).

    Args:
        workers: Threads or processes that prepare batches ahead, in order. 0, and 1 without processes, prepare each
            batch when it is needed.
        use_multiprocessing: Whether workers are processes. They are started anew for each pass, the way that
            `multiprocessing` starts them by default, and each has its own copy of the data set: what `__getitem__`
            changes in it is not seen here. Threads are enough where NumPy does the work.
        max_queue_size: Batches prepared ahead by workers.

    Attributes:
        keeps_order: Set it to `True` in a subclass that shuffles by itself: `fit` then takes its batches in order.

    Example:
        ```python
        class Halves(PyDataset):
            def __len__(self):
                return 2

            def __getitem__(self, index):
                return x[index::2], y[index::2]
        ```
    """

    keeps_order = False

    def __init__(self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10):
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


def from_py_dataset(
    dataset: Any, steps_per_epoch: int | None, shuffle: Any, class_weight: dict[int, float] | None
) -> BatchData:
    """Makes the data of a `PyDataset`, or of anything with `__getitem__` and `__len__`.

    Args:
        dataset: The data set.
        steps_per_epoch: Steps that count as an epoch.
        shuffle: Whether to draw an order of batches each pass.
        class_weight: Weight per class.
    """
    batches = dataset.num_batches if hasattr(dataset, "num_batches") else len(dataset)
    workers = int(getattr(dataset, "workers", 1))
    processes = bool(getattr(dataset, "use_multiprocessing", False))
    shuffle = shuffle and not getattr(dataset, "keeps_order", False)
    ahead = max(1, int(getattr(dataset, "max_queue_size", 10)))

    def indices(skip: int) -> Iterator[int]:
        if batches is None:
            return itertools.count(skip)
        return iter((np.random.permutation(batches).tolist() if shuffle else range(batches))[skip:])

    def iterator(skip: int) -> Iterator[Any]:
        order = indices(skip)
        if workers > 1 or (workers == 1 and processes):
            return _prepare_ahead(dataset, order, workers, ahead, processes)
        return (dataset[index] for index in order)

    return BatchData(
        iterator,
        batches,
        steps_per_epoch,
        class_weight,
        getattr(dataset, "on_epoch_begin", None),
        getattr(dataset, "on_epoch_end", None),
    )


def _prepare_ahead(dataset: Any, indices: Iterator[int], workers: int, ahead: int, processes: bool) -> Iterator[Any]:
    """Yields batches in order while workers prepare the next ones; leaves no worker behind when it ends."""
    from collections import deque
    from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor

    pool: Executor
    get: Callable[[int], Any]
    if processes:
        pool, get = ProcessPoolExecutor(workers, initializer=_take_dataset, initargs=(dataset,)), _batch_of_process
    else:
        pool, get = ThreadPoolExecutor(workers, thread_name_prefix="ironhorn-data"), dataset.__getitem__
    with pool:
        pending = deque(pool.submit(get, index) for index in itertools.islice(indices, ahead))
        try:
            while pending:
                batch = pending.popleft().result()
                for index in itertools.islice(indices, 1):
                    pending.append(pool.submit(get, index))
                yield batch
        finally:
            for future in pending:
                future.cancel()


_dataset_of_process: Any = None


def _take_dataset(dataset: Any) -> None:
    global _dataset_of_process
    _dataset_of_process = dataset


def _batch_of_process(index: int) -> Any:
    return _dataset_of_process[index]
