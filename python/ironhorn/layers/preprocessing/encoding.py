"""What layers of categories share: integers as they are, as vectors with a one, or as counts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ironhorn import ops
from ironhorn.errors import UnsupportedError

#: The ways in which categories come out.
MODES = ("int", "one_hot", "multi_hot", "count")


def check_mode(layer: str, mode: str, allowed: tuple[str, ...] = MODES) -> None:
    """Refuses unknown output modes."""
    if mode not in allowed:
        raise ValueError(f"`output_mode` of a {layer} layer must be one of {allowed}. Received: output_mode={mode!r}.")


def refuse_sparse(layer: str, sparse: bool) -> None:
    """Refuses sparse outputs."""
    if sparse:
        raise UnsupportedError(
            f"A {layer} layer gives dense tensors: sparse=True is not supported. Leave it out, or use "
            "output_mode='int' and an Embedding."
        )


def encode(indices: Any, mode: str, depth: int, dtype: str, count_weights: Any = None) -> Any:
    """Encodes integers.

    Args:
        indices: Integers; those outside of 0 to `depth` leave no trace.
        mode: `"int"`, `"one_hot"`, `"multi_hot"` or `"count"`.
        depth: Number of categories.
        dtype: Dtype of the result.
        count_weights: With `"count"` what each integer counts.
    """
    if mode == "int":
        return ops.cast(indices, dtype)
    if len(indices.shape) == 0:
        indices = ops.expand_dims(indices, -1)
    if mode == "one_hot":
        if len(indices.shape) > 1 and indices.shape[-1] == 1:
            indices = ops.squeeze(indices, -1)
        return ops.one_hot(indices, depth, dtype=dtype)
    axis = 1 if len(indices.shape) > 1 else 0
    hot = ops.one_hot(indices, depth, dtype=dtype)
    if mode == "multi_hot":
        return ops.max(hot, axis=axis)
    if count_weights is not None:
        hot = ops.multiply(hot, ops.expand_dims(ops.cast(count_weights, dtype), -1))
    return ops.sum(hot, axis=axis)


def encoded_shape(input_shape: Any, mode: str, depth: int | None) -> tuple[int | None, ...]:
    """Returns the shape of what `encode` makes of integers of a shape."""
    shape = tuple(input_shape)
    if mode == "int":
        return shape
    if not shape:
        return (depth,)
    if mode == "one_hot":
        return (*(shape[:-1] if len(shape) > 1 and shape[-1] == 1 else shape), depth)
    return (*shape[:1], *shape[2:], depth) if len(shape) > 1 else (depth,)


def encode_on_host(indices: np.ndarray, mode: str, depth: int, dtype: str, weights: Any = None) -> np.ndarray:
    """`encode` of NumPy arrays, without vectors of ones between: for vocabularies of any size.

    Args:
        indices: Integers; those outside of 0 to `depth` leave no trace.
        mode: As for `encode`.
        depth: Number of categories.
        dtype: Dtype of the result.
        weights: What the columns of counts are multiplied with.
    """
    if mode == "int":
        return indices.astype(dtype)
    shape = encoded_shape(indices.shape, mode, depth)
    if mode == "one_hot":
        flat = indices.reshape(-1)
        rows = np.arange(flat.size)
    else:
        moved = np.moveaxis(indices, 1, -1) if indices.ndim > 1 else indices.reshape(1, -1)
        flat = moved.reshape(-1)
        rows = np.arange(flat.size) // max(moved.shape[-1], 1)
    encoded = np.zeros((math.prod(size or 0 for size in shape[:-1]), depth), dtype)
    known = (flat >= 0) & (flat < depth)
    if mode == "multi_hot" or mode == "one_hot":
        encoded[rows[known], flat[known]] = 1
    else:
        np.add.at(encoded, (rows[known], flat[known]), 1)
    if weights is not None:
        encoded *= weights
    return encoded.reshape([int(size or 0) for size in shape])
