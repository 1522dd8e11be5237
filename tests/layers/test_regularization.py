"""Layers that add noise, drop channels, and penalize activations."""

import numpy as np
import pytest

from ironhorn import backend, layers
from ironhorn.testing import assert_raises_text, run_layer_test


@pytest.mark.parametrize(
    ("cls", "options", "shape"),
    [
        (layers.GaussianNoise, {"stddev": 0.5, "seed": 1}, (4, 5)),
        (layers.GaussianDropout, {"rate": 0.5, "seed": 1}, (4, 5)),
        (layers.AlphaDropout, {"rate": 0.3, "seed": 1, "noise_shape": (None, 1)}, (4, 5)),
        (layers.SpatialDropout1D, {"rate": 0.5, "seed": 1}, (2, 3, 4)),
        (layers.SpatialDropout2D, {"rate": 0.5, "seed": 1, "data_format": "channels_first"}, (2, 4, 3, 3)),
        (layers.SpatialDropout3D, {"rate": 0.5, "seed": 1}, (2, 2, 3, 2, 4)),
    ],
)
def test_identity_but_in_training(cls, options, shape):
    layer = run_layer_test(
        cls,
        options,
        input_shape=shape,
        expected_num_seed_generators=1,
        supports_masking=True,
        expected_mask_shape=shape[:2],
    )
    x = np.random.default_rng(0).standard_normal(shape).astype("float32")
    np.testing.assert_array_equal(layer(x), x)
    first, second = (cls(**options)(x, training=True).numpy() for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, x)


def test_gaussian_noise_has_the_moments_asked_for():
    x = np.full((200, 500), 3.0, "float32")
    noise = layers.GaussianNoise(0.25, seed=1)(x, training=True).numpy() - x
    assert abs(noise.mean()) < 0.004
    assert abs(noise.std() - 0.25) < 0.003
    factors = layers.GaussianDropout(0.2, seed=2)(x, training=True).numpy() / x
    assert abs(factors.mean() - 1.0) < 0.006
    assert abs(factors.std() - 0.5) < 0.006


def test_alpha_dropout_keeps_mean_and_variance():
    x = np.random.default_rng(0).standard_normal((400, 500)).astype("float32")
    outputs = layers.AlphaDropout(0.3, seed=3)(x, training=True).numpy()
    assert abs(outputs.mean()) < 0.02
    assert abs(outputs.std() - 1.0) < 0.02
    values, counts = np.unique(outputs, return_counts=True)
    assert abs(counts.max() / x.size - 0.3) < 0.01
    slope = ((1 - 0.3) * (1 + 0.3 * 1.7580993408473766**2)) ** -0.5
    kept = outputs != values[counts.argmax()]
    np.testing.assert_allclose(outputs[kept] - slope * x[kept], 1.7580993408473766 * 0.3 * slope, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize(
    ("cls", "options", "shape", "axes"),
    [
        (layers.SpatialDropout1D, {}, (50, 6, 8), (1,)),
        (layers.SpatialDropout2D, {}, (50, 3, 2, 8), (1, 2)),
        (layers.SpatialDropout2D, {"data_format": "channels_first"}, (50, 8, 3, 2), (2, 3)),
        (layers.SpatialDropout3D, {}, (50, 3, 2, 2, 8), (1, 2, 3)),
    ],
)
def test_spatial_dropout_drops_channels_together(cls, options, shape, axes):
    outputs = cls(0.25, seed=1, **options)(np.ones(shape, "float32"), training=True).numpy()
    np.testing.assert_array_equal(outputs.min(axes), outputs.max(axes))
    assert 0.65 < (outputs != 0).mean() < 0.85
    np.testing.assert_allclose(outputs.max(), 1 / 0.75, rtol=1e-6)


def test_activity_regularization():
    layer = run_layer_test(
        layers.ActivityRegularization, {"l1": 0.2, "l2": 0.1}, input_shape=(2, 3), expected_num_losses=1
    )
    x = np.array([[1.0, -2.0], [0.5, 0.0]], "float32")
    layer(x)
    np.testing.assert_allclose(float(layer.losses[0]), (0.2 * 3.5 + 0.1 * 5.25) / 2, rtol=1e-6)


def test_errors():
    assert_raises_text(ValueError, ["stddev", "0 to 1", "2"], lambda: layers.GaussianNoise(2))
    assert_raises_text(ValueError, ["rate", "not including, 1", "1"], lambda: layers.GaussianDropout(1))
    assert_raises_text(ValueError, ["rate", "-0.5"], lambda: layers.AlphaDropout(-0.5))
    assert_raises_text(ValueError, ["ndim"], lambda: layers.SpatialDropout2D(0.5)(backend.KerasTensor((None, 3))))
