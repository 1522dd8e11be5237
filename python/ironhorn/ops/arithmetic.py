"""Arithmetic, comparison, logic and elementary functions, element by element.

Keras' names and arguments, Keras' rules for types.
"""

from typing import Any

import numpy as np

from ironhorn.backend.dtypes import is_float_dtype
from ironhorn.errors import TracedValueError, ValueRangeError
from ironhorn.ops._dispatch import op
from ironhorn.ops._values import as_dtype, as_float, elementwise_binary, elementwise_unary, handle, paired, tensor

__all__ = [
    "abs",
    "absolute",
    "add",
    "arctan2",
    "ceil",
    "clip",
    "cos",
    "divide",
    "divide_no_nan",
    "equal",
    "erf",
    "exp",
    "expm1",
    "floor",
    "floor_divide",
    "greater",
    "greater_equal",
    "isfinite",
    "isinf",
    "isnan",
    "less",
    "less_equal",
    "log",
    "log1p",
    "log2",
    "log10",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "maximum",
    "minimum",
    "mod",
    "multiply",
    "negative",
    "not_equal",
    "power",
    "reciprocal",
    "round",
    "rsqrt",
    "sign",
    "sin",
    "sqrt",
    "square",
    "subtract",
    "tan",
    "tanh",
    "true_divide",
    "where",
]


negative = elementwise_unary("negative", "`-x`.")

sign = elementwise_unary("sign", "-1, 0 or 1.")

sqrt = elementwise_unary("sqrt", "Square root.")

rsqrt = elementwise_unary("rsqrt", "`1 / sqrt(x)`.")

reciprocal = elementwise_unary("reciprocal", "`1 / x`.")

exp = elementwise_unary("exp", "`e ** x`.")

expm1 = elementwise_unary("expm1", "`e ** x - 1`, accurate near 0.")

log = elementwise_unary("log", "Natural logarithm.")

log1p = elementwise_unary("log1p", "`log(1 + x)`, accurate near 0.")

log2 = elementwise_unary("log2", "Logarithm to base 2.")

log10 = elementwise_unary("log10", "Logarithm to base 10.")

sin = elementwise_unary("sin", "Sine of an angle in radians.")

cos = elementwise_unary("cos", "Cosine of an angle in radians.")

tan = elementwise_unary("tan", "Tangent of an angle in radians.")

tanh = elementwise_unary("tanh", "Hyperbolic tangent.")

erf = elementwise_unary("erf", "Error function.")

floor = elementwise_unary("floor", "The largest integer not above x.")

ceil = elementwise_unary("ceil", "The smallest integer not below x.")

isnan = elementwise_unary("isnan", "Whether x is not a number.")

isinf = elementwise_unary("isinf", "Whether x is infinite.")

isfinite = elementwise_unary("isfinite", "Whether x is neither infinite nor not a number.")

logical_not = elementwise_unary("logical_not", "`not x`, element by element.")

subtract = elementwise_binary("subtract", "`x1 - x2`.")

divide = elementwise_binary("divide", "`x1 / x2`, in floats.")

maximum = elementwise_binary("maximum", "The larger of two; NaN if either is.")

minimum = elementwise_binary("minimum", "The smaller of two; NaN if either is.")

arctan2 = elementwise_binary("arctan2", "The angle of the point (x2, x1) in radians.")

equal = elementwise_binary("equal", "`x1 == x2`.")

not_equal = elementwise_binary("not_equal", "`x1 != x2`.")

less = elementwise_binary("less", "`x1 < x2`.")

less_equal = elementwise_binary("less_equal", "`x1 <= x2`.")

greater = elementwise_binary("greater", "`x1 > x2`.")

greater_equal = elementwise_binary("greater_equal", "`x1 >= x2`.")

logical_and = elementwise_binary("logical_and", "`x1 and x2`, element by element.")

logical_or = elementwise_binary("logical_or", "`x1 or x2`, element by element.")

logical_xor = elementwise_binary("logical_xor", "Whether exactly one of two is true.")


def _booleans(x1: Any, x2: Any) -> bool:
    return getattr(x1, "dtype", None) == "bool" == getattr(x2, "dtype", None)


def _counted(x: Any) -> Any:
    return as_dtype(tensor(x), "int32")


@op
def add(x1: Any, x2: Any) -> Any:
    """`x1 + x2`; of booleans whether either is true.

    Raises:
        ShapeError: if the shapes do not broadcast.
    """
    return handle["logical_or" if _booleans(x1, x2) else "add"](x1, x2)


@op
def multiply(x1: Any, x2: Any) -> Any:
    """`x1 * x2`; of booleans whether both are true.

    Raises:
        ShapeError: if the shapes do not broadcast.
    """
    return handle["logical_and" if _booleans(x1, x2) else "multiply"](x1, x2)


@op
def floor_divide(x1: Any, x2: Any) -> Any:
    """`x1 / x2` rounded towards minus infinity; booleans count as int32.

    Raises:
        ShapeError: if the shapes do not broadcast.
    """
    return handle["floor_divide"](*((_counted(x1), _counted(x2)) if _booleans(x1, x2) else (x1, x2)))


@op
def mod(x1: Any, x2: Any) -> Any:
    """The remainder of `floor_divide`; its sign is that of `x2`. Booleans count as int32.

    Raises:
        ShapeError: if the shapes do not broadcast.
    """
    return handle["mod"](*((_counted(x1), _counted(x2)) if _booleans(x1, x2) else (x1, x2)))


@op
def power(x1: Any, x2: Any) -> Any:
    """`x1 ** x2`; booleans count as int32.

    Raises:
        ShapeError: if the shapes do not broadcast.
    """
    return handle["power"](*((_counted(x1), _counted(x2)) if _booleans(x1, x2) else (x1, x2)))


@op
def absolute(x: Any) -> Any:
    """`|x|`; booleans stay as they are."""
    x = tensor(x)
    return x if x.dtype == "bool" else handle["absolute"](x)


@op
def abs(x: Any) -> Any:
    """`|x|`; booleans stay as they are."""
    return absolute(x)


@op
def square(x: Any) -> Any:
    """`x * x`; booleans become int32."""
    x = tensor(x)
    return handle["square"](as_dtype(x, "int32") if x.dtype == "bool" else x)


@op
def true_divide(x1: Any, x2: Any) -> Any:
    """`x1 / x2`, in floats."""
    return handle["divide"](x1, x2)


@op
def divide_no_nan(x1: Any, x2: Any) -> Any:
    """`x1 / x2`, and 0 where `x2` is 0."""
    top, bottom = (as_float(x) for x in paired(x1, x2))
    zero = handle["equal"](bottom, 0)
    safe = handle["select"](zero, 1.0, bottom)
    return handle["select"](zero, 0.0, handle["divide"](top, safe))


@op
def round(x: Any, decimals: int = 0) -> Any:
    """Rounds to `decimals` digits, halves to the even neighbour."""
    x = tensor(x)
    if not is_float_dtype(x.dtype):
        return x
    if decimals == 0:
        return handle["round"](x)
    factor = 10.0**decimals
    return handle["divide"](handle["round"](handle["multiply"](x, factor)), factor)


@op
def clip(x: Any, x_min: Any, x_max: Any) -> Any:
    """Limits elements to the range from `x_min` to `x_max`."""
    return handle["minimum"](handle["maximum"](x, x_min), x_max)


@op
def where(condition: Any, x1: Any = None, x2: Any = None) -> Any:
    """`x1` where the condition holds, else `x2`; the positions where it holds, an array an axis, when neither is given.

    Raises:
        TracedValueError: without alternatives while tracing, as the number of positions depends on the data.
        ValueRangeError: with only one alternative.
    """
    if (x1 is None) != (x2 is None):
        raise ValueRangeError("ops.where takes both alternatives or neither, got one")
    if x1 is not None:
        return handle["select"](condition, x1, x2)
    condition = tensor(condition)
    if condition.is_traced:
        raise TracedValueError(
            "How many positions ops.where(condition) finds is not known while tracing; use ops.where(condition, x1, x2)"
        )
    return tuple(tensor(places.astype("int32")) for places in np.nonzero(condition.numpy()))
