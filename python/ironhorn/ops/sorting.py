"""Order: sorting, places in a sorted vector, membership, distinct elements, elements picked by positions.

Keras' names and arguments, Keras' rules for types.
"""

from typing import Any

import numpy as np

from ironhorn import _core
from ironhorn.backend.dtypes import is_int_dtype
from ironhorn.errors import DTypeError, ShapeError, TracedValueError, UnsupportedError, ValueRangeError
from ironhorn.ops._dispatch import op
from ironhorn.ops._values import as_dtype, axis_of, common_dtype, filled, handle, shape_of, tensor

__all__ = [
    "argpartition",
    "argsort",
    "digitize",
    "isin",
    "nonzero",
    "searchsorted",
    "sort",
    "take_along_axis",
    "unique",
    "unravel_index",
]


def _flat(x: Any, axis: int | None) -> tuple[Any, int]:
    """The array and its axis; all elements on one axis when axis is None."""
    if axis is None:
        return handle["reshape"](x, shape=[-1]), 0
    return x, axis_of(axis, x.ndim)


@op
def sort(x: Any, axis: int | None = -1) -> Any:
    """Elements along an axis in ascending order, NaN last; of the flattened array when axis is None.

    Example:
        >>> sort([[3, 1, 2]]).numpy().tolist()
        [[1, 2, 3]]
    """
    x, axis = _flat(tensor(x), axis)
    return handle["sort"](x, axis=axis)[0]


@op
def argsort(x: Any, axis: int | None = -1) -> Any:
    """Positions, as int32, of the elements along an axis in ascending order, NaN last; equal elements keep their order.

    Args:
        x: array.
        axis: the axis; None sorts the flattened array.

    Example:
        >>> argsort([[3, 1, 2]]).numpy().tolist()
        [[1, 2, 0]]
    """
    x = tensor(x)
    x, axis = _flat(x, None if x.ndim == 0 else axis)
    return handle["sort"](x, axis=axis)[1]


@op
def argpartition(x: Any, kth: Any, axis: int | None = -1) -> Any:
    """Positions, as int32, that put element `kth` of an axis where sorting would, the smaller ones before it.

    The other elements are in order as well, which callers should not count on.

    Args:
        x: array.
        kth: a number, or several; negative ones count from the end.
        axis: the axis; None partitions the flattened array.

    Raises:
        ValueRangeError: for a `kth` outside of the axis.
    """
    x, axis = _flat(tensor(x), axis)
    length = x.shape[axis]
    for place in np.atleast_1d(np.asarray(kth)).tolist():
        if not isinstance(place, int):
            raise DTypeError(f"ops.argpartition: kth must be an integer, got {kth!r}")
        if length is not None and not -length <= place < length:
            raise ValueRangeError(f"ops.argpartition: kth {place} is out of range for an axis of {length} elements")
    return handle["sort"](x, axis=axis)[1]


@op
def searchsorted(sorted_sequence: Any, values: Any, side: str = "left") -> Any:
    """Where values would be put into a sorted vector so that it stays sorted, as int32.

    Args:
        sorted_sequence: vector in ascending order, NaN last.
        values: array of any shape.
        side: "left" is before equal elements, "right" behind them.

    Returns:
        Places, of the shape of `values`.

    Raises:
        ShapeError: if `sorted_sequence` is not a vector.

    Example:
        >>> searchsorted([1.0, 2.0, 2.0, 5.0], [2.0, 9.0]).numpy().tolist()
        [1, 4]
    """
    return handle["search_sorted"](sorted_sequence, values, side=side)


@op
def digitize(x: Any, bins: Any) -> Any:
    """The number of the bin that each element falls into, as int32: `bins[i - 1] <= x < bins[i]`.

    Args:
        x: array.
        bins: vector of edges in ascending order; in descending order they mean `bins[i - 1] > x >= bins[i]`.

    Returns:
        Numbers from 0 (before the first edge) to `len(bins)`, of the shape of `x`.

    Raises:
        ShapeError: if `bins` is not a vector.
    """
    bins = tensor(bins)
    if bins.ndim != 1:
        raise ShapeError(f"ops.digitize: bins must be a vector, got shape {bins.shape}")
    if not bins.is_traced:
        edges = bins.numpy()
        descending = len(edges) > 1 and bool(edges[0] > edges[-1])
        return _digitized(bins, x, descending)
    first, last = (handle["take"](bins, np.array(place, "int32"), axis=0) for place in (0, -1))
    return handle["select"](handle["greater"](first, last), _digitized(bins, x, True), _digitized(bins, x, False))


def _digitized(bins: Any, x: Any, descending: bool) -> Any:
    if not descending:
        return handle["search_sorted"](bins, x, side="right")
    backwards = handle["slice"](bins, starts=[None], stops=[None], steps=[-1])
    above = handle["subtract"](shape_of(bins)[0], handle["search_sorted"](backwards, x, side="right"))
    return as_dtype(above, "int32")


@op
def isin(x1: Any, x2: Any, assume_unique: bool = False, invert: bool = False) -> Any:
    """Whether each element of `x1` is among the elements of `x2`. A NaN is not.

    Args:
        x1: array.
        x2: array.
        assume_unique: a promise that no element comes twice; the result does not depend on it.
        invert: whether to say which are not among them.

    Returns:
        Booleans of the shape of `x1`.
    """
    x1, x2 = tensor(x1), tensor(x2)
    dtype = common_dtype(x1, x2)
    x1, x2 = as_dtype(x1, dtype), as_dtype(x2, dtype)
    known, _ = handle["sort"](handle["reshape"](x2, shape=[-1]), axis=0)
    first = handle["search_sorted"](known, x1, side="left")
    found = handle["less"](first, handle["search_sorted"](known, x1, side="right"))
    found = handle["logical_and"](found, handle["equal"](x1, x1))
    return handle["logical_not"](found) if invert else found


@op
def take_along_axis(x: Any, indices: Any, axis: int | None = None) -> Any:
    """Picks elements along an axis, each by an index of its own: what `argsort` or `argmax` found.

    Args:
        x: array.
        indices: integers, with as many axes as `x`; along every axis but `axis` the lengths are equal or one of them
            is 1. Negative ones count from the end.
        axis: the axis; None picks from the flattened array by a vector of indices.

    Returns:
        Tensor of the shape of `indices` (broadcast against `x` along the other axes).

    Raises:
        IndexRangeError: for an index outside of the axis.
        ShapeError: if the shapes do not fit.

    Example:
        >>> x = np.array([[3, 1, 2], [5, 4, 6]])
        >>> take_along_axis(x, argsort(x), axis=1).numpy().tolist()
        [[1, 2, 3], [4, 5, 6]]
    """
    x, indices = tensor(x), tensor(indices)
    if not is_int_dtype(indices.dtype):
        raise DTypeError(f"ops.take_along_axis: indices must be integers, got {indices.dtype}; cast them first")
    wanted = 1 if axis is None else x.ndim
    x, axis = _flat(x, axis)
    if indices.ndim != wanted:
        raise ShapeError(
            f"ops.take_along_axis: indices of shape {indices.shape} for an array of shape {x.shape} along axis {axis}; "
            f"they need {wanted} axes"
        )
    of_x, of_indices = shape_of(x), shape_of(indices)
    for place, (a, b) in enumerate(zip(of_x, of_indices, strict=True)):
        if place != axis and isinstance(a, int) and a == 1:
            of_x[place] = b
        elif place != axis and isinstance(b, int) and b == 1:
            of_indices[place] = a
    x, indices = (
        array if lengths == shape_of(array) else handle["broadcast_to"](array, shape=lengths)
        for array, lengths in ((x, of_x), (indices, of_indices))
    )
    return handle["take_along"](x, indices, axis=axis)


@op
def unravel_index(indices: Any, shape: Any) -> Any:
    """Indices along every axis of an array of `shape`, from indices into its elements in C order.

    Args:
        indices: integers; negative ones count from the end, and what is out of range names the first or last element.
        shape: lengths of the axes.

    Returns:
        Tuple of tensors like `indices`, one for each axis.
    """
    indices = tensor(indices)
    lengths = [shape] if isinstance(shape, (int, _core.SymbolicDim)) else list(shape)
    count: Any = 1
    for length in lengths:
        count = count * length
    wide = as_dtype(indices, "int64" if indices.dtype in ("int64", "uint64", "uint32") else "int32")
    wide = handle["select"](handle["less"](wide, 0), handle["add"](wide, count), wide)
    wide = handle["maximum"](handle["minimum"](wide, count - 1), 0)
    found = []
    for length in reversed(lengths):
        found.append(as_dtype(handle["mod"](wide, length), indices.dtype))
        wide = handle["floor_divide"](wide, length)
    return tuple(reversed(found))


@op
def nonzero(x: Any) -> Any:
    """Positions of the elements that are not zero, as int32: one vector for each axis.

    Raises:
        TracedValueError: while tracing, as the number of positions depends on the data.
    """
    x = tensor(x)
    if x.is_traced:
        raise TracedValueError(
            "How many positions ops.nonzero finds is not known while tracing; use ops.where(condition, x1, x2), "
            "ops.count_nonzero, or call it on data before the model"
        )
    return tuple(tensor(places.astype("int32")) for places in np.nonzero(x.numpy()))


@op
def unique(
    x: Any,
    sorted: bool = True,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    size: int | None = None,
    fill_value: Any = None,
) -> Any:
    """The distinct elements of an array, in ascending order. Every NaN is distinct.

    Args:
        x: array.
        sorted: must they be in order; they always are.
        return_index: whether to give where each came first.
        return_inverse: whether to give, for each element of `x`, which distinct one it is.
        return_counts: whether to give how often each came.
        axis: the axis along which slices are compared; None compares all elements.
        size: how many to give: surplus ones are left out, missing ones filled. Needed while tracing.
        fill_value: what missing ones are filled with; the first distinct element by default. Missing indices are filled
            with the first one's, missing counts with 0.

    Returns:
        The distinct elements, or a tuple of them and of what else was asked for (int32), in the order of the arguments.

    Raises:
        TracedValueError: while tracing without `size`.
        UnsupportedError: while tracing with an axis.
    """
    x = tensor(x)
    if x.is_traced:
        if size is None:
            raise TracedValueError(
                "How many distinct elements ops.unique finds is not known while tracing; give size=, "
                "or call it on data before the model"
            )
        if axis is not None and x.ndim > 1:
            raise UnsupportedError("ops.unique along an axis is not traced; call it on data before the model")
        results = _traced_unique(x, int(size), fill_value)
    else:
        results = _eager_unique(x, axis, size, fill_value)
    wanted = (True, return_index, return_inverse, return_counts)
    chosen = [result for result, chosen in zip(results, wanted, strict=True) if chosen]
    return chosen[0] if len(chosen) == 1 else tuple(chosen)


def _eager_unique(x: Any, axis: int | None, size: int | None, fill_value: Any) -> list[Any]:
    found = np.unique(x.numpy(), return_index=True, return_inverse=True, return_counts=True, axis=axis, equal_nan=False)
    values, index, inverse, counts = (np.asarray(part) for part in found)
    if size is not None:
        place = 0 if axis is None else axis_of(axis, x.ndim)
        kept = np.minimum(np.arange(size), max(len(counts) - 1, 0))
        missing = np.arange(size) >= len(counts)
        index, counts = (np.take(part, kept) if len(part) else np.zeros(size, "int32") for part in (index, counts))
        first = np.take(values, [0] * size, place) if values.shape[place] else None
        if first is None:
            first = np.zeros((*values.shape[:place], size, *values.shape[place + 1 :]), values.dtype)
        fill = first if fill_value is None else np.full_like(first, fill_value)
        values = np.take(values, kept, place) if values.shape[place] else fill
        values = np.where(missing.reshape([-1 if i == place else 1 for i in range(values.ndim)]), fill, values)
        index = np.where(missing, index[:1] if len(index) else 0, index)
        counts = np.where(missing, 0, counts)
    return [_core.tensor(values, x.dtype), *(tensor(part.astype("int32")) for part in (index, inverse, counts))]


def _traced_unique(x: Any, size: int, fill_value: Any) -> list[Any]:
    """The distinct elements by sorting: where a sorted element differs from the one before, another group begins."""
    ordered, positions = handle["sort"](handle["reshape"](x, shape=[-1]), axis=0)
    length = shape_of(ordered)[0]
    number = handle["iota"](shape=[length], axis=0, dtype="int32")
    first, early = (handle["slice"](ordered, starts=[None], stops=[stop], steps=[1]) for stop in (1, -1))
    before = handle["concatenate"](first, early, axis=0)
    before = handle["reshape"](before, shape=[length])
    begins = handle["logical_or"](handle["equal"](number, 0), handle["not_equal"](ordered, before))
    group = handle["subtract"](handle["cumulate"](as_dtype(begins, "int32"), kind="sum", axis=0), 1)
    places = handle["reshape"](group, shape=[length, 1])
    largest = 2**31 - 1

    def grouped(start: Any, updates: Any, kind: str) -> Any:
        return handle["scatter_nd"](start, places, updates, kind=kind, drop=True)

    spread = {"shape": [size]}
    fill = handle["broadcast_to"](first, **spread) if fill_value is None else filled([size], fill_value, x.dtype)
    values = grouped(fill, ordered, "set")
    index = grouped(filled([size], largest, "int32"), positions, "min")
    earliest = handle["slice"](positions, starts=[None], stops=[1], steps=[1])
    index = handle["select"](handle["equal"](index, largest), handle["broadcast_to"](earliest, **spread), index)
    counts = grouped(filled([size], 0, "int32"), filled([length], 1, "int32"), "add")
    back = handle["reshape"](positions, shape=[length, 1])
    inverse = handle["scatter_nd"](filled([length], 0, "int32"), back, group, kind="set")
    return [values, index, handle["reshape"](inverse, shape=shape_of(x)), counts]
