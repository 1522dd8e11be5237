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

from ironhorn import backend, tree
from ironhorn.errors import UnsupportedError

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


def is_array_like(value: Any) -> bool:
    """Returns whether a value is an array, a tensor, or a data frame."""
    return (
        isinstance(value, np.ndarray)
        or (hasattr(value, "shape") and hasattr(value, "dtype") and hasattr(value, "__array__"))
        or _is_pandas(value)
    )


def to_numpy(value: Any, name: str) -> np.ndarray:
    """Converts an array-like to a NumPy array of a dtype that the engine takes.

    Floats become the default float type, as in Keras; a pandas `Series` becomes a column.

    Args:
        value: Array, tensor, or data frame.
        name: What to call it in errors.

    Returns:
        The array; the same one where nothing had to change.

    Raises:
        ValueError: If it has no sample axis or does not hold numbers.
    """
    if isinstance(value, np.ndarray):
        array = value
    elif _is_pandas(value):
        array = value.to_numpy()
        if array.ndim == 1:
            array = array[:, None]
    else:
        array = np.asarray(value)
    if array.ndim == 0:
        raise ValueError(f"`{name}` is a single number ({array!r}): the first axis must be the samples.")
    if array.dtype == object and array.size:
        kinds = {type(item).__name__ for item in array.ravel()[:100]}
        if kinds <= {"int", "float", "bool"}:
            array = array.astype(np.float64)
        else:
            raise ValueError(
                f"`{name}` is an array of Python objects ({', '.join(sorted(kinds))}), which a model cannot take. "
                "Turn text into numbers first (TextVectorization), and pad lists of different lengths."
            )
    if array.dtype.kind in "USOMmc":
        raise ValueError(
            f"`{name}` has dtype {array.dtype}: a model takes numbers. Turn text into numbers first, for example "
            "with TextVectorization called on it before fit."
        )
    if array.dtype.kind == "f" and array.dtype.name != backend.floatx():
        array = array.astype(backend.floatx())
    return array


def named_leaves(name: str, structure: Any) -> list[tuple[str, Any]]:
    """Lists the leaves of a structure with a name for each, such as `x['left']` or `y[0]`."""
    if isinstance(structure, dict):
        parts = [(f"{name}[{key!r}]", structure[key]) for key in sorted(structure)]
    elif isinstance(structure, (list, tuple)):
        parts = [(f"{name}[{index}]", part) for index, part in enumerate(structure)]
    else:
        return [(name, structure)]
    return [leaf for part_name, part in parts for leaf in named_leaves(part_name, part)]


def convert_structure(name: str, structure: Any) -> Any:
    """Converts every array-like of a structure with `to_numpy`; `None` stays."""
    names = iter(named_leaves(name, structure))
    return tree.map_structure(lambda leaf: _convert_leaf(next(names)[0], leaf), structure)


def _convert_leaf(name: str, leaf: Any) -> Any:
    if leaf is None:
        return None
    if not is_array_like(leaf):
        raise ValueError(
            f"`{name}` is of type {type(leaf).__name__}, not an array. A list of numbers must be made an array first: "
            f"np.array(...)."
        )
    return to_numpy(leaf, name)


def _is_pandas(value: Any) -> bool:
    return type(value).__module__.partition(".")[0] == "pandas" and hasattr(value, "to_numpy")


def check_lengths(leaves: list[tuple[str, Any]]) -> int:
    """Checks that all arrays have the same, positive number of samples.

    Args:
        leaves: Pairs of name and array; `None` arrays are left out.

    Returns:
        The number of samples.

    Raises:
        ValueError: If an array is empty or lengths differ; the message lists all lengths.
    """
    lengths = [(name, int(array.shape[0])) for name, array in leaves if array is not None]
    if not lengths:
        raise ValueError("There is no data: `x` is None.")
    listed = ", ".join(f"{name} has {length}" for name, length in lengths)
    if len({length for _, length in lengths}) > 1:
        raise ValueError(f"All arrays must have the same number of samples (the first axis). Received: {listed}.")
    if lengths[0][1] == 0:
        raise ValueError(f"The data is empty: {listed} samples. At least one sample is needed.")
    return lengths[0][1]


def class_weight_to_sample_weights(y: Any, class_weight: dict[int, float]) -> np.ndarray:
    """Looks up the weight of each sample's class.

    Args:
        y: Class numbers (also with a last axis of 1) or one-hot rows.
        class_weight: Weight per class number; classes that are not named weigh 1.

    Returns:
        One weight per sample.
    """
    labels = np.asarray(y)
    if labels.ndim > 1:
        labels = labels.squeeze(-1) if labels.shape[-1] == 1 else labels.argmax(axis=-1)
    labels = np.round(labels).astype(np.int64)
    classes, positions = np.unique(labels, return_inverse=True)
    weights = np.array([class_weight.get(int(label), 1.0) for label in classes], dtype=backend.floatx())
    return weights[positions.reshape(labels.shape)]


def train_validation_split(x: Any, y: Any, sample_weight: Any, validation_split: float) -> tuple[Any, Any]:
    """Splits arrays: the last part becomes the validation data.

    Args:
        x: Inputs.
        y: Targets.
        sample_weight: Weights.
        validation_split: Share for validation, between 0 and 1.

    Returns:
        `(x, y, sample_weight)` for training, and the same for validation.

    Raises:
        ValueError: If the data is not made of arrays, or one part would be empty.
    """
    if not 0 < validation_split < 1:
        raise ValueError(f"`validation_split` must be between 0 and 1. Received: {validation_split}")
    parts = (x, y, sample_weight)
    for name, leaf in named_leaves("x", x) + named_leaves("y", y) + named_leaves("sample_weight", sample_weight):
        if leaf is not None and not is_array_like(leaf):
            raise ValueError(
                f"`validation_split` needs arrays, and `{name}` is of type {type(leaf).__name__}. "
                "Pass `validation_data` instead."
            )
    arrays = tuple(convert_structure(name, part) for name, part in zip(("x", "y", "sample_weight"), parts, strict=True))
    samples = check_lengths(
        [leaf for name, part in zip("xyw", arrays, strict=True) for leaf in named_leaves(name, part)]
    )
    split_at = math.floor(samples * (1.0 - validation_split))
    if split_at in (0, samples):
        raise ValueError(
            f"Training data contains {samples} samples, which is not sufficient to split it into a validation and "
            f"training set as specified by `validation_split={validation_split}`. Either provide more data, or a "
            "different value for the `validation_split` argument."
        )
    train = tree.map_structure(lambda a: None if a is None else a[:split_at], arrays)
    validation = tree.map_structure(lambda a: None if a is None else a[split_at:], arrays)
    return train, validation


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
        sample_weight = _resolve_sample_weight(y, sample_weight, class_weight)
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
        self._seen = 0

    @property
    def num_batches(self) -> int:
        """Steps of an epoch."""
        return self.steps_per_epoch or self.passes_per_epoch

    def example(self) -> Any:
        """Returns a batch whose shapes and dtypes stand for all."""
        return self.arrays

    def epoch(self) -> ArrayEpoch:
        """Returns the next epoch; with `steps_per_epoch` it goes on where the last one stopped."""
        if self._seen == 0:
            self._order = self._new_order()
        first = self._seen
        steps = self.passes_per_epoch - first
        if self.steps_per_epoch is not None:
            if steps < self.steps_per_epoch:
                warn_out_of_data(steps, self.steps_per_epoch)
            steps = min(steps, self.steps_per_epoch)
        self._seen = (first + steps) % self.passes_per_epoch
        return ArrayEpoch(self._order, first, steps)

    def batch(self, order: np.ndarray | None, step: int) -> Any:
        """Gathers the rows of one step, for `run_eagerly`."""
        rows: Any = slice(step * self.batch_size, min((step + 1) * self.batch_size, self.samples))
        if order is not None:
            rows = order[rows]
        return tree.map_structure(lambda array: None if array is None else array[rows], self.arrays)

    def _new_order(self) -> np.ndarray | None:
        if not self.shuffle:
            return None
        if self.shuffle == "batch":
            starts = range(0, self.samples, self.batch_size)
            batches = [np.arange(start, min(start + self.batch_size, self.samples)) for start in starts]
            return np.concatenate([np.random.permutation(batch) for batch in batches]).astype(np.int64)
        return np.random.permutation(self.samples).astype(np.int64, copy=False)


def _resolve_sample_weight(y: Any, sample_weight: Any, class_weight: dict[int, float] | None) -> Any:
    """Checks weights against targets; makes weights of class weights."""
    if class_weight is not None:
        if sample_weight is not None:
            raise ValueError("You cannot pass both `class_weight` and `sample_weight`: multiply them yourself.")
        if y is None or tree.is_nested(y):
            raise ValueError("`class_weight` is only supported for models with a single output and with targets `y`.")
        return class_weight_to_sample_weights(y, class_weight)
    if sample_weight is None or not tree.is_nested(y):
        return sample_weight
    if tree.is_nested(sample_weight):
        try:
            tree.assert_same_structure(y, sample_weight)
        except (ValueError, TypeError) as error:
            raise ValueError(
                "You should provide one `sample_weight` array per output in `y`. The structures differ: y is "
                f"{describe_structure(y)}, sample_weight is {describe_structure(sample_weight)}."
            ) from error
        return sample_weight
    shape = np.shape(sample_weight)
    if len(shape) != 1 and shape[1:] != (1,):
        raise ValueError(
            "For a model with several outputs a single `sample_weight` array must hold one number per sample. "
            f"Received shape {shape}: pass one array per output instead."
        )
    return tree.map_structure(lambda _: sample_weight, y)


def describe_structure(structure: Any) -> Any:
    """Returns the structure with `*` for every leaf, for messages."""
    return tree.map_structure(lambda _: "*", structure)


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
        make_iterator: Returns an iterator over the batches of one pass.
        num_batches: Batches of a pass, if known.
        steps_per_epoch: Steps that count as an epoch; one pass when `None`.
        class_weight: Weight per class, applied to each batch.
        on_epoch_begin: Called before each epoch.
        on_epoch_end: Called after each epoch.
    """

    def __init__(
        self,
        make_iterator: Callable[[], Iterator[Any]],
        num_batches: int | None,
        steps_per_epoch: int | None,
        class_weight: dict[int, float] | None = None,
        on_epoch_begin: Callable[[], None] | None = None,
        on_epoch_end: Callable[[], None] | None = None,
    ):
        self._make_iterator = make_iterator
        self._known_batches = num_batches
        self.steps_per_epoch = steps_per_epoch
        self._class_weight = class_weight
        self._on_epoch_begin = on_epoch_begin
        self._on_epoch_end = on_epoch_end
        self._iterator: Iterator[Any] | None = None

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
        steps = 0
        restarted = False
        while limit is None or steps < limit:
            try:
                batch = next(self._current())
            except StopIteration:
                self._iterator = None
                if steps == 0 and not restarted:
                    restarted = True
                    continue
                if limit is not None or steps == 0:
                    warn_out_of_data(steps, limit)
                elif self._known_batches is None:
                    self._known_batches = steps
                break
            steps += 1
            yield self._convert(batch)
        if self._on_epoch_end is not None:
            self._on_epoch_end()

    def _current(self) -> Iterator[Any]:
        if self._iterator is None:
            self._iterator = self._make_iterator()
        return self._iterator

    def _convert(self, batch: Any) -> Any:
        x, y, sample_weight = unpack_x_y_sample_weight(batch)
        x, y = convert_structure("x", x), convert_structure("y", y)
        sample_weight = _resolve_sample_weight(y, sample_weight, self._class_weight)
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
        return BatchData(lambda: iter(x), None, steps_per_epoch)
    try:
        batches: int | None = len(x)
    except TypeError:
        batches = None
    return BatchData(lambda: iter(x), batches, steps_per_epoch, class_weight)


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

    def indices() -> Iterator[int]:
        if batches is None:
            return itertools.count()
        return iter(np.random.permutation(batches).tolist() if shuffle else range(batches))

    def iterator() -> Iterator[Any]:
        if workers <= 1:
            return (dataset[index] for index in indices())
        return _prepare_ahead(dataset, indices(), workers, int(getattr(dataset, "max_queue_size", 10)))

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
