"""SciPy's sparse matrices as data: kept as they are, and made dense batch by batch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ironhorn import tree
from ironhorn.training.arrays import check_lengths, convert_structure, is_sparse, named_leaves, resolve_sample_weight
from ironhorn.training.batch_data import BatchData
from ironhorn.training.packing import pack_x_y_sample_weight


def has_sparse(structure: Any) -> bool:
    """Returns whether a structure of arrays holds a sparse matrix."""
    return is_sparse(structure) or (tree.is_nested(structure) and any(map(is_sparse, tree.flatten(structure))))


def from_sparse(
    x: Any,
    y: Any,
    sample_weight: Any,
    batch_size: int,
    steps_per_epoch: int | None,
    shuffle: Any,
    class_weight: dict[int, float] | None,
) -> BatchData:
    """Makes the data of arrays some of which are sparse.

    Args:
        x: Inputs.
        y: Targets, or `None`.
        sample_weight: Weights, or `None`.
        batch_size: Samples per step.
        steps_per_epoch: Steps that count as an epoch; one pass over the data when `None`.
        shuffle: `True` to draw a new order of samples each pass, `"batch"` to shuffle within each batch only.
        class_weight: Weight per class, in place of `sample_weight`.

    Raises:
        ValueError: For arrays that do not fit together.
    """
    x, y = convert_structure("x", x, sparse=True), convert_structure("y", y)
    weights = convert_structure("sample_weight", resolve_sample_weight(y, sample_weight, class_weight))
    samples = check_lengths(named_leaves("x", x) + named_leaves("y", y) + named_leaves("sample_weight", weights))
    arrays = pack_x_y_sample_weight(x, y, weights)

    def batches(skip: int) -> Iterator[Any]:
        order = np.random.permutation(samples) if shuffle and shuffle != "batch" else np.arange(samples)
        for start in range(skip * batch_size, samples, batch_size):
            rows = order[start : start + batch_size]
            if shuffle == "batch":
                rows = np.random.permutation(rows)
            yield tree.map_structure(lambda array, rows=rows: None if array is None else array[rows], arrays)

    return BatchData(batches, math.ceil(samples / batch_size), steps_per_epoch)
