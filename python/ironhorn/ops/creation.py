"""Tensors made of numbers.

Keras' names and arguments, Keras' rules for types.
"""

import math
from typing import Any

import numpy as np

from ironhorn import _core
from ironhorn.backend.config import floatx
from ironhorn.backend.dtypes import is_float_dtype, standardize_dtype
from ironhorn.errors import UnsupportedError, ValueRangeError
from ironhorn.ops._dispatch import op, op_of_data
from ironhorn.ops._values import (
    as_dtype,
    as_float,
    axis_of,
    builtin_max,
    common_dtype,
    filled,
    handle,
    paired,
    shape_of,
    tensor,
)

__all__ = [
    "arange",
    "array",
    "empty",
    "empty_like",
    "eye",
    "full",
    "full_like",
    "geomspace",
    "identity",
    "linspace",
    "logspace",
    "ones",
    "ones_like",
    "zeros",
    "zeros_like",
]


def zeros(shape: Any, dtype: Any = None) -> Any:
    """Zeros, of type `floatx()` unless said otherwise."""
    return filled(shape, 0, standardize_dtype(dtype))


def ones(shape: Any, dtype: Any = None) -> Any:
    """Ones, of type `floatx()` unless said otherwise."""
    return filled(shape, 1, standardize_dtype(dtype))


@op
def full(shape: Any, fill_value: Any, dtype: Any = None) -> Any:
    """An array filled with one value, or with an array that broadcasts; of type `floatx()` unless said otherwise."""
    return filled(shape, fill_value, standardize_dtype(dtype))


def empty(shape: Any, dtype: Any = None) -> Any:
    """An array whose elements are of no concern: zeros, of type `floatx()` unless said otherwise."""
    return zeros(shape, dtype)


@op
def empty_like(x: Any, dtype: Any = None) -> Any:
    """An array of the shape (and type) of `x` whose elements are of no concern: zeros."""
    return zeros_like(x, dtype)


@op
def zeros_like(x: Any, dtype: Any = None) -> Any:
    """Zeros of the shape (and type) of `x`."""
    x = tensor(x)
    return filled(shape_of(x), 0, standardize_dtype(dtype) if dtype is not None else x.dtype)


@op
def ones_like(x: Any, dtype: Any = None) -> Any:
    """Ones of the shape (and type) of `x`."""
    x = tensor(x)
    return filled(shape_of(x), 1, standardize_dtype(dtype) if dtype is not None else x.dtype)


@op
def full_like(x: Any, fill_value: Any, dtype: Any = None) -> Any:
    """An array of the shape (and type) of `x` filled with one value."""
    x = tensor(x)
    return filled(shape_of(x), fill_value, standardize_dtype(dtype) if dtype is not None else x.dtype)


def arange(start: Any, stop: Any = None, step: Any = None, dtype: Any = None) -> Any:
    """Evenly spaced numbers from `start` (0 when only one bound is given) up to, not including, `stop`.

    Args:
        start: first number, or the bound when it is the only one.
        stop: the bound.
        step: distance, 1 by default.
        dtype: element type; int32 by default if all are integers, else `floatx()`.

    Raises:
        UnsupportedError: for a symbolic bound with a step that is no integer.
        ValueRangeError: for a step of 0.
    """
    if stop is None:
        start, stop = 0, start
    step = 1 if step is None else step
    given = (start, stop, step)
    if dtype is None:
        known = [str(v.dtype) for v in given if hasattr(v, "dtype")]
        if any(isinstance(v, float) for v in given) and not any(is_float_dtype(name) for name in known):
            known.append(floatx())
        dtype = "int32" if not known else known[0]
        for name in known[1:]:
            dtype = common_dtype(_core.tensor(0, dtype), _core.tensor(0, name))
    dtype = standardize_dtype(dtype)
    start, stop, step = (v.item() if isinstance(v, (_core.Tensor, np.ndarray, np.generic)) else v for v in given)
    if not isinstance(step, _core.SymbolicDim) and step == 0:
        raise ValueRangeError("ops.arange takes a step other than 0")
    if isinstance(start, _core.SymbolicDim) or isinstance(stop, _core.SymbolicDim):
        if not isinstance(step, int):
            raise UnsupportedError(
                "ops.arange with a symbolic bound takes an integer step; multiply the result of step 1 instead"
            )
        span = stop - start if step > 0 else start - stop
        size = step if step > 0 else -step
        count = span if size == 1 else (span + (size - 1)) // size
        counts = handle["iota"](shape=[count], axis=0, dtype=dtype)
        counts = counts if step == 1 else handle["multiply"](counts, step)
        return counts if isinstance(start, int) and start == 0 else handle["add"](counts, start)
    count = builtin_max(0, math.ceil((stop - start) / step))
    numbers = np.asarray([start + i * step for i in range(count)]) if count < 16 else start + np.arange(count) * step
    return _core.tensor(np.asarray(numbers), dtype)


@op
def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """`num` evenly spaced numbers from `start` to `stop`.

    Args:
        start: first number, or an array of them.
        stop: last number, or an array of them; shapes broadcast.
        num: how many.
        endpoint: whether `stop` is the last of them; if not, it would be the next.
        retstep: whether to give the distance too.
        dtype: element type, a float by default; numbers are rounded down to integers.
        axis: the axis of the result along which the numbers run.

    Returns:
        The numbers; with `retstep` a pair of them and the distance.

    Raises:
        ValueRangeError: for a negative `num`.
    """
    if num < 0:
        raise ValueRangeError(f"ops.linspace takes a number of points of 0 or more, got {num}")
    pieces = num - 1 if endpoint else num
    wanted = None if dtype is None else standardize_dtype(dtype)
    if isinstance(start, (int, float)) and isinstance(stop, (int, float)):
        values = np.linspace(float(start), float(stop), num, endpoint=endpoint)
        wanted = wanted or floatx()
        result = _core.tensor(np.floor(values) if not is_float_dtype(wanted) else values, wanted)
        width = (float(stop) - float(start)) / pieces if pieces > 0 else math.nan
        return (result, _core.tensor(width, floatx())) if retstep else result
    return _spaced(start, stop, num, pieces, retstep, wanted, axis)


def _spaced(start: Any, stop: Any, num: int, pieces: int, retstep: bool, dtype: str | None, axis: int) -> Any:
    """`linspace` between arrays."""
    first, last = paired(as_float(start), as_float(stop))
    first, last = (handle["select"](True, x, y) for x, y in ((first, last), (last, first)))
    place = axis_of(axis, first.ndim + 1)
    lengths = shape_of(first)
    thin = [*lengths[:place], 1, *lengths[place:]]
    along: list[Any] = [1] * len(thin)
    along[place] = num
    part = _core.tensor(np.arange(num) / builtin_max(pieces, 1), first.dtype)
    part = handle["reshape"](part, shape=along)
    rest = handle["subtract"](1.0, part)
    low, high = handle["reshape"](first, shape=thin), handle["reshape"](last, shape=thin)
    result = handle["add"](handle["multiply"](low, rest), handle["multiply"](high, part))
    if dtype is not None and dtype != result.dtype:
        result = as_dtype(result if is_float_dtype(dtype) else handle["floor"](result), dtype)
    if not retstep:
        return result
    width = handle["divide"](handle["subtract"](last, first), float(pieces) if pieces > 0 else math.nan)
    return result, width


@op
def logspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: Any = 10, dtype: Any = None, axis: int = 0
) -> Any:
    """`num` powers of `base` whose exponents are evenly spaced from `start` to `stop`.

    Args:
        start: first exponent, or an array of them.
        stop: last exponent, or an array of them.
        num: how many.
        endpoint: whether `stop` is the last of them.
        base: the base.
        dtype: element type, a float by default.
        axis: the axis of the result along which the numbers run.
    """
    if all(isinstance(v, (int, float)) for v in (start, stop, base)):
        return _core.tensor(np.logspace(start, stop, num, endpoint, base), standardize_dtype(dtype))
    powers = handle["power"](base, linspace(start, stop, num, endpoint, axis=axis))
    return powers if dtype is None else as_dtype(powers, standardize_dtype(dtype))


@op
def geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0) -> Any:
    """`num` numbers from `start` to `stop`, each the same multiple of the one before.

    Args:
        start: first number, or an array of them; not 0.
        stop: last number, or an array of them, of the same sign.
        num: how many.
        endpoint: whether `stop` is the last of them.
        dtype: element type, a float by default.
        axis: the axis of the result along which the numbers run.
    """
    if isinstance(start, (int, float)) and isinstance(stop, (int, float)):
        return _core.tensor(np.geomspace(start, stop, num, endpoint), standardize_dtype(dtype))
    first = as_float(start)
    logarithm = handle["log"](handle["divide"](as_float(stop), first))
    exponents = linspace(handle["multiply"](logarithm, 0.0), logarithm, num, endpoint, axis=axis)
    first = handle["select"](True, first, logarithm)
    lengths = shape_of(first)
    place = axis_of(axis, first.ndim + 1)
    first = handle["reshape"](first, shape=[*lengths[:place], 1, *lengths[place:]])
    numbers = handle["multiply"](first, handle["exp"](exponents))
    return numbers if dtype is None else as_dtype(numbers, standardize_dtype(dtype))


def eye(N: Any, M: Any = None, k: int = 0, dtype: Any = None) -> Any:
    """A matrix with ones on diagonal `k` and zeros elsewhere; its lengths may be symbolic."""
    wanted, columns = standardize_dtype(dtype), N if M is None else M
    if isinstance(N, int) and isinstance(columns, int):
        return _core.tensor(np.eye(N, columns, k), wanted)
    row, column = (handle["iota"](shape=[N, columns], axis=axis, dtype="int32") for axis in (0, 1))
    return as_dtype(handle["equal"](handle["add"](row, k), column), wanted)


def identity(n: Any, dtype: Any = None) -> Any:
    """The identity matrix of size `n`."""
    return eye(n, dtype=dtype)


@op_of_data
def array(x: Any, dtype: Any = None) -> Any:
    """A tensor with the elements of `x`."""
    return _core.tensor(x, None if dtype is None else standardize_dtype(dtype))
