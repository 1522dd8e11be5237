"""Eight threads predict on one model; its first prediction is among them."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import ironhorn as keras


def fresh_model(kind):
    keras.utils.set_random_seed(0)
    if kind == "functional":
        inputs = keras.layers.Input((16,))
        return keras.Model(inputs, keras.layers.Dense(4)(keras.layers.Dense(64, activation="tanh")(inputs)))

    class Subclassed(keras.Model):
        def __init__(self):
            super().__init__()
            self.first = keras.layers.Dense(64, activation="tanh")
            self.second = keras.layers.Dense(4)

        def call(self, x):
            return self.second(self.first(x))

    return Subclassed()


@pytest.mark.parametrize("kind", ["functional", "subclassed"])
def test_first_predictions_of_eight_threads(kind):
    for attempt in range(5):
        model = fresh_model(kind)
        generator = np.random.default_rng(attempt)
        inputs = [generator.normal(size=(1 + 37 * thread, 16)).astype("float32") for thread in range(8)]
        outputs = [None] * 8
        errors = []
        barrier = threading.Barrier(8)

        def work(index, model=model, inputs=inputs, outputs=outputs, errors=errors, barrier=barrier):
            try:
                barrier.wait()
                for _ in range(5):
                    outputs[index] = model.predict(inputs[index], verbose=0)
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(index,)) for index in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not errors
        kernels = model.get_weights()
        for x, output in zip(inputs, outputs, strict=True):
            expected = np.tanh(x @ kernels[0] + kernels[1]) @ kernels[2] + kernels[3]
            np.testing.assert_allclose(output, expected, rtol=1e-4, atol=1e-5)
