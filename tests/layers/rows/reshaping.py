"""Rows of the layers that change shapes."""

from layers.rows.row import Row

_FIRST = "channels_first"

ROWS = [
    Row("Flatten", lambda k: k.layers.Flatten(), inputs=[(2, 3, 4)]),
    Row("Flatten", lambda k: k.layers.Flatten(), inputs=[(2, 3)], note="flat"),
    Row("Flatten", lambda k: k.layers.Flatten(data_format=_FIRST), inputs=[(2, 3, 4, 2)], note="first"),
    Row("Reshape", lambda k: k.layers.Reshape((4, 3)), inputs=[(2, 3, 4)]),
    Row("Reshape", lambda k: k.layers.Reshape((2, -1)), inputs=[(2, 3, 4)], note="-1"),
    Row("Reshape", lambda k: k.layers.Reshape((-1, 2, 2)), inputs=[(2, 3, 4)], note="varying", varying=(1,)),
    Row("Permute", lambda k: k.layers.Permute((2, 1)), inputs=[(2, 3, 4)]),
    Row("Permute", lambda k: k.layers.Permute((3, 1, 2)), inputs=[(2, 3, 4, 2)], note="three"),
    Row("Permute", lambda k: k.layers.Permute((2, 1)), inputs=[(2, 3, 4)], note="varying", varying=(1,)),
    Row("RepeatVector", lambda k: k.layers.RepeatVector(3), inputs=[(2, 4)]),
    Row("RepeatVector", lambda k: k.layers.RepeatVector(1), inputs=[(2, 4)], note="once"),
    Row("RepeatVector", lambda k: k.layers.RepeatVector(2), inputs=[(3, 4)], note="varying", varying=(1,)),
    Row("Cropping1D", lambda k: k.layers.Cropping1D(), inputs=[(2, 5, 3)]),
    Row("Cropping1D", lambda k: k.layers.Cropping1D((2, 0)), inputs=[(2, 5, 3)], note="start"),
    Row("Cropping1D", lambda k: k.layers.Cropping1D((0, 3)), inputs=[(2, 5, 3)], note="end", varying=(1,)),
    Row("Cropping2D", lambda k: k.layers.Cropping2D(1), inputs=[(2, 5, 4, 3)]),
    Row("Cropping2D", lambda k: k.layers.Cropping2D(((0, 2), (1, 0))), inputs=[(2, 5, 4, 3)], note="uneven"),
    Row(
        "Cropping2D",
        lambda k: k.layers.Cropping2D(((1, 1), (2, 0)), data_format=_FIRST),
        inputs=[(2, 3, 5, 4)],
        note="first",
        varying=(2, 3),
    ),
    Row("Cropping3D", lambda k: k.layers.Cropping3D(), inputs=[(1, 3, 4, 3, 2)]),
    Row("Cropping3D", lambda k: k.layers.Cropping3D(((0, 1), (1, 0), (2, 0))), inputs=[(1, 3, 4, 3, 2)], note="uneven"),
    Row(
        "Cropping3D",
        lambda k: k.layers.Cropping3D(((1, 0), (0, 0), (0, 1)), data_format=_FIRST),
        inputs=[(1, 2, 3, 4, 3)],
        note="first",
    ),
    Row("ZeroPadding1D", lambda k: k.layers.ZeroPadding1D(), inputs=[(2, 3, 4)], varying=(1,)),
    Row("ZeroPadding1D", lambda k: k.layers.ZeroPadding1D((0, 2)), inputs=[(2, 3, 4)], note="end"),
    Row("ZeroPadding1D", lambda k: k.layers.ZeroPadding1D(2, data_format=_FIRST), inputs=[(2, 3, 4)], note="first"),
    Row("ZeroPadding2D", lambda k: k.layers.ZeroPadding2D(), inputs=[(2, 3, 2, 4)], varying=(1, 2)),
    Row("ZeroPadding2D", lambda k: k.layers.ZeroPadding2D(((1, 0), (0, 2))), inputs=[(2, 3, 2, 4)], note="uneven"),
    Row("ZeroPadding2D", lambda k: k.layers.ZeroPadding2D(2, data_format=_FIRST), inputs=[(2, 3, 2, 4)], note="first"),
    Row("ZeroPadding3D", lambda k: k.layers.ZeroPadding3D(), inputs=[(1, 2, 3, 2, 2)]),
    Row(
        "ZeroPadding3D",
        lambda k: k.layers.ZeroPadding3D(((1, 0), (0, 2), (0, 1))),
        inputs=[(1, 2, 3, 2, 2)],
        note="uneven",
    ),
    Row(
        "ZeroPadding3D",
        lambda k: k.layers.ZeroPadding3D(((0, 0), (1, 0), (0, 1)), data_format=_FIRST),
        inputs=[(1, 2, 3, 2, 2)],
        note="first",
    ),
    Row("UpSampling1D", lambda k: k.layers.UpSampling1D(), inputs=[(2, 3, 4)]),
    Row("UpSampling1D", lambda k: k.layers.UpSampling1D(3), inputs=[(2, 3, 4)], note="three", varying=(1,)),
    Row("UpSampling1D", lambda k: k.layers.UpSampling1D(1), inputs=[(2, 3, 4)], note="one"),
    Row("UpSampling2D", lambda k: k.layers.UpSampling2D((2, 3)), inputs=[(2, 3, 2, 3)], varying=(1, 2)),
    Row("UpSampling2D", lambda k: k.layers.UpSampling2D(2, data_format=_FIRST), inputs=[(2, 3, 3, 2)], note="first"),
    *(
        Row(
            "UpSampling2D",
            lambda k, method=method: k.layers.UpSampling2D((3, 2), interpolation=method),
            inputs=[(2, 4, 3, 2)],
            note=method,
            varying=(1, 2),
        )
        for method in ("bilinear", "bicubic", "lanczos3", "lanczos5")
    ),
    Row(
        "UpSampling2D",
        lambda k: k.layers.UpSampling2D((2, 3), interpolation="bilinear", data_format=_FIRST),
        inputs=[(2, 2, 3, 4)],
        note="bilinear-first",
    ),
    Row("UpSampling3D", lambda k: k.layers.UpSampling3D(), inputs=[(1, 2, 2, 3, 2)]),
    Row("UpSampling3D", lambda k: k.layers.UpSampling3D((1, 3, 2)), inputs=[(1, 2, 2, 3, 2)], note="uneven"),
    Row(
        "UpSampling3D",
        lambda k: k.layers.UpSampling3D((2, 1, 1), data_format=_FIRST),
        inputs=[(1, 2, 2, 3, 2)],
        note="first",
        varying=(2,),
    ),
]
