"""Layers without weights: dropout, activations, merging, reshaping, rescaling."""

import numpy as np
import pytest

import ironhorn
from ironhorn import backend, layers
from ironhorn.testing import assert_raises_text, run_layer_test


def test_dropout():
    run_layer_test(
        layers.Dropout,
        {"rate": 0.3, "seed": 7},
        input_shape=(4, 5),
        expected_output_shape=(4, 5),
        expected_num_seed_generators=1,
        supports_masking=True,
        expected_mask_shape=(4, 5),
    )


def test_dropout_acts_in_training_only():
    inputs = np.ones((1000,), "float32")
    layer = layers.Dropout(0.25, seed=1)
    np.testing.assert_array_equal(layer(inputs), inputs)
    dropped = layer(inputs, training=True).numpy()
    kept = dropped != 0
    np.testing.assert_allclose(dropped[kept], 1 / 0.75, rtol=1e-6)
    assert 0.7 < kept.mean() < 0.8
    assert not np.array_equal(dropped, layer(inputs, training=True).numpy())
    np.testing.assert_array_equal(dropped, layers.Dropout(0.25, seed=1)(inputs, training=True))
    assert not layers.Dropout(1.0)(inputs, training=True).numpy().any()
    assert layers.Dropout(0.0).variables == []


def test_dropout_noise_shape():
    outputs = layers.Dropout(0.5, noise_shape=(None, 1), seed=2)(np.ones((50, 4), "float32"), training=True).numpy()
    assert np.array_equal(outputs.min(1), outputs.max(1))
    assert set(np.unique(outputs)) == {0.0, 2.0}


def test_dropout_errors():
    assert_raises_text(ValueError, ["rate", "0 to 1", "1.5"], lambda: layers.Dropout(1.5))
    assert_raises_text(ValueError, ["noise_shape", "positive"], lambda: layers.Dropout(0.5, noise_shape=(0, 1)))


@pytest.mark.parametrize(
    ("cls", "options", "function"),
    [
        (layers.Activation, {"activation": "tanh"}, np.tanh),
        (layers.ReLU, {}, lambda x: np.maximum(x, 0)),
        (layers.ReLU, {"max_value": 6.0}, lambda x: np.clip(x, 0, 6)),
        (
            layers.ReLU,
            {"max_value": 0.5, "negative_slope": 0.1, "threshold": 0.2},
            lambda x: np.where(x > 0.2, np.minimum(x, 0.5), 0.1 * (x - 0.2)),
        ),
        (layers.LeakyReLU, {"negative_slope": 0.2}, lambda x: np.where(x > 0, x, 0.2 * x)),
        (layers.Softmax, {}, lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True)),
    ],
)
def test_activations(cls, options, function):
    inputs = np.random.default_rng(3).standard_normal((4, 6)).astype("float32")
    run_layer_test(cls, options, input_data=inputs, expected_output=function(inputs), supports_masking=True)


def test_softmax_leaves_masked_positions_out():
    inputs = np.array([[1.0, 2.0, 3.0], [1.0, 1.0, 1.0]], "float32")
    mask = np.array([[True, True, False], [False, False, False]])
    outputs = layers.Softmax()(inputs, mask=mask).numpy()
    odds = np.exp(inputs[0, :2]) / np.exp(inputs[0, :2]).sum()
    np.testing.assert_allclose(outputs, [[*odds, 0.0], [0.0, 0.0, 0.0]], rtol=1e-6)


@pytest.mark.parametrize(
    ("cls", "function"),
    [
        (layers.Add, lambda a, b, c: a + b + c),
        (layers.Multiply, lambda a, b, c: a * b * c),
        (layers.Average, lambda a, b, c: (a + b + c) / 3),
        (layers.Maximum, lambda a, b, c: np.maximum(np.maximum(a, b), c)),
        (layers.Minimum, lambda a, b, c: np.minimum(np.minimum(a, b), c)),
    ],
)
def test_merging(cls, function):
    generator = np.random.default_rng(4)
    inputs = [generator.standard_normal((2, 3)).astype("float32") for _ in range(3)]
    run_layer_test(cls, {}, input_data=inputs, expected_output=function(*inputs), supports_masking=True)


def test_subtract():
    a, b = np.array([[1.0, 2.0]], "float32"), np.array([[0.5, 3.0]], "float32")
    run_layer_test(layers.Subtract, {}, input_data=[a, b], expected_output=a - b)
    assert_raises_text(ValueError, ["3 tensors"], lambda: layers.Subtract()([a, a, a]))


def test_merging_broadcasts_and_merges_masks():
    a, b = np.ones((2, 3, 4), "float32"), np.ones((2, 4), "float32")
    assert tuple(layers.Add()([a, b]).shape) == (2, 3, 4)
    embedding = layers.Embedding(3, 2, mask_zero=True)
    first, second = embedding(np.array([[1, 0, 0]])), embedding(np.array([[0, 2, 0]]))
    added = layers.Add()([first, second])
    np.testing.assert_array_equal(backend.get_keras_mask(added), [[True, True, False]])


def test_merging_errors():
    a, b = np.ones((2, 3), "float32"), np.ones((2, 4), "float32")
    assert_raises_text(ValueError, ["(2, 3)", "(2, 4)", "none of them is 1"], lambda: layers.Add()([a, b]))
    assert_raises_text(ValueError, ["list of tensors", "layer([a, b])"], lambda: layers.Add()(a))
    assert_raises_text(ValueError, ["batch sizes"], lambda: layers.Add()([a, a[:1].repeat(3, 0)]))


@pytest.mark.parametrize(
    ("axis", "shapes", "expected"), [(-1, [(2, 3), (2, 1)], (2, 4)), (1, [(2, 3, 4), (2, 1, 4)], (2, 4, 4))]
)
def test_concatenate(axis, shapes, expected):
    run_layer_test(
        layers.Concatenate,
        {"axis": axis},
        input_shape=shapes,
        expected_output_shape=expected,
        supports_masking=True,
    )


def test_concatenate_errors():
    a, b = np.ones((2, 3), "float32"), np.ones((3, 3), "float32")
    assert_raises_text(ValueError, ["axis -1", "(2, 3)", "(3, 3)", "axis 0"], lambda: layers.Concatenate()([a, b]))
    assert_raises_text(ValueError, ["list of tensors"], lambda: layers.Concatenate()(a))


@pytest.mark.parametrize(
    ("shape", "options", "expected"),
    [((2, 3, 4), {}, (2, 12)), ((2, 3), {}, (2, 3)), ((2, 3, 4, 5), {"data_format": "channels_first"}, (2, 60))],
)
def test_flatten(shape, options, expected):
    run_layer_test(layers.Flatten, options, input_shape=shape, expected_output_shape=expected)


def test_flatten_channels_first_moves_channels_last():
    inputs = np.arange(24, dtype="float32").reshape(1, 2, 3, 4)
    outputs = layers.Flatten(data_format="channels_first")(inputs)
    np.testing.assert_array_equal(outputs, inputs.transpose(0, 2, 3, 1).reshape(1, -1))


def test_reshape():
    run_layer_test(layers.Reshape, {"target_shape": (2, -1)}, input_shape=(3, 8), expected_output_shape=(3, 2, 4))
    assert layers.Reshape((-1, 2)).compute_output_shape((None, None, 4)) == (None, None, 2)
    assert_raises_text(
        ValueError, ["(8,)", "8 elements", "(3, 3)"], lambda: layers.Reshape((3, 3))(np.ones((1, 8), "float32"))
    )


def test_rescaling():
    pixels = np.array([[0, 51, 255]], "uint8")
    layer = run_layer_test(
        layers.Rescaling,
        {"scale": 1 / 255, "offset": -0.5},
        input_data=pixels,
        expected_output=pixels / np.float32(255) - 0.5,
        expected_output_dtype="float32",
    )
    assert layer.weights == []
    assert tuple(layers.Rescaling([1.0, 2.0])(np.ones((3, 2), "float32")).numpy()[0]) == (1.0, 2.0)


@pytest.mark.parametrize("package", ["layers", "losses", "metrics", "optimizers", "callbacks", "initializers"])
def test_names_that_are_not_here_yet_say_so(package):
    module = getattr(ironhorn, package)
    with pytest.raises(AttributeError, match=f"'ironhorn.{package}' has no attribute 'Zigzag'.*docs/coverage.md"):
        _ = module.Zigzag
    assert not hasattr(module, "_private")
