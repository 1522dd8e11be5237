"""Arithmetic, comparison, logic and elementary functions, element by element.

Keras' names and arguments, Keras' rules for types.
"""

from typing import Any

from ironhorn.backend.dtypes import is_float_dtype
from ironhorn.errors import UnsupportedError
from ironhorn.ops._dispatch import op
from ironhorn.ops._values import as_dtype, handle, tensor

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


def _unary(name: str, summary: str) -> Any:
    native = handle[name]

    def function(x: Any) -> Any:
        return native(x)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""{summary}

    Args:
        x: array of any shape.

    Returns:
        Tensor of the same shape.
    """
    return op(function)


def _binary(name: str, summary: str) -> Any:
    native = handle[name]

    def function(x1: Any, x2: Any) -> Any:
        return native(x1, x2)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""{summary}

    Args:
        x1: array.
        x2: array whose shape broadcasts with that of `x1`.

    Returns:
        Tensor of the broadcast shape.

    Raises:
        ShapeError: if the shapes do not broadcast.
    """
    return op(function)


negative = _unary("negative", "`-x`.")

sign = _unary("sign", "-1, 0 or 1.")

sqrt = _unary("sqrt", "Square root.")

rsqrt = _unary("rsqrt", "`1 / sqrt(x)`.")

reciprocal = _unary("reciprocal", "`1 / x`.")

exp = _unary("exp", "`e ** x`.")

expm1 = _unary("expm1", "`e ** x - 1`, accurate near 0.")

log = _unary("log", "Natural logarithm.")

log1p = _unary("log1p", "`log(1 + x)`, accurate near 0.")

log2 = _unary("log2", "Logarithm to base 2.")

log10 = _unary("log10", "Logarithm to base 10.")

sin = _unary("sin", "Sine of an angle in radians.")

cos = _unary("cos", "Cosine of an angle in radians.")

tan = _unary("tan", "Tangent of an angle in radians.")

tanh = _unary("tanh", "Hyperbolic tangent.")

erf = _unary("erf", "Error function.")

floor = _unary("floor", "The largest integer not above x.")

ceil = _unary("ceil", "The smallest integer not below x.")

isnan = _unary("isnan", "Whether x is not a number.")

isinf = _unary("isinf", "Whether x is infinite.")

isfinite = _unary("isfinite", "Whether x is neither infinite nor not a number.")

logical_not = _unary("logical_not", "`not x`, element by element.")

add = _binary("add", "`x1 + x2`.")

subtract = _binary("subtract", "`x1 - x2`.")

multiply = _binary("multiply", "`x1 * x2`.")

divide = _binary("divide", "`x1 / x2`, in floats.")

floor_divide = _binary("floor_divide", "`x1 / x2` rounded towards minus infinity.")

mod = _binary("mod", "The remainder of `floor_divide`; its sign is that of `x2`.")

power = _binary("power", "`x1 ** x2`.")

maximum = _binary("maximum", "The larger of two; NaN if either is.")

minimum = _binary("minimum", "The smaller of two; NaN if either is.")

arctan2 = _binary("arctan2", "The angle of the point (x2, x1) in radians.")

equal = _binary("equal", "`x1 == x2`.")

not_equal = _binary("not_equal", "`x1 != x2`.")

less = _binary("less", "`x1 < x2`.")

less_equal = _binary("less_equal", "`x1 <= x2`.")

greater = _binary("greater", "`x1 > x2`.")

greater_equal = _binary("greater_equal", "`x1 >= x2`.")

logical_and = _binary("logical_and", "`x1 and x2`, element by element.")

logical_or = _binary("logical_or", "`x1 or x2`, element by element.")

logical_xor = _binary("logical_xor", "Whether exactly one of two is true.")


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
    zero = handle["equal"](x2, 0)
    safe = handle["select"](zero, 1.0, x2)
    return handle["select"](zero, 0.0, handle["divide"](x1, safe))


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
    """`x1` where the condition holds, else `x2`.

    Raises:
        UnsupportedError: without `x1` and `x2` (the number of results would depend on the data).
    """
    if x1 is None or x2 is None:
        raise UnsupportedError("ops.where needs both alternatives; for positions use numpy.nonzero on the array")
    return handle["select"](condition, x1, x2)
