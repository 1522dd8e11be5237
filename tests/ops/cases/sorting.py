"""Order: sorting, searching, the largest few, running results, quantiles."""

from __future__ import annotations

from typing import Any

import numpy as np

from ironhorn import ops
from ops.cases.case import FLOATS, NO_FLOATS, NUMBERS, Argument, Case, moved

ORDERED = (*NUMBERS, "bool", "int8", "uint32")
COUNTS = np.array([0, 1, 1, 5], "int32")
EDGES = np.array([-1.0, 0.0, 0.5, 1.5])
REPEATS = np.array([[0, 2, 2], [1, 0, -1]], "int32")


def positions(name: str, reference: Any, call: Any, note: str = "", values: str = "classes", **known: Any) -> Case:
    """A function that gives int32 places; some elements are equal."""
    known = {"dtypes": ORDERED, "results": {"*": "int32"}, "gradient": NO_FLOATS, **known}
    return Case(name, (Argument((3, 7), values),), reference, call=call, note=note, **known)


def along(note: str, indices: Any, axis: int | None, shape: Any = (2, 3), **known: Any) -> Case:
    """Elements by constant indices of their own."""
    numbers = np.array(indices, "int32")

    def reference(x: Any) -> Any:
        if axis is None:
            return np.take_along_axis(x, numbers, None)
        rows = list(np.broadcast_shapes(x.take([0], axis).shape, numbers.take([0], axis).shape))
        fit = [x.shape[place] if place == axis else length for place, length in enumerate(rows)]
        rows[axis] = numbers.shape[axis]
        return np.take_along_axis(np.broadcast_to(x, fit), np.broadcast_to(numbers, rows), axis)

    return Case(
        "take_along_axis",
        (Argument(shape),),
        reference,
        call=lambda x: ops.take_along_axis(x, numbers, axis),
        note=note,
        dtypes=(*NUMBERS, "bool"),
        tolerance=0.0,
        **known,
    )


def running(name: str, reference: Any, **known: Any) -> list[Case]:
    """A running sum or product along the last, the first, and all axes."""
    call = getattr(ops, name)
    rows: list[tuple[str, Any, Any]] = [("", (2, 3, 4), -1), ("first", (3, 4), 0), ("all", (2, 3), None)]
    return [
        Case(
            name,
            (Argument(shape, "unit"),),
            lambda x, axis=axis: reference(x, axis),
            call=lambda x, axis=axis: call(x, axis),
            note=note,
            dtypes=(*FLOATS, "int32", "int64"),
            **known,
        )
        for note, shape, axis in rows
    ]


def quantiles(name: str, reference: Any, q: Any, note: str = "", shape: Any = (3, 5), **known: Any) -> Case:
    """Quantiles over the last axis unless the row says otherwise."""
    options = {"axis": -1, **known.pop("options", {})}
    call = getattr(ops, name)
    given = () if q is None else (q,)
    known = {"dtypes": (*FLOATS, "int32"), "results": {"int32": "float32"}, "tolerance": 4.0, **known}
    return Case(
        name,
        (Argument(shape),),
        lambda x: reference(x, *given, **options),
        call=lambda x: call(x, *given, **options),
        note=note,
        **known,
    )


def with_nan(x: Any) -> Any:
    """The array with its small elements missing."""
    return np.where(x < -1.2, np.nan, x)


def missing(x: Any) -> Any:
    """The same of a tensor."""
    return ops.where(ops.less(x, -1.2), float("nan"), x)


def top(x: Any, k: int) -> Any:
    """The largest elements of the last axis and where they stand, the first of equals first."""
    places = np.argsort(-x.astype("float64"), axis=-1, kind="stable")[..., :k]
    return np.take_along_axis(x, places, -1), places


CASES: list[Case] = [
    moved("sort", lambda x: np.sort(x, -1), ops.sort),
    moved("sort", lambda x: np.sort(x, 1), lambda x: ops.sort(x, axis=1), note="middle"),
    moved("sort", lambda x: np.sort(x, None), lambda x: ops.sort(x, None), (3, 4), note="all"),
    moved("sort", lambda x: np.sort(x, -1), ops.sort, (2, 999), note="long", second=False),
    Case("sort", (Argument((3, 20), "special"),), np.sort, note="special", gradient="not finite"),
    positions("argsort", lambda x: np.argsort(x, -1, kind="stable"), ops.argsort),
    positions("argsort", lambda x: np.argsort(x, 0, kind="stable"), lambda x: ops.argsort(x, 0), "first", empty=False),
    positions("argsort", lambda x: np.argsort(x, None, kind="stable"), lambda x: ops.argsort(x, None), "all"),
    positions("argsort", lambda x: np.argsort(x, -1, kind="stable"), ops.argsort, "special", "special", dtypes=FLOATS),
    positions("argpartition", lambda x: np.argsort(x, -1, kind="stable"), lambda x: ops.argpartition(x, 2)),
    positions("searchsorted", lambda x: np.searchsorted(EDGES, x), lambda x: ops.searchsorted(EDGES, x), dtypes=FLOATS),
    positions(
        "searchsorted",
        lambda x: np.searchsorted([0, 1, 1, 5], x, "right"),
        lambda x: ops.searchsorted(
            np.array([0, 1, 1, 5], x.dtype if isinstance(x, np.ndarray) else "int32"), x, "right"
        ),
        "right",
        dtypes=("int32",),
    ),
    positions("digitize", lambda x: np.digitize(x, EDGES), lambda x: ops.digitize(x, EDGES), dtypes=FLOATS),
    positions(
        "digitize",
        lambda x: np.digitize(x, EDGES[::-1]),
        lambda x: ops.digitize(x, EDGES[::-1]),
        "falling",
        dtypes=FLOATS,
    ),
    Case(
        "isin",
        (Argument((3, 4), "classes"), Argument((2,), "classes", batch=False)),
        np.isin,
        gradient=NO_FLOATS,
        dtypes=NUMBERS,
        results={"*": "bool"},
    ),
    Case(
        "isin",
        (Argument((3, 4), "special"), Argument((5,), "special", batch=False)),
        lambda a, b: np.isin(a, b, invert=True),
        call=lambda a, b: ops.isin(a, b, invert=True),
        gradient=NO_FLOATS,
        results={"*": "bool"},
        note="invert",
    ),
    Case(
        "top_k",
        (Argument((3, 7)),),
        lambda x: top(x, 3)[0],
        call=lambda x: ops.top_k(x, 3)[0],
        dtypes=NUMBERS,
        tolerance=0.0,
    ),
    Case(
        "top_k",
        (Argument((2, 90), "wide"),),
        lambda x: top(x, 40)[0],
        call=lambda x: ops.top_k(x, 40)[0],
        tolerance=0.0,
        note="many",
        second=False,
    ),
    positions("top_k", lambda x: top(x, 3)[1], lambda x: ops.top_k(x, 3)[1], "positions", dtypes=NUMBERS),
    Case(
        "in_top_k",
        (Argument((4,), "classes", dtype="int32"), Argument((4, 5))),
        lambda t, p: (p > np.take_along_axis(p, t[:, None], 1)).sum(1) < 2,
        call=lambda t, p: ops.in_top_k(t, p, 2),
        gradient=NO_FLOATS,
        results={"*": "bool"},
    ),
    along("", REPEATS, 1, empty=False, symbolic=False),
    along("one row", REPEATS[:1], 1),
    along("first", [[0, 1, -1], [1, 0, 0], [1, 1, 0]], 0, empty=False),
    along("one column", [[1], [0]], 0, empty=False),
    along("all", [5, 0, 0, -2], None, empty=False),
    Case(
        "take_along_axis",
        (Argument((3, 4)), Argument((3, 6), "classes", dtype="int32")),
        lambda x, i: np.take_along_axis(x, i, 1),
        call=lambda x, i: ops.take_along_axis(x, i, 1),
        note="by argument",
        tolerance=0.0,
    ),
    Case(
        "unravel_index",
        (Argument((3, 4), "classes", dtype="int32"),),
        lambda x: list(np.unravel_index(x, (2, 3, 4))),
        call=lambda x: ops.unravel_index(x, (2, 3, 4)),
        gradient=NO_FLOATS,
        dtypes=("float32",),
        results={"*": "int32"},
    ),
    Case(
        "nonzero",
        (Argument((3, 4), "binary"),),
        lambda x: list(np.nonzero(x)),
        gradient=NO_FLOATS,
        dtypes=NUMBERS,
        results={"*": "int32"},
        symbolic=False,
    ),
    Case(
        "unique",
        (Argument((3, 4), "classes"),),
        np.unique,
        gradient="the number of results depends on the data",
        dtypes=NUMBERS,
        symbolic=False,
        tolerance=0.0,
    ),
    Case(
        "unique",
        (Argument((3, 7), "classes"),),
        lambda x: [part[:2] if i != 1 else part for i, part in enumerate(np.unique(x, True, True, True)[1:])],
        call=lambda x: ops.unique(x, True, True, True, True, size=2)[1:],
        gradient=NO_FLOATS,
        results={"*": "int32"},
        empty=False,
        note="size",
    ),
    Case(
        "bincount",
        (Argument((9,), "classes", dtype="int32"),),
        lambda x: np.bincount(x, minlength=5),
        call=lambda x: ops.bincount(x, minlength=5),
        gradient=NO_FLOATS,
        dtypes=("float32",),
        results={"*": "int32"},
        symbolic=False,
    ),
    Case(
        "bincount",
        (Argument((2, 9), "classes", dtype="int32"), Argument((2, 9))),
        lambda x, w: (
            np.stack([np.bincount(a, b, 4) for a, b in zip(x, w, strict=True)]) if len(x) else np.zeros((0, 4))
        ),
        call=lambda x, w: ops.bincount(x, w, 4),
        gradient="checked by segment_sum",
        symbolic=False,
        note="weights",
    ),
    Case(
        "histogram",
        (Argument((50,), "any"),),
        lambda x: list(np.histogram(x, 7)),
        call=lambda x: ops.histogram(x, 7),
        gradient="of counts",
        results={"*": "float32", "float64": "float64"},
        symbolic=False,
        empty=False,
    ),
    Case(
        "histogram",
        (Argument((50,), "any"),),
        lambda x: np.histogram(x, 4, (-1.0, 1.0))[0],
        call=lambda x: ops.histogram(x, 4, (-1.0, 1.0))[0],
        gradient="of counts",
        results={"float64": "float64"},
        note="range",
    ),
    *running("cumsum", np.cumsum),
    *running("cumprod", np.cumprod),
    *running("nancumsum", np.nancumsum),
    *running("nancumprod", np.nancumprod),
    Case(
        "cumsum",
        (Argument((3, 4), "mask", dtype="bool"),),
        lambda x: np.cumsum(x, 1),
        call=lambda x: ops.cumsum(x, 1),
        gradient=NO_FLOATS,
        dtypes=("float32",),
        results={"*": "int32"},
        note="bool",
    ),
    Case(
        "cumprod",
        (Argument((3, 4), "binary"),),
        lambda x: np.cumprod(x, 1),
        call=lambda x: ops.cumprod(x, 1),
        note="zeros",
    ),
    Case(
        "nancumsum",
        (Argument((3, 4)),),
        lambda x: np.nancumsum(with_nan(x), 1),
        call=lambda x: ops.nancumsum(missing(x), 1),
        note="nan",
    ),
    Case("diff", (Argument((3, 4)),), np.diff, dtypes=(*FLOATS, "int32")),
    Case(
        "diff",
        (Argument((4, 3)),),
        lambda x: np.diff(x, 2, 0),
        call=lambda x: ops.diff(x, 2, 0),
        note="twice",
        empty=False,
    ),
    Case("trapezoid", (Argument((3, 4)),), np.trapezoid, dtypes=(*FLOATS, "int32"), results={"int32": "float32"}),
    Case(
        "trapezoid",
        (Argument((3, 4)), Argument((4,), batch=False)),
        lambda y, x: np.trapezoid(y, x),
        call=lambda y, x: ops.trapezoid(y, x),
        note="places",
    ),
    Case(
        "trapezoid",
        (Argument((3, 4, 2)), Argument((3, 4, 2))),
        lambda y, x: np.trapezoid(y, x, axis=1),
        call=lambda y, x: ops.trapezoid(y, x, axis=1),
        note="axis",
    ),
    quantiles("median", np.median, None),
    quantiles("median", np.median, None, "even", (2, 4), options={"axis": (0, 1), "keepdims": True}, empty=False),
    quantiles("nanmedian", np.nanmedian, None),
    quantiles("quantile", np.quantile, 0.3),
    quantiles("quantile", np.quantile, [0.25, 1.0], "several", options={"keepdims": True}),
    quantiles("quantile", np.quantile, [0.1, 0.6, 0.9], "axes", (2, 3, 4), options={"axis": (0, 2)}, empty=False),
    quantiles("quantile", np.quantile, 0.45, "all", options={"axis": None}, empty=False),
    *(
        quantiles("quantile", np.quantile, [0.2, 0.61], method, options={"method": method})
        for method in ("lower", "higher", "midpoint", "nearest")
    ),
    quantiles("percentile", np.percentile, [30.0, 70.0]),
    Case(
        "nanquantile",
        (Argument((3, 9)),),
        lambda x: np.nanquantile(with_nan(x), [0.2, 0.7], axis=1, keepdims=True),
        call=lambda x: ops.nanquantile(missing(x), [0.2, 0.7], axis=1, keepdims=True),
        tolerance=4.0,
        empty=False,
    ),
    Case(
        "nanpercentile",
        (Argument((3, 9)),),
        lambda x: np.nanpercentile(with_nan(x), 35.0, axis=1),
        call=lambda x: ops.nanpercentile(missing(x), 35.0, axis=1),
        tolerance=4.0,
    ),
]
