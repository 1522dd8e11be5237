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
    Case(
        "switch",
        (Argument((3, 4)), Argument((3, 4))),
        lambda a, b: a * b,
        call=lambda a, b: ops.switch(1, [ops.add, ops.multiply, ops.subtract], a, b),
        note="known",
    ),
    Case(
        "switch",
        (Argument((3, 4)), Argument((3, 4))),
        lambda a, b: a - b,
        call=lambda a, b: ops.switch(
            ops.cast(ops.sum(ops.ones_like(a)), "int32"), [ops.add, ops.multiply, ops.subtract], a, b
        ),
        note="past the end",
        empty=False,
    ),
    Case(
        "fori_loop",
        (Argument((3, 4)),),
        lambda x: np.sin(x) * 0 + x * 1.5 * 2.5 * 3.5,
        call=lambda x: ops.fori_loop(1, 4, lambda i, state: state * (ops.cast(i, x.dtype) + 0.5), x),
        tolerance=4.0,
    ),
    Case(
        "map", (Argument((3, 4)),), lambda x: np.sin(x) * x, call=lambda x: ops.map(lambda row: ops.sin(row) * row, x)
    ),
    Case(
        "vectorized_map",
        (Argument((3, 4)), Argument((3,))),
        lambda x, y: x * y[:, None],
        call=lambda x, y: ops.vectorized_map(lambda pair: pair[0] * pair[1], [x, y]),
    ),
    Case(
        "vectorize",
        (Argument((3, 1)), Argument((1, 4), batch=False)),
        lambda a, b: a * b + a,
        call=lambda a, b: ops.vectorize(lambda x, y: x * y + x)(a, b),
        graph=False,
    ),
    Case(
        "vectorize",
        (Argument((3, 2, 4)), Argument((4,), batch=False)),
        np.matmul,
        call=lambda a, b: ops.vectorize(ops.matmul, signature="(m,n),(n)->(m)")(a, b),
        note="signature",
        graph=False,
        tolerance=4.0,
    ),
    Case(
        "associative_scan",
        (Argument((3, 7)),),
        lambda x: np.cumsum(x, 1),
        call=lambda x: ops.associative_scan(ops.add, x, axis=1),
        tolerance=4.0,
    ),
    Case(
        "associative_scan",
        (Argument((8, 2)),),
        lambda x: np.cumprod(x[::-1], 0)[::-1],
        call=lambda x: ops.associative_scan(ops.multiply, x, reverse=True),
        note="reverse",
        tolerance=10.0,
        empty=False,
    ),
]

# Functions that have no row, and why.
NO_ROW = {
    "custom_gradient": "takes functions; tested in test_custom_gradient.py",
    "cond": "takes functions; tested in test_control.py",
    "scan": "takes functions; tested in test_control.py",
    "while_loop": "takes functions; tested in test_control.py",
}
