"""Trigonometric, hyperbolic and special functions, and powers and logarithms to other bases.

Keras' names and arguments, Keras' rules for types.
"""

import math
from typing import Any

from ironhorn.backend.dtypes import is_float_dtype, is_int_dtype
from ironhorn.errors import DTypeError
from ironhorn.ops._dispatch import op
from ironhorn.ops._values import as_dtype, as_float, elementwise_binary, elementwise_unary, handle, paired, tensor

__all__ = [
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctanh",
    "cbrt",
    "cosh",
    "deg2rad",
    "erfc",
    "erfinv",
    "exp2",
    "fmod",
    "heaviside",
    "hypot",
    "i0",
    "ldexp",
    "logaddexp",
    "logaddexp2",
    "nextafter",
    "rad2deg",
    "sinc",
    "sinh",
    "trunc",
]

arccos = elementwise_unary("arccos", "The angle in radians, 0 to pi, whose cosine is x; NaN outside -1 to 1.")

arccosh = elementwise_unary("arccosh", "The number, 0 or more, whose hyperbolic cosine is x; NaN below 1.")

arcsin = elementwise_unary("arcsin", "The angle in radians, -pi/2 to pi/2, whose sine is x; NaN outside -1 to 1.")

arcsinh = elementwise_unary("arcsinh", "The number whose hyperbolic sine is x.")

arctan = elementwise_unary("arctan", "The angle in radians, -pi/2 to pi/2, whose tangent is x.")

arctanh = elementwise_unary("arctanh", "The number whose hyperbolic tangent is x; NaN outside -1 to 1.")

cbrt = elementwise_unary("cbrt", "Cube root, of negative numbers too.")

cosh = elementwise_unary("cosh", "Hyperbolic cosine.")

sinh = elementwise_unary("sinh", "Hyperbolic sine.")

erfc = elementwise_unary("erfc", "`1 - erf(x)`, accurate where that is small.")

erfinv = elementwise_unary("erfinv", "The inverse of the error function; NaN outside -1 to 1.")

exp2 = elementwise_unary("exp2", "`2 ** x`.")

i0 = elementwise_unary("i0", "The modified Bessel function of the first kind, of order 0.")

hypot = elementwise_binary("hypot", "`sqrt(x1 ** 2 + x2 ** 2)`, without overflow on the way.")

logaddexp = elementwise_binary("logaddexp", "`log(exp(x1) + exp(x2))`, without overflow on the way.")


@op
def fmod(x1: Any, x2: Any) -> Any:
    """The remainder of `x1 / x2` rounded towards zero; its sign is that of `x1`.

    Booleans count as int32. An integer divided by 0 leaves itself.
    """
    a, b = tensor(x1), tensor(x2)
    if a.dtype == b.dtype == "bool":
        a, b = as_dtype(a, "int32"), as_dtype(b, "int32")
        return handle["fmod"](a, b)
    return handle["fmod"](x1, x2)


@op
def trunc(x: Any) -> Any:
    """`x` rounded towards zero; integers and booleans stay as they are."""
    x = tensor(x)
    return handle["trunc"](x) if is_float_dtype(x.dtype) else x


@op
def deg2rad(x: Any) -> Any:
    """Degrees as radians."""
    return handle["multiply"](as_float(x), math.pi / 180.0)


@op
def rad2deg(x: Any) -> Any:
    """Radians as degrees."""
    return handle["multiply"](as_float(x), 180.0 / math.pi)


@op
def logaddexp2(x1: Any, x2: Any) -> Any:
    """`log2(2 ** x1 + 2 ** x2)`, without overflow on the way."""
    a, b = (handle["multiply"](as_float(x), math.log(2.0)) for x in paired(x1, x2))
    return handle["multiply"](handle["logaddexp"](a, b), 1.0 / math.log(2.0))


@op
def heaviside(x1: Any, x2: Any) -> Any:
    """0 where `x1` is negative, 1 where it is positive, `x2` where it is 0; NaN where it is NaN."""
    a, b = (as_float(x) for x in paired(x1, x2))
    step = handle["maximum"](handle["sign"](a), 0)
    return handle["select"](handle["equal"](a, 0), b, step)


@op
def ldexp(x1: Any, x2: Any) -> Any:
    """`x1 * 2 ** x2`.

    Args:
        x1: array; integers become floats.
        x2: array of integers.

    Raises:
        DTypeError: if `x2` does not hold integers.
    """
    exponent = tensor(x2)
    if not is_int_dtype(exponent.dtype):
        raise DTypeError(f"ops.ldexp takes integer exponents, got {exponent.dtype}; use ops.multiply(x1, ops.exp2(x2))")
    mantissa = as_float(x1)
    # In four factors, which are finite for every exponent that makes a difference.
    limit = {"float64": 2200, "float16": 56}.get(mantissa.dtype, 300)
    exponent = handle["maximum"](handle["minimum"](as_dtype(exponent, "int32"), limit), -limit)
    for divisor in (4, 3, 2, 1):
        part = handle["floor_divide"](exponent, divisor)
        exponent = handle["subtract"](exponent, part)
        mantissa = handle["multiply"](mantissa, handle["exp2"](as_dtype(part, mantissa.dtype)))
    return mantissa


@op
def nextafter(x1: Any, x2: Any) -> Any:
    """The float next to `x1` in the direction of `x2`.

    Raises:
        DTypeError: for float16 and bfloat16, which are computed as float32.
    """
    a, b = (as_float(x) for x in paired(x1, x2))
    if a.dtype in ("float16", "bfloat16"):
        raise DTypeError(f"ops.nextafter takes float32 and float64, got {a.dtype}; cast the arguments first")
    return handle["nextafter"](a, b)


@op
def sinc(x: Any) -> Any:
    """`sin(pi x) / (pi x)`, and 1 at 0."""
    t = handle["multiply"](as_float(x), math.pi)
    square = handle["square"](t)
    near = handle["less"](square, 0.01)
    # Around 0 by its series, whose derivatives are right too.
    series: Any = 1.0 / 362880.0
    for coefficient in (-1.0 / 5040.0, 1.0 / 120.0, -1.0 / 6.0, 1.0):
        series = handle["add"](handle["multiply"](square, series), coefficient)
    safe = handle["select"](near, 1.0, t)
    return handle["select"](near, series, handle["divide"](handle["sin"](safe), safe))
