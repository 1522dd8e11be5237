"""Layers that permute, repeat, crop, pad and enlarge."""

import numpy as np
import pytest

from ironhorn import backend, layers
from ironhorn.testing import assert_raises_text, run_layer_test

FIRST = "channels_first"


@pytest.mark.parametrize(
    ("cls", "options", "shape", "expected"),
    [
        (layers.Permute, {"dims": (2, 1)}, (2, 3, 4), (2, 4, 3)),
        (layers.RepeatVector, {"n": 3}, (2, 4), (2, 3, 4)),
        (layers.Cropping1D, {"cropping": (1, 0)}, (2, 5, 3), (2, 4, 3)),
        (layers.Cropping1D, {"cropping": 1}, (2, 5, 3), (2, 3, 3)),
        (layers.Cropping2D, {"cropping": ((1, 0), (0, 2))}, (2, 5, 6, 3), (2, 4, 4, 3)),
        (layers.Cropping2D, {"cropping": 1, "data_format": FIRST}, (2, 3, 5, 6), (2, 3, 3, 4)),
        (layers.Cropping3D, {"cropping": (1, 1, (0, 1))}, (2, 4, 5, 6, 2), (2, 2, 3, 5, 2)),
        (layers.ZeroPadding1D, {"padding": (0, 2)}, (2, 3, 4), (2, 5, 4)),
        (layers.ZeroPadding1D, {"padding": 1, "data_format": FIRST}, (2, 3, 4), (2, 3, 6)),
        (layers.ZeroPadding2D, {"padding": ((1, 0), (2, 1))}, (2, 3, 4, 2), (2, 4, 7, 2)),
        (layers.ZeroPadding3D, {"padding": (1, 0, 2)}, (1, 2, 3, 2, 2), (1, 4, 3, 6, 2)),
        (layers.UpSampling1D, {"size": 3}, (2, 3, 4), (2, 9, 4)),
        (layers.UpSampling2D, {"size": (2, 3)}, (2, 3, 4, 2), (2, 6, 12, 2)),
        (layers.UpSampling2D, {"interpolation": "bilinear"}, (2, 3, 4, 2), (2, 6, 8, 2)),
        (
            layers.UpSampling2D,
            {"interpolation": "bicubic", "data_format": FIRST},
            (2, 2, 3, 4),
            (2, 2, 6, 8),
        ),
        (layers.UpSampling3D, {"size": (1, 2, 2)}, (1, 2, 3, 2, 2), (1, 2, 6, 4, 2)),
        (layers.UpSampling3D, {"data_format": FIRST}, (1, 2, 3, 2, 2), (1, 2, 6, 4, 4)),
    ],
)
def test_shapes(cls, options, shape, expected):
    run_layer_test(cls, options, input_shape=shape, expected_output_shape=expected, expected_num_trainable_weights=0)


def test_lengths_that_are_not_known():
    assert layers.Cropping1D(1)(backend.KerasTensor((None, None, 3))).shape == (None, None, 3)
    assert layers.UpSampling2D(2, interpolation="bilinear")(backend.KerasTensor((None, None, 4, 3))).shape == (
        None,
        None,
        8,
        3,
    )
    assert layers.ZeroPadding2D(1)(backend.KerasTensor((None, None, 4, 3))).shape == (None, None, 6, 3)


def test_errors():
    x = np.ones((2, 3, 4), "float32")
    assert_raises_text(ValueError, ["dims", "(2, 2)"], lambda: layers.Permute((2, 2)))
    assert_raises_text(TypeError, ["integer", "2.0"], lambda: layers.RepeatVector(2.0))
    assert_raises_text(ValueError, ["at least 1"], lambda: layers.RepeatVector(0))
    assert_raises_text(ValueError, ["1 + 2 positions", "axis 1", "has 3"], lambda: layers.Cropping1D((1, 2))(x))
    assert_raises_text(ValueError, ["2 entries", "cropping=(1, 2, 3)"], lambda: layers.Cropping2D((1, 2, 3)))
    assert_raises_text(ValueError, ["padding", "3 entries"], lambda: layers.ZeroPadding3D((1, 2)))
    assert_raises_text(ValueError, ["interpolation", "'area'"], lambda: layers.UpSampling2D(interpolation="area"))
    assert_raises_text(ValueError, ["at least 1"], lambda: layers.UpSampling1D(0))
