"""A forked child predicts although the parent has already used its threads."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest

import ironhorn as keras

# JAX, which the live comparisons load into this process, warns at every fork of it; the child does not use JAX.
pytestmark = pytest.mark.filterwarnings(r"ignore:os\.fork\(\) was called:RuntimeWarning")


def model_of(units=256):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.layers.Input((64,)), keras.layers.Dense(units, activation="relu"), keras.layers.Dense(3)]
    )
    model.compile("adam", "mse")
    return model


def in_child(action, seconds=30):
    """Runs `action` in a forked child; returns what it wrote as bytes."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(read)
            signal.alarm(seconds)
            os.write(write, action())
            os._exit(0)
        except BaseException as error:
            os.write(write, repr(error).encode())
            os._exit(1)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        output = pipe.read()
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, output
    return output


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("rows", [1, 2000])
def test_predict_in_a_child(rows):
    model = model_of()
    x = np.random.default_rng(0).normal(size=(rows, 64)).astype("float32")
    expected = model.predict(x, batch_size=500, verbose=0)
    output = in_child(lambda: model.predict(x, batch_size=500, verbose=0).tobytes())
    assert output == expected.tobytes()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_training_in_a_child_and_in_its_child():
    model = model_of()
    x = np.random.default_rng(0).normal(size=(600, 64)).astype("float32")
    y = np.zeros((600, 3), "float32")
    model.fit(x, y, verbose=0)

    def train():
        model.fit(x, y, verbose=0)
        return in_child(lambda: model.predict(x[:1], verbose=0).tobytes())

    assert len(in_child(train)) == 3 * 4
    model.fit(x, y, verbose=0)
