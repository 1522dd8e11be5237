"""What a row of the case table is, and rows that many functions share.

A row gives a function of `ironhorn.ops` its tests (test_ops.py): values in every type, on every instruction set, of
empty and of strided arrays; symbolic and traced calls; first and second derivatives.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ironhorn import KerasTensor, ops

FLOATS = ("float32", "float64")
NUMBERS = (*FLOATS, "int32", "int64", "uint8")
TOLERANCE = {"float32": 2e-6, "float64": 2e-14}

NO_FLOATS = "the result has no floats"
STEPS = "piecewise constant: the derivative is 0 wherever there is one"
CONSTANT = "the result does not depend on the elements"


@dataclass(frozen=True)
class Argument:
    """An array to call with.

    Args:
        shape: Its lengths; axis 0 is the batch where `batch` says so.
        values: What its elements are drawn from, a key of `DRAWS`.
        batch: Whether axis 0 may have any length: 0, or one unknown while tracing; if not, it is a constant to the
            function.
        dtype: Its type, where that is not the case's.
        smooth: Whether derivatives by this argument are checked.
    """

    shape: tuple[int, ...]
    values: str = "any"
    batch: bool = True
    dtype: str | None = None
    smooth: bool = True


def spread(random: np.random.Generator, shape: Any) -> np.ndarray:
    """Numbers in -2..2, no two within 1e-3 of each other or of a multiple of 1/2, so that kinks and ties are far."""
    count = int(np.prod(shape))
    grid = np.arange(-2.0, 2.0, 4.0 / max(4 * count, 64)) + 1.7e-3
    grid = grid[np.abs(grid * 2 - np.round(grid * 2)) > 2e-3]
    return random.permutation(grid)[:count].reshape(shape)


DRAWS: dict[str, Callable[[np.random.Generator, Any], np.ndarray]] = {
    "any": spread,
    "positive": lambda random, shape: random.uniform(0.4, 3.0, shape),
    "unit": lambda random, shape: random.uniform(-0.9, 0.9, shape),
    "large": lambda random, shape: random.uniform(2.5, 4.0, shape),
    "probabilities": lambda random, shape: random.uniform(0.1, 0.9, shape),
    "binary": lambda random, shape: random.integers(0, 2, shape),
    "classes": lambda random, shape: random.integers(0, 3, shape),
    "wide": lambda random, shape: random.normal(0.0, 20.0, shape),
    "special": lambda random, shape: random.choice([0.0, 1.5, -2.0, np.inf, -np.inf, np.nan], shape),
    "mask": lambda random, shape: random.uniform(size=shape) < 0.7,
}


@dataclass(frozen=True)
class Case:
    """A function and what is true of it.

    Args:
        name: Its name in `ironhorn.ops`.
        arguments: The arrays that it is called with.
        reference: The same function of NumPy arrays (of float64 where the case's type is a float).
        call: How it is called, where that is not `name(*arrays)`.
        gradient: True, or why there is no derivative to check.
        second: Whether the second derivative is checked.
        dtypes: The types that values are checked in.
        results: The result's type by type of arguments, where they differ; "*" stands for every type.
        tolerance: The factor by which errors may be larger than a few rounding errors.
        symbolic: Whether symbolic and traced arguments are taken.
        graph: Whether symbolic arguments are taken where traced ones are.
        empty: Whether the batch may be empty.
        note: What tells this row from others of the same function.
    """

    name: str
    arguments: tuple[Argument, ...]
    reference: Callable[..., Any]
    call: Callable[..., Any] | None = None
    gradient: bool | str = True
    second: bool = True
    dtypes: tuple[str, ...] = FLOATS
    results: dict[str, str] = field(default_factory=dict)
    tolerance: float = 1.0
    symbolic: bool = True
    graph: bool = True
    empty: bool = True
    note: str = ""

    @property
    def id(self) -> str:
        """A name for the test."""
        return f"{self.name}-{self.note}" if self.note else self.name

    @property
    def function(self) -> Callable[..., Any]:
        """What to call with arrays."""
        return self.call or getattr(ops, self.name)

    def arrays(self, dtype: str, seed: int = 0, batch: int | None = None) -> list[np.ndarray]:
        """Arguments of one type; `batch` replaces the length of their first axis."""
        generator = np.random.default_rng([seed, *self.id.encode()])
        made = []
        for position, argument in enumerate(self.arguments):
            shape = argument.shape
            if batch is not None and argument.batch and shape:
                shape = (batch, *shape[1:])
            # No element of one array is close to one of another either.
            values = DRAWS[argument.values](generator, shape)
            if argument.values == "any":
                values = values + 3e-4 * position
            wanted = argument.dtype or dtype
            if not wanted.startswith("float"):
                values = np.abs(np.round(values * 3)) if wanted.startswith("u") else np.round(values * 3)
                if argument.values in ("binary", "classes", "mask"):
                    values = values / 3
                if argument.values in ("positive", "large"):
                    values = np.maximum(values, 1)
            made.append(np.asarray(values).astype(wanted))
        return made


def unary(name: str, reference: Any, values: str = "any", shape: Any = (3, 4), **known: Any) -> list[Case]:
    """A function of one array, with a small array for derivatives and a long one for vectors and their tails."""
    integers = known.pop("integers", "float32")
    dtypes = (*FLOATS, "int32", "uint8") if integers else FLOATS
    results = {"int32": integers, "uint8": integers} if integers and integers != "same" else {}
    if integers == "same":
        dtypes = NUMBERS
    known = {"dtypes": dtypes, "results": results, **known}
    long = {**known, "gradient": "checked on the small array", "note": "long"}
    return [
        Case(name, (Argument(shape, values),), reference, **known),
        Case(name, (Argument((5, 77), values),), reference, **long),
    ]


def binary(name: str, reference: Any, left: str = "any", right: str = "any", **known: Any) -> list[Case]:
    """A function of two arrays: equal shapes, a row beside a matrix, a column beside a row, a number."""
    integers = known.pop("integers", "same")
    dtypes = NUMBERS if integers == "same" else (*FLOATS, "int32", "uint8")
    results = {"int32": integers, "uint8": integers} if integers != "same" else {}
    known = {"dtypes": dtypes, "results": results, **known}
    pairs = {
        "": (Argument((3, 4), left), Argument((3, 4), right)),
        "row": (Argument((5, 67), left), Argument((67,), right, batch=False)),
        "outer": (Argument((3, 1), left), Argument((1, 4), right, batch=False)),
        "number": (Argument((3, 4), left), Argument((), right)),
    }
    return [Case(name, arguments, reference, note=note, **known) for note, arguments in pairs.items()]


def compare(name: str, reference: Any) -> list[Case]:
    """A function of two arrays that gives booleans; some elements are equal."""
    return binary(name, reference, "classes", "classes", gradient=NO_FLOATS, results={"*": "bool"})


def reduction(name: str, reference: Any, values: str = "any", **known: Any) -> list[Case]:
    """A function that reduces axes: the last, the first, some, all; with and without keeping them."""
    known = {"dtypes": NUMBERS, **known}
    gradient = known.pop("gradient", True)
    call = getattr(ops, name)
    long = "checked on the small array" if gradient is True else gradient
    kept: dict[str, Any] = {"gradient": gradient, **known}
    rows: list[tuple[str, Any, Any, dict[str, Any]]] = [
        ("", (2, 3, 4), {"axis": -1}, kept),
        ("first", (2, 3, 4), {"axis": 0}, {**kept, "empty": False}),
        ("middle", (2, 3, 4), {"axis": 1, "keepdims": True}, kept),
        ("two", (2, 3, 4), {"axis": (0, 2)}, {**kept, "empty": False}),
        ("all", (2, 3, 4), {}, {**kept, "empty": False}),
        ("long rows", (3, 1037), {"axis": 1}, {**kept, "gradient": long}),
        ("long columns", (1037, 3), {"axis": 0}, {**kept, "gradient": long, "empty": False}),
    ]
    single = name in ("argmax", "argmin")
    return [
        Case(
            name,
            (Argument(shape, values),),
            lambda x, options=options: reference(x, **options),
            call=lambda x, options=options: call(x, **options),
            note=note,
            **row,
        )
        for note, shape, options, row in rows
        if not (single and note == "two") and not (name == "count_nonzero" and "keepdims" in options)
    ]


def tensor(x: Any) -> Any:
    """An array as a tensor; symbols as they are."""
    return x if isinstance(x, KerasTensor) else ops.convert_to_tensor(x)


def moved(name: str, reference: Any, call: Any, shape: Any = (2, 3, 4), note: str = "", **known: Any) -> Case:
    """A function that only moves elements: the result is exact in every type."""
    known = {"dtypes": (*NUMBERS, "bool", "int8", "uint32"), "tolerance": 0.0, **known}
    return Case(name, (Argument(shape),), reference, call=call, note=note, **known)


def made(name: str, reference: Callable[[], Any], call: Callable[[], Any], note: str = "") -> Case:
    """A function that makes an array of nothing."""
    return Case(
        name, (), reference, call=call, note=note, gradient=CONSTANT, dtypes=("float32",), symbolic=False, empty=False
    )
