"""Names of element types."""

from typing import Any

from ironhorn.backend.config import floatx
from ironhorn.errors import DTypeError

ALLOWED = (
    "bool",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "int8",
    "int16",
    "int32",
    "int64",
    "bfloat16",
    "float16",
    "float32",
    "float64",
)
_KNOWN = frozenset(ALLOWED)
_PYTHON = {bool: "bool", int: "int32", float: None, "int": "int32", "float": None}


def standardize_dtype(dtype: Any) -> str:
    """The name of a dtype given as a name, a NumPy dtype, a Python type, or None for `floatx()`.

    Raises:
        DTypeError: for what is none of these.
    """
    if dtype is None:
        return floatx()
    if isinstance(dtype, str) and dtype in _KNOWN:
        return dtype
    if isinstance(dtype, (str, type)) and dtype in _PYTHON:
        return _PYTHON[dtype] or floatx()
    name = getattr(dtype, "name", None) or getattr(dtype, "__name__", None) or str(dtype)
    name = name.removeprefix("torch.")
    if name in _KNOWN:
        return str(name)
    if name == "string":
        return "string"
    raise DTypeError(f"Unknown dtype {dtype!r}; known are {', '.join(ALLOWED)}")


def is_float_dtype(dtype: Any) -> bool:
    """Whether a dtype is one of the floating-point types."""
    return standardize_dtype(dtype) in ("bfloat16", "float16", "float32", "float64")


def is_int_dtype(dtype: Any) -> bool:
    """Whether a dtype is an integer type."""
    name = standardize_dtype(dtype)
    return name.startswith(("int", "uint"))


def standardize_shape(shape: Any) -> tuple[int | None, ...]:
    """A shape as a tuple of ints and Nones.

    Raises:
        ValueError: for lengths that are neither None nor non-negative integers.
    """
    if shape is None:
        raise ValueError("Undefined shapes are not supported; give a tuple such as (None, 28, 28, 1)")
    if not hasattr(shape, "__iter__"):
        raise ValueError(f"Cannot convert {shape!r} to a shape; give a tuple such as (None, 28, 28, 1)")
    lengths: list[int | None] = []
    for length in shape:
        if length is None:
            lengths.append(None)
            continue
        try:
            number = int(length.__index__())
        except AttributeError:
            raise ValueError(f"Cannot convert {shape!r} to a shape: found {length!r}") from None
        if number < 0:
            raise ValueError(f"Cannot convert {shape!r} to a shape: lengths cannot be negative")
        lengths.append(number)
    return tuple(lengths)
