"""Reductions."""

from __future__ import annotations

import numpy as np

from ironhorn import ops
from ops.cases.case import (
    FLOATS,
    NO_FLOATS,
    Argument,
    Case,
    reduction,
)

CASES: list[Case] = [
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
]
