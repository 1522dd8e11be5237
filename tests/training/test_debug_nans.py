"""`config.enable_debug_nans`: the first layer, batch and tensor that is NaN or infinite is named."""

import numpy as np
import pytest

import ironhorn as keras
from ironhorn import ops
from ironhorn.errors import NotFiniteError

X = np.random.default_rng(0).normal(size=(40, 4)).astype("float32")
Y = X[:, :1]


@pytest.fixture(autouse=True)
def debugging():
    keras.config.enable_debug_nans()
    assert keras.config.is_debug_nans_enabled()
    yield
    keras.config.disable_debug_nans()


class Logarithm(keras.layers.Layer):
    def call(self, inputs):
        return ops.log(inputs)


def fit(layers, x=X, y=Y, optimizer="sgd", loss="mse", **arguments):
    model = keras.Sequential(layers, name="model")
    model.compile(optimizer, loss)
    return model.fit(x, y, batch_size=10, shuffle=False, verbose=0, **arguments)


def dense(units=1):
    keras.utils.set_random_seed(0)
    return keras.layers.Dense(units, name="dense")


def test_an_inner_layer_is_named():
    inner = keras.Sequential([keras.layers.Dense(3), Logarithm(name="logarithm")], name="inner")
    text = r"batch 0 of train_step of model 'model': output 0 of layer 'logarithm' \(Logarithm\) has \d+ of 30 values"
    with pytest.raises(NotFiniteError, match=text):
        fit([inner, dense()])


def test_data_is_named():
    x = X.copy()
    x[25, 2] = np.inf
    with pytest.raises(NotFiniteError, match=r"batch 2 .*the data: x has 1 of 40 values that are infinite.*\[5, 2\]"):
        fit([dense()], x)
    with pytest.raises(FloatingPointError, match="the data: y has 1 of 10"):
        fit([dense()], X, np.where(np.arange(40)[:, None] == 3, np.nan, Y))


def test_loss_gradient_and_update_are_named():
    with pytest.raises(NotFiniteError, match="the loss has 1 of 1 values that are NaN"):
        fit([dense()], loss=lambda true, predicted: ops.log(ops.relu(predicted) - 1e9))
    with pytest.raises(NotFiniteError, match="the gradient of 'model/dense/kernel' has 4 of 4 values that are NaN"):
        fit([dense()], loss=lambda true, predicted: ops.sqrt(ops.square(predicted - predicted)))
    with pytest.raises(NotFiniteError, match="infinite"):
        fit([dense()], optimizer=keras.optimizers.SGD(3e38), epochs=3)


def test_data_in_batches_and_evaluate():
    def batches():
        for start in range(0, 40, 10):
            yield X[start : start + 10] * (np.nan if start == 30 else 1), Y[start : start + 10]

    model = keras.Sequential([dense()])
    model.compile("sgd", "mse")
    with pytest.raises(NotFiniteError, match="batch 3 of train_step"):
        model.fit(batches(), verbose=0)
    with pytest.raises(NotFiniteError, match="batch 3 of test_step"):
        model.evaluate(batches(), verbose=0)


def test_numbers_are_those_of_a_run_without_it():
    watched = fit([dense()], epochs=3).history["loss"]
    keras.config.disable_debug_nans()
    np.testing.assert_allclose(fit([dense()], epochs=3).history["loss"], watched, rtol=1e-5)
