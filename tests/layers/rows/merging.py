"""Rows of the layers that merge tensors."""

from layers.rows.row import Row

_TWO = [(2, 3, 4), (2, 3, 4)]
_MASKS = [[[1, 1, 0], [1, 0, 0]], [[1, 0, 1], [1, 1, 0]]]
_NAMES = ("Add", "Average", "Maximum", "Minimum", "Multiply", "Subtract")


def _of(name):
    return lambda k: getattr(k.layers, name)()


ROWS = [
    *(Row(name, _of(name), inputs=[(2, 3), (2, 3)]) for name in _NAMES),
    *(Row(name, _of(name), inputs=[(2, 3, 4), (2, 1, 4)], note="broadcast") for name in _NAMES),
    *(Row(name, _of(name), inputs=_TWO, note="mask", mask=_MASKS, carried=True) for name in _NAMES),
    *(Row(name, _of(name), inputs=[(2, 3), (2, 3), (2, 3)], note="three") for name in _NAMES[:-1]),
    Row("Add", lambda k: k.layers.Add(), inputs=[(2, 3, 4), (2, 4)], note="ranks"),
    Row("Multiply", lambda k: k.layers.Multiply(), inputs=_TWO, note="varying", varying=(1,)),
    Row(
        "Average",
        lambda k: k.layers.Average(),
        inputs=_TWO,
        note="one masked",
        mask=[[[1, 1, 0], [1, 0, 0]], None],
        carried=True,
    ),
    Row("Concatenate", lambda k: k.layers.Concatenate(), inputs=[(2, 3), (2, 4), (2, 1)]),
    Row("Concatenate", lambda k: k.layers.Concatenate(axis=1), inputs=[(2, 3, 4), (2, 2, 4)], note="axis"),
    Row("Concatenate", lambda k: k.layers.Concatenate(), inputs=_TWO, note="mask", mask=_MASKS, carried=True),
    Row(
        "Concatenate", lambda k: k.layers.Concatenate(axis=1), inputs=_TWO, note="mask-axis", mask=_MASKS, carried=True
    ),
    Row("Dot", lambda k: k.layers.Dot(axes=1), inputs=[(2, 3), (2, 3)]),
    Row("Dot", lambda k: k.layers.Dot(axes=(2, 1)), inputs=[(2, 3, 4), (2, 4, 5)], note="matrices", varying=(1,)),
    Row("Dot", lambda k: k.layers.Dot(axes=-1, normalize=True), inputs=[(2, 3, 4), (2, 5, 4)], note="normalize"),
]
