"""Functions made of others: matrices, windows, statistics, joining and padding."""

from __future__ import annotations

from typing import Any

import numpy as np

from ironhorn import ops
from ops.cases.case import (
    FLOATS,
    NO_FLOATS,
    NUMBERS,
    Argument,
    Case,
    made,
    moved,
    reduction,
)


def nans(x: Any) -> Any:
    """NaN in the place of small elements."""
    return np.where(np.abs(x) < 0.6, np.nan, x)


def with_nans(x: Any) -> Any:
    """The same of tensors, with derivatives."""
    return ops.where(ops.absolute(x) < 0.6, float("nan"), x)


def nan_reduction(name: str, reference: Any, **known: Any) -> list[Case]:
    """A reduction of what is a number, over one axis and over all."""
    call = getattr(ops, name)
    return [
        Case(
            name,
            (Argument((4, 9)),),
            lambda x, options=options: reference(nans(x), **options),
            call=lambda x, options=options: call(with_nans(x), **options),
            note=note,
            empty=False,
            **known,
        )
        for note, options in (("", {"axis": 1}), ("kept", {"axis": 1, "keepdims": True}), ("all", {}))
    ]


def rearranged(x: Any) -> Any:
    """Columns cut in two, the halves in front."""
    return np.transpose(x.reshape(x.shape[0], x.shape[1], 2, 2), (2, 0, 1, 3)).reshape(2, -1, 2)


def two(shape: Any = (3, 4), other: Any = (3, 4), batch: bool = True) -> tuple[Argument, Argument]:
    """Two arrays; those that a batch would not fit have none."""
    return Argument(shape, batch=batch), Argument(other, batch=batch)


SQUARE = Argument((4, 5), batch=False)
CUBE = Argument((2, 3, 4))

CASES: list[Case] = [
    # Matrices.
    made("tri", lambda: np.tri(3, 5, 1), lambda: ops.tri(3, 5, 1)),
    moved("tril", np.tril, ops.tril),
    moved("tril", lambda x: np.tril(x, -1), lambda x: ops.tril(x, -1), (4, 5), "below"),
    moved("triu", np.triu, ops.triu),
    moved("triu", lambda x: np.triu(x, 1), lambda x: ops.triu(x, 1), (4, 5), "above"),
    *(
        moved(
            "diagonal",
            lambda x, k=k: np.diagonal(x, k, 1, 2),
            lambda x, k=k: ops.diagonal(x, k, 1, 2),
            note=f"offset {k}",
        )
        for k in (-1, 0, 2, 7)
    ),
    *(
        Case(
            "diag",
            (Argument(shape, batch=False),),
            lambda x, k=k: np.diag(x, k),
            call=lambda x, k=k: ops.diag(x, k),
            tolerance=0.0,
            dtypes=(*NUMBERS, "bool"),
            note=f"{len(shape)} axes {k}",
        )
        for shape in ((4,), (4, 5))
        for k in (-2, 0, 1)
    ),
    moved("diag", np.diag, ops.diag, (4,), "batch"),
    moved("diagflat", lambda x: np.diagflat(x, 1), lambda x: ops.diagflat(x, 1), (2, 3)),
    Case("trace", (CUBE,), lambda x: np.trace(x, 1, 1, 2), call=lambda x: ops.trace(x, 1, 1, 2)),
    Case("vander", (Argument((4,)),), lambda x: np.vander(x, 3), call=lambda x: ops.vander(x, 3), tolerance=4.0),
    Case(
        "vander",
        (Argument((4,), "positive", batch=False),),
        lambda x: np.vander(x, increasing=True),
        call=lambda x: ops.vander(x, increasing=True),
        tolerance=4.0,
        dtypes=(*FLOATS, "int32"),
        note="increasing",
    ),
    Case("outer", (Argument((3, 2)), Argument((4,), batch=False)), np.outer, dtypes=NUMBERS),
    Case(
        "inner", (Argument((3, 4)), Argument((2, 4), batch=False)), np.inner, tolerance=4.0, dtypes=(*FLOATS, "int32")
    ),
    Case("vdot", two(), np.vdot, tolerance=4.0, dtypes=(*FLOATS, "int32")),
    Case("kron", (Argument((3, 2)), Argument((2, 4), batch=False)), np.kron, dtypes=NUMBERS),
    Case("kron", (Argument((3,)), Argument((2, 4), batch=False)), np.kron, note="ranks"),
    Case("cross", two((5, 3), (5, 3)), np.cross, tolerance=4.0, dtypes=(*FLOATS, "int32")),
    Case("cross", (Argument((5, 3)), Argument((3,), batch=False)), np.cross, tolerance=4.0, note="one"),
    Case(
        "cross",
        two((5, 2), (5, 3)),
        lambda a, b: np.cross(np.concatenate([a, 0 * a[:, :1]], 1), b),
        tolerance=4.0,
        note="mixed",
    ),
    Case(
        "cross",
        two((5, 2), (5, 2)),
        lambda a, b: a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0],
        tolerance=4.0,
        note="flat",
    ),
    # Statistics.
    *reduction("ptp", np.ptp, tolerance=1.0),
    Case(
        "average",
        (CUBE,),
        lambda x: np.average(x, 1),
        call=lambda x: ops.average(x, 1),
        tolerance=2.0,
        empty=False,
    ),
    Case(
        "average",
        (Argument((2, 3)), Argument((3,), "positive", batch=False)),
        lambda x, w: np.average(x, 1, w),
        call=lambda x, w: ops.average(x, 1, w),
        tolerance=2.0,
        note="weights",
    ),
    Case(
        "logsumexp",
        (CUBE,),
        lambda x: np.log(np.sum(np.exp(x), -1)),
        call=lambda x: ops.logsumexp(x, -1),
        tolerance=2.0,
    ),
    Case(
        "logsumexp",
        (CUBE,),
        lambda x: np.log(np.sum(np.exp(x), (0, 2), keepdims=True)),
        call=lambda x: ops.logsumexp(x, (0, 2), True),
        tolerance=2.0,
        empty=False,
        note="kept",
    ),
    Case("corrcoef", (Argument((3, 7), batch=False),), np.corrcoef, tolerance=8.0),
    *(
        Case(
            "correlate",
            two((7,), (3,), batch=False),
            lambda a, b, m=m: np.correlate(a, b, m),
            call=lambda a, b, m=m: ops.correlate(a, b, m),
            tolerance=4.0,
            dtypes=(*FLOATS, "int32"),
            note=m,
        )
        for m in ("valid", "same", "full")
    ),
    *(
        Case(
            "correlate",
            two((4,), (7,), batch=False),
            lambda a, b, m=m: np.correlate(a, b, m),
            call=lambda a, b, m=m: ops.correlate(a, b, m),
            tolerance=4.0,
            note=f"{m}, shorter first",
        )
        for m in ("valid", "same", "full")
    ),
    Case(
        "cdist",
        (Argument((3, 4)), Argument((2, 4), batch=False)),
        lambda a, b: np.sqrt(np.sum((a[:, None] - b[None]) ** 2, -1)),
        tolerance=4.0,
    ),
    *nan_reduction("nansum", np.nansum, tolerance=2.0),
    *nan_reduction("nanprod", np.nanprod, tolerance=4.0),
    *nan_reduction("nanmean", np.nanmean, tolerance=2.0),
    *nan_reduction("nanvar", np.nanvar, tolerance=4.0),
    *nan_reduction("nanstd", np.nanstd, tolerance=4.0),
    *nan_reduction("nanmax", np.nanmax),
    *nan_reduction("nanmin", np.nanmin),
    *nan_reduction("nanargmax", np.nanargmax, gradient=NO_FLOATS, results={"*": "int32"}),
    *nan_reduction("nanargmin", np.nanargmin, gradient=NO_FLOATS, results={"*": "int32"}),
    # Made of nothing.
    *(
        made(name, lambda name=name, n=n: getattr(np, name)(n), lambda name=name, n=n: getattr(ops, name)(n), str(n))
        for name in ("bartlett", "blackman", "hamming", "hanning")
        for n in (0, 1, 2, 9)
    ),
    *(made("kaiser", lambda n=n: np.kaiser(n, 6.5), lambda n=n: ops.kaiser(n, 6.5), str(n)) for n in (0, 1, 2, 9)),
    made("empty", lambda: np.zeros((2, 3)), lambda: ops.empty((2, 3))),
    moved("empty_like", np.zeros_like, ops.empty_like, gradient="always 0"),
    made("logspace", lambda: np.logspace(0, 3, 7), lambda: ops.logspace(0, 3, 7)),
    made("geomspace", lambda: np.geomspace(2, 3, 7), lambda: ops.geomspace(2, 3, 7)),
    *(
        Case(
            name,
            (Argument((3, 4), "positive"), Argument((3, 1), "large")),
            lambda a, b, name=name: getattr(np, name)(a, b, 5, axis=1),
            call=lambda a, b, name=name: getattr(ops, name)(a, b, 5, axis=1),
            tolerance=8.0,
            second=name != "logspace",
            note="arrays",
        )
        for name in ("linspace", "logspace", "geomspace")
    ),
    Case(
        "linspace",
        two((3,), (3,)),
        lambda a, b: list(np.linspace(a, b, 4, endpoint=False, retstep=True)),
        call=lambda a, b: list(ops.linspace(a, b, 4, False, True)),
        tolerance=4.0,
        note="open",
    ),
    # Joining and cutting.
    Case("append", two(), lambda a, b: np.append(a, b, 0), call=lambda a, b: ops.append(a, b, 0), dtypes=NUMBERS),
    Case("append", two(), np.append, note="flat"),
    moved("array_split", lambda x: np.array_split(x, 3, 1), lambda x: ops.array_split(x, 3, 1), (2, 8)),
    Case("hstack", two(), lambda a, b: np.hstack([a, b]), call=lambda a, b: ops.hstack([a, b]), dtypes=NUMBERS),
    Case("hstack", two((3,), (3,)), lambda a, b: np.hstack([a, b]), call=lambda a, b: ops.hstack([a, b]), note="1"),
    Case("vstack", two(), lambda a, b: np.vstack([a, b]), call=lambda a, b: ops.vstack([a, b])),
    Case("vstack", two((3,), (3,)), lambda a, b: np.vstack([a, b]), call=lambda a, b: ops.vstack([a, b]), note="1"),
    Case("dstack", two(), lambda a, b: np.dstack([a, b]), call=lambda a, b: ops.dstack([a, b])),
    Case("dstack", two((3,), (3,)), lambda a, b: np.dstack([a, b]), call=lambda a, b: ops.dstack([a, b]), note="1"),
    moved("hsplit", lambda x: np.hsplit(x, 3), lambda x: ops.hsplit(x, 3)),
    Case("vsplit", (SQUARE,), lambda x: np.vsplit(x, 2), call=lambda x: ops.vsplit(x, 2)),
    moved("dsplit", lambda x: np.dsplit(x, [1, 3]), lambda x: ops.dsplit(x, [1, 3])),
    moved("fliplr", np.fliplr, ops.fliplr),
    moved("flipud", np.flipud, ops.flipud),
    *(
        moved("rot90", lambda x, k=k: np.rot90(x, k), lambda x, k=k: ops.rot90(x, k), note=str(k))
        for k in (-1, 0, 1, 2)
    ),
    moved("rot90", lambda x: np.rot90(x, 1, (2, 0)), lambda x: ops.rot90(x, 1, (2, 0)), note="axes"),
    moved("roll", lambda x: np.roll(x, 2, 1), lambda x: ops.roll(x, 2, 1)),
    moved("roll", lambda x: np.roll(x, -4, 0), lambda x: ops.roll(x, -4, 0), note="batch", empty=False),
    moved("roll", lambda x: np.roll(x, (1, -5), (1, 2)), lambda x: ops.roll(x, (1, -5), (1, 2)), note="two"),
    moved("roll", lambda x: np.roll(x, 3), lambda x: ops.roll(x, 3), note="flat", empty=False),
    Case(
        "meshgrid",
        (Argument((3,)), Argument((4,), batch=False)),
        lambda a, b: np.meshgrid(a, b),
        call=lambda a, b: ops.meshgrid(a, b),
        dtypes=NUMBERS,
    ),
    Case(
        "meshgrid",
        (Argument((3,)), Argument((4,), batch=False)),
        lambda a, b: np.meshgrid(a, b, indexing="ij"),
        call=lambda a, b: ops.meshgrid(a, b, indexing="ij"),
        note="ij",
    ),
    moved("rearrange", rearranged, lambda x: ops.rearrange(x, "b h (w c) -> w (b h) c", c=2)),
    moved("repeat", lambda x: np.repeat(x, [2, 0, 1], 1), lambda x: ops.repeat(x, [2, 0, 1], 1), note="counts"),
    *(
        moved(
            "pad",
            lambda x, mode=mode: np.pad(x, ((0, 0), (1, 2), (2, 0)), mode),
            lambda x, mode=mode: ops.pad(x, ((0, 0), (1, 2), (2, 0)), mode),
            note=mode,
        )
        for mode in ("edge", "reflect", "symmetric", "wrap")
    ),
    *(
        moved(
            "pad",
            lambda x, mode=mode: np.pad(x, 1, mode),
            lambda x, mode=mode: ops.pad(x, 1, mode),
            note=f"{mode} batch",
            empty=False,
        )
        for mode in ("edge", "reflect", "symmetric", "wrap")
    ),
    *(
        Case(
            "pad",
            (Argument((3,), batch=False),),
            lambda x, mode=mode: np.pad(x, 8, mode),
            call=lambda x, mode=mode: ops.pad(x, 8, mode),
            note=f"{mode} far",
        )
        for mode in ("edge", "reflect", "symmetric", "wrap")
    ),
    *(
        Case(
            "pad",
            (CUBE,),
            lambda x, mode=mode: np.pad(x, ((0, 0), (1, 2), (3, 0)), mode),
            call=lambda x, mode=mode: ops.pad(x, ((0, 0), (1, 2), (3, 0)), mode),
            dtypes=(*FLOATS, "int32") if mode != "linear_ramp" else FLOATS,
            note=mode,
        )
        for mode in ("linear_ramp", "maximum", "mean", "minimum")
    ),
    moved(
        "pad",
        lambda x: np.pad(x, ((0, 0), (1, 2), (2, 0))),
        lambda x: ops.pad(x, ((0, 0), (1, 2), (2, 0)), "empty"),
        note="empty",
    ),
]
