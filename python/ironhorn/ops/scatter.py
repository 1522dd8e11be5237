"""Elements, rows and boxes put at places that may be known only when the program runs.

Keras' names and arguments, Keras' rules for types.
"""

from typing import Any

import numpy as np

from ironhorn import _core
from ironhorn.errors import ShapeError, ValueRangeError
from ironhorn.ops._dispatch import op
from ironhorn.ops._values import as_dtype, filled, handle, product_of_lengths, shape_of, tensor

__all__ = ["scatter", "scatter_update", "slice", "slice_update"]

_KINDS = {None: "set", "add": "add", "max": "max", "min": "min", "mul": "mul"}


def _placed(name: str, x: Any, indices: Any, updates: Any, kind: str) -> Any:
    """`x` with updates at places: `indices` has the places along its last axis."""
    if indices.ndim == 0:
        raise ShapeError(f"ops.{name}: indices need an axis of one number for each axis they name, got a number")
    *leading, depth = shape_of(indices)
    if not isinstance(depth, int) or depth > x.ndim:
        raise ShapeError(f"ops.{name}: indices of shape {indices.shape} for an array of shape {x.shape}")
    behind = shape_of(x)[depth:]
    if shape_of(updates) != [*leading, *behind]:
        updates = handle["broadcast_to"](updates, shape=[*leading, *behind])
    if len(leading) != 1:
        count = product_of_lengths(leading, range(len(leading)))
        indices = handle["reshape"](indices, shape=[count, depth])
        updates = handle["reshape"](updates, shape=[count, *behind])
    return handle["scatter_nd"](x, indices, updates, kind=kind)


@op
def scatter(indices: Any, values: Any, shape: Any) -> Any:
    """Zeros with values at some places; values of one place are added.

    Args:
        indices: integers of shape `(..., depth)`: each names a place of the first `depth` axes. Negative ones count
            from the end.
        values: array of shape `indices.shape[:-1] + shape[depth:]`.
        shape: the result's shape.

    Raises:
        IndexRangeError: for a place outside of the shape.
        ShapeError: if the shapes do not fit.

    Example:
        >>> scatter([[0, 1], [1, 1], [0, 1]], [1.0, 2.0, 3.0], (2, 2)).numpy().tolist()
        [[0.0, 4.0], [0.0, 2.0]]
    """
    values = tensor(values)
    lengths = [shape] if isinstance(shape, (int, _core.SymbolicDim)) else list(shape)
    return _placed("scatter", filled(lengths, 0, values.dtype), tensor(indices), values, "add")


@op
def scatter_update(inputs: Any, indices: Any, updates: Any, reduction: str | None = None) -> Any:
    """An array with updates at some places.

    Args:
        inputs: array.
        indices: integers of shape `(..., depth)`: each names a place of the first `depth` axes. Negative ones count
            from the end.
        updates: array that broadcasts to `indices.shape[:-1] + inputs.shape[depth:]`; it takes the type of `inputs`.
        reduction: what an update does to what is there: None replaces it (of several updates of a place the last
            stays), "add", "max", "min" and "mul" combine them.

    Returns:
        Tensor of shape and type of `inputs`.

    Raises:
        IndexRangeError: for a place outside of the array.
        ShapeError: if the shapes do not fit.
        ValueRangeError: for an unknown reduction.

    Example:
        >>> scatter_update([0, 0, 0], [[0], [2], [2]], [5, 1, 2], reduction="add").numpy().tolist()
        [5, 0, 3]
    """
    kind = _KINDS.get(reduction.lower() if isinstance(reduction, str) else reduction)
    if kind is None:
        raise ValueRangeError(
            f"ops.scatter_update: reduction must be None, 'add', 'max', 'min' or 'mul', got {reduction!r}"
        )
    inputs = tensor(inputs)
    return _placed("scatter_update", inputs, tensor(indices), as_dtype(tensor(updates), inputs.dtype), kind)


def _corner(start_indices: Any) -> Any:
    """Start indices as one vector."""
    if not isinstance(start_indices, (list, tuple)):
        return tensor(start_indices)
    if not start_indices:
        return tensor(np.zeros(0, "int32"))
    numbers = [as_dtype(tensor(start), "int32") for start in start_indices]
    return handle["concatenate"](*[handle["reshape"](number, shape=[1]) for number in numbers], axis=0)


@op
def slice(inputs: Any, start_indices: Any, shape: Any) -> Any:
    """A box of an array, from a corner that may be computed.

    Args:
        inputs: array.
        start_indices: where the box starts along each axis: numbers, scalars, or one vector of integers. Negative ones
            count from the end. A box that would reach out of the array is moved so that it lies in it.
        shape: the lengths of the box; -1 goes to the end of an axis whose start is a number.

    Raises:
        ShapeError: if the box is larger than the array, or for -1 where the start is computed.

    Example:
        >>> slice(np.arange(9).reshape(3, 3), [1, 0], (2, 2)).numpy().tolist()
        [[3, 4], [6, 7]]
    """
    inputs = tensor(inputs)
    lengths = [shape] if isinstance(shape, (int, _core.SymbolicDim)) else list(shape)
    lengths = [length if isinstance(length, _core.SymbolicDim) else int(length) for length in lengths]
    for axis, length in enumerate(lengths):
        if isinstance(length, int) and length == -1:
            start = start_indices[axis]
            if isinstance(start, _core.Tensor) and start.is_traced:
                raise ShapeError(
                    f"ops.slice: the box's length along axis {axis} is -1, but its start is not known; give it"
                )
            lengths[axis] = shape_of(inputs)[axis] - (start if isinstance(start, _core.SymbolicDim) else int(start))
    return handle["dynamic_slice"](inputs, _corner(start_indices), shape=lengths)


@op
def slice_update(inputs: Any, start_indices: Any, updates: Any) -> Any:
    """An array with a box of it replaced, from a corner that may be computed.

    Args:
        inputs: array.
        start_indices: where the box starts along each axis: numbers, scalars, or one vector of integers. Negative ones
            count from the end. A box that would reach out of the array is moved so that it lies in it.
        updates: the box, with as many axes as `inputs`; it takes the type of `inputs`.

    Returns:
        Tensor of shape and type of `inputs`.

    Raises:
        ShapeError: if the box is larger than the array.
    """
    inputs = tensor(inputs)
    return handle["slice_update"](inputs, _corner(start_indices), as_dtype(tensor(updates), inputs.dtype))
