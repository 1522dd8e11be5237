"""Data for `fit`, `evaluate` and `predict`.

`ArrayData` holds NumPy arrays, which the engine reads itself: Python only draws the order of the rows. `BatchData`
walks Python iterables (generators, `PyDataset`, `tf.data`, torch `DataLoader`, ...) batch by batch; they are
recognised by what they can do, so none of these libraries is imported.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from ironhorn import tree
from ironhorn.errors import FileFormatError
from ironhorn.training.arrays import (
    check_lengths,
    convert_structure,
    is_array_like,
    named_leaves,
    resolve_sample_weight,
)
from ironhorn.training.batch_data import BatchData, warn_out_of_data
from ironhorn.training.limits import limited_steps
from ironhorn.training.packing import pack_x_y_sample_weight
from ironhorn.training.position import numpy_state, set_numpy_state
from ironhorn.training.py_dataset import from_py_dataset
from ironhorn.training.sparse import from_sparse, has_sparse

DEFAULT_BATCH_SIZE = 32


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
        self.batch_size = _checked_batch_size(batch_size)
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

    def restart(self) -> None:
        """Makes the next epoch begin with the first batch."""
        self._seen, self._resumed = 0, False

    def close(self) -> None:
        """Ends the use of the data: nothing to do for arrays."""

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
        x: Arrays (in any structure; sparse ones too), a `PyDataset`, a generator, or another iterable over batches.
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
    steps_per_epoch = limited_steps(steps_per_epoch)
    if x is None:
        raise ValueError("There is no data: `x` is None.")
    if has_sparse(x):
        size = _checked_batch_size(batch_size or DEFAULT_BATCH_SIZE)
        return from_sparse(x, y, sample_weight, size, steps_per_epoch, shuffle, class_weight)
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
        return from_py_dataset(x, steps_per_epoch, shuffle, class_weight)
    if not hasattr(x, "__iter__") or (_is_torch(x) and hasattr(x, "__getitem__")):
        advice = (
            "Wrap it in torch.utils.data.DataLoader, which gives batches."
            if _is_torch(x)
            else ("Pass arrays, a PyDataset, or an iterable over batches.")
        )
        raise ValueError(f"Unrecognized data type: x is of type {type(x)}. {advice}")
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


def _checked_batch_size(batch_size: Any) -> int:
    if not isinstance(batch_size, (int, np.integer)) or batch_size < 1:
        raise ValueError(f"`batch_size` must be a positive integer. Received: batch_size={batch_size!r}")
    return int(batch_size)
