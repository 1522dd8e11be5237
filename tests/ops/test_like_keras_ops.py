"""`ironhorn.ops` beside `keras.ops`: the same names, parameters, defaults, and types of results."""

from __future__ import annotations

import inspect
import json
import pathlib
from typing import Any

import numpy as np
import pytest

from ironhorn import KerasTensor, ops
from ironhorn.errors import DTypeError
from ops import make_promotion

# Functions of keras.ops that are not here, and why.
MISSING = {
    "polar": "gives complex numbers",
    "view_as_complex": "gives complex numbers",
    "view_as_real": "takes complex numbers",
}

# Functions whose parameters differ, and why.
SIGNATURES = {
    "einsum": "Keras hands keywords to its backends",
    "multi_hot": "the one keyword that Keras takes beside these is named",
}


def functions(module: Any) -> dict[str, Any]:
    """The public functions of a module."""
    return {name: value for name, value in vars(module).items() if callable(value) and not name.startswith("_")}


def parameters(function: Any) -> list[tuple[str, Any, Any]]:
    """Name, kind and default of every parameter; tuples and lists are one."""
    return [
        (p.name, p.kind, tuple(p.default) if isinstance(p.default, list) else p.default)
        for p in inspect.signature(function).parameters.values()
    ]


@pytest.fixture(scope="module")
def keras_ops() -> Any:
    return pytest.importorskip("keras").ops


def test_every_function_is_here(keras_ops: Any) -> None:
    assert sorted(set(functions(keras_ops)) - set(functions(ops))) == sorted(MISSING)


def test_parameters_are_the_same(keras_ops: Any) -> None:
    theirs = functions(keras_ops)
    different = {
        name: f"{inspect.signature(function)}, Keras has {inspect.signature(theirs[name])}"
        for name, function in functions(ops).items()
        if name in theirs and parameters(function) != parameters(theirs[name])
    }
    assert {name: text for name, text in different.items() if name not in SIGNATURES} == {}
    assert sorted(set(SIGNATURES) - set(different)) == [], "listed as different, but the same"


RECORD = json.loads((pathlib.Path(__file__).parent / "promotion.json").read_text())["functions"]

# Where the types of results differ: (ours, Keras' for symbolic tensors), "-" for an error, and why.
REFUSED = {("-", dtype) for dtype in ("bool", "bfloat16", "float16", "float32", "float64")}
TYPES: dict[str, tuple[set[tuple[str, str]], str]] = {
    **dict.fromkeys(
        ("bitwise_and", "bitwise_invert", "bitwise_not", "bitwise_or", "bitwise_xor", "gcd", "lcm", "ldexp"),
        (REFUSED, "of integers only; Keras' backends refuse the others too"),
    ),
    **dict.fromkeys(
        ("bitwise_left_shift", "bitwise_right_shift", "left_shift", "right_shift"),
        (REFUSED | {("int32", "bool")}, "of integers only; booleans count as int32, as they do in JAX"),
    ),
    **dict.fromkeys(
        ("floor_divide", "power", "cross"), ({("int32", "bool")}, "booleans count as int32, as they do in JAX")
    ),
    **dict.fromkeys(("negative", "ptp", "sign", "subtract"), ({("-", "bool")}, "of numbers only, as in JAX")),
    **dict.fromkeys(
        ("cbrt", "corrcoef", "deg2rad", "i0", "rad2deg"),
        ({("float32", "float64"), ("float32", "uint64")}, "64-bit integers become floatx, as they do elsewhere"),
    ),
    **dict.fromkeys(
        ("heaviside", "hypot"),
        ({("float32", "float64"), ("float32", "bool")}, "integers and booleans become floatx, as they do elsewhere"),
    ),
    **dict.fromkeys(
        ("logsumexp", "reciprocal"),
        ({(dtype, "float32") for dtype in ("bfloat16", "float16", "float64")}, "floats keep their type, as in JAX"),
    ),
    **dict.fromkeys(
        ("erf", "erfinv", "rsqrt"),
        ({("float32", dtype) for dtype in make_promotion.DTYPES[:9]}, "integers become floatx; JAX refuses them"),
    ),
    "nextafter": ({("-", "bfloat16"), ("-", "float16")}, "16-bit floats are computed as float32"),
}


def name_of(letter: str) -> str:
    """The type that a letter of the record stands for."""
    return letter if letter == "-" else make_promotion.DTYPES[make_promotion.LETTERS.index(letter)]


def differences(found: str, wanted: str) -> set[tuple[str, str]]:
    """Where two lines of a record differ. Keras makes uint64 uint32; it stays itself here."""
    pairs = {(name_of(a), name_of(b)) for a, b in zip(found, wanted, strict=True) if a != b}
    return pairs - {("uint64", "uint32")}


def test_types_of_results() -> None:
    tensors = {dtype: ops.ones((3, 3), dtype) for dtype in make_promotion.DTYPES}
    ours = make_promotion.of_functions(ops, tensors.__getitem__)
    assert sorted(ours) == sorted(RECORD)
    found = {name: differences(line, RECORD[name]) for name, line in ours.items()}
    assert {name: pairs for name, pairs in found.items() if pairs - TYPES.get(name, (set(), ""))[0]} == {}
    assert [name for name in TYPES if not found[name]] == [], "listed as different, but the same"


def test_symbolic_results_have_the_same_types() -> None:
    symbols = {dtype: KerasTensor((3, 3), dtype) for dtype in make_promotion.DTYPES}
    tensors = {dtype: ops.ones((3, 3), dtype) for dtype in make_promotion.DTYPES}
    for name in ("add", "hypot", "arctan", "nanmean", "gcd", "isclose", "heaviside"):
        for a in make_promotion.DTYPES:
            given = [a] if name in make_promotion.UNARY else [a, "int8"]
            try:
                eager = getattr(ops, name)(*(tensors[dtype] for dtype in given)).dtype
            except DTypeError:
                continue
            assert getattr(ops, name)(*(symbols[dtype] for dtype in given)).dtype == eager, (name, given)


def test_record_is_what_keras_says(keras_ops: Any) -> None:
    """Between types of up to 32 bits, which are the same on every backend of Keras."""
    import keras

    def symbol(dtype: str) -> Any:
        return keras.KerasTensor((3, 3), dtype)

    narrow = [dtype for dtype in make_promotion.DTYPES if "64" not in dtype]
    places = np.asarray([dtype in narrow for dtype in make_promotion.DTYPES])
    for name, line in RECORD.items():
        letters = np.asarray(list(line))
        kept = letters[places if len(letters) == places.size else (places[:, None] & places).ravel()]
        pairs = [(a,) for a in narrow] if name in make_promotion.UNARY else [(a, b) for a in narrow for b in narrow]
        asked = [make_promotion.asked(keras_ops, name, symbol, *pair) for pair in pairs]
        same = [(a, b) for a, b in zip(asked, kept, strict=True) if a != b and "64" not in name_of(a) + name_of(b)]
        assert same == [], name
