"""Conversion, shapes, types, and stopping gradients."""

from typing import Any

import numpy as np

from ironhorn import _core
from ironhorn.backend.dtypes import standardize_dtype
from ironhorn.errors import UnsupportedError
from ironhorn.ops._dispatch import op, op_of_data

__all__ = [
    "cast",
    "convert_to_numpy",
    "convert_to_tensor",
    "dtype",
    "is_tensor",
    "ndim",
    "shape",
    "size",
    "stop_gradient",
]


_cast = _core.op("cast")
_stop_gradient = _core.op("stop_gradient")


@op_of_data
def convert_to_tensor(x: Any, dtype: Any = None, sparse: bool | None = None, ragged: bool | None = None) -> Any:
    """`x` as a tensor.

    Args:
        x: tensor, variable, NumPy array, number, or nested list of numbers.
        dtype: element type; that of `x` by default (Python floats become `float32`, ints `int32`).
        sparse: must not be True.
        ragged: must not be True.

    Raises:
        TypeError: for what cannot be converted.
        UnsupportedError: for sparse or ragged results.
    """
    if sparse or ragged:
        raise UnsupportedError("Sparse and ragged tensors are not supported; make the data dense or pad it first")
    return _core.tensor(x, None if dtype is None else standardize_dtype(dtype))


def convert_to_numpy(x: Any) -> np.ndarray:
    """`x` as a NumPy array of its own. bfloat16 becomes float32.

    Raises:
        TracedValueError: for a value that is being traced.
    """
    if isinstance(x, (_core.Tensor, _core.VariableStorage)):
        return x.numpy()
    return np.array(x)


def is_tensor(x: Any) -> bool:
    """Whether `x` is a tensor, eager or traced."""
    return isinstance(x, _core.Tensor)


@op
def cast(x: Any, dtype: Any) -> Any:
    """The same numbers in another type; floats to integers truncate towards zero."""
    wanted = standardize_dtype(dtype)
    # Python's numbers are doubles: they go to the type wanted, not by way of float32.
    return _core.tensor(x, wanted) if isinstance(x, (int, float)) else _cast(x, dtype=wanted)


def shape(x: Any) -> tuple[Any, ...]:
    """Lengths of the axes: ints, and while tracing symbols for those that vary (None for symbolic tensors)."""
    if isinstance(x, _core.VariableStorage):
        return tuple(x.storage_shape)
    if isinstance(x, _core.Tensor):
        return tuple(_core.symbolic_shape(x))
    found = getattr(x, "shape", None)
    return tuple(found) if found is not None else np.shape(x)


def ndim(x: Any) -> int:
    """Number of axes."""
    return len(shape(x))


def size(x: Any) -> Any:
    """Number of elements."""
    total: Any = 1
    for length in shape(x):
        total = total * length
    return total


def dtype(x: Any) -> str:
    """Name of the element type."""
    return str(x.dtype) if hasattr(x, "dtype") else str(_core.tensor(x).dtype)


@op
def stop_gradient(variable: Any) -> Any:
    """`variable`, taken as a constant by derivatives."""
    return _stop_gradient(variable)
