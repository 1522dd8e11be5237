"""Pooling and global pooling."""

import numpy as np
import pytest

from ironhorn import layers
from ironhorn.testing import assert_raises_text, run_layer_test


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize(("padding", "size"), [("valid", 2), ("same", 3)])
@pytest.mark.parametrize("cls", [layers.MaxPooling2D, layers.AveragePooling2D])
def test_pooling2d(cls, padding, size, data_format):
    shape = (2, 5, 4, 3) if data_format == "channels_last" else (2, 3, 5, 4)
    expected = (2, size, 2, 3) if data_format == "channels_last" else (2, 3, size, 2)
    run_layer_test(
        cls,
        {"pool_size": 2, "padding": padding, "data_format": data_format},
        input_shape=shape,
        expected_output_shape=expected,
        expected_num_trainable_weights=0,
        supports_masking=False,
    )


@pytest.mark.parametrize("cls", [layers.MaxPooling1D, layers.AveragePooling1D])
def test_pooling1d(cls):
    run_layer_test(cls, {"pool_size": 3, "strides": 2}, input_shape=(2, 7, 3), expected_output_shape=(2, 3, 3))


@pytest.mark.parametrize("cls", [layers.MaxPooling3D, layers.AveragePooling3D])
def test_pooling3d(cls):
    run_layer_test(cls, {"pool_size": (2, 1, 3)}, input_shape=(2, 4, 3, 7, 3), expected_output_shape=(2, 2, 3, 2, 3))


@pytest.mark.parametrize("cls", [layers.GlobalMaxPooling3D, layers.GlobalAveragePooling3D])
def test_global_pooling3d(cls):
    run_layer_test(cls, {"keepdims": True}, input_shape=(2, 4, 3, 2, 3), expected_output_shape=(2, 1, 1, 1, 3))


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("kind", ["Max", "Average"])
def test_adaptive_pooling(kind, rank):
    run_layer_test(
        getattr(layers, f"Adaptive{kind}Pooling{rank}D"),
        {"output_size": (2, 3, 1)[:rank]},
        input_shape=(2, *(5, 4, 3)[:rank], 3),
        expected_output_shape=(2, *(2, 3, 1)[:rank], 3),
        expected_num_trainable_weights=0,
    )


def test_values():
    inputs = np.arange(16, dtype="float32").reshape(1, 4, 4, 1)
    np.testing.assert_array_equal(layers.MaxPooling2D(2)(inputs).numpy()[0, :, :, 0], [[5, 7], [13, 15]])
    np.testing.assert_array_equal(layers.AveragePooling2D(2)(inputs).numpy()[0, :, :, 0], [[2.5, 4.5], [10.5, 12.5]])
    # Padded positions count neither for the maximum nor for the mean.
    padded = layers.AveragePooling2D(3, padding="same")(inputs).numpy()[0, :, :, 0]
    np.testing.assert_allclose(padded, [[2.5, 4.5], [10.5, 12.5]], rtol=1e-6)
    negative = layers.MaxPooling2D(3, padding="same")(inputs - 100).numpy()[0, :, :, 0]
    np.testing.assert_array_equal(negative, [[-95, -93], [-87, -85]])


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize(
    ("cls", "reduce"), [(layers.GlobalAveragePooling2D, np.mean), (layers.GlobalMaxPooling2D, np.max)]
)
def test_global_pooling2d(cls, reduce, keepdims):
    inputs = np.random.default_rng(0).standard_normal((2, 4, 5, 3)).astype("float32")
    run_layer_test(
        cls,
        {"keepdims": keepdims},
        input_data=inputs,
        expected_output=reduce(inputs, axis=(1, 2), keepdims=keepdims),
        expected_output_shape=(2, 1, 1, 3) if keepdims else (2, 3),
    )


@pytest.mark.parametrize("cls", [layers.GlobalAveragePooling1D, layers.GlobalMaxPooling1D])
def test_global_pooling1d(cls):
    run_layer_test(cls, {"data_format": "channels_first"}, input_shape=(2, 3, 6), expected_output_shape=(2, 3))


def test_global_average_leaves_masked_steps_out():
    inputs = np.array([[[1.0], [3.0], [100.0]]], "float32")
    outputs = layers.GlobalAveragePooling1D()(inputs, mask=np.array([[True, True, False]]))
    np.testing.assert_allclose(outputs, [[2.0]])


def test_errors():
    assert_raises_text(
        ValueError,
        ["empty output", "(1, 1, 4, 3)", "padding='same'"],
        lambda: layers.MaxPooling2D(2).compute_output_shape((1, 1, 4, 3)),
    )
    assert_raises_text(ValueError, ["pool_size", "positive"], lambda: layers.MaxPooling2D(0))
    assert_raises_text(ValueError, ["output_size", "tuple of 2"], lambda: layers.AdaptiveMaxPooling2D((1, 2, 3)))
    assert_raises_text(
        ValueError, ["ndim=4", "(4, 4, 3)"], lambda: layers.MaxPooling2D(2)(np.ones((4, 4, 3), "float32"))
    )
