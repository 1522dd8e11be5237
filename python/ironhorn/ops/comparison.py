"""Tests of elements, choices between them, and real numbers taken as complex ones.

Keras' names and arguments, Keras' rules for types. There are no complex numbers here: `real`, `imag`, `conj` and
`angle` are those of real numbers.
"""

import math
from typing import Any

from ironhorn.backend.dtypes import is_float_dtype
from ironhorn.errors import ValueRangeError
from ironhorn.ops import creation, reduction
from ironhorn.ops._dispatch import op
from ironhorn.ops._values import as_dtype, as_float, dtype_range, handle, paired, tensor

__all__ = [
    "allclose",
    "angle",
    "conj",
    "conjugate",
    "fabs",
    "fmax",
    "fmin",
    "imag",
    "isclose",
    "isneginf",
    "isposinf",
    "isreal",
    "nan_to_num",
    "real",
    "select",
    "signbit",
]


@op
def isclose(x1: Any, x2: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """Whether `|x1 - x2| <= atol + rtol |x2|`, element by element.

    Args:
        x1: array.
        x2: array whose shape broadcasts with that of `x1`.
        rtol: allowed difference relative to `x2`.
        atol: allowed difference.
        equal_nan: whether NaN is close to NaN.

    Returns:
        Booleans. Infinities are close to themselves only.
    """
    a, b = paired(x1, x2)
    same = handle["equal"](a, b)
    if not is_float_dtype(a.dtype):
        if a.dtype == "bool":
            return same
        a, b = as_dtype(a, "float64"), as_dtype(b, "float64")
    allowed = handle["add"](handle["multiply"](handle["absolute"](b), rtol), atol)
    near = handle["less_equal"](handle["absolute"](handle["subtract"](a, b)), allowed)
    finite = handle["logical_and"](handle["isfinite"](a), handle["isfinite"](b))
    close = handle["logical_or"](same, handle["logical_and"](near, finite))
    if equal_nan:
        close = handle["logical_or"](close, handle["logical_and"](handle["isnan"](a), handle["isnan"](b)))
    return close


@op
def allclose(x1: Any, x2: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """Whether all elements are close, in the sense of `isclose`."""
    return reduction.all(isclose(x1, x2, rtol, atol, equal_nan))


@op
def isposinf(x: Any) -> Any:
    """Whether x is plus infinity."""
    return handle["equal"](as_float(x), math.inf)


@op
def isneginf(x: Any) -> Any:
    """Whether x is minus infinity."""
    return handle["equal"](as_float(x), -math.inf)


@op
def isreal(x: Any) -> Any:
    """Whether x has no imaginary part: true, as there are no complex numbers here."""
    return creation.ones_like(x, dtype="bool")


@op
def real(x: Any) -> Any:
    """The real part, which is all of it."""
    return tensor(x)


@op
def imag(x: Any) -> Any:
    """The imaginary part, which is 0."""
    return creation.zeros_like(x)


@op
def conj(x: Any) -> Any:
    """The complex conjugate, which is `x`."""
    return tensor(x)


@op
def conjugate(x: Any) -> Any:
    """The complex conjugate, which is `x`."""
    return tensor(x)


@op
def angle(x: Any) -> Any:
    """The angle in the complex plane: pi for negative numbers, otherwise 0."""
    x = as_float(x)
    return handle["arctan2"](handle["select"](handle["isnan"](x), x, 0.0), x)


@op
def signbit(x: Any) -> Any:
    """Whether the sign is minus, that of -0.0 too."""
    x = tensor(x)
    if is_float_dtype(x.dtype):
        return handle["signbit"](x)
    return creation.zeros_like(x, dtype="bool") if x.dtype == "bool" else handle["less"](x, 0)


@op
def fabs(x: Any) -> Any:
    """`|x|`, in floats."""
    return handle["absolute"](as_float(x))


def _finite_extreme(kind: str, x1: Any, x2: Any) -> Any:
    a, b = paired(x1, x2)
    extreme = handle[kind](a, b)
    if not is_float_dtype(a.dtype):
        return extreme
    return handle["select"](handle["isnan"](a), b, handle["select"](handle["isnan"](b), a, extreme))


@op
def fmax(x1: Any, x2: Any) -> Any:
    """The larger of two, or the one that is not NaN."""
    return _finite_extreme("maximum", x1, x2)


@op
def fmin(x1: Any, x2: Any) -> Any:
    """The smaller of two, or the one that is not NaN."""
    return _finite_extreme("minimum", x1, x2)


@op
def nan_to_num(x: Any, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Any:
    """`x` with numbers in the place of NaN and infinities.

    Args:
        x: array; integers and booleans stay as they are.
        nan: what NaN becomes.
        posinf: what plus infinity becomes; the largest number of the type by default.
        neginf: what minus infinity becomes; the smallest number of the type by default.
    """
    x = tensor(x)
    if not is_float_dtype(x.dtype):
        return x
    low, high = dtype_range(x.dtype)
    result = handle["select"](handle["isnan"](x), nan, x)
    result = handle["select"](handle["equal"](x, math.inf), high if posinf is None else posinf, result)
    return handle["select"](handle["equal"](x, -math.inf), low if neginf is None else neginf, result)


@op
def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    """The choice of the first condition that holds, element by element.

    Args:
        condlist: boolean arrays.
        choicelist: as many arrays; shapes broadcast.
        default: what stands where no condition holds.

    Raises:
        ValueRangeError: if the lists differ in length, or are empty.
    """
    if len(condlist) != len(choicelist) or not condlist:
        raise ValueRangeError(
            f"ops.select takes as many choices as conditions, and one at least; got {len(condlist)} conditions and "
            f"{len(choicelist)} choices"
        )
    result: Any = default
    for condition, choice in reversed(list(zip(condlist, choicelist, strict=True))):
        result = handle["select"](condition, choice, result)
    return result
