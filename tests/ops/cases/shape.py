"""Functions that move elements."""

from __future__ import annotations

from typing import Any

import numpy as np

from ironhorn import ops
from ops import references as ref
from ops.cases.case import (
    NUMBERS,
    Argument,
    Case,
    moved,
    tensor,
)


def crossed(axis: int) -> Any:
    """Concatenates three arrays."""
    return lambda a, b, c: ops.concatenate([a, b, c], axis=axis)


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
]
