"""Integers as vectors."""

from typing import Any

from ironhorn.backend.dtypes import standardize_dtype
from ironhorn.errors import UnsupportedError, ValueRangeError
from ironhorn.ops import shaping
from ironhorn.ops._dispatch import op
from ironhorn.ops._values import as_dtype, axis_of, filled, handle, shape_of, tensor

__all__ = ["multi_hot", "one_hot"]


@op
def one_hot(x: Any, num_classes: int, axis: int = -1, dtype: Any = None, sparse: bool = False) -> Any:
    """A 1 at the place that each integer names, zeros elsewhere; only zeros for integers outside `0..num_classes`."""
    if sparse:
        raise UnsupportedError("ops.one_hot gives dense tensors; leave sparse=False, or use the integers themselves")
    x = tensor(x)
    hot = handle["one_hot"](x, depth=int(num_classes), dtype=standardize_dtype(dtype))
    place = axis_of(axis, x.ndim + 1)
    return hot if place == x.ndim else shaping.moveaxis(hot, -1, place)


@op
def multi_hot(
    inputs: Any,
    num_classes: int | None = None,
    axis: int = -1,
    dtype: Any = None,
    sparse: bool = False,
    *,
    num_tokens: int | None = None,
) -> Any:
    """A 1 at the places that the integers of each row name, zeros elsewhere.

    It is the largest of `one_hot(inputs, num_classes, axis)` over axis 1 (over axis 0 where `inputs` is a vector).

    Args:
        inputs: integers; those outside of `0..num_classes` name no place.
        num_classes: how many places there are.
        axis: where the places stand in what the maximum is taken of.
        dtype: the result's type, `floatx()` by default.
        sparse: must not be True.
        num_tokens: the same as `num_classes`.

    Raises:
        UnsupportedError: for sparse results.
        ValueRangeError: without `num_classes`.

    Example:
        >>> multi_hot([[0, 2], [1, 1]], 3).numpy().tolist()
        [[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]
    """
    count = num_classes if num_classes is not None else num_tokens
    if count is None:
        raise ValueRangeError("ops.multi_hot needs num_classes")
    if sparse:
        raise UnsupportedError("ops.multi_hot gives dense tensors; leave sparse=False")
    inputs, dtype = as_dtype(tensor(inputs), "int32"), standardize_dtype(dtype)
    place = axis_of(axis, inputs.ndim + 1)
    if place == inputs.ndim and inputs.ndim in (1, 2):
        # Ones are put where they belong, without an axis for every integer between.
        shape = shape_of(inputs)
        numbers = handle["reshape"](inputs, shape=[-1, 1])
        if inputs.ndim == 2:
            rows = handle["reshape"](handle["iota"](shape=shape, axis=0, dtype="int32"), shape=[-1, 1])
            numbers = handle["concatenate"](rows, numbers, axis=1)
        zeros = filled([*shape[:-1], int(count)], 0, dtype)
        ones = filled([shape_of(numbers)[0]], 1, dtype)
        return handle["scatter_nd"](zeros, numbers, ones, kind="set", drop=True)
    hot = one_hot(inputs, count, axis, "uint8" if dtype == "bool" else dtype)
    return as_dtype(handle["reduce"](hot, kind="max", axis=[1 if inputs.ndim > 1 else 0]), dtype)
