"""Elementary functions, comparisons and bits, element by element."""

from __future__ import annotations

import math

import numpy as np

from ironhorn import ops
from ops.cases.case import (
    FLOATS,
    NO_FLOATS,
    STEPS,
    Argument,
    Case,
    binary,
    moved,
    unary,
)

_vectorised = np.vectorize
INTEGERS = ("int32", "int64", "uint8", "int8", "uint32")


def erfc(x: np.ndarray) -> np.ndarray:
    """The complement of the error function."""
    return np.asarray(_vectorised(math.erfc, otypes=["float64"])(x))


def erfinv(y: np.ndarray) -> np.ndarray:
    """The inverse of the error function, by Newton's method."""
    x = np.zeros_like(y)
    for _ in range(60):
        error = np.asarray(_vectorised(math.erf, otypes=["float64"])(x)) - y
        x = x - error / (2 / np.sqrt(np.pi) * np.exp(-x * x))
    return x


def ldexp(x: np.ndarray) -> np.ndarray:
    """Times four."""
    return x * 4


def bits(name: str, reference: object, right: str = "any") -> list[Case]:
    """A function of two arrays of integers."""
    return [
        Case(
            name,
            (Argument((3, 4)), Argument(shape, right, batch=len(shape) == 2)),
            reference,  # type: ignore[arg-type]
            gradient=NO_FLOATS,
            dtypes=INTEGERS,
            note=note,
        )
        for note, shape in (("", (3, 4)), ("row", (4,)), ("number", ()))
    ]


TWO_ROWS = (Argument((3, 4)), Argument((3, 4)))
SPECIAL = (Argument((5, 7), "special"),)

CASES: list[Case] = [
    *unary("arcsin", np.arcsin, "unit", integers=None),
    *unary("arccos", np.arccos, "unit", integers=None),
    *unary("arctan", np.arctan),
    *unary("sinh", np.sinh, tolerance=2.0),
    *unary("cosh", np.cosh, tolerance=2.0),
    *unary("arcsinh", np.arcsinh),
    *unary("arccosh", np.arccosh, "large"),
    *unary("arctanh", np.arctanh, "unit", integers=None, tolerance=2.0),
    *unary("cbrt", np.cbrt, "positive"),
    *unary("exp2", np.exp2),
    *unary("erfc", erfc),
    *unary("erfinv", erfinv, "unit", integers=None, tolerance=2.0),
    *unary("i0", np.i0, tolerance=2.0),
    *unary("sinc", np.sinc, tolerance=4.0, integers=None),
    Case(
        "sinc", (Argument((3, 4), "unit"),), lambda x: np.sinc(x / 40), call=lambda x: ops.sinc(x / 40), note="near 0"
    ),
    *unary("deg2rad", np.deg2rad),
    *unary("rad2deg", np.rad2deg),
    *unary("trunc", np.trunc, integers="same", gradient=STEPS),
    Case("sin", (Argument((9, 31), "wide"),), np.sin, note="far", tolerance=2.0, second=False),
    *binary("hypot", np.hypot, integers="float32"),
    *binary("logaddexp", np.logaddexp, integers="float32"),
    *binary("logaddexp2", np.logaddexp2, integers="float32", tolerance=4.0),
    *binary("fmod", np.fmod, right="large", tolerance=4.0),
    *binary("heaviside", np.heaviside, integers="float32", gradient="not continuous"),
    Case(
        "heaviside",
        (Argument((3, 4), "classes"), Argument((3, 4))),
        lambda a, b: np.heaviside(a - 1, b),
        call=lambda a, b: ops.heaviside(a - 1, b),
        gradient="not continuous",
        note="zero",
    ),
    Case(
        "ldexp",
        (Argument((3, 4)),),
        ldexp,
        call=lambda x: ops.ldexp(x, np.full((1, 4), 2, "int32")),
        tolerance=0.0,
        dtypes=(*FLOATS, "int32"),
        results={"int32": "float32"},
    ),
    Case(
        "nextafter",
        (Argument((3, 4)), Argument((3, 4), "large")),
        lambda a, b: a,
        gradient="as good as constant in steps",
    ),
    *bits("bitwise_and", lambda a, b: a & b),
    *bits("bitwise_or", lambda a, b: a | b),
    *bits("bitwise_xor", lambda a, b: a ^ b),
    *bits("bitwise_left_shift", lambda a, b: a << b, "classes"),
    *bits("left_shift", lambda a, b: a << b, "classes"),
    *bits("bitwise_right_shift", lambda a, b: a >> b, "classes"),
    *bits("right_shift", lambda a, b: a >> b, "classes"),
    *bits("gcd", np.gcd),
    *bits("lcm", np.lcm, "classes"),
    *(
        Case(name, (Argument((3, 4)),), np.invert, gradient=NO_FLOATS, dtypes=(*INTEGERS, "uint64"))
        for name in ("bitwise_not", "bitwise_invert")
    ),
    Case(
        "bitwise_and",
        (Argument((3, 4), "mask", dtype="bool"), Argument((3, 4), "mask", dtype="bool")),
        np.logical_and,
        gradient=NO_FLOATS,
        dtypes=("float32",),
        results={"*": "bool"},
        note="booleans",
    ),
    Case(
        "saturate_cast",
        (Argument((3, 4), "wide"),),
        lambda x: np.trunc(np.clip(x * 9, 0, 255)),
        call=lambda x: ops.saturate_cast(x * 9, "uint8"),
        gradient=NO_FLOATS,
        results={"*": "uint8"},
    ),
    Case(
        "saturate_cast",
        (Argument((3, 4), "wide"),),
        lambda x: np.clip(x, 0, 127),
        call=lambda x: ops.saturate_cast(x, "int8"),
        gradient=NO_FLOATS,
        dtypes=("uint8", "uint32"),
        results={"*": "int8"},
        note="integers",
    ),
    Case(
        "view",
        (Argument((3, 4)),),
        lambda x: x.view("uint8"),
        call=lambda x: ops.view(x, "uint8"),
        gradient=NO_FLOATS,
        dtypes=("int32", "int64", "uint8", "int8"),
        results={"*": "uint8"},
    ),
    Case(
        "view",
        (Argument((3, 4)),),
        lambda x: x.astype("int16").view("int32"),
        call=lambda x: ops.view(ops.cast(x, "int16"), "int32"),
        gradient=NO_FLOATS,
        dtypes=("int8",),
        results={"*": "int32"},
        note="wider",
    ),
    # Tests, and choices.
    Case(
        "isclose",
        TWO_ROWS,
        lambda a, b: np.isclose(a, b, atol=1.0),
        call=lambda a, b: ops.isclose(a, b, atol=1.0),
        gradient=NO_FLOATS,
        dtypes=(*FLOATS, "int32", "uint8"),
        results={"*": "bool"},
    ),
    Case(
        "isclose",
        (*SPECIAL, *SPECIAL),
        lambda a, b: np.isclose(a, b, equal_nan=True),
        call=lambda a, b: ops.isclose(a, b, equal_nan=True),
        gradient=NO_FLOATS,
        results={"*": "bool"},
        note="special",
    ),
    Case("allclose", TWO_ROWS, np.allclose, gradient=NO_FLOATS, results={"*": "bool"}),
    *unary("isposinf", np.isposinf, "special", integers=None, gradient=NO_FLOATS, results={"*": "bool"}),
    *unary("isneginf", np.isneginf, "special", integers=None, gradient=NO_FLOATS, results={"*": "bool"}),
    *unary("isreal", np.isreal, "special", integers=None, gradient=NO_FLOATS, results={"*": "bool"}),
    *unary("signbit", np.signbit, gradient=NO_FLOATS, integers="bool", results={"*": "bool"}),
    moved("real", lambda x: x, ops.real),
    moved("conj", lambda x: x, ops.conj),
    moved("conjugate", lambda x: x, ops.conjugate),
    moved("copy", lambda x: x, ops.copy),
    moved("imag", np.zeros_like, ops.imag, gradient="always 0"),
    *unary("angle", np.angle, "special", integers=None, gradient="of infinities"),
    *unary("fabs", np.abs),
    *binary("fmax", np.fmax),
    *binary("fmin", np.fmin),
    Case("fmax", (*SPECIAL, Argument((5, 7))), np.fmax, note="special", gradient="of infinities"),
    Case("fmin", (*SPECIAL, Argument((5, 7))), np.fmin, note="special", gradient="of infinities"),
    Case(
        "nan_to_num",
        SPECIAL,
        lambda x: np.nan_to_num(x, nan=1.0, posinf=2.0, neginf=-3.0),
        call=lambda x: ops.nan_to_num(x, 1.0, 2.0, -3.0),
        gradient="of infinities",
    ),
    Case("nan_to_num", (Argument((3, 4)),), lambda x: x, note="numbers", dtypes=(*FLOATS, "int32", "bool")),
    Case(
        "select",
        (Argument((3, 4)), Argument((3, 4)), Argument((1, 4), batch=False)),
        lambda a, b, c: np.select([a > 0.5, b > 0.5], [b, c], a),
        call=lambda a, b, c: ops.select([a > 0.5, b > 0.5], [b, c], a),
        tolerance=0.0,
    ),
    Case(
        "where",
        (Argument((3, 4), "mask", dtype="bool"),),
        lambda x: list(np.nonzero(x)),
        call=lambda x: list(ops.where(x)),
        gradient=NO_FLOATS,
        dtypes=("float32",),
        results={"*": "int32"},
        note="positions",
        symbolic=False,
    ),
]
