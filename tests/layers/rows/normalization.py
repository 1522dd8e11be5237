"""Rows of the normalization layers."""

from layers.rows.row import Row

MASK = [[1, 1, 1, 0], [1, 0, 0, 0], [0, 1, 1, 1]]
REGULARIZED = {"beta_initializer": "ones", "gamma_regularizer": "l2", "beta_constraint": "non_neg"}

ROWS = [
    Row("BatchNormalization", lambda k: k.layers.BatchNormalization(), inputs=[(4, 3)]),
    Row(
        "BatchNormalization",
        lambda k: k.layers.BatchNormalization(momentum=0.9, epsilon=1e-2),
        inputs=[(4, 5, 3)],
        call={"training": True},
        varying=(1,),
        note="training",
    ),
    Row(
        "BatchNormalization",
        lambda k: k.layers.BatchNormalization(axis=1, center=False),
        inputs=[(4, 3, 5)],
        call={"training": True},
        note="axis 1",
    ),
    Row(
        "BatchNormalization",
        lambda k: k.layers.BatchNormalization(scale=False, gamma_constraint="unit_norm"),
        inputs=[(3, 4, 2)],
        mask=MASK,
        call={"training": True},
        note="mask",
    ),
    Row("LayerNormalization", lambda k: k.layers.LayerNormalization(), inputs=[(4, 6)]),
    Row(
        "LayerNormalization",
        lambda k: k.layers.LayerNormalization(epsilon=1e-5, **REGULARIZED),
        inputs=[(3, 4, 7)],
        varying=(1,),
        mask=MASK,
        carried=True,
        note="sequence",
    ),
    Row(
        "LayerNormalization",
        lambda k: k.layers.LayerNormalization(axis=[-1, 1]),
        inputs=[(2, 3, 4, 5)],
        note="two axes",
    ),
    Row("LayerNormalization", lambda k: k.layers.LayerNormalization(axis=1), inputs=[(2, 3, 4)], note="axis 1"),
    Row(
        "LayerNormalization",
        lambda k: k.layers.LayerNormalization(center=False, scale=False),
        inputs=[(3, 4)],
        note="plain",
    ),
    Row("GroupNormalization", lambda k: k.layers.GroupNormalization(groups=2), inputs=[(3, 4, 6)], varying=(1,)),
    Row(
        "GroupNormalization",
        lambda k: k.layers.GroupNormalization(groups=-1, axis=1, scale=False),
        inputs=[(2, 3, 4, 5)],
        note="instance",
    ),
    Row(
        "GroupNormalization",
        lambda k: k.layers.GroupNormalization(groups=1, epsilon=1e-5, **REGULARIZED),
        inputs=[(3, 4, 5)],
        mask=MASK,
        carried=True,
        note="one group",
    ),
    Row("GroupNormalization", lambda k: k.layers.GroupNormalization(groups=2), inputs=[(3, 8)], note="features"),
    Row("RMSNormalization", lambda k: k.layers.RMSNormalization(), inputs=[(4, 6)]),
    Row("RMSNormalization", lambda k: k.layers.RMSNormalization(epsilon=1e-2), inputs=[(2, 3, 5)], note="sequence"),
    Row("RMSNormalization", lambda k: k.layers.RMSNormalization(axis=[1, 2]), inputs=[(2, 3, 4)], note="two axes"),
    Row("UnitNormalization", lambda k: k.layers.UnitNormalization(), inputs=[(3, 4)]),
    Row(
        "UnitNormalization",
        lambda k: k.layers.UnitNormalization(axis=1),
        inputs=[(3, 4, 2)],
        mask=MASK,
        carried=True,
        note="axis 1",
    ),
    Row("UnitNormalization", lambda k: k.layers.UnitNormalization(axis=[1, 2]), inputs=[(2, 3, 4)], note="two axes"),
    Row(
        "SpectralNormalization", lambda k: k.layers.SpectralNormalization(k.layers.Dense(3, name="d")), inputs=[(2, 4)]
    ),
    Row(
        "SpectralNormalization",
        lambda k: k.layers.SpectralNormalization(k.layers.Dense(3, name="d"), power_iterations=3),
        inputs=[(2, 4)],
        call={"training": True},
        gradient="the kernel is assigned in the call: derivatives of Keras on JAX go through that, those here do not",
        note="training",
    ),
    Row(
        "SpectralNormalization",
        lambda k: k.layers.SpectralNormalization(k.layers.Conv2D(2, 2, name="c")),
        inputs=[(2, 4, 4, 3)],
        call={"training": True},
        gradient="as above",
        note="convolution",
    ),
]
