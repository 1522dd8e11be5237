"""Sums of products by labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from ironhorn import ops
from ops.cases.case import FLOATS, Argument, Case


def row(subscripts: str, *shapes: tuple[int, ...], batches: tuple[int, ...] = (0,), **known: Any) -> Case:
    """A row; `batches` are the operands whose first axis is the batch."""
    return Case(
        "einsum",
        tuple(Argument(shape, batch=i in batches) for i, shape in enumerate(shapes)),
        lambda *arrays: np.einsum(subscripts, *arrays),
        call=lambda *arrays: ops.einsum(subscripts, *arrays),
        note=subscripts.replace(" ", ""),
        **{"tolerance": 16.0, **known},
    )


CASES: list[Case] = [
    row("ab,bc->ac", (3, 4), (4, 5), dtypes=(*FLOATS, "int32", "uint8")),
    row("ab,bc->ca", (3, 4), (4, 5)),
    row("ab,cb", (3, 4), (5, 4)),
    row("ab->ba", (3, 4), dtypes=(*FLOATS, "int32"), tolerance=0.0),
    row("abc->b", (3, 4, 2)),
    row("ii->i", (3, 3), batches=(), tolerance=0.0),
    row("baa->b", (2, 3, 3)),
    row("ab,ab->ab", (3, 4), (3, 4), batches=(0, 1)),
    row("ab,ab->a", (3, 4), (3, 4), batches=(0, 1)),
    row("ba,ba->a", (3, 4), (3, 4), batches=(0, 1)),
    row("ab,cd->acbd", (3, 4), (2, 5)),
    row("abc,cde->abde", (2, 3, 4), (4, 2, 3)),
    row("abcd,cde->abe", (2, 3, 4, 2), (4, 2, 3)),
    row("aecd,abcd->acbe", (2, 3, 2, 4), (2, 5, 2, 4), batches=(0, 1)),
    row("acbe,aecd->abcd", (2, 2, 3, 4), (2, 4, 2, 3), batches=(0, 1)),
    row("abc,b,c->a", (2, 3, 4), (3,), (4,)),
    row("ab,bc,cd,de->ae", (3, 4), (4, 2), (2, 5), (5, 3)),
    row("...ij,jk->...ik", (2, 3, 4), (4, 5)),
    row("...ij,...jk", (2, 1, 3, 4), (5, 4, 2)),
    row("a...,...b->ab...", (3, 2), (2, 4)),
    row("ab,->b", (3, 4), ()),
    row("abcd,ced->abe", (5, 40, 12, 20), (12, 24, 20), gradient="checked on small arrays", tolerance=64.0),
]
