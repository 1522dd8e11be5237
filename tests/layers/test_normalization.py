"""Batch normalization."""

import numpy as np
import pytest

from ironhorn import layers
from ironhorn.errors import UnsupportedError
from ironhorn.testing import assert_raises_text, run_layer_test


@pytest.mark.parametrize(
    ("options", "trainable"), [({}, 2), ({"center": False}, 1), ({"scale": False, "axis": 1}, 1), ({"axis": 1}, 2)]
)
def test_layer(options, trainable):
    run_layer_test(
        layers.BatchNormalization,
        options,
        input_shape=(5, 4, 3),
        expected_output_shape=(5, 4, 3),
        expected_num_trainable_weights=trainable,
        expected_num_non_trainable_weights=2,
        supports_masking=True,
    )


def test_training_uses_the_batch_and_moves_the_statistics():
    inputs = np.random.default_rng(0).normal(3.0, 2.0, (64, 5)).astype("float32")
    layer = layers.BatchNormalization(momentum=0.9, epsilon=1e-3)
    outputs = layer(inputs, training=True).numpy()
    mean, variance = inputs.mean(0), inputs.var(0)
    np.testing.assert_allclose(outputs, (inputs - mean) / np.sqrt(variance + 1e-3), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(layer.moving_mean.numpy(), 0.1 * mean, rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance.numpy(), 0.9 + 0.1 * variance, rtol=1e-5)


def test_inference_uses_the_moving_statistics():
    layer = layers.BatchNormalization(epsilon=0.0)
    layer.build((None, 2))
    layer.set_weights([np.array([2.0, 1.0]), np.array([0.0, 1.0]), np.array([1.0, 2.0]), np.array([4.0, 1.0])])
    outputs = layer(np.array([[3.0, 3.0]], "float32"))
    np.testing.assert_allclose(outputs, [[2.0, 2.0]], rtol=1e-6)


def test_frozen_layer_keeps_its_statistics():
    layer = layers.BatchNormalization()
    layer.build((None, 2))
    layer.trainable = False
    before = layer.get_weights()
    layer(np.random.default_rng(0).standard_normal((8, 2)).astype("float32"), training=True)
    for old, new in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_masked_steps_do_not_count():
    inputs = np.random.default_rng(0).standard_normal((3, 4, 2)).astype("float32")
    mask = np.array([[1, 1, 0, 0], [1, 1, 1, 0], [1, 0, 0, 0]], bool)
    layer = layers.BatchNormalization(momentum=0.0)
    layer(inputs, training=True, mask=mask)
    counted = inputs[mask]
    np.testing.assert_allclose(layer.moving_mean.numpy(), counted.mean(0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(layer.moving_variance.numpy(), counted.var(0), rtol=1e-5, atol=1e-6)


def test_errors():
    assert_raises_text(
        UnsupportedError, ["synchronized", "False"], lambda: layers.BatchNormalization(synchronized=True)
    )
    assert_raises_text(UnsupportedError, ["renorm"], lambda: layers.BatchNormalization(renorm=True))
    assert_raises_text(
        ValueError,
        ["axis=3", "rank 2", "-2 to 1"],
        lambda: layers.BatchNormalization(axis=3)(np.ones((2, 2), "float32")),
    )
    assert_raises_text(
        ValueError,
        ["mask", "(2, 3, 4)"],
        lambda: layers.BatchNormalization()(np.ones((2, 3, 4), "float32"), mask=np.ones((2,), bool)),
    )


@pytest.mark.parametrize(
    ("cls", "options", "shape", "weights"),
    [
        (layers.LayerNormalization, {}, (2, 3, 4), 2),
        (layers.LayerNormalization, {"axis": [1, 2], "center": False}, (2, 3, 4), 1),
        (layers.GroupNormalization, {"groups": 2}, (2, 3, 4), 2),
        (layers.GroupNormalization, {"groups": -1, "axis": 1, "scale": False}, (2, 3, 4, 2), 1),
        (layers.UnitNormalization, {"axis": 1}, (2, 3, 4), 0),
    ],
)
def test_normalizing_every_example(cls, options, shape, weights):
    run_layer_test(
        cls,
        options,
        input_shape=shape,
        expected_output_shape=shape,
        expected_num_trainable_weights=weights,
        supports_masking=True,
    )


def test_rms_normalization():
    run_layer_test(
        layers.RMSNormalization, {}, input_shape=(2, 3), expected_output_shape=(2, 3), expected_num_trainable_weights=1
    )


def test_deprecated_rms_scaling():
    with pytest.warns(UserWarning, match="Use RMSNormalization"):
        layer = layers.LayerNormalization(rms_scaling=True, epsilon=0.0)
    inputs = np.array([[1.0, 3.0]], "float32")
    np.testing.assert_allclose(layer(inputs), inputs, rtol=1e-6)
    assert [weight.name for weight in layer.weights] == ["gamma"]


def test_spectral_normalization_bounds_the_kernel():
    layer = layers.SpectralNormalization(layers.Dense(4), power_iterations=20)
    inputs = np.random.default_rng(0).standard_normal((3, 5)).astype("float32")
    layer(inputs, training=True)
    singular = np.linalg.svd(layer.layer.kernel.numpy(), compute_uv=False)
    np.testing.assert_allclose(singular[0], 1.0, rtol=1e-3)
    before = layer.layer.kernel.numpy()
    layer(inputs)
    np.testing.assert_array_equal(layer.layer.kernel.numpy(), before)
    assert_raises_text(ValueError, ["kernel", "ReLU"], lambda: layers.SpectralNormalization(layers.ReLU())(inputs))
    assert_raises_text(
        ValueError, ["power_iterations"], lambda: layers.SpectralNormalization(layers.Dense(1), power_iterations=0)
    )


def test_errors_of_axes_and_groups():
    inputs = np.ones((2, 6), "float32")
    assert_raises_text(ValueError, ["axis=[2]", "rank 2"], lambda: layers.LayerNormalization(axis=[2])(inputs))
    assert_raises_text(TypeError, ["axis='last'"], lambda: layers.LayerNormalization(axis="last"))
    assert_raises_text(ValueError, ["groups=4", "6"], lambda: layers.GroupNormalization(groups=4)(inputs))
    assert_raises_text(ValueError, ["groups=0"], lambda: layers.GroupNormalization(groups=0))
