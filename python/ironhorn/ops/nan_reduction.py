"""Reductions over axes that leave out what is not a number.

Keras' names and arguments, Keras' rules for types. Of integers and booleans these are the ordinary reductions.
"""

import math
from typing import Any

from ironhorn.backend.dtypes import is_float_dtype
from ironhorn.ops import reduction
from ironhorn.ops._dispatch import op
from ironhorn.ops._values import as_dtype, handle, tensor

__all__ = ["nanargmax", "nanargmin", "nanmax", "nanmean", "nanmin", "nanprod", "nanstd", "nansum", "nanvar"]


def _replaced(x: Any, value: float) -> Any:
    return handle["select"](handle["isnan"](x), value, x)


def _count(x: Any, axis: Any, keepdims: bool) -> Any:
    """How many elements are numbers, in the type of `x`."""
    numbers = as_dtype(handle["logical_not"](handle["isnan"](x)), "int32")
    return as_dtype(reduction.sum(numbers, axis, keepdims), x.dtype)


def _extreme(name: str, limit: float, x: Any, axis: Any, keepdims: bool) -> Any:
    x, reduce = tensor(x), getattr(reduction, name)
    if not is_float_dtype(x.dtype):
        return reduce(x, axis, keepdims)
    none = reduction.all(handle["isnan"](x), axis, keepdims)
    return handle["select"](none, math.nan, reduce(_replaced(x, limit), axis, keepdims))


def _position(name: str, limit: float, x: Any, axis: Any, keepdims: bool) -> Any:
    x, reduce = tensor(x), getattr(reduction, name)
    if not is_float_dtype(x.dtype):
        return reduce(x, axis, keepdims)
    none = reduction.all(handle["isnan"](x), axis, keepdims)
    return handle["select"](none, -1, reduce(_replaced(x, limit), axis, keepdims))


@op
def nansum(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Sum over axes of what is a number."""
    x = tensor(x)
    return reduction.sum(_replaced(x, 0.0) if is_float_dtype(x.dtype) else x, axis, keepdims)


@op
def nanprod(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Product over axes of what is a number."""
    x = tensor(x)
    return reduction.prod(_replaced(x, 1.0) if is_float_dtype(x.dtype) else x, axis, keepdims)


@op
def nanmean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Mean over axes of what is a number; NaN where nothing is."""
    x = tensor(x)
    if not is_float_dtype(x.dtype):
        return reduction.mean(x, axis, keepdims)
    wide = as_dtype(x, "float32") if x.dtype in ("float16", "bfloat16") else x
    mean = handle["divide"](reduction.sum(_replaced(wide, 0.0), axis, keepdims), _count(wide, axis, keepdims))
    return as_dtype(mean, x.dtype)


@op
def nanvar(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Population variance over axes of what is a number; NaN where nothing is."""
    x = tensor(x)
    if not is_float_dtype(x.dtype):
        return reduction.var(x, axis, keepdims)
    wide = as_dtype(x, "float32") if x.dtype in ("float16", "bfloat16") else x
    distances = _replaced(handle["subtract"](wide, nanmean(wide, axis, True)), 0.0)
    squares = reduction.sum(handle["square"](distances), axis, keepdims)
    return as_dtype(handle["divide"](squares, _count(wide, axis, keepdims)), x.dtype)


@op
def nanstd(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Population standard deviation over axes of what is a number; NaN where nothing is."""
    return handle["sqrt"](nanvar(x, axis, keepdims))


@op
def nanmax(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Largest number over axes; NaN where there is none."""
    return _extreme("max", -math.inf, x, axis, keepdims)


@op
def nanmin(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Smallest number over axes; NaN where there is none."""
    return _extreme("min", math.inf, x, axis, keepdims)


@op
def nanargmax(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """Index of the first largest number along an axis, as int32; -1 where there is none."""
    return _position("argmax", -math.inf, x, axis, keepdims)


@op
def nanargmin(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """Index of the first smallest number along an axis, as int32; -1 where there is none."""
    return _position("argmin", math.inf, x, axis, keepdims)
