"""Rows of the layers that prepare numbers and images; lookups of strings are tested in test_preprocessing.py."""

from layers.rows.row import Row

_INTEGERS = "the layer takes integers"

ROWS = [
    Row("Rescaling", lambda k: k.layers.Rescaling(1 / 255), inputs=[(2, 3)]),
    Row("Rescaling", lambda k: k.layers.Rescaling(2.0, offset=-1.0), inputs=[(2, 3, 4)], note="offset", varying=(1,)),
    Row("Rescaling", lambda k: k.layers.Rescaling([1.0, 2.0, 3.0], [0.5, 0.0, 1.0]), [(2, 4, 3)], note="channels"),
    # Keras keeps a copy of learnt statistics, which setting weights does not change; test_features.py has these.
    Row("Normalization", lambda k: k.layers.Normalization(None, 0.5, 4.0), inputs=[(4, 3)], note="all", varying=(1,)),
    Row(
        "Normalization",
        lambda k: k.layers.Normalization((1, -1), mean=[[1.0, 2.0], [0.5, -1.0]], variance=[[1.0, 0.5], [2.0, 3.0]]),
        inputs=[(2, 2, 4, 2)],
        note="axes",
    ),
    Row(
        "Normalization",
        lambda k: k.layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[0.5, 2.0, 1.0], invert=True),
        inputs=[(2, 4, 3)],
        note="invert",
    ),
    Row(
        "Normalization",
        # The last variance is 0, and the deviation taken for it 1e-7.
        lambda k: k.layers.Normalization(axis=-1, mean=[1.0, 2.0, 3.0], variance=[0.5, 2.0, 0.0]),
        inputs=[(2, 4, 3)],
        note="given",
    ),
    Row("Normalization", lambda k: k.layers.Normalization(1, mean=2.0, variance=3.0), [(2, 4, 3)], note="one number"),
    *(
        Row(
            "Discretization",
            lambda k, mode=mode: k.layers.Discretization([-0.5, 0.25, 1.0], output_mode=mode),
            inputs=[(4, 3)],
            note=mode,
            gradient="piecewise constant",
        )
        for mode in ("int", "one_hot", "multi_hot", "count")
    ),
    *(
        Row(
            "CategoryEncoding",
            lambda k, mode=mode: k.layers.CategoryEncoding(5, output_mode=mode),
            inputs=[(4, 3)],
            integers=5,
            note=mode,
            gradient=_INTEGERS,
        )
        for mode in ("one_hot", "multi_hot", "count")
    ),
    Row(
        "CategoryEncoding",
        lambda k: k.layers.CategoryEncoding(4, output_mode="one_hot"),
        inputs=[(4, 1)],
        integers=4,
        note="one column",
        gradient=_INTEGERS,
    ),
    Row(
        "CategoryEncoding",
        lambda k: k.layers.CategoryEncoding(4, output_mode="count"),
        inputs=[(2, 3)],
        integers=4,
        note="weights",
        call={"count_weights": [[0.5, 1.0, 2.0], [0.25, 3.0, 0.0]]},
        gradient=_INTEGERS,
    ),
    *(
        Row(
            "Resizing",
            lambda k, method=method: k.layers.Resizing(5, 7, interpolation=method),
            inputs=[(2, 4, 3, 2)],
            note=method,
            varying=(1, 2),
            config=False,  # Keras writes arguments of image augmentation too.
        )
        for method in ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")
    ),
    Row(
        "Resizing",
        lambda k: k.layers.Resizing(3, 2, antialias=True, crop_to_aspect_ratio=True),
        inputs=[(2, 5, 6, 2)],
        note="crop",
        config=False,
    ),
    Row(
        "Resizing",
        lambda k: k.layers.Resizing(5, 9, pad_to_aspect_ratio=True, fill_value=0.5, data_format="channels_first"),
        inputs=[(2, 2, 5, 6)],
        note="pad",
        config=False,
    ),
    Row("CenterCrop", lambda k: k.layers.CenterCrop(3, 4), inputs=[(2, 5, 6, 2)], varying=(1, 2)),
    Row("CenterCrop", lambda k: k.layers.CenterCrop(7, 4), inputs=[(2, 5, 6, 2)], note="too small"),
    Row("CenterCrop", lambda k: k.layers.CenterCrop(2, 3, "channels_first"), inputs=[(2, 2, 5, 6)], note="first"),
]
