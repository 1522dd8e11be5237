"""Sequences of unequal lengths as batches of nearly equal ones: `bucket_sequences`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ironhorn.training.py_dataset import PyDataset
from ironhorn.utils.sequences import pad_sequences


def bucket_sequences(
    sequences: Sequence[Any],
    targets: Any = None,
    sample_weight: Any = None,
    batch_size: int = 32,
    maxlen: int | None = None,
    padding: str = "post",
    truncating: str = "post",
    value: Any = 0.0,
    dtype: Any = None,
    length_multiple: int = 8,
    shuffle: bool = True,
    seed: int | None = None,
) -> PyDataset:
    """Makes a data set for `fit` of sequences that differ in length.

    Each batch holds sequences of like length, padded to the longest of them (rounded up, so that few lengths occur
    and few programs are planned). `fit` itself takes a list for a list of inputs, so sequences come this way.

    Args:
        sequences: The sequences: lists of numbers, or arrays whose first axis is time.
        targets: One target per sequence: an array, or sequences of the same lengths, which are padded alike.
        sample_weight: One weight per sequence.
        batch_size: Sequences per batch.
        maxlen: Longer sequences are cut off.
        padding: `"post"` or `"pre"`: fill up after or before the sequence.
        truncating: `"post"` or `"pre"`: cut off the end or the beginning.
        value: What to fill up with. A layer such as `Masking` or `Embedding(mask_zero=True)` can leave it out.
        dtype: Type of the batches; that of the sequences when `None`.
        length_multiple: Lengths are rounded up to a multiple of this.
        shuffle: Whether to draw new batches for each epoch, from sequences of like length.
        seed: Seed of the order; drawn from NumPy's global generator when `None`.

    Returns:
        A `PyDataset` of batches `x`, `(x, y)` or `(x, y, sample_weight)`.

    Raises:
        ValueError: If there are no sequences or the numbers of targets or weights differ.

    Example:
        ```python
        data = ironhorn.utils.bucket_sequences([[1, 2, 3], [4, 5], [6]], labels, batch_size=2)
        model.fit(data, epochs=3)
        ```
    """
    count = len(sequences)
    if not count:
        raise ValueError("`sequences` is empty: at least one is needed.")
    for name, part in (("targets", targets), ("sample_weight", sample_weight)):
        if part is not None and len(part) != count:
            raise ValueError(f"There are {count} sequences, but `{name}` has {len(part)} entries: one each is needed.")
    for name, number in (("batch_size", batch_size), ("length_multiple", length_multiple)):
        if not isinstance(number, int) or number < 1:
            raise ValueError(f"`{name}` must be a positive integer. Received: {number!r}")
    if dtype is None:
        kinds = {np.asarray(sequence).dtype.kind for sequence in sequences if len(sequence)}
        dtype = "int32" if kinds <= set("iub") else "float32"
    options = {"dtype": dtype, "padding": padding, "truncating": truncating, "value": value}
    return _Buckets(sequences, targets, sample_weight, batch_size, maxlen, options, length_multiple, shuffle, seed)


class _Buckets(PyDataset):
    """What `bucket_sequences` returns."""

    keeps_order = True

    def __init__(
        self,
        sequences: Sequence[Any],
        targets: Any,
        sample_weight: Any,
        batch_size: int,
        maxlen: int | None,
        options: dict[str, Any],
        length_multiple: int,
        shuffle: bool,
        seed: int | None,
    ):
        super().__init__()
        self._sequences, self._targets, self._weights = sequences, targets, sample_weight
        self._batch_size, self._maxlen, self._options = batch_size, maxlen, options
        self._multiple, self._shuffle = length_multiple, shuffle
        self._generator = np.random.default_rng(np.random.randint(2**31) if seed is None else seed)
        lengths = np.array([len(sequence) for sequence in sequences])
        self._lengths = np.minimum(lengths, maxlen) if maxlen is not None else lengths
        self._sequence_targets = targets is not None and all(
            hasattr(target, "__len__") and len(target) == length
            for target, length in zip(targets, lengths, strict=True)
        )
        self._batches = self._draw()

    def _draw(self) -> list[np.ndarray]:
        order = np.arange(len(self._lengths))
        if self._shuffle:
            order = self._generator.permutation(order)
        order = order[np.argsort(self._lengths[order], kind="stable")]
        batches = [order[start : start + self._batch_size] for start in range(0, len(order), self._batch_size)]
        if self._shuffle:
            batches = [batches[index] for index in self._generator.permutation(len(batches))]
        return batches

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int) -> Any:
        rows = self._batches[index]
        length = max(1, math.ceil(int(self._lengths[rows].max()) / self._multiple) * self._multiple)
        if self._maxlen is not None:
            length = min(length, self._maxlen)
        x = pad_sequences([self._sequences[row] for row in rows], maxlen=length, **self._options)
        if self._targets is None:
            return (x,)
        if self._sequence_targets:
            chosen = [self._targets[row] for row in rows]
            kind = "int32" if np.asarray(chosen[0]).dtype.kind in "iub" else "float32"
            y = pad_sequences(chosen, maxlen=length, **{**self._options, "dtype": kind})
        else:
            y = np.asarray(self._targets)[rows]
        return (x, y) if self._weights is None else (x, y, np.asarray(self._weights)[rows])

    def on_epoch_end(self) -> None:
        """Draws the batches of the next epoch."""
        if self._shuffle:
            self._batches = self._draw()
