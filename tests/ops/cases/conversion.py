"""Types, and values that stay as they are."""

from __future__ import annotations

import numpy as np

from ironhorn import ops
from ops.cases.case import (
    CONSTANT,
    NO_FLOATS,
    NUMBERS,
    Argument,
    Case,
    made,
    moved,
)

CASES: list[Case] = [
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
    Case("convert_to_tensor", (Argument((3, 4)),), lambda x: x, dtypes=NUMBERS, tolerance=0.0),
    Case("array", (Argument((3, 4)),), lambda x: x, dtypes=NUMBERS, tolerance=0.0),
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
]

# Functions that have no row, and why.
NO_ROW = {
    "convert_to_numpy": "gives no tensor; tested in test_tensor.py",
    "is_tensor": "gives no tensor; tested in test_tensor.py",
    "shape": "gives no tensor; tested in test_tensor.py",
    "ndim": "gives no tensor; tested in test_tensor.py",
    "size": "gives no tensor; tested in test_tensor.py",
    "dtype": "gives no tensor; tested in test_tensor.py",
}
