"""Layers that prepare features: Normalization, Discretization, CategoryEncoding, Resizing, CenterCrop."""

import numpy as np
import pytest

import ironhorn
from ironhorn import backend, layers
from ironhorn.testing import assert_raises_text, run_layer_test

X = np.random.default_rng(0).normal(3.0, 2.0, (40, 3, 4)).astype("float32")


@pytest.mark.parametrize("axis", [-1, None, (1, 2), 1])
def test_normalization_adapts(axis):
    layer = layers.Normalization(axis=axis)
    layer.adapt(X)
    kept = () if axis is None else tuple(a % 3 for a in (axis if isinstance(axis, tuple) else (axis,)))
    reduced = tuple(a for a in range(3) if a not in kept)
    expected = (X - X.mean(reduced, keepdims=True)) / X.std(reduced, keepdims=True)
    np.testing.assert_allclose(layer(X), expected, rtol=1e-4, atol=1e-5)
    parts = layers.Normalization(axis=axis)
    parts.adapt([X[:7], X[7:30], X[30:]])
    np.testing.assert_allclose(parts.mean, layer.mean, rtol=1e-6)
    np.testing.assert_allclose(parts.variance, layer.variance, rtol=1e-6)
    inverse = layers.Normalization(axis=axis, invert=True)
    inverse.adapt((batch, None) for batch in (X[:20], X[20:]))
    np.testing.assert_allclose(inverse(layer(X)), X, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"axis": None},
        {"axis": 1, "mean": 2.0, "variance": 4.0},
        {"mean": [1.0, 2.0, 3.0, 4.0], "variance": [1.0] * 4},
    ],
)
def test_normalization(options):
    expected = (X - np.array(options["mean"], "float32")) / np.sqrt(options["variance"]) if "mean" in options else X
    weights = 0 if "mean" in options else 3
    layer = run_layer_test(
        layers.Normalization,
        options,
        input_data=X,
        expected_output=expected,
        expected_num_non_trainable_weights=weights,
        supports_masking=True,
    )
    assert layer.built


def test_normalization_is_saved_with_its_statistics(tmp_path):
    layer = layers.Normalization()
    layer.adapt(X)
    model = ironhorn.Sequential([layers.Input((3, 4)), layer])
    model.save(tmp_path / "model.keras")
    again = ironhorn.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))


def test_normalization_sees_a_later_adapt_in_a_compiled_model():
    layer = layers.Normalization(axis=None)
    layer.adapt(np.array([1.0, 3.0], "float32"))
    model = ironhorn.Sequential([layers.Input((1,)), layer])
    assert model.predict(np.array([[4.0]]), verbose=0).item() == 2.0
    layer.adapt(np.array([2.0, 6.0], "float32"))
    assert model.predict(np.array([[4.0]]), verbose=0).item() == 0.0


def test_normalization_errors():
    assert_raises_text(ValueError, ["go together"], lambda: layers.Normalization(mean=1.0))
    assert_raises_text(ValueError, ["one shape"], lambda: layers.Normalization(mean=[1.0], variance=[1.0, 2.0]))
    assert_raises_text(ValueError, ["more axes"], lambda: layers.Normalization(None, mean=[1.0], variance=[1.0]))
    assert_raises_text(ValueError, ["-3 to 2", "(5,)"], lambda: layers.Normalization(axis=5).adapt(X))
    assert_raises_text(ValueError, ["cannot be adapted"], lambda: layers.Normalization(mean=1.0, variance=1.0).adapt(X))
    assert_raises_text(ValueError, ["no data"], lambda: layers.Normalization().adapt([]))
    assert_raises_text(TypeError, ["iterable", "3"], lambda: layers.Normalization().adapt(3))
    assert_raises_text(
        ValueError, ["must be known"], lambda: layers.Normalization(1)(backend.KerasTensor((None, None, 4)))
    )
    layer = layers.Normalization()
    layer.adapt(X)
    assert_raises_text(ValueError, ["built for", "(40, 3, 5)"], lambda: layer.adapt(np.zeros((40, 3, 5))))


@pytest.mark.parametrize(
    ("mode", "shape", "expected"),
    [
        ("int", (4, 3), (4, 3)),
        ("one_hot", (4, 3), (4, 3, 3)),
        ("multi_hot", (4, 3), (4, 3)),
        ("count", (4, 3, 2), (4, 2, 3)),
    ],
)
def test_discretization(mode, shape, expected):
    run_layer_test(
        layers.Discretization,
        {"bin_boundaries": [0.0, 0.5], "output_mode": mode},
        input_shape=shape,
        expected_output_shape=expected,
        expected_output_dtype="int32" if mode == "int" else "float32",
        run_training_check=False,
    )


def test_discretization_adapts_to_quantiles():
    values = np.random.default_rng(1).normal(size=(1000, 2)).astype("float32")
    layer = layers.Discretization(num_bins=4)
    layer.adapt(values)
    assert np.allclose(layer.bin_boundaries, np.quantile(values, [0.25, 0.5, 0.75]), atol=0.05)
    counts = np.bincount(layer(values).numpy().ravel(), minlength=4)
    assert counts.min() > 450
    again = layers.Discretization.from_config(layer.get_config())
    np.testing.assert_array_equal(again(values), layer(values))
    batches = layers.Discretization(num_bins=4)
    batches.adapt(iter([values[:300], values[300:]]))
    assert np.allclose(batches.bin_boundaries, layer.bin_boundaries, atol=0.05)
    special = layers.Discretization([0.0, 1.0])(np.array([[0.0, 1.0, np.nan, -np.inf, np.inf]], "float32"))
    np.testing.assert_array_equal(special, np.digitize([[0.0, 1.0, np.nan, -np.inf, np.inf]], [0.0, 1.0]))


def test_discretization_errors():
    assert_raises_text(ValueError, ["bin_boundaries", "num_bins"], lambda: layers.Discretization())
    assert_raises_text(ValueError, ["cannot be adapted"], lambda: layers.Discretization([0.0]).adapt(X))
    assert_raises_text(ValueError, ["adapt(data)"], lambda: layers.Discretization(num_bins=3)(X))
    assert_raises_text(NotImplementedError, ["sparse"], lambda: layers.Discretization([0.0], sparse=True))
    assert_raises_text(
        ValueError, ["output_mode", "'tf_idf'"], lambda: layers.Discretization([0.0], output_mode="tf_idf")
    )


@pytest.mark.parametrize(
    ("mode", "data", "expected"),
    [
        ("multi_hot", [[0, 2], [2, 2]], [[1, 0, 1], [0, 0, 1]]),
        ("count", [[0, 2], [2, 2]], [[1, 0, 1], [0, 0, 2]]),
        ("one_hot", [[0], [2]], [[1, 0, 0], [0, 0, 1]]),
        ("one_hot", [[0, 1], [2, 1]], [[[1, 0, 0], [0, 1, 0]], [[0, 0, 1], [0, 1, 0]]]),
    ],
)
def test_category_encoding(mode, data, expected):
    run_layer_test(
        layers.CategoryEncoding,
        {"num_tokens": 3, "output_mode": mode},
        input_data=np.array(data, "int32"),
        expected_output=np.array(expected, "float32"),
        expected_output_dtype="float32",
        run_training_check=False,
    )


def test_category_encoding_with_weights():
    layer = layers.CategoryEncoding(num_tokens=3, output_mode="count")
    found = layer([[0, 2], [2, 2]], count_weights=[[0.5, 1.0], [2.0, 0.25]])
    np.testing.assert_array_equal(found, [[0.5, 0.0, 1.0], [0.0, 0.0, 2.25]])
    np.testing.assert_array_equal(layers.CategoryEncoding(3)([0, 1]), [1.0, 1.0, 0.0])
    other = layers.CategoryEncoding(3)
    assert_raises_text(ValueError, ["count_weights"], lambda: other([[0]], count_weights=[[1.0]]))
    assert_raises_text(ValueError, ["num_tokens", "IntegerLookup"], lambda: layers.CategoryEncoding())


@pytest.mark.parametrize(
    ("cls", "options", "shape", "expected"),
    [
        (layers.Resizing, {"height": 7, "width": 3}, (2, 5, 6, 3), (2, 7, 3, 3)),
        (layers.Resizing, {"height": 7, "width": 3, "interpolation": "nearest"}, (2, 5, 6, 3), (2, 7, 3, 3)),
        (layers.Resizing, {"height": 4, "width": 4, "crop_to_aspect_ratio": True}, (2, 5, 6, 3), (2, 4, 4, 3)),
        (layers.Resizing, {"height": 4, "width": 5, "data_format": "channels_first"}, (2, 3, 5, 6), (2, 3, 4, 5)),
        (layers.CenterCrop, {"height": 3, "width": 4}, (2, 5, 6, 3), (2, 3, 4, 3)),
        (layers.CenterCrop, {"height": 8, "width": 4}, (2, 5, 6, 3), (2, 8, 4, 3)),
        (layers.CenterCrop, {"height": 2, "width": 2, "data_format": "channels_first"}, (2, 3, 5, 6), (2, 3, 2, 2)),
    ],
)
def test_images(cls, options, shape, expected):
    run_layer_test(cls, options, input_shape=shape, expected_output_shape=expected)


def test_images_of_any_size():
    single = np.arange(30.0, dtype="float32").reshape(5, 6, 1)
    np.testing.assert_array_equal(layers.CenterCrop(3, 2)(single), single[1:4, 2:4])
    assert layers.Resizing(3, 2)(np.zeros((4, 4, 3), "uint8")).dtype == "uint8"
    assert layers.Resizing(3, 2)(backend.KerasTensor((None, None, None, 3))).shape == (None, 3, 2, 3)
    inputs = layers.Input((None, None, 1))
    model = ironhorn.Model(inputs, layers.CenterCrop(2, 3)(inputs))
    for height, width in ((4, 5), (6, 3)):
        x = np.random.default_rng(2).normal(size=(2, height, width, 1)).astype("float32")
        top, left = (height - 2) // 2, (width - 3) // 2
        np.testing.assert_array_equal(model(x), x[:, top : top + 2, left : left + 3])
    assert_raises_text(ValueError, ["interpolation"], lambda: layers.Resizing(2, 2, interpolation="area"))
