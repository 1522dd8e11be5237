"""Rows of the layers around functions and layers."""

from layers.rows.row import Row

_MASK = [[1, 1, 0], [1, 0, 0]]


def _doubled(x):
    return 2.0 * x


def _raised(x, power):
    return x**power


def _product(pair):
    return pair[0] * pair[1]


ROWS = [
    Row("Identity", lambda k: k.layers.Identity(), inputs=[(2, 3)]),
    Row("Identity", lambda k: k.layers.Identity(), inputs=[(2, 3), (2, 4)], note="two"),
    Row("Identity", lambda k: k.layers.Identity(), inputs=[(2, 3, 4)], note="mask", mask=_MASK, carried=True),
    Row("Lambda", lambda k: k.layers.Lambda(_doubled), inputs=[(2, 3)], config=False),
    Row(
        "Lambda",
        lambda k: k.layers.Lambda(_raised, arguments={"power": 3}),
        inputs=[(2, 3, 4)],
        note="arguments",
        varying=(1,),
        config=False,
    ),
    Row("Lambda", lambda k: k.layers.Lambda(_product), [(2, 3), (2, 3)], note="two", config=False),
    Row("Masking", lambda k: k.layers.Masking(), inputs=[(2, 3, 4)], varying=(1,)),
    Row("Masking", lambda k: k.layers.Masking(mask_value=0.5), inputs=[(2, 3, 4)], note="value"),
    Row("Masking", lambda k: k.layers.Masking(), inputs=[(2, 3, 2, 2)], note="rank"),
]
