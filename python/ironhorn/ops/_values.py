"""What the functions of `ironhorn.ops` share: handles of native ops, shapes, axes, types."""

from typing import Any

import numpy as np

from ironhorn import _core
from ironhorn.backend.config import floatx
from ironhorn.backend.dtypes import is_float_dtype
from ironhorn.errors import IndexRangeError
from ironhorn.ops._dispatch import op

handle = {name: _core.op(name) for name in _core.op_names()}


def tensor(x: Any) -> Any:
    return x if isinstance(x, _core.Tensor) else _core.tensor(x)


def shape_of(x: Any) -> list[Any]:
    """Lengths of the axes: ints, or symbols while tracing."""
    return list(_core.symbolic_shape(x))


def axis_of(axis: int, rank: int) -> int:
    if not -rank <= axis < rank:
        raise IndexRangeError(f"axis {axis} is out of range for a tensor of rank {rank}; use {-rank} to {rank - 1}")
    return axis % rank if rank else 0


def axes_of(axis: Any, rank: int) -> list[int]:
    if axis is None:
        return list(range(rank))
    return [axis_of(a, rank) for a in (axis if isinstance(axis, (list, tuple)) else (axis,))]


def as_dtype(x: Any, dtype: str) -> Any:
    return x if x.dtype == dtype else handle["cast"](x, dtype=dtype)


def as_float(x: Any) -> Any:
    x = tensor(x)
    return x if is_float_dtype(x.dtype) else as_dtype(x, floatx())


def common_dtype(a: Any, b: Any) -> str:
    """The type that both operands promote to."""
    if a.dtype == b.dtype:
        return str(a.dtype)
    return str(handle["select"](True, _core.tensor(0, a.dtype), _core.tensor(0, b.dtype)).dtype)


def product_of_lengths(lengths: list[Any], axes: Any) -> Any:
    """The number of elements along some axes."""
    total: Any = 1
    for axis in axes:
        total = total * lengths[axis]
    return total


def builtin_max(a: int, b: int) -> int:
    """The larger of two Python ints (`max` is an op here)."""
    return a if a > b else b


def filled(shape: Any, value: Any, dtype: str) -> Any:
    shape = [shape] if isinstance(shape, (int, _core.SymbolicDim)) else list(shape)
    value = as_dtype(value, dtype) if isinstance(value, _core.Tensor) else _core.tensor(value, dtype)
    return handle["broadcast_to"](value, shape=shape)


def flattened(x: Any) -> Any:
    """All elements of a tensor on one axis."""
    return handle["reshape"](x, shape=[product_of_lengths(shape_of(x), range(x.ndim))])


def paired(a: Any, b: Any) -> tuple[Any, Any]:
    """Both operands in the type that they promote to. Python's numbers take the other's type where they fit."""
    x, y = tensor(a), tensor(b)
    if x.dtype == y.dtype:
        return x, y
    dtype = handle["select"](True, _core.tensor(0, x.dtype) if isinstance(a, _core.Tensor) else a, b).dtype
    return as_dtype(x, dtype), as_dtype(y, dtype)


def dtype_range(dtype: str) -> tuple[Any, Any]:
    """The smallest and the largest finite number of a type."""
    if dtype == "bfloat16":
        top = (2.0 - 2.0**-7) * 2.0**127
        return -top, top
    if is_float_dtype(dtype):
        limits = np.finfo(dtype)
        return float(limits.min), float(limits.max)
    return int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)


def elementwise_unary(name: str, summary: str) -> Any:
    """The function of one array that calls the native op of its name."""
    native = handle[name]

    def function(x: Any) -> Any:
        return native(x)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""{summary}

    Args:
        x: array of any shape.

    Returns:
        Tensor of the same shape.
    """
    return op(function)


def elementwise_binary(name: str, summary: str) -> Any:
    """The function of two arrays that calls the native op of its name."""
    native = handle[name]

    def function(x1: Any, x2: Any) -> Any:
        return native(x1, x2)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""{summary}

    Args:
        x1: array.
        x2: array whose shape broadcasts with that of `x1`.

    Returns:
        Tensor of the broadcast shape.

    Raises:
        ShapeError: if the shapes do not broadcast.
    """
    return op(function)
