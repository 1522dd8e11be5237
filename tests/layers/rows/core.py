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
    Row("EinsumDense", lambda k: k.layers.EinsumDense("ab,bc->ac", 3, bias_axes="c"), inputs=[(2, 4)]),
    Row(
        "EinsumDense",
        lambda k: k.layers.EinsumDense("abc,cde->abde", (None, 2, 3), activation="tanh", bias_axes="e"),
        inputs=[(2, 3, 4)],
        varying=(1,),
        note="two axes",
    ),
    Row(
        "EinsumDense",
        lambda k: k.layers.EinsumDense("...xy,xyz->...z", 3, bias_axes="z", kernel_regularizer="l2"),
        inputs=[(2, 3, 2, 4)],
        note="left ellipsis",
    ),
    Row(
        "EinsumDense",
        lambda k: k.layers.EinsumDense("ab...,bcd->adc...", (3, 2), bias_axes="dc"),
        inputs=[(2, 4, 3, 2)],
        note="right ellipsis",
    ),
    Row("Embedding", lambda k: k.layers.Embedding(5, 3), inputs=[(2, 4)], integers=5, varying=(1,)),
    Row("Embedding", lambda k: k.layers.Embedding(6, 2, mask_zero=True), inputs=[(3, 5)], integers=6, note="mask"),
    Row(
        "Embedding",
        lambda k: k.layers.Embedding(4, 3, embeddings_constraint="unit_norm", embeddings_regularizer="l1"),
        inputs=[(2, 3, 2)],
        integers=4,
        note="three axes",
    ),
    Row("ReversibleEmbedding", lambda k: k.layers.ReversibleEmbedding(5, 3), inputs=[(2, 4)], integers=5),
    Row(
        "ReversibleEmbedding",
        lambda k: k.layers.ReversibleEmbedding(5, 3, logit_soft_cap=2.0),
        inputs=[(2, 4, 3)],
        call={"reverse": True},
        note="reverse",
    ),
    Row(
        "ReversibleEmbedding",
        lambda k: k.layers.ReversibleEmbedding(5, 3, tie_weights=False),
        inputs=[(2, 3)],
        call={"reverse": True},
        note="untied",
    ),
    Row("Masking", lambda k: k.layers.Masking(), inputs=[(2, 3, 4)], varying=(1,)),
    Row("Masking", lambda k: k.layers.Masking(mask_value=2.0), inputs=[(2, 3, 1)], note="one feature"),
    Row("Masking", lambda k: k.layers.Masking(mask_value=-1.0), inputs=[(2, 3, 4, 2)], note="four axes"),
]
