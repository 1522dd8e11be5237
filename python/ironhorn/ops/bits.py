"""Integers as bits, common divisors and multiples, and bytes read as other types.

Keras' names and arguments, Keras' rules for types.
"""

from typing import Any

from ironhorn.backend.dtypes import is_float_dtype, standardize_dtype
from ironhorn.errors import DTypeError
from ironhorn.ops._dispatch import op
from ironhorn.ops._values import as_dtype, dtype_range, handle, paired, tensor

__all__ = [
    "bitwise_and",
    "bitwise_invert",
    "bitwise_left_shift",
    "bitwise_not",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "gcd",
    "lcm",
    "left_shift",
    "right_shift",
    "saturate_cast",
    "view",
]

_LOGICAL = {"bitwise_and": "logical_and", "bitwise_or": "logical_or", "bitwise_xor": "logical_xor"}


def _integers(name: str, x1: Any, x2: Any) -> Any:
    a, b = paired(x1, x2)
    if is_float_dtype(a.dtype):
        raise DTypeError(f"ops.{name} takes integers and booleans, got {a.dtype}; cast the arguments first")
    if a.dtype == "bool":
        if name in _LOGICAL:
            return handle[_LOGICAL[name]](a, b)
        if name not in ("left_shift", "right_shift"):
            raise DTypeError(f"ops.{name} takes integers, got bool; cast the arguments first")
        a, b = as_dtype(a, "int32"), as_dtype(b, "int32")
    return handle[name](a, b)


@op
def bitwise_and(x: Any, y: Any) -> Any:
    """The bits that are set in both."""
    return _integers("bitwise_and", x, y)


@op
def bitwise_or(x: Any, y: Any) -> Any:
    """The bits that are set in either."""
    return _integers("bitwise_or", x, y)


@op
def bitwise_xor(x: Any, y: Any) -> Any:
    """The bits that are set in exactly one of two."""
    return _integers("bitwise_xor", x, y)


@op
def bitwise_not(x: Any) -> Any:
    """The bits that are not set."""
    x = tensor(x)
    if x.dtype == "bool":
        return handle["logical_not"](x)
    if is_float_dtype(x.dtype):
        raise DTypeError(f"ops.bitwise_not takes integers and booleans, got {x.dtype}; cast the argument first")
    ones = dtype_range(x.dtype)[1] if x.dtype.startswith("u") else -1
    return _integers("bitwise_xor", x, tensor_of(ones, x.dtype))


def tensor_of(value: int, dtype: str) -> Any:
    """A number of an integer type."""
    return as_dtype(tensor(value), dtype) if -(2**31) <= value < 2**31 else handle["subtract"](tensor_of(0, dtype), 1)


@op
def bitwise_invert(x: Any) -> Any:
    """The bits that are not set."""
    return bitwise_not(x)


@op
def bitwise_left_shift(x: Any, y: Any) -> Any:
    """`x` with its bits `y` places up; 0 once all have left."""
    return _integers("left_shift", x, y)


@op
def left_shift(x: Any, y: Any) -> Any:
    """`x` with its bits `y` places up; 0 once all have left."""
    return _integers("left_shift", x, y)


@op
def bitwise_right_shift(x: Any, y: Any) -> Any:
    """`x` with its bits `y` places down; copies of the sign come in."""
    return _integers("right_shift", x, y)


@op
def right_shift(x: Any, y: Any) -> Any:
    """`x` with its bits `y` places down; copies of the sign come in."""
    return _integers("right_shift", x, y)


@op
def gcd(x1: Any, x2: Any) -> Any:
    """The greatest common divisor, 0 or more."""
    return _integers("gcd", x1, x2)


@op
def lcm(x1: Any, x2: Any) -> Any:
    """The least common multiple, 0 or more."""
    return _integers("lcm", x1, x2)


@op
def saturate_cast(x: Any, dtype: Any) -> Any:
    """`x` limited to what `dtype` can hold, in that type."""
    x, wanted = tensor(x), standardize_dtype(dtype)
    if x.dtype == "bool" or wanted == "bool":
        x = handle["maximum"](handle["minimum"](x, 1), 0) if x.dtype != "bool" else x
        return as_dtype(x, wanted)
    (low, high), (own_low, own_high) = dtype_range(wanted), dtype_range(x.dtype)
    # Python's numbers take the type of `x`, so limits outside its range are left out.
    if low > own_low:
        x = handle["maximum"](x, low)
    if high < own_high:
        x = handle["minimum"](x, high)
    return as_dtype(x, wanted)


@op
def view(x: Any, dtype: Any = None) -> Any:
    """The same bytes, read as another type.

    Args:
        x: array.
        dtype: the type; that of `x` by default. Where its elements are larger or smaller than those of `x`, the last
            axis becomes shorter or longer. Bytes read as booleans are true where they are not 0.

    Raises:
        ShapeError: if the bytes of the last axis do not make whole elements.

    >>> from ironhorn import ops
    >>> ops.view([1.0, -2.0], "uint32").numpy().tolist()
    [1065353216, 3221225472]
    """
    x = tensor(x)
    wanted = x.dtype if dtype is None else standardize_dtype(dtype)
    if wanted == x.dtype:
        return x
    if x.dtype == "bool":
        x = as_dtype(x, "uint8")
    if wanted == "bool":
        return as_dtype(handle["bitcast"](x, dtype="uint8"), "bool")
    return handle["bitcast"](x, dtype=wanted)
