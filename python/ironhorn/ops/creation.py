"""Tensors made of numbers.

Keras' names and arguments, Keras' rules for types.
"""

import math
from typing import Any

import numpy as np

from ironhorn import _core
from ironhorn.backend.config import floatx
from ironhorn.backend.dtypes import standardize_dtype
from ironhorn.errors import UnsupportedError
from ironhorn.ops._dispatch import op
from ironhorn.ops._values import builtin_max, filled, handle, shape_of, tensor

__all__ = [
    "arange",
    "array",
    "eye",
    "full",
    "full_like",
    "identity",
    "linspace",
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


def full(shape: Any, fill_value: Any, dtype: Any = None) -> Any:
    """An array filled with one value."""
    wanted = standardize_dtype(dtype) if dtype is not None else _core.tensor(fill_value).dtype
    return filled(shape, fill_value, wanted)


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


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> Any:
    """Evenly spaced numbers from `start` (0 when only one bound is given) up to, not including, `stop`."""
    if stop is None:
        start, stop = 0, start
    if dtype is None:
        floating = isinstance(start, float) or isinstance(stop, float) or isinstance(step, float)
        dtype = floatx() if floating else "int32"
    dtype = standardize_dtype(dtype)
    if isinstance(start, _core.SymbolicDim) or isinstance(stop, _core.SymbolicDim):
        if step != 1:
            raise UnsupportedError("ops.arange with a symbolic bound supports step=1; multiply the result instead")
        counts = handle["iota"](shape=[stop - start], axis=0, dtype=dtype)
        return counts if isinstance(start, int) and start == 0 else handle["add"](counts, start)
    start, stop, step = (v.item() if isinstance(v, _core.Tensor) else v for v in (start, stop, step))
    count = builtin_max(0, math.ceil((stop - start) / step))
    numbers = np.asarray([start + i * step for i in range(count)]) if count < 16 else start + np.arange(count) * step
    return _core.tensor(np.asarray(numbers), dtype)


def linspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None) -> Any:
    """`num` evenly spaced numbers from `start` to `stop`."""
    values = np.linspace(float(start), float(stop), num, endpoint=endpoint)
    return _core.tensor(values, standardize_dtype(dtype))


def eye(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Any:
    """A matrix with ones on diagonal `k` and zeros elsewhere."""
    return _core.tensor(np.eye(N, M, k), standardize_dtype(dtype))


def identity(n: int, dtype: Any = None) -> Any:
    """The identity matrix of size `n`."""
    return eye(n, dtype=dtype)


def array(x: Any, dtype: Any = None) -> Any:
    """A tensor with the elements of `x`."""
    return _core.tensor(x, None if dtype is None else standardize_dtype(dtype))
