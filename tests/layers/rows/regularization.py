"""Rows of the layers that regularise; while they do nothing: their statistics are tested in test_regularization.py."""

from layers.rows.row import Row

ROWS = [
    Row("Dropout", lambda k: k.layers.Dropout(0.3), inputs=[(2, 3)]),
    Row("Dropout", lambda k: k.layers.Dropout(0.0, seed=3), inputs=[(2, 3)], note="nothing", call={"training": True}),
    Row(
        "Dropout",
        lambda k: k.layers.Dropout(0.5, noise_shape=(None, 1, 4), seed=3),
        inputs=[(2, 3, 4)],
        note="mask",
        mask=[[1, 1, 0], [1, 0, 0]],
        carried=True,
    ),
    Row("SpatialDropout1D", lambda k: k.layers.SpatialDropout1D(0.3), inputs=[(2, 3, 4)], varying=(1,)),
    Row("SpatialDropout1D", lambda k: k.layers.SpatialDropout1D(0.5, seed=1), inputs=[(2, 3, 4)], note="seed"),
    Row("SpatialDropout1D", lambda k: k.layers.SpatialDropout1D(0.0), inputs=[(2, 3, 4)], note="nothing"),
    Row("SpatialDropout2D", lambda k: k.layers.SpatialDropout2D(0.3), inputs=[(2, 3, 2, 4)]),
    Row(
        "SpatialDropout2D", lambda k: k.layers.SpatialDropout2D(0.5, "channels_first", 1), [(2, 3, 2, 4)], note="first"
    ),
    Row("SpatialDropout2D", lambda k: k.layers.SpatialDropout2D(0.0), inputs=[(2, 3, 2, 4)], note="nothing"),
    Row("SpatialDropout3D", lambda k: k.layers.SpatialDropout3D(0.3), inputs=[(1, 2, 3, 2, 2)]),
    Row(
        "SpatialDropout3D",
        lambda k: k.layers.SpatialDropout3D(0.5, "channels_first", 1),
        inputs=[(1, 2, 3, 2, 2)],
        note="first",
    ),
    Row("SpatialDropout3D", lambda k: k.layers.SpatialDropout3D(0.0), inputs=[(1, 2, 3, 2, 2)], note="nothing"),
    Row("GaussianNoise", lambda k: k.layers.GaussianNoise(0.3), inputs=[(2, 3)]),
    Row("GaussianNoise", lambda k: k.layers.GaussianNoise(1, seed=2), inputs=[(2, 3)], note="seed"),
    Row("GaussianNoise", lambda k: k.layers.GaussianNoise(0.0), [(2, 3)], note="nothing", call={"training": True}),
    Row("GaussianDropout", lambda k: k.layers.GaussianDropout(0.3), inputs=[(2, 3)]),
    Row("GaussianDropout", lambda k: k.layers.GaussianDropout(0.5, seed=2), inputs=[(2, 3)], note="seed"),
    Row("GaussianDropout", lambda k: k.layers.GaussianDropout(0.0), [(2, 3)], note="nothing", call={"training": True}),
    Row("AlphaDropout", lambda k: k.layers.AlphaDropout(0.3), inputs=[(2, 3)]),
    Row("AlphaDropout", lambda k: k.layers.AlphaDropout(0.5, (None, 1), 2), inputs=[(2, 3)], note="noise"),
    Row("AlphaDropout", lambda k: k.layers.AlphaDropout(0.0), [(2, 3)], note="nothing", call={"training": True}),
    Row("ActivityRegularization", lambda k: k.layers.ActivityRegularization(), inputs=[(2, 3)]),
    Row("ActivityRegularization", lambda k: k.layers.ActivityRegularization(l1=0.1), inputs=[(2, 3)], note="l1"),
    Row(
        "ActivityRegularization",
        lambda k: k.layers.ActivityRegularization(l1=0.1, l2=0.3),
        inputs=[(2, 3, 4)],
        note="both",
        mask=[[1, 1, 0], [1, 0, 0]],
        carried=True,
    ),
]
