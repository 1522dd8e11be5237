"""`x[key]` for tensors: NumPy's indexing with ints, slices, None, Ellipsis, integer arrays and boolean masks."""

import operator
from typing import Any

import numpy as np

from ironhorn import _core
from ironhorn.errors import DTypeError, IndexRangeError, ShapeError, TracedValueError
from ironhorn.ops._dispatch import FUNCTIONS

__all__ = ["get_item"]


_slice = _core.op("slice")
_reshape = _core.op("reshape")
_transpose = _core.op("transpose")
_take = _core.op("take")
_cast = _core.op("cast")
_add = _core.op("add")
_multiply = _core.op("multiply")
_less = _core.op("less")
_greater_equal = _core.op("greater_equal")
_either = _core.op("logical_or")
_select = _core.op("select")

# What stands for an axis of the result: the axes that index arrays give, a new one, or an axis of the tensor.
_ARRAYS = -1
_NEW = -2


def _is_array(item: Any) -> bool:
    return isinstance(item, (_core.Tensor, _core.VariableStorage, np.ndarray, list))


def getitem(x: Any, key: Any) -> Any:
    """The elements of `x` that `key` selects.

    Args:
        x: tensor.
        key: what NumPy takes. Bounds of slices and indices may be lengths from `ops.shape` while a model is traced.

    Raises:
        IndexRangeError: for an index outside its axis.
        TracedValueError: for a mask that is not known while tracing.
    """
    items = _expand(x, list(key) if isinstance(key, tuple) else [key])
    advanced = any(_is_array(item) and _rank(item) > 0 for item in items)
    starts: list[Any] = []
    stops: list[Any] = []
    steps: list[int] = []
    arrays: list[tuple[int, Any]] = []
    layout: list[int] = []
    axis = 0
    for item in items:
        if item is None:
            layout.append(_NEW)
            continue
        start, stop, step = None, None, 1
        if isinstance(item, slice):
            start, stop = _bound(item.start), _bound(item.stop)
            step = 1 if item.step is None else operator.index(item.step)
            layout.append(axis)
        elif _is_array(item) and (_rank(item) > 0 or (isinstance(item, _core.Tensor) and item.is_traced)):
            arrays.append((axis, _integers(item)))
            layout.append(_ARRAYS)
        elif isinstance(item, _core.NegatedDim):
            arrays.append((axis, _core.tensor(item)))
            layout.append(_ARRAYS)
        else:
            index = item if isinstance(item, _core.SymbolicDim) else _checked(x, axis, operator.index(item))
            if advanced:
                arrays.append((axis, _core.tensor(index)))
                layout.append(_ARRAYS)
            else:
                start, stop = index, None if isinstance(index, int) and index == -1 else index + 1
        starts.append(start)
        stops.append(stop)
        steps.append(step)
        axis += 1
    cut = any(bound is not None for bound in (*starts, *stops)) or any(step != 1 for step in steps)
    result = _slice(x, starts=starts, stops=stops, steps=steps) if cut else x
    if arrays:
        return _gather(result, arrays, layout)
    if len(layout) != len(starts) or _NEW in layout:
        lengths = _core.symbolic_shape(result)
        shape = [1 if entry == _NEW else lengths[entry] for entry in layout]
        result = _reshape(result, shape=[*shape, *lengths[axis:]])
    return result


def _expand(x: Any, items: list[Any]) -> list[Any]:
    """The key with slices for the Ellipsis, and integer arrays for masks."""
    spread: list[Any] = []
    for item in items:
        if isinstance(item, (bool, np.bool_)) or (_is_array(item) and _dtype(item) == "bool"):
            spread.extend(_places(item))
        else:
            spread.append(item)
    consumed = sum(1 for item in spread if item is not None and item is not Ellipsis)
    if consumed > x.ndim:
        raise IndexRangeError(f"{consumed} indices for a tensor of shape {x.shape}")
    dots = [i for i, item in enumerate(spread) if item is Ellipsis]
    if len(dots) > 1:
        raise IndexRangeError("an index may have one Ellipsis, got more")
    if dots:
        spread[dots[0] : dots[0] + 1] = [slice(None)] * (x.ndim - consumed)
    offset = 0
    for item in items:
        if _is_array(item) and _dtype(item) == "bool":
            _check_mask(x, offset, item)
            offset += _rank(item)
        elif item is Ellipsis:
            offset += x.ndim - consumed
        elif item is not None:
            offset += 1
    return spread


def _check_mask(x: Any, axis: int, mask: Any) -> None:
    shape = tuple(np.shape(mask)) if not isinstance(mask, _core.Tensor) else mask.shape
    covered = x.shape[axis : axis + len(shape)]
    if any(length is not None and length != given for length, given in zip(covered, shape, strict=False)):
        raise ShapeError(
            f"a mask of shape {shape} does not fit axes of lengths {covered} of a tensor of shape {x.shape}"
        )


def _places(mask: Any) -> tuple[Any, ...]:
    if isinstance(mask, _core.Tensor) and mask.is_traced:
        raise TracedValueError(
            "The number of elements that a boolean mask selects is not known while tracing; use ops.where(mask, x, 0)"
        )
    known = np.asarray(mask.read() if isinstance(mask, _core.VariableStorage) else mask)
    if known.ndim == 0:
        raise IndexRangeError("a single boolean is no index; use ops.where or ops.cond")
    return tuple(_core.tensor(places.astype("int32")) for places in np.nonzero(known))


def _gather(x: Any, arrays: list[tuple[int, Any]], layout: list[int]) -> Any:
    """Elements by index arrays that are broadcast against each other, after all slices were cut."""
    lengths = _core.symbolic_shape(x)
    picked = [axis for axis, _ in arrays]
    rest = [axis for axis in range(x.ndim) if axis not in picked]
    # Arrays side by side leave their axes where they stood; others put them first.
    spots = [i for i, entry in enumerate(layout) if entry == _ARRAYS]
    together = spots == list(range(spots[0], spots[0] + len(spots)))
    before = picked[0] if together else 0
    order = [*rest[:before], *picked, *rest[before:]]
    if order != list(range(x.ndim)):
        x = _transpose(x, axes=order)
    indices, total = arrays[0][1], lengths[picked[0]]
    if len(arrays) > 1:
        indices, total = _merged([index for _, index in arrays], [lengths[axis] for axis in picked])
        sides = [[lengths[axis] for axis in part] for part in (rest[:before], rest[before:])]
        x = _reshape(x, shape=[*sides[0], total, *sides[1]])
    result = _take(x, indices, axis=before)
    found = list(_core.symbolic_shape(indices))
    shape: list[Any] = [] if together else list(found)
    for i, entry in enumerate(layout):
        if entry == _NEW:
            shape.append(1)
        elif entry != _ARRAYS:
            shape.append(lengths[entry])
        elif together and i == spots[0]:
            shape += found
    used = sum(1 for entry in layout if entry != _NEW)
    shape += lengths[used:]
    return _reshape(result, shape=shape) if _NEW in layout else result


def _merged(indices: list[Any], lengths: list[Any]) -> tuple[Any, Any]:
    """Several indices as one into all their axes, in C order; past the end where one is out of range."""
    total: Any = 1
    for length in lengths:
        total = total * length
    wide = "int64" if isinstance(total, int) and total > np.iinfo("int32").max else "int32"
    place: Any = None
    outside: Any = None
    for index, length in zip(indices, lengths, strict=True):
        index = _cast(index, dtype=wide)
        size = _core.tensor(length, wide)
        index = _select(_less(index, 0), _add(index, size), index)
        wrong = _either(_less(index, 0), _greater_equal(index, size))
        place = index if place is None else _add(_multiply(place, size), index)
        outside = wrong if outside is None else _either(outside, wrong)
    return _select(outside, _core.tensor(total, wide), place), total


def _integers(item: Any) -> Any:
    if isinstance(item, list) and not item:
        return _core.tensor(np.zeros(0, "int32"))
    index = _core.tensor(item)
    if not index.dtype.startswith(("int", "uint")):
        raise DTypeError(f"indices must be integers or booleans, got {index.dtype}; cast them first")
    return index


def _checked(x: Any, axis: int, index: int) -> int:
    length = x.shape[axis]
    if length is not None and not -length <= index < length:
        raise IndexRangeError(f"index {index} is out of range for axis {axis} of a tensor of shape {x.shape}")
    return index


def _bound(bound: Any) -> Any:
    if bound is None or isinstance(bound, (_core.SymbolicDim, _core.NegatedDim)):
        return bound
    return operator.index(bound)


def _rank(item: Any) -> int:
    return item.ndim if hasattr(item, "ndim") else np.ndim(item)


def _dtype(item: Any) -> str:
    if isinstance(item, list):
        # A list of tensors is one of integers, or an error that its conversion gives.
        return "list" if any(isinstance(part, _core.Tensor) for part in item) else str(np.asarray(item).dtype)
    return str(item.dtype)


def get_item(x: Any, key: Any) -> Any:
    """`x[key]`."""
    return _core.tensor(x)[key] if isinstance(x, (np.ndarray, list, tuple)) else x[key]


FUNCTIONS["get_item"] = get_item
