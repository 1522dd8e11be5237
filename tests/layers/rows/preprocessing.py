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
    # Keras makes the bands' weights in float32.
    *(
        Row(
            "MelSpectrogram",
            lambda k, options=options: k.layers.MelSpectrogram(
                fft_length=32, sequence_stride=8, num_mel_bins=5, sampling_rate=2000, **options
            ),
            inputs=[shape],
            note=note,
            narrow=True,
            varying=(1,),
        )
        for note, shape, options in (
            ("", (2, 100), {}),
            ("one sound", (90,), {"sequence_length": 24, "window": "hamming", "top_db": 20.0, "ref_power": 2.0}),
            ("energy", (2, 77), {"power_to_db": False, "mag_exp": 1.0, "min_freq": 50.0, "max_freq": 700.0}),
        )
    ),
    *(
        Row(
            "STFTSpectrogram",
            lambda k, mode=mode, options=options: k.layers.STFTSpectrogram(mode, 8, **options),
            inputs=[(2, 3, 40) if "data_format" in options else (2, 40, 3)],
            note=mode,
            varying=() if "data_format" in options else (1,),
        )
        for mode, options in (
            ("log", {}),
            ("magnitude", {"frame_step": 3, "padding": "same"}),
            ("psd", {"fft_length": 16, "expand_dims": True}),
            ("real", {"window": None, "scaling": None, "data_format": "channels_first"}),
            ("imag", {"window": "hamming", "scaling": "spectrum", "periodic": True}),
            ("angle", {"expand_dims": True, "data_format": "channels_first"}),
            ("stft", {}),
        )
    ),
]
