"""Running sums and products, differences of neighbours, and integrals along an axis.

Keras' names and arguments, Keras' rules for types.
"""

from typing import Any

from ironhorn.backend.dtypes import is_float_dtype, standardize_dtype
from ironhorn.errors import ShapeError, ValueRangeError
from ironhorn.ops import shaping
from ironhorn.ops._dispatch import op
from ironhorn.ops._values import as_dtype, as_float, axis_of, handle, tensor

__all__ = ["cumprod", "cumsum", "diff", "nancumprod", "nancumsum", "trapezoid"]


def _running(kind: str, x: Any, axis: int | None, dtype: Any, nan_as: float | None = None) -> Any:
    x = tensor(x)
    if nan_as is not None and is_float_dtype(x.dtype):
        x = handle["select"](handle["isnan"](x), nan_as, x)
    if dtype is not None:
        x = as_dtype(x, standardize_dtype(dtype))
    if x.dtype == "bool":
        x = as_dtype(x, "int32")
    if axis is None:
        x, axis = handle["reshape"](x, shape=[-1]), 0
    return handle["cumulate"](x, kind=kind, axis=axis_of(axis, x.ndim))


@op
def cumsum(x: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """The sum of all elements up to each along an axis; of the flattened array when axis is None.

    Args:
        x: array. Booleans are added as int32; other types stay as they are and integers wrap around.
        axis: the axis.
        dtype: the type to add in.

    Example:
        >>> cumsum([1, 2, 3]).numpy().tolist()
        [1, 3, 6]
    """
    return _running("sum", x, axis, dtype)


@op
def cumprod(x: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """The product of all elements up to each along an axis; of the flattened array when axis is None.

    Args:
        x: array. Booleans are multiplied as int32; other types stay as they are and integers wrap around.
        axis: the axis.
        dtype: the type to multiply in.

    Example:
        >>> cumprod([1, 2, 3]).numpy().tolist()
        [1, 2, 6]
    """
    return _running("product", x, axis, dtype)


@op
def nancumsum(x: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """`cumsum` with NaN taken as 0."""
    return _running("sum", x, axis, dtype, 0.0)


@op
def nancumprod(x: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """`cumprod` with NaN taken as 1."""
    return _running("product", x, axis, dtype, 1.0)


def _ends(x: Any, axis: int) -> tuple[Any, Any]:
    """All elements but the first, and all but the last, along an axis."""
    before: list[Any] = [None] * axis
    steps = [1] * (axis + 1)
    late = handle["slice"](x, starts=[*before, 1], stops=[*before, None], steps=steps)
    return late, handle["slice"](x, starts=[*before, None], stops=[*before, -1], steps=steps)


@op
def diff(a: Any, n: int = 1, axis: int = -1) -> Any:
    """Each element minus the one before it along an axis; booleans say where neighbours differ.

    Args:
        a: array.
        n: how often.
        axis: the axis, which becomes shorter by `n`.

    Raises:
        ValueRangeError: for a negative `n`.
    """
    if n < 0:
        raise ValueRangeError(f"ops.diff: n must be 0 or more, got {n}")
    a = tensor(a)
    if a.ndim == 0:
        raise ShapeError("ops.diff takes an array with an axis, got a number")
    axis = axis_of(axis, a.ndim)
    for _ in range(n):
        a = handle["not_equal" if a.dtype == "bool" else "subtract"](*_ends(a, axis))
    return a


@op
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """The integral along an axis by the trapezoidal rule, in floats.

    Args:
        y: array of values.
        x: where the values were taken: a vector, or an array like `y`. By default they are `dx` apart.
        dx: the distance of neighbours, where `x` is not given.
        axis: the axis, which goes.

    Example:
        >>> float(trapezoid([1.0, 2.0, 4.0]))
        4.5
    """
    y = as_float(y)
    y = shaping.moveaxis(y, axis, -1)
    distance = dx
    if x is not None:
        x = tensor(x)
        x = x if x.ndim == 1 else shaping.moveaxis(x, axis, -1)
        distance = handle["subtract"](*_ends(x, x.ndim - 1))
    heights = handle["add"](*_ends(y, y.ndim - 1))
    areas = handle["multiply"](handle["multiply"](heights, 0.5), distance)
    return handle["reduce"](areas, kind="sum", axis=[y.ndim - 1])
