"""Functions that move elements and leave them as they are.

Keras' names and arguments, Keras' rules for types.
"""

import itertools
from typing import Any

import numpy as np

from ironhorn import _core
from ironhorn.backend.dtypes import is_int_dtype
from ironhorn.errors import ShapeError, ValueRangeError
from ironhorn.ops._dispatch import op
from ironhorn.ops._values import (
    as_dtype,
    axes_of,
    axis_of,
    flattened,
    handle,
    shape_of,
    tensor,
)

__all__ = [
    "broadcast_to",
    "concatenate",
    "expand_dims",
    "flip",
    "moveaxis",
    "ravel",
    "repeat",
    "reshape",
    "split",
    "squeeze",
    "stack",
    "swapaxes",
    "take",
    "tile",
    "transpose",
    "unstack",
]


@op
def reshape(x: Any, newshape: Any) -> Any:
    """The same elements, in C order, under another shape.

    Args:
        x: array.
        newshape: lengths of the axes; one may be -1. Lengths from `ops.shape` may be symbolic.

    Raises:
        ShapeError: if the number of elements would change.
    """
    if isinstance(newshape, (_core.Tensor, np.ndarray)):
        newshape = np.asarray(newshape).tolist()
    if isinstance(newshape, (int, _core.SymbolicDim)):
        newshape = [newshape]
    x = tensor(x)
    symbols = iter([d for d in shape_of(x) if isinstance(d, _core.SymbolicDim)])
    lengths = [next(symbols, -1) if length is None else length for length in newshape]
    return handle["reshape"](x, shape=lengths)


@op
def ravel(x: Any) -> Any:
    """All elements on one axis."""
    return flattened(tensor(x))


@op
def transpose(x: Any, axes: Any = None) -> Any:
    """Permutes the axes; reverses them when `axes` is None."""
    x = tensor(x)
    order = list(reversed(range(x.ndim))) if axes is None else [axis_of(a, x.ndim) for a in axes]
    return handle["transpose"](x, axes=order)


@op
def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """Swaps two axes."""
    x = tensor(x)
    order = list(range(x.ndim))
    a, b = axis_of(axis1, x.ndim), axis_of(axis2, x.ndim)
    order[a], order[b] = order[b], order[a]
    return handle["transpose"](x, axes=order)


@op
def moveaxis(x: Any, source: Any, destination: Any) -> Any:
    """Moves axes from positions `source` to positions `destination`."""
    x = tensor(x)
    sources, destinations = axes_of(source, x.ndim), axes_of(destination, x.ndim)
    if len(sources) != len(destinations):
        raise ValueRangeError("source and destination must name as many axes")
    order = [axis for axis in range(x.ndim) if axis not in sources]
    for to, come in sorted(zip(destinations, sources, strict=True)):
        order.insert(to, come)
    return handle["transpose"](x, axes=order)


@op
def expand_dims(x: Any, axis: Any) -> Any:
    """Inserts axes of length 1 at the positions that they will have."""
    x = tensor(x)
    wanted = axis if isinstance(axis, (list, tuple)) else (axis,)
    rank = x.ndim + len(wanted)
    places = sorted(axis_of(a, rank) for a in wanted)
    shape = shape_of(x)
    for place in places:
        shape.insert(place, 1)
    return handle["reshape"](x, shape=shape)


@op
def squeeze(x: Any, axis: Any = None) -> Any:
    """Takes out axes of length 1: those named, or all.

    Raises:
        ShapeError: if a named axis is longer.
    """
    x = tensor(x)
    shape = shape_of(x)
    drop = [i for i, n in enumerate(x.shape) if n == 1] if axis is None else axes_of(axis, x.ndim)
    for a in drop:
        if x.shape[a] not in (1, None):
            raise ShapeError(f"Cannot squeeze axis {a} of shape {x.shape}: its length is not 1")
    return handle["reshape"](x, shape=[n for i, n in enumerate(shape) if i not in drop])


@op
def broadcast_to(x: Any, shape: Any) -> Any:
    """Repeats `x` along new leading axes and axes of length 1."""
    x = tensor(x)
    shape = list(shape)
    own = [None] * (len(shape) - x.ndim) + shape_of(x)
    lengths = [before if length is None else length for length, before in zip(shape, own[-len(shape) :], strict=False)]
    return handle["broadcast_to"](x, shape=lengths)


@op
def concatenate(xs: Any, axis: int = 0) -> Any:
    """Joins arrays along an axis; they must agree in every other."""
    return handle["concatenate"](*xs, axis=axis)


@op
def stack(x: Any, axis: int = 0) -> Any:
    """Joins arrays of one shape along a new axis."""
    items = [tensor(item) for item in x]
    if not items:
        raise ValueRangeError("ops.stack needs at least one array")
    return handle["concatenate"](*[expand_dims(item, axis) for item in items], axis=axis_of(axis, items[0].ndim + 1))


def _numbers(x: Any) -> list[Any]:
    """The elements of a list, or of an array."""
    return [int(i) for i in x.tolist()] if hasattr(x, "tolist") else list(x)


@op
def split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Cuts an array along an axis: into a number of equal parts, or at the given positions.

    Raises:
        ValueRangeError: if the axis cannot be cut into equal parts.
    """
    x = tensor(x)
    axis = axis_of(axis, x.ndim)
    length = x.shape[axis]
    if isinstance(indices_or_sections, int):
        if length is None or length % indices_or_sections:
            raise ValueRangeError(
                f"Axis {axis} of length {length} cannot be split into {indices_or_sections} equal parts"
            )
        step = length // indices_or_sections
        bounds = [i * step for i in range(1, indices_or_sections)]
    else:
        bounds = _numbers(indices_or_sections)
    edges: list[Any] = [None, *bounds, None]
    before: list[Any] = [None] * axis
    return [
        handle["slice"](x, starts=[*before, low], stops=[*before, high], steps=[1] * (axis + 1))
        for low, high in itertools.pairwise(edges)
    ]


@op
def unstack(x: Any, num: int | None = None, axis: int = 0) -> list[Any]:
    """The parts of an array along an axis, without that axis."""
    x = tensor(x)
    count = num if num is not None else x.shape[axis_of(axis, x.ndim)]
    if count is None:
        raise ValueRangeError("ops.unstack needs `num` for an axis of unknown length")
    return [squeeze(part, axis) for part in split(x, count, axis)] if count else []


@op
def flip(x: Any, axis: Any = None) -> Any:
    """Reverses the order along axes; along all when axis is None."""
    x = tensor(x)
    axes = axes_of(axis, x.ndim)
    none: list[Any] = [None] * x.ndim
    return handle["slice"](x, starts=none, stops=none, steps=[-1 if a in axes else 1 for a in range(x.ndim)])


@op
def tile(x: Any, repeats: Any) -> Any:
    """Repeats a whole array `repeats[k]` times along axis `k`."""
    x = tensor(x)
    counts = [repeats] if isinstance(repeats, (int, _core.SymbolicDim)) else _numbers(repeats)
    counts = [1] * (x.ndim - len(counts)) + counts
    shape = [1] * (len(counts) - x.ndim) + shape_of(x)
    thin: list[Any] = []
    wide: list[Any] = []
    for count, length in zip(counts, shape, strict=True):
        thin += [1, length]
        wide += [count, length]
    spread = handle["broadcast_to"](handle["reshape"](x, shape=thin), shape=wide)
    return handle["reshape"](spread, shape=[c * n for c, n in zip(counts, shape, strict=True)])


@op
def repeat(x: Any, repeats: Any, axis: int | None = None) -> Any:
    """Repeats every element along an axis; of the flattened array when axis is None.

    Args:
        x: array.
        repeats: how often: a number, or one for every element of the axis (known while tracing).
        axis: the axis.

    Raises:
        ShapeError: if the numbers are not as many as the axis is long.
    """
    x = tensor(x)
    if axis is None:
        x, axis = flattened(x), 0
    axis = axis_of(axis, x.ndim)
    shape = shape_of(x)
    if not isinstance(repeats, (int, _core.SymbolicDim)):
        counts = np.asarray(repeats)
        if counts.size != 1:
            if counts.ndim != 1 or counts.size != x.shape[axis]:
                raise ShapeError(
                    f"ops.repeat takes a number or {x.shape[axis]} of them for axis {axis}, got {counts.size}"
                )
            return handle["take"](x, np.repeat(np.arange(counts.size, dtype="int32"), counts), axis=axis)
        repeats = int(counts.reshape(()))
    thin = [*shape[: axis + 1], 1, *shape[axis + 1 :]]
    wide = [*shape[: axis + 1], repeats, *shape[axis + 1 :]]
    spread = handle["broadcast_to"](handle["reshape"](x, shape=thin), shape=wide)
    return handle["reshape"](spread, shape=[*shape[:axis], shape[axis] * repeats, *shape[axis + 1 :]])


@op
def take(x: Any, indices: Any, axis: int | None = None) -> Any:
    """Picks elements along an axis by index; negative indices count from the end.

    Raises:
        IndexRangeError: for an index outside the axis.
    """
    x = tensor(x)
    indices = tensor(indices)
    if not is_int_dtype(indices.dtype):
        indices = as_dtype(indices, "int32")
    if axis is None:
        x, axis = flattened(x), 0
    return handle["take"](x, indices, axis=axis_of(axis, x.ndim))
