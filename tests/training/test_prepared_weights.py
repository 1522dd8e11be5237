"""Predictions use folded and packed weights that are kept between calls, and always those that the model has now."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import ironhorn as keras
from ironhorn import layers


def make(dtype="float32"):
    """A network whose batch normalisations fold: after convolutions of all kinds and a dense layer."""
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            layers.Input((8, 8, 3)),
            layers.Conv2D(20, 3, padding="same", use_bias=False, dtype=dtype),
            layers.BatchNormalization(dtype=dtype),
            layers.ReLU(),
            layers.DepthwiseConv2D(3, padding="same", dtype=dtype),
            layers.BatchNormalization(dtype=dtype),
            layers.ReLU(6.0),
            layers.Conv2DTranspose(6, 3, strides=2, dtype=dtype),
            layers.BatchNormalization(dtype=dtype),
            layers.Conv2D(8, 3, strides=2, dtype=dtype),
            layers.BatchNormalization(axis=1, dtype=dtype),
            layers.Flatten(),
            layers.Dense(5, dtype=dtype),
            layers.BatchNormalization(dtype=dtype),
        ]
    )
    generator = np.random.default_rng(1)
    model.set_weights(
        [generator.uniform(0.1, 1.0, weight.shape).astype(weight.dtype) for weight in model.get_weights()]
    )
    return model


def images(rows, dtype="float32"):
    return np.random.default_rng(2).normal(size=(rows, 8, 8, 3)).astype("float32").astype(dtype)


def layer_by_layer(model, x):
    """What the layers give one by one, each computed at once: nothing to fold."""
    for layer in model.layers:
        x = layer(x, training=False) if isinstance(layer, layers.BatchNormalization) else layer(x)
    return x.numpy()


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-5), ("float64", 1e-12)])
def test_folded_equals_layer_by_layer(dtype, tolerance):
    model = make(dtype)
    x = images(7, dtype)
    expected = layer_by_layer(model, x)
    scale = np.abs(expected).max()
    for batch in (7, 3, 1):
        np.testing.assert_allclose(
            model.predict(x, batch_size=batch, verbose=0), expected, rtol=0, atol=tolerance * scale
        )


def test_mixed_precision_folds():
    model, wide = make("mixed_bfloat16"), make()
    wide.set_weights(model.get_weights())
    x = images(4)
    expected = wide.predict(x, verbose=0)
    found = model.predict(x, verbose=0).astype("float32")
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.05 * np.abs(expected).max())


def test_predictions_follow_the_weights(tmp_path):
    model = make()
    x = images(6)

    def fresh():
        """What a model that never predicted before gives with these weights."""
        other = make()
        other.set_weights(model.get_weights())
        return other.predict(x, batch_size=4, verbose=0)

    def check():
        np.testing.assert_array_equal(model.predict(x, batch_size=4, verbose=0), fresh())
        np.testing.assert_array_equal(model.predict(x[4:], verbose=0), fresh()[4:])

    check()
    model.save_weights(tmp_path / "first.weights.h5")
    before = model.predict(x, batch_size=4, verbose=0)
    model.set_weights([weight * 0.9 for weight in model.get_weights()])
    check()
    model.layers[0].kernel.assign(model.layers[0].kernel * 2.0)
    check()
    model.layers[1].moving_variance.assign_add(np.ones(20, "float32"))
    check()
    model.compile("sgd", "mse")
    model.fit(x, np.zeros((6, 5), "float32"), batch_size=3, epochs=2, verbose=0)
    check()
    model.train_on_batch(x, np.zeros((6, 5), "float32"))
    check()
    model.load_weights(tmp_path / "first.weights.h5")
    np.testing.assert_array_equal(model.predict(x, batch_size=4, verbose=0), before)


def test_frozen_layers_train_as_if_they_were_not_prepared():
    x, y = images(6), np.zeros((6, 5), "float32")
    histories = []
    for eager in (False, True):
        model = make()
        for layer in model.layers[:9]:
            layer.trainable = False
        model.compile(keras.optimizers.SGD(1e-3), "mse", run_eagerly=eager)
        frozen = [weight.numpy() for weight in model.layers[0].weights + model.layers[1].weights]
        histories.append(model.fit(x, y, batch_size=3, epochs=3, shuffle=False, verbose=0).history["loss"])
        for weight, value in zip(model.layers[0].weights + model.layers[1].weights, frozen, strict=True):
            np.testing.assert_array_equal(weight.numpy(), value)
        # Thawed, they train: nothing of what was prepared is used.
        for layer in model.layers:
            layer.trainable = True
        model.compile(keras.optimizers.SGD(1e-3), "mse", run_eagerly=eager)
        histories.append(model.fit(x, y, batch_size=3, epochs=2, shuffle=False, verbose=0).history["loss"])
    np.testing.assert_allclose(histories[0], histories[2], rtol=1e-4)
    np.testing.assert_allclose(histories[1], histories[3], rtol=1e-4)


def test_threads_predict_while_another_assigns():
    """With all weights `k` every output tells `k`: no prediction may mix two states of a variable."""
    model = keras.Sequential([layers.Input((4, 4, 2)), layers.Conv2D(20, 3, use_bias=False), layers.Flatten()])
    kernel = model.layers[0].kernel
    kernel.assign(np.zeros(kernel.shape, "float32"))
    stop = threading.Event()
    errors = []

    def work(rows):
        x = np.ones((rows, 4, 4, 2), "float32")
        try:
            while not stop.is_set():
                found = model.predict(x, verbose=0)
                assert (found == found[0, 0]).all()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(rows,)) for rows in (1, 5)]
    for thread in threads:
        thread.start()
    for value in range(150):
        kernel.assign(np.full(kernel.shape, value, "float32"))
        assert (model.predict(np.ones((2, 4, 4, 2), "float32"), verbose=0) == value * 18.0).all()
    stop.set()
    for thread in threads:
        thread.join()
    assert not errors
