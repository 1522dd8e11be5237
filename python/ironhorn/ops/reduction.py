"""Reductions over axes.

Keras' names and arguments, Keras' rules for types.
"""

from typing import Any

from ironhorn.backend.dtypes import standardize_dtype
from ironhorn.ops._dispatch import op
from ironhorn.ops._values import as_dtype, as_float, axes_of, axis_of, handle, tensor

__all__ = [
    "all",
    "amax",
    "amin",
    "any",
    "argmax",
    "argmin",
    "count_nonzero",
    "max",
    "mean",
    "min",
    "prod",
    "std",
    "sum",
    "var",
]


def _reduction(kind: str, x: Any, axis: Any, keepdims: bool) -> Any:
    axes = None if axis is None else axes_of(axis, x.ndim)
    return handle["reduce"](x, kind=kind, axis=axes, keepdims=bool(keepdims))


@op
def sum(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Sum over axes. Small integers and booleans are summed as int32.

    Args:
        x: array.
        axis: axis, tuple of axes, or None for all.
        keepdims: whether summed axes stay, with length 1.
    """
    x = tensor(x)
    if x.dtype in ("bool", "int8", "int16"):
        x = as_dtype(x, "int32")
    elif x.dtype in ("uint8", "uint16"):
        x = as_dtype(x, "uint32")
    return _reduction("sum", x, axis, keepdims)


@op
def prod(x: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Any:
    """Product over axes."""
    x = tensor(x)
    if dtype is not None:
        x = as_dtype(x, standardize_dtype(dtype))
    elif x.dtype in ("bool", "int8", "int16"):
        x = as_dtype(x, "int32")
    elif x.dtype in ("uint8", "uint16"):
        x = as_dtype(x, "uint32")
    return _reduction("prod", x, axis, keepdims)


@op
def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Mean over axes, in floats."""
    return _reduction("mean", as_float(x), axis, keepdims)


@op
def var(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Population variance over axes: the mean of squared distances from the mean."""
    x = as_float(x)
    centred = handle["subtract"](x, _reduction("mean", x, axis, True))
    return _reduction("mean", handle["square"](centred), axis, keepdims)


@op
def std(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Population standard deviation over axes."""
    return handle["sqrt"](var(x, axis, keepdims))


def _extreme(kind: str, x: Any, axis: Any, keepdims: bool, initial: Any) -> Any:
    x = tensor(x)
    boolean = x.dtype == "bool"
    result = _reduction(kind, as_dtype(x, "uint8") if boolean else x, axis, keepdims)
    if initial is not None:
        result = handle["maximum" if kind == "max" else "minimum"](result, initial)
    return as_dtype(result, "bool") if boolean else result


@op
def max(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None) -> Any:
    """Largest element over axes; NaN if any is."""
    return _extreme("max", x, axis, keepdims, initial)


@op
def min(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None) -> Any:
    """Smallest element over axes; NaN if any is."""
    return _extreme("min", x, axis, keepdims, initial)


@op
def amax(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Largest element over axes; NaN if any is."""
    return _extreme("max", x, axis, keepdims, None)


@op
def amin(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Smallest element over axes; NaN if any is."""
    return _extreme("min", x, axis, keepdims, None)


@op
def any(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Whether any element over axes is true (not zero)."""
    return _reduction("any", as_dtype(tensor(x), "bool"), axis, keepdims)


@op
def all(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Whether all elements over axes are true (not zero)."""
    return _reduction("all", as_dtype(tensor(x), "bool"), axis, keepdims)


@op
def count_nonzero(x: Any, axis: Any = None) -> Any:
    """How many elements over axes are not zero, as int32."""
    return _reduction("sum", as_dtype(as_dtype(tensor(x), "bool"), "int32"), axis, False)


def _arg(kind: str, x: Any, axis: Any, keepdims: bool) -> Any:
    x = tensor(x)
    if x.dtype == "bool":
        x = as_dtype(x, "uint8")
    if axis is None:
        rank = x.ndim
        found = handle["arg_reduce"](handle["reshape"](x, shape=[-1]), kind=kind, axis=0)
        if keepdims:
            found = handle["reshape"](found, shape=[1] * rank)
    else:
        found = handle["arg_reduce"](x, kind=kind, axis=axis_of(axis, x.ndim), keepdims=bool(keepdims))
    return as_dtype(found, "int32")


@op
def argmax(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """Index of the first largest element along an axis, as int32; of the flattened array when axis is None."""
    return _arg("argmax", x, axis, keepdims)


@op
def argmin(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """Index of the first smallest element along an axis, as int32; of the flattened array when axis is None."""
    return _arg("argmin", x, axis, keepdims)
