"""`x[key]` for tensors: NumPy's indexing with ints, slices, None, Ellipsis, and one integer or boolean array."""

import operator
from typing import Any

import numpy as np

from ironhorn import _core
from ironhorn.errors import IndexRangeError, TracedValueError, UnsupportedError
from ironhorn.ops._dispatch import FUNCTIONS

__all__ = ["get_item"]


_slice = _core.op("slice")
_reshape = _core.op("reshape")
_take = _core.op("take")


def _is_array(item: Any) -> bool:
    return isinstance(item, (_core.Tensor, _core.VariableStorage, np.ndarray, list))


def getitem(x: Any, key: Any) -> Any:
    """The elements of `x` that `key` selects.

    Raises:
        IndexRangeError: for an index outside its axis.
        UnsupportedError: for more than one index array.
    """
    items = list(key) if isinstance(key, tuple) else [key]
    if len(items) == 1 and _is_array(items[0]) and _dtype(items[0]) == "bool":
        return _boolean(x, items[0])
    consumed = sum(1 for item in items if item is not None and item is not Ellipsis)
    if consumed > x.ndim:
        raise IndexRangeError(f"{consumed} indices for a tensor of shape {x.shape}")
    if Ellipsis in [item for item in items if not _is_array(item)]:
        at = next(i for i, item in enumerate(items) if item is Ellipsis)
        items[at : at + 1] = [slice(None)] * (x.ndim - consumed)
    dims = _core.symbolic_shape(x)
    starts: list[Any] = []
    stops: list[Any] = []
    steps: list[int] = []
    keep: list[Any] = []  # per axis of the result: "axis", "new"
    arrays: list[tuple[int, Any]] = []
    axis = 0
    for item in items:
        if item is None:
            keep.append("new")
            continue
        if isinstance(item, slice):
            starts.append(_index(item.start))
            stops.append(_index(item.stop))
            steps.append(1 if item.step is None else int(item.step))
            keep.append(axis)
        elif _is_array(item) and _rank(item) > 0:
            if _dtype(item) == "bool":
                raise UnsupportedError("A boolean array cannot be combined with other indices; use ops.where")
            arrays.append((len([k for k in keep if k != "new"]), item))
            starts.append(None)
            stops.append(None)
            steps.append(1)
            keep.append(axis)
        else:
            if isinstance(item, _core.Tensor) and item.is_traced:
                arrays.append((-1 - axis, item))
                starts.append(None)
                stops.append(None)
                steps.append(1)
                keep.append(axis)
                axis += 1
                continue
            index = operator.index(item)
            length = x.shape[axis]
            if length is not None and not -length <= index < length:
                raise IndexRangeError(f"index {index} is out of range for axis {axis} of a tensor of shape {x.shape}")
            starts.append(index)
            stops.append(index + 1 if index != -1 else None)
            steps.append(1)
        axis += 1
    result = x
    if any(s is not None for s in starts) or any(s is not None for s in stops) or any(s != 1 for s in steps):
        result = _slice(x, starts=starts, stops=stops, steps=steps)
    cut = _core.symbolic_shape(result)
    kept = [axis_ for axis_ in keep if axis_ != "new"]
    dropped = [i for i in range(len(starts)) if i not in kept]
    if dropped or "new" in keep:
        shape: list[Any] = []
        for item in keep:
            shape.append(1 if item == "new" else cut[item])
        shape += [cut[i] for i in range(len(starts), len(dims))]
        result = _reshape(result, shape=shape)
    if arrays:
        if len(arrays) > 1:
            raise UnsupportedError(
                "More than one index array is not supported; use ops.take on one axis after the other"
            )
        position, indices = arrays[0]
        if position < 0:
            position = kept.index(-1 - position)
        offset = [i for i, item in enumerate(keep) if item != "new"][position]
        result = _take(result, indices, axis=offset)
    return result


def _index(bound: Any) -> Any:
    if bound is None:
        return None
    if isinstance(bound, _core.SymbolicDim):
        raise UnsupportedError(
            "A slice bound that depends on a symbolic length is not supported; use negative bounds or ops.take"
        )
    return operator.index(bound)


def _rank(item: Any) -> int:
    return item.ndim if hasattr(item, "ndim") else np.ndim(item)


def _dtype(item: Any) -> str:
    return str(getattr(item, "dtype", None) or np.asarray(item).dtype)


def _boolean(x: Any, mask: Any) -> Any:
    if (isinstance(mask, _core.Tensor) and mask.is_traced) or (isinstance(x, _core.Tensor) and x.is_traced):
        raise TracedValueError(
            "The number of elements that a boolean mask selects is not known while tracing; use ops.where(mask, x, 0)"
        )
    return _core.tensor(np.asarray(x)[np.asarray(mask)])


def get_item(x: Any, key: Any) -> Any:
    """`x[key]`."""
    return _core.tensor(x)[key] if isinstance(x, (np.ndarray, list, tuple)) else x[key]


FUNCTIONS["get_item"] = get_item
