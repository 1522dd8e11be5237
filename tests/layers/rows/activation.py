"""Rows of the activation layers, and of every activation function by its name."""

from layers.rows.row import Row

_NAMES = (
    "celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu linear "
    "log_sigmoid log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign sparse_plus "
    "sparse_sigmoid sparsemax squareplus swish tanh tanh_shrink"
).split()

_MASK = [[1, 1, 0], [1, 0, 0]]

ROWS = [
    *(Row("Activation", lambda k, name=name: k.layers.Activation(name), inputs=[(3, 4)], note=name) for name in _NAMES),
    Row("Activation", lambda k: k.layers.Activation("tanh"), [(2, 3, 4)], note="mask", mask=_MASK, carried=True),
    Row("ReLU", lambda k: k.layers.ReLU(), inputs=[(3, 4)]),
    Row("ReLU", lambda k: k.layers.ReLU(max_value=0.6), inputs=[(3, 4)], note="bounded"),
    Row("ReLU", lambda k: k.layers.ReLU(max_value=6.0), inputs=[(3, 4)], note="six"),
    Row("ReLU", lambda k: k.layers.ReLU(negative_slope=0.2), inputs=[(3, 4)], note="leaky"),
    Row("ReLU", lambda k: k.layers.ReLU(1.0, 0.1, 0.3), inputs=[(3, 4)], note="all"),
    Row("ReLU", lambda k: k.layers.ReLU(threshold=0.4), [(2, 3, 4)], note="mask", mask=_MASK, carried=True),
    Row("LeakyReLU", lambda k: k.layers.LeakyReLU(), inputs=[(3, 4)]),
    Row("LeakyReLU", lambda k: k.layers.LeakyReLU(negative_slope=0.01), inputs=[(3, 4)], note="slope"),
    Row("LeakyReLU", lambda k: k.layers.LeakyReLU(0.0), [(2, 3, 4)], note="mask", mask=_MASK, carried=True),
    Row("ELU", lambda k: k.layers.ELU(), inputs=[(3, 4)]),
    Row("ELU", lambda k: k.layers.ELU(alpha=0.3), inputs=[(3, 4)], note="alpha"),
    Row("ELU", lambda k: k.layers.ELU(2.0), [(2, 3, 4)], note="mask", mask=_MASK, carried=True),
    Row("PReLU", lambda k: k.layers.PReLU(), inputs=[(3, 4)]),
    Row("PReLU", lambda k: k.layers.PReLU(alpha_constraint="non_neg", shared_axes=[1]), [(2, 3, 4)], note="shared"),
    Row(
        "PReLU",
        lambda k: k.layers.PReLU("ones", alpha_regularizer="l2", shared_axes=[1, 2]),
        inputs=[(2, 3, 2, 4)],
        note="channels",
        varying=(1, 2),
    ),
    Row("Softmax", lambda k: k.layers.Softmax(), inputs=[(3, 4)]),
    Row("Softmax", lambda k: k.layers.Softmax(axis=1), inputs=[(2, 3, 4)], note="axis", varying=(1,)),
    Row("Softmax", lambda k: k.layers.Softmax(axis=(1, 2)), inputs=[(2, 3, 4)], note="axes"),
    Row("Softmax", lambda k: k.layers.Softmax(), [(2, 3)], note="mask", mask=_MASK),
]
