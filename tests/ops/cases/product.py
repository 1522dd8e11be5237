"""Products."""

from __future__ import annotations

import numpy as np

from ironhorn import ops
from ops.cases.case import (
    FLOATS,
    Argument,
    Case,
)

CASES: list[Case] = [
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
]
