"""Rows of the core layers."""

from layers.rows.row import Row

ROWS = [
    Row("Dense", lambda k: k.layers.Dense(3, activation="tanh"), inputs=[(2, 4)]),
    Row("Dense", lambda k: k.layers.Dense(3, use_bias=False), inputs=[(2, 3, 4)], note="sequence", varying=(1,)),
    Row(
        "Dense",
        lambda k: k.layers.Dense(2, activation="softmax", kernel_regularizer="l2"),
        inputs=[(3, 4)],
        note="soft",
    ),
]
