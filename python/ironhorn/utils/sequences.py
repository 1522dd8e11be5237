"""Sequences of unequal lengths: `pad_sequences`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def pad_sequences(
    sequences: Sequence[Any],
    maxlen: int | None = None,
    dtype: Any = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> np.ndarray:
    """Brings sequences to one length, by cutting them off and filling them up.

    Args:
        sequences: Sequences of numbers, or of arrays of one shape.
        maxlen: The length. `None` means that of the longest sequence.
        dtype: The dtype of the result.
        padding: `"pre"` or `"post"`: fill up before or after the sequence.
        truncating: `"pre"` or `"post"`: cut off the beginning or the end.
        value: What to fill up with.

    Returns:
        An array of shape `(len(sequences), maxlen, ...)`.

    Raises:
        ValueError: If something is not a sequence, items have different shapes, or an option is unknown.

    Example:
        >>> ironhorn.utils.pad_sequences([[1, 2], [3]], padding="post")
        array([[1, 2],
               [3, 0]], dtype=int32)
    """
    for name, option in (("padding", padding), ("truncating", truncating)):
        if option not in ("pre", "post"):
            raise ValueError(f"`{name}` must be 'pre' or 'post'. Received: {name}={option!r}")
    if not hasattr(sequences, "__len__"):
        raise ValueError(f"`sequences` must be a list of sequences. Received: {type(sequences).__name__}")
    item_shape: tuple[int, ...] | None = None
    lengths = []
    for index, sequence in enumerate(sequences):
        if not hasattr(sequence, "__len__"):
            raise ValueError(f"`sequences` must be a list of sequences, but item {index} is {sequence!r}.")
        lengths.append(len(sequence))
        if item_shape is None and len(sequence):
            item_shape = np.asarray(sequence).shape[1:]
    length = maxlen if maxlen is not None else max(lengths, default=0)
    if isinstance(value, str) and not (np.issubdtype(dtype, np.str_) or np.issubdtype(dtype, np.object_)):
        raise ValueError(f"`value` is the string {value!r}, but `dtype` is {dtype}. Pass `dtype=object` to pad texts.")
    result = np.full((len(lengths), length, *(item_shape or ())), value, dtype=dtype)
    if length == 0:
        return result
    for index, sequence in enumerate(sequences):
        if not len(sequence):
            continue
        kept = np.asarray(sequence[-length:] if truncating == "pre" else sequence[:length], dtype=dtype)
        if kept.shape[1:] != (item_shape or ()):
            raise ValueError(
                f"All items must have one shape, but those of sequence {index} have {kept.shape[1:]} and those before "
                f"have {item_shape}."
            )
        if padding == "post":
            result[index, : len(kept)] = kept
        else:
            result[index, -len(kept) :] = kept
    return result
