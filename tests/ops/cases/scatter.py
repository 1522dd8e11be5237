"""Elements, rows and boxes at places."""

from __future__ import annotations

from typing import Any

import numpy as np

from ironhorn import ops
from ops.cases.case import NUMBERS, Argument, Case

PAIRS = np.array([[0, 1], [2, 3], [0, 1], [-1, 0]], "int32")
SEGMENTS = np.array([0, 2, 0, -1, 2, 5, 0], "int32")
UPDATES = {None: None, "add": np.add, "max": np.maximum, "min": np.minimum, "mul": np.multiply}


def put(x: Any, indices: Any, updates: Any, reduction: str | None) -> Any:
    """Updates at places, one after the other."""
    result = np.array(x)
    for place, update in zip(indices, updates, strict=True):
        rule = UPDATES[reduction]
        key = tuple(place)
        result[key] = update if rule is None else rule(result[key], update)
    return result


def segments(x: Any, kind: str, count: int) -> Any:
    """Rows combined by segment."""
    floats = x.dtype.kind == "f"
    start = {"add": 0, "mul": 1}.get(kind)
    if start is None:
        limits = (-np.inf, np.inf) if floats else (np.iinfo(x.dtype).min, np.iinfo(x.dtype).max)
        start = limits[0 if kind == "max" else 1]
    result = np.full((count, *x.shape[1:]), start, x.dtype)
    for row, segment in zip(x, SEGMENTS, strict=False):
        if 0 <= segment < count:
            result[segment] = UPDATES[kind](result[segment], row)
    return result


def segment(name: str, kind: str, count: int = 3, note: str = "", gradient: Any = True) -> Case:
    """Rows of constant segments."""
    call = getattr(ops, name)
    return Case(
        name,
        (Argument((7, 2), "unit", batch=False),),
        lambda x: segments(x, kind, count),
        call=lambda x: call(x, SEGMENTS, num_segments=count),
        dtypes=NUMBERS,
        gradient=gradient,
        note=note,
    )


CASES: list[Case] = [
    Case(
        "scatter",
        (Argument((4,), batch=False),),
        lambda x: put(np.zeros((3, 4), x.dtype), PAIRS, x, "add"),
        call=lambda x: ops.scatter(PAIRS, x, (3, 4)),
        dtypes=NUMBERS,
    ),
    Case(
        "scatter",
        (Argument((5, 3)), Argument((5, 1), "classes", dtype="int32")),
        lambda x, i: put(np.zeros((3, 3), x.dtype), i, x, "add"),
        call=lambda x, i: ops.scatter(i, x, (3, 3)),
        note="rows",
    ),
    *(
        Case(
            "scatter_update",
            (Argument((3, 4), batch=False), Argument((4,), batch=False)),
            lambda x, u, reduction=reduction: put(x, PAIRS, u, reduction),
            call=lambda x, u, reduction=reduction: ops.scatter_update(x, PAIRS, u, reduction),
            dtypes=NUMBERS,
            note=reduction or "",
            tolerance=2.0,
        )
        for reduction in UPDATES
    ),
    Case(
        "scatter_update",
        (Argument((3, 2)), Argument((5, 2), batch=False), Argument((5, 1), "binary", batch=False, dtype="int32")),
        lambda x, u, i: put(x, i, u, None),
        call=lambda x, u, i: ops.scatter_update(x, i, u),
        note="rows",
        empty=False,
        symbolic=False,
    ),
    Case(
        "slice",
        (Argument((4, 5), batch=False), Argument((2,), "classes", batch=False, dtype="int32")),
        lambda x, s: x[min(s[0], 2) : min(s[0], 2) + 2, min(s[1], 2) : min(s[1], 2) + 3],
        call=lambda x, s: ops.slice(x, s, (2, 3)),
        dtypes=(*NUMBERS, "bool"),
        tolerance=0.0,
    ),
    Case(
        "slice",
        (Argument((3, 5)),),
        lambda x: x[:, 2:],
        call=lambda x: ops.slice(x, (0, 2), (ops.shape(x)[0], -1)),
        tolerance=0.0,
        graph=False,
        note="batch",
    ),
    Case(
        "slice_update",
        (Argument((3, 5)), Argument((3, 2)), Argument((), "classes", dtype="int32")),
        lambda x, u, s: np.concatenate([x[:, :s], u, x[:, s + 2 :]], 1),
        call=lambda x, u, s: ops.slice_update(x, [0, s], u),
        dtypes=(*NUMBERS, "bool"),
        tolerance=0.0,
    ),
    segment("segment_sum", "add"),
    segment("segment_prod", "mul"),
    segment("segment_max", "max", note="empty", gradient="of infinity", count=3),
    segment("segment_min", "min", note="empty", gradient="of infinity", count=3),
    Case(
        "segment_sum",
        (Argument((6, 2)), Argument((6,), "classes", dtype="int32")),
        lambda x, i: put(np.zeros((3, 2), x.dtype), i[:, None], x, "add"),
        call=lambda x, i: ops.segment_sum(x, i, 3),
        note="by argument",
    ),
    *(
        Case(
            f"segment_{kind}",
            (Argument((7, 2), batch=False),),
            lambda x, kind=kind: segments(x, kind, 3)[[0, 2]],
            call=lambda x, kind=kind: ops.take(getattr(ops, f"segment_{kind}")(x, SEGMENTS, 3), [0, 2], axis=0),
            dtypes=NUMBERS,
        )
        for kind in ("max", "min")
    ),
    Case(
        "multi_hot",
        (Argument((3, 4), "classes", dtype="int32"),),
        lambda x: (np.asarray(x)[..., None] == np.arange(3)).any(1),
        call=lambda x: ops.multi_hot(x, 3),
        gradient="of integers",
        dtypes=("float32",),
    ),
    Case(
        "multi_hot",
        (Argument((3, 4, 2), "classes", dtype="int32"),),
        lambda x: (np.asarray(x)[..., None] == np.arange(2)).any(1),
        call=lambda x: ops.multi_hot(x, 2, dtype="int32"),
        gradient="of integers",
        dtypes=("float32",),
        results={"*": "int32"},
        note="axes",
        empty=False,
    ),
]
