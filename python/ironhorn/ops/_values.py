"""What the functions of `ironhorn.ops` share: handles of native ops, shapes, axes, types."""

from typing import Any

from ironhorn import _core
from ironhorn.backend.config import floatx
from ironhorn.backend.dtypes import is_float_dtype
from ironhorn.errors import IndexRangeError

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
    return handle["broadcast_to"](_core.tensor(value, dtype), shape=shape)
