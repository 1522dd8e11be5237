"""One row for every function of `ironhorn.ops`: how to call it, what NumPy makes of the arguments, what holds for it.

A row gives a function its tests (test_ops.py): values in every type, on every instruction set, of empty and of strided
arrays; symbolic and traced calls; first and second derivatives.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ironhorn import KerasTensor, ops
from ops import references as ref

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


def crossed(axis: int) -> Any:
    """Concatenates three arrays."""
    return lambda a, b, c: ops.concatenate([a, b, c], axis=axis)


IMAGES = Argument((2, 6, 5, 3), "unit")
SEQUENCES = Argument((2, 9, 4), "unit")


def conv(note: str, x: Argument, kernel: tuple[int, ...], **options: Any) -> Case:
    """A convolution."""
    renamed = {"dilation_rate": "dilation"}
    reference = {renamed.get(key, key): value for key, value in options.items()}
    return Case(
        "conv",
        (x, Argument(kernel, "unit", batch=False)),
        lambda a, b: ref.conv(a, b, **reference),
        call=lambda a, b: ops.conv(a, b, data_format="channels_last", **options),
        note=note,
        tolerance=4.0,
    )


def first_to_last(x: np.ndarray) -> np.ndarray:
    """Channels second to channels last."""
    return np.moveaxis(x, 1, -1)


def pool(name: str, kind: str, note: str, x: Argument, size: int, strides: int, padding: str) -> Case:
    """A pooling."""
    return Case(
        name,
        (Argument(x.shape, "any"),),
        lambda a: ref.pool(kind, a, size, strides, padding),
        call=lambda a: getattr(ops, name)(a, size, strides, padding, data_format="channels_last"),
        note=note,
    )


def lstm(note: str, bias: bool = True, mask: bool = False, units: int = 3, **options: Any) -> Case:
    """An LSTM of all three outputs."""
    batch, time, features = 2, 4, 3
    arguments = [
        Argument((batch, time, features), "unit"),
        Argument((batch, units), "unit"),
        Argument((batch, units), "unit"),
        Argument((features, 4 * units), "unit", batch=False),
        Argument((units, 4 * units), "unit", batch=False),
    ]
    if bias:
        arguments.append(Argument((4 * units,), "unit", batch=False))
    if mask:
        arguments.append(Argument((batch, time), "mask", dtype="bool"))

    def split(arrays: Any) -> tuple[Any, dict[str, Any]]:
        return arrays[:5], {**options, "bias": arrays[5] if bias else None, "mask": arrays[-1] if mask else None}

    def reference(*arrays: Any) -> Any:
        given, named = split(arrays)
        return ref.lstm(*given, **named)

    def call(*arrays: Any) -> Any:
        given, named = split(arrays)
        return ops.lstm(*given, **named)

    return Case("lstm", tuple(arguments), reference, call=call, note=note, tolerance=8.0)


def takes(note: str, shape: Any, indices: Any, axis: int | None, **known: Any) -> Case:
    """Elements by constant indices."""
    numbers = np.array(indices, "int32")
    return Case(
        "take",
        (Argument(shape),),
        lambda x: np.take(x, numbers, axis),
        call=lambda x: ops.take(x, numbers, axis),
        note=note,
        dtypes=(*NUMBERS, "bool"),
        tolerance=0.0,
        **known,
    )


TAPS = np.array([[0, 2], [1, 1]], "int32")

CASES: list[Case] = [
    # One array, element by element.
    *unary("negative", np.negative, integers="same"),
    *unary("absolute", np.abs, integers="same"),
    *unary("abs", np.abs, integers="same"),
    *unary("sign", np.sign, integers="same", gradient=STEPS),
    *unary("square", np.square, integers="same"),
    *unary("sqrt", np.sqrt, "positive"),
    *unary("rsqrt", lambda x: 1 / np.sqrt(x), "positive"),
    *unary("reciprocal", lambda x: 1 / x, "positive"),
    *unary("exp", np.exp),
    *unary("expm1", np.expm1),
    *unary("log", np.log, "positive"),
    *unary("log1p", np.log1p, "positive"),
    *unary("log2", np.log2, "positive"),
    *unary("log10", np.log10, "positive"),
    *unary("sin", np.sin),
    *unary("cos", np.cos),
    *unary("tan", np.tan, "unit", tolerance=2.0),
    *unary("tanh", np.tanh),
    *unary("erf", ref.erf),
    *unary("floor", np.floor, gradient=STEPS),
    *unary("ceil", np.ceil, gradient=STEPS),
    *unary("round", np.round, integers="same", gradient=STEPS),
    Case(
        "round",
        (Argument((3, 4)),),
        lambda x: np.round(x, 2),
        call=lambda x: ops.round(x, 2),
        gradient=STEPS,
        note="decimals",
    ),
    *unary("isnan", np.isnan, "special", integers=None, gradient=NO_FLOATS, results={"*": "bool"}),
    *unary("isinf", np.isinf, "special", integers=None, gradient=NO_FLOATS, results={"*": "bool"}),
    *unary("isfinite", np.isfinite, "special", integers=None, gradient=NO_FLOATS, results={"*": "bool"}),
    *unary("logical_not", np.logical_not, "classes", gradient=NO_FLOATS, results={"*": "bool"}),
    *unary("relu", lambda x: np.maximum(x, 0), integers="same"),
    *unary("relu6", lambda x: np.clip(x, 0, 6), integers=None),
    *unary("sigmoid", ref.sigmoid),
    *unary("log_sigmoid", lambda x: np.log(ref.sigmoid(x))),
    *unary("softplus", lambda x: np.log1p(np.exp(x))),
    *unary("softsign", lambda x: x / (1 + np.abs(x))),
    *unary("leaky_relu", lambda x: np.where(x > 0, x, 0.2 * x)),
    *unary("elu", ref.elu),
    *unary("selu", lambda x: 1.0507009873554805 * ref.elu(x, 1.6732632423543772)),
    *unary("gelu", ref.gelu),
    Case("gelu", (Argument((3, 4)),), lambda x: ref.gelu(x, False), call=lambda x: ops.gelu(x, False), note="exact"),
    *unary("silu", lambda x: x * ref.sigmoid(x)),
    *unary("swish", lambda x: x * ref.sigmoid(x)),
    *unary("hard_sigmoid", lambda x: np.clip(x / 6 + 0.5, 0, 1)),
    *unary("hard_silu", lambda x: x * np.clip(x / 6 + 0.5, 0, 1)),
    *unary("hard_tanh", lambda x: np.clip(x, -1, 1), integers=None),
    *unary("tanh_shrink", lambda x: x - np.tanh(x), tolerance=4.0),
    Case(
        "clip", (Argument((3, 4)),), lambda x: np.clip(x, -1, 1), call=lambda x: ops.clip(x, -1, 1), dtypes=NUMBERS[:4]
    ),
    # Far from zero: no overflow, no loss of the small.
    Case("sigmoid", (Argument((4, 9), "wide"),), ref.sigmoid, note="far", tolerance=4.0, second=False),
    Case("tanh", (Argument((4, 9), "wide"),), np.tanh, note="far", second=False),
    Case(
        "softplus", (Argument((4, 9), "wide"),), lambda x: np.logaddexp(x, 0), note="far", second=False, tolerance=4.0
    ),
    # Two arrays.
    *binary("add", np.add),
    *binary("subtract", np.subtract),
    *binary("multiply", np.multiply),
    *binary("divide", np.true_divide, right="positive", integers="float32"),
    *binary("true_divide", np.true_divide, right="positive", integers="float32"),
    *binary("divide_no_nan", np.true_divide, right="positive", integers="float32"),
    Case(
        "divide_no_nan",
        (Argument((3, 4)), Argument((3, 4), "binary")),
        lambda a, b: np.where(b == 0, 0, a / np.where(b == 0, 1, b)),
        note="zero",
        gradient="not continuous in the divisor",
    ),
    *binary("floor_divide", np.floor_divide, right="large", gradient=STEPS),
    *binary("mod", np.mod, right="large", tolerance=4.0),
    *binary("power", np.power, "positive", "any", integers="same", dtypes=FLOATS, tolerance=2.0),
    Case(
        "power",
        (Argument((3, 4)),),
        lambda x: x**3,
        call=lambda x: ops.power(x, 3),
        note="integer exponent",
        dtypes=(*FLOATS, "int32", "int64"),
        tolerance=2.0,
    ),
    *binary("maximum", np.maximum),
    *binary("minimum", np.minimum),
    *binary("arctan2", np.arctan2, right="positive", integers="float32"),
    *compare("equal", np.equal),
    *compare("not_equal", np.not_equal),
    *compare("less", np.less),
    *compare("less_equal", np.less_equal),
    *compare("greater", np.greater),
    *compare("greater_equal", np.greater_equal),
    *compare("logical_and", np.logical_and),
    *compare("logical_or", np.logical_or),
    *compare("logical_xor", np.logical_xor),
    Case(
        "where",
        (Argument((3, 4), "mask", dtype="bool"), Argument((3, 4)), Argument((3, 1))),
        np.where,
        dtypes=NUMBERS,
        tolerance=0.0,
    ),
    # Reductions.
    *reduction("sum", np.sum, results={"uint8": "uint32"}),
    *reduction("mean", np.mean, results={"int32": "float32", "int64": "float32", "uint8": "float32"}),
    *reduction("var", np.var, results={"int32": "float32", "int64": "float32", "uint8": "float32"}, tolerance=4.0),
    *reduction("std", np.std, results={"int32": "float32", "int64": "float32", "uint8": "float32"}, tolerance=4.0),
    *reduction("prod", np.prod, "unit", dtypes=FLOATS),
    Case(
        "prod",
        (Argument((3, 4), "classes"),),
        lambda x: np.prod(x, axis=1),
        call=lambda x: ops.prod(x, axis=1),
        note="integers",
        gradient=NO_FLOATS,
        dtypes=("int32", "int64", "uint8"),
        results={"uint8": "uint32"},
    ),
    *reduction("max", np.max, second=False),
    *reduction("min", np.min, second=False),
    *reduction("amax", np.max, second=False),
    *reduction("amin", np.min, second=False),
    *reduction("any", np.any, "classes", gradient=NO_FLOATS, results={"*": "bool"}),
    *reduction("all", np.all, "classes", gradient=NO_FLOATS, results={"*": "bool"}),
    *reduction("argmax", np.argmax, gradient=NO_FLOATS, results={"*": "int32"}),
    *reduction("argmin", np.argmin, gradient=NO_FLOATS, results={"*": "int32"}),
    *reduction("count_nonzero", np.count_nonzero, "classes", gradient=NO_FLOATS, results={"*": "int32"}),
    Case(
        "moments",
        (Argument((3, 4)),),
        lambda x: (x.mean(1), x.var(1)),
        call=lambda x: ops.moments(x, axes=1),
        tolerance=4.0,
    ),
    Case("norm", (Argument((3, 4)),), lambda x: np.linalg.norm(x, axis=1), call=lambda x: ops.norm(x, axis=1)),
    Case("norm", (Argument((3, 4)),), np.linalg.norm, note="all", empty=False),
    Case(
        "norm",
        (Argument((3, 4)),),
        lambda x: np.linalg.norm(x, 1, 1, True),
        call=lambda x: ops.norm(x, 1, 1, True),
        note="order 1",
    ),
    Case(
        "norm",
        (Argument((3, 4)),),
        lambda x: np.linalg.norm(x, np.inf, 1),
        call=lambda x: ops.norm(x, np.inf, 1),
        note="largest",
        second=False,
    ),
    Case(
        "l2_normalize",
        (Argument((3, 4)),),
        lambda x: x / np.linalg.norm(x, axis=-1, keepdims=True),
        tolerance=4.0,
    ),
    Case("normalize", (Argument((3, 4)),), lambda x: x / np.linalg.norm(x, axis=-1, keepdims=True), tolerance=4.0),
    Case(
        "normalize",
        (Argument((3, 4)),),
        lambda x: x / np.linalg.norm(x, 3, axis=-1, keepdims=True),
        call=lambda x: ops.normalize(x, order=3),
        note="order 3",
        tolerance=8.0,
    ),
    # Shapes.
    moved("reshape", lambda x: x.reshape(-1, 6, 2), lambda x: ops.reshape(x, (-1, 6, 2))),
    moved(
        "reshape", lambda x: x.reshape(x.shape[0], 12), lambda x: ops.reshape(x, (ops.shape(x)[0], 12)), note="shape"
    ),
    moved("ravel", np.ravel, ops.ravel),
    moved("transpose", np.transpose, ops.transpose),
    moved("transpose", lambda x: x.transpose(0, 2, 1), lambda x: ops.transpose(x, (0, 2, 1)), note="axes"),
    moved(
        "transpose",
        lambda x: x.transpose(1, 0, 2),
        lambda x: ops.transpose(x, (1, 0, -1)),
        (35, 34, 3),
        "long",
        second=False,
    ),
    moved("swapaxes", lambda x: np.swapaxes(x, 0, -1), lambda x: ops.swapaxes(x, 0, -1)),
    moved("moveaxis", lambda x: np.moveaxis(x, 0, -1), lambda x: ops.moveaxis(x, 0, -1)),
    moved("moveaxis", lambda x: np.moveaxis(x, (0, 2), (1, 0)), lambda x: ops.moveaxis(x, (0, 2), (1, 0)), note="two"),
    moved("expand_dims", lambda x: np.expand_dims(x, -2), lambda x: ops.expand_dims(x, -2)),
    moved("squeeze", lambda x: np.squeeze(x, 1), lambda x: ops.squeeze(x, 1), (3, 1, 4)),
    moved(
        "broadcast_to",
        lambda x: np.broadcast_to(x, (2, *x.shape[:1], 4)),
        lambda x: ops.broadcast_to(x, (2, ops.shape(x)[0], 4)),
        (3, 1),
    ),
    Case(
        "concatenate",
        (Argument((2, 3)), Argument((2, 1)), Argument((2, 4))),
        lambda *xs: np.concatenate(xs, 1),
        call=crossed(1),
        dtypes=(*NUMBERS, "bool"),
        tolerance=0.0,
    ),
    Case(
        "concatenate",
        (Argument((2, 3)), Argument((1, 3), batch=False), Argument((4, 3), batch=False)),
        lambda *xs: np.concatenate(xs, 0),
        call=crossed(0),
        note="first axis",
        tolerance=0.0,
    ),
    Case(
        "stack",
        (Argument((2, 3)), Argument((2, 3))),
        lambda *xs: np.stack(xs, 1),
        call=lambda *xs: ops.stack(xs, 1),
        dtypes=NUMBERS,
        tolerance=0.0,
    ),
    moved("split", lambda x: np.split(x, 2, 2), lambda x: ops.split(x, 2, 2)),
    moved("split", lambda x: np.split(x, [1, 3], 2), lambda x: ops.split(x, [1, 3], 2), note="places"),
    moved("unstack", lambda x: [x[:, i] for i in range(3)], lambda x: ops.unstack(x, axis=1)),
    moved(
        "pad",
        lambda x: np.pad(x, ((0, 0), (1, 2), (0, 3))),
        lambda x: ops.pad(x, ((0, 0), (1, 2), (0, 3))),
    ),
    Case(
        "pad",
        (Argument((2, 3)),),
        lambda x: np.pad(x, ((2, 1), (0, 1)), constant_values=7),
        call=lambda x: ops.pad(x, ((2, 1), (0, 1)), constant_values=7),
        note="value",
        dtypes=NUMBERS,
        tolerance=0.0,
    ),
    moved("flip", lambda x: np.flip(x, (0, 2)), lambda x: ops.flip(x, (0, 2))),
    moved("tile", lambda x: np.tile(x, (1, 2, 3)), lambda x: ops.tile(x, (1, 2, 3))),
    moved("repeat", lambda x: np.repeat(x, 3, 1), lambda x: ops.repeat(x, 3, 1)),
    moved(
        "get_item",
        lambda x: x[:, ::-2, None, 1],
        lambda x: ops.get_item(x, (slice(None), slice(None, None, -2), None, 1)),
    ),
    moved("get_item", lambda x: x[..., 1:3], lambda x: tensor(x)[..., 1:3], note="operator"),
    moved("get_item", lambda x: x[:, TAPS], lambda x: tensor(x)[:, TAPS], note="array"),
    takes("", (2, 5), [0, 4, -1, 0], 1),
    takes("rows", (6, 3), [[5, 0], [0, 0]], 0, empty=False),
    takes("all", (3, 4), [11, 0], None, empty=False),
    takes("middle", (2, 5, 3), [2, 2, 1], 1),
    Case(
        "take",
        (Argument((9, 5), batch=False), Argument((3, 4), "classes", dtype="int32")),
        lambda table, rows: np.take(table, rows, 0),
        call=lambda table, rows: ops.take(table, rows, 0),
        note="by argument",
        tolerance=0.0,
    ),
    Case(
        "one_hot",
        (Argument((3, 4), "classes", dtype="int32"),),
        lambda x: ref.one_hot(x, 3),
        call=lambda x: ops.one_hot(x, 3),
        gradient="of integers",
        dtypes=("float32",),
    ),
    Case(
        "one_hot",
        (Argument((3, 4), "classes", dtype="int32"),),
        lambda x: np.moveaxis(ref.one_hot(x, 2), -1, 1),
        call=lambda x: ops.one_hot(x, 2, axis=1, dtype="int32"),
        gradient="of integers",
        dtypes=("float32",),
        results={"*": "int32"},
        note="outside",
    ),
    # Products.
    Case(
        "matmul", (Argument((3, 4)), Argument((4, 5), batch=False)), np.matmul, dtypes=(*FLOATS, "int32"), tolerance=4.0
    ),
    Case("matmul", (Argument((2, 3, 4)), Argument((2, 4, 5))), np.matmul, note="batched", tolerance=4.0),
    Case("matmul", (Argument((2, 3, 4)), Argument((4,), batch=False)), np.matmul, note="vector", tolerance=4.0),
    Case("matmul", (Argument((4,), batch=False), Argument((2, 4, 3))), np.matmul, note="row", tolerance=4.0),
    Case(
        "matmul", (Argument((2, 1, 3, 4)), Argument((5, 4, 2), batch=False)), np.matmul, note="broadcast", tolerance=4.0
    ),
    Case(
        "matmul",
        (Argument((37, 70), "unit"), Argument((70, 45), "unit", batch=False)),
        np.matmul,
        note="long",
        gradient="checked on small arrays",
        tolerance=16.0,
    ),
    Case("dot", (Argument((3, 4)), Argument((4, 5), batch=False)), np.dot, tolerance=4.0),
    Case("dot", (Argument((2, 4)), Argument((3, 4, 5), batch=False)), np.dot, note="three axes", tolerance=4.0),
    Case(
        "tensordot",
        (Argument((2, 3, 4)), Argument((3, 4, 5), batch=False)),
        np.tensordot,
        tolerance=8.0,
    ),
    Case(
        "tensordot",
        (Argument((2, 3, 4)), Argument((5, 3), batch=False)),
        lambda a, b: np.tensordot(a, b, ((1,), (1,))),
        call=lambda a, b: ops.tensordot(a, b, ((1,), (1,))),
        note="axes",
        tolerance=4.0,
    ),
    # Networks.
    Case("softmax", (Argument((3, 4)),), ref.softmax, tolerance=4.0),
    Case("softmax", (Argument((3, 50), "wide"),), ref.softmax, note="long", second=False, tolerance=16.0),
    Case(
        "softmax", (Argument((2, 3, 4)),), lambda x: ref.softmax(x, 1), call=lambda x: ops.softmax(x, 1), note="middle"
    ),
    Case(
        "softmax",
        (Argument((2, 3, 4)),),
        lambda x: ref.softmax(x, (1, 2)),
        call=lambda x: ops.softmax(x, (1, 2)),
        note="two",
        tolerance=4.0,
    ),
    Case("log_softmax", (Argument((3, 4)),), lambda x: np.log(ref.softmax(x)), tolerance=4.0),
    Case(
        "log_softmax",
        (Argument((2, 3, 4)),),
        lambda x: np.log(ref.softmax(x, 1)),
        call=lambda x: ops.log_softmax(x, 1),
        note="middle",
        tolerance=4.0,
    ),
    conv("", IMAGES, (3, 3, 3, 2)),
    conv("same", IMAGES, (3, 2, 3, 4), padding="same"),
    conv("strides", IMAGES, (3, 3, 3, 2), strides=2, padding="same"),
    conv("strides valid", IMAGES, (2, 3, 3, 2), strides=2),
    conv("dilation", IMAGES, (2, 2, 3, 2), dilation_rate=2),
    conv("point", IMAGES, (1, 1, 3, 17)),
    conv("groups", Argument((2, 5, 4, 4), "unit"), (2, 2, 2, 6)),
    conv("one axis", SEQUENCES, (3, 4, 5)),
    conv("one axis same", SEQUENCES, (4, 4, 2), padding="same", strides=2),
    Case(
        "conv",
        (Argument((2, 3, 6, 5), "unit"), Argument((2, 2, 3, 2), "unit", batch=False)),
        lambda x, w: np.moveaxis(ref.conv(first_to_last(x), w), -1, 1),
        call=lambda x, w: ops.conv(x, w, data_format="channels_first"),
        note="channels first",
        tolerance=4.0,
        second=False,
    ),
    Case(
        "depthwise_conv",
        (Argument((2, 5, 4, 3), "unit"), Argument((2, 2, 3, 2), "unit", batch=False)),
        lambda x, w: ref.conv(x, w.reshape(2, 2, 1, 6)),
        call=lambda x, w: ops.depthwise_conv(x, w, data_format="channels_last"),
        tolerance=4.0,
    ),
    pool("max_pool", "max", "", IMAGES, 2, 2, "valid"),
    pool("max_pool", "max", "same", IMAGES, 3, 2, "same"),
    pool("max_pool", "max", "overlapping", IMAGES, 3, 1, "valid"),
    pool("max_pool", "max", "one axis", SEQUENCES, 2, 2, "valid"),
    pool("average_pool", "average", "", IMAGES, 2, 2, "valid"),
    pool("average_pool", "average", "same", IMAGES, 3, 2, "same"),
    pool("average_pool", "average", "one axis", SEQUENCES, 3, 1, "same"),
    Case(
        "batch_normalization",
        (
            Argument((3, 4)),
            Argument((4,), batch=False),
            Argument((4,), "positive", batch=False),
            Argument((4,), batch=False),
            Argument((4,), batch=False),
        ),
        ref.batch_normalization,
        call=lambda x, mean, variance, offset, scale: ops.batch_normalization(x, mean, variance, -1, offset, scale),
        tolerance=4.0,
    ),
    Case(
        "batch_normalization_train",
        (Argument((6, 4)), Argument((4,), batch=False), Argument((4,), batch=False)),
        ref.batch_normalization_train,
        empty=False,
        tolerance=32.0,
    ),
    Case(
        "batch_normalization_train",
        (
            Argument((2, 5, 3)),
            Argument((3,), batch=False),
            Argument((3,), batch=False),
            Argument((2, 5), "mask", dtype="bool"),
        ),
        ref.batch_normalization_train,
        call=lambda x, scale, offset, mask: ops.batch_normalization_train(x, scale, offset, mask=mask),
        note="mask",
        empty=False,
        tolerance=32.0,
    ),
    lstm(""),
    lstm("no bias", bias=False),
    lstm("mask", mask=True),
    lstm("mask backwards zero", mask=True, go_backwards=True, zero_output_for_mask=True),
    Case(
        "binary_crossentropy",
        (Argument((3, 4), "binary", smooth=False), Argument((3, 4), "probabilities")),
        ref.binary_crossentropy,
        tolerance=4.0,
    ),
    Case(
        "binary_crossentropy",
        (Argument((3, 4), "binary", smooth=False), Argument((3, 4))),
        lambda t, x: ref.binary_crossentropy(t, x, True),
        call=lambda t, x: ops.binary_crossentropy(t, x, from_logits=True),
        note="logits",
        tolerance=4.0,
    ),
    Case(
        "categorical_crossentropy",
        (Argument((3, 4), "probabilities", smooth=False), Argument((3, 4), "probabilities")),
        ref.categorical_crossentropy,
        tolerance=4.0,
    ),
    Case(
        "categorical_crossentropy",
        (Argument((2, 3, 4), "probabilities", smooth=False), Argument((2, 3, 4))),
        lambda t, x: ref.categorical_crossentropy(t, x, True, 1),
        call=lambda t, x: ops.categorical_crossentropy(t, x, from_logits=True, axis=1),
        note="logits, middle axis",
        tolerance=8.0,
    ),
    Case(
        "sparse_categorical_crossentropy",
        (Argument((4,), "classes", dtype="int32"), Argument((4, 3), "probabilities")),
        ref.sparse_categorical_crossentropy,
        tolerance=4.0,
    ),
    Case(
        "sparse_categorical_crossentropy",
        (Argument((2, 3), "classes", dtype="int64"), Argument((2, 3, 5))),
        lambda t, x: ref.sparse_categorical_crossentropy(t, x, True),
        call=lambda t, x: ops.sparse_categorical_crossentropy(t, x, from_logits=True),
        note="logits",
        tolerance=8.0,
    ),
    # Types, and values that stay as they are.
    Case("stop_gradient", (Argument((3, 4)),), lambda x: x, gradient="that is its purpose", tolerance=0.0),
    Case(
        "cast",
        (Argument((3, 4)),),
        lambda x: x,
        call=lambda x: ops.cast(x, "float64"),
        dtypes=NUMBERS,
        results={"*": "float64"},
        tolerance=0.0,
    ),
    Case(
        "cast",
        (Argument((3, 4)),),
        np.trunc,
        call=lambda x: ops.cast(x, "int32"),
        note="to integers",
        gradient=NO_FLOATS,
        results={"*": "int32"},
    ),
    Case("convert_to_tensor", (Argument((3, 4)),), lambda x: x, dtypes=NUMBERS, tolerance=0.0, symbolic=False),
    Case("array", (Argument((3, 4)),), lambda x: x, dtypes=NUMBERS, tolerance=0.0, symbolic=False),
    moved("zeros_like", np.zeros_like, ops.zeros_like, gradient=CONSTANT),
    moved("ones_like", np.ones_like, ops.ones_like, gradient=CONSTANT),
    Case(
        "full_like",
        (Argument((3, 4)),),
        lambda x: np.full_like(x, 3),
        call=lambda x: ops.full_like(x, 3),
        gradient=CONSTANT,
        dtypes=NUMBERS,
    ),
    made("zeros", lambda: np.zeros((2, 3)), lambda: ops.zeros((2, 3))),
    made("ones", lambda: np.ones((2, 3)), lambda: ops.ones((2, 3))),
    made("full", lambda: np.full((2, 3), 2.5), lambda: ops.full((2, 3), 2.5)),
    made("arange", lambda: np.arange(5, dtype="float32"), lambda: ops.arange(5, dtype="float32")),
    made("arange", lambda: np.arange(1.0, 2.0, 0.25), lambda: ops.arange(1.0, 2.0, 0.25), "step"),
    made("linspace", lambda: np.linspace(0, 1, 7), lambda: ops.linspace(0, 1, 7)),
    made("eye", lambda: np.eye(3, 4, 1), lambda: ops.eye(3, 4, 1)),
    made("identity", lambda: np.identity(3), lambda: ops.identity(3)),
    # Control flow.
    Case(
        "cond",
        (Argument((3, 4)),),
        lambda x: np.where(np.sum(x) > 0, x * 2, np.sin(x)),
        call=lambda x: ops.cond(ops.sum(x) > 0, lambda: x * 2, lambda: ops.sin(x)),
        graph=False,
    ),
    Case(
        "scan",
        (Argument((5, 1, 3), batch=False), Argument((2, 3))),
        lambda xs, start: start * 0.5**5 + sum(xs[i] * 0.5 ** (4 - i) for i in range(5)),
        call=lambda xs, start: ops.scan(lambda carry, x: (carry * 0.5 + x, None), start, xs)[0],
        tolerance=4.0,
    ),
]

# Functions that have no row, and why.
NO_ROW = {
    "cond": "takes functions; tested in test_control.py",
    "scan": "takes functions; tested in test_control.py",
    "while_loop": "takes functions; tested in test_control.py",
    "convert_to_numpy": "gives no tensor; tested in test_tensor.py",
    "is_tensor": "gives no tensor; tested in test_tensor.py",
    "shape": "gives no tensor; tested in test_tensor.py",
    "ndim": "gives no tensor; tested in test_tensor.py",
    "size": "gives no tensor; tested in test_tensor.py",
    "dtype": "gives no tensor; tested in test_tensor.py",
}
