"""Control flow."""

from __future__ import annotations

import numpy as np

from ironhorn import ops
from ops.cases.case import (
    Argument,
    Case,
)

CASES: list[Case] = [
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
}
