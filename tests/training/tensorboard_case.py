"""A small training that is watched by `TensorBoard`; it runs under real Keras and under Ironhorn alike."""

from __future__ import annotations

import numpy as np


def run(keras, directory, update_freq):
    """Trains and evaluates a model with fixed weights."""
    draw = np.random.default_rng(0)
    x = draw.normal(size=(24, 4, 4, 1)).astype("float32")
    y = draw.normal(size=(24, 1)).astype("float32")
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((4, 4, 1)),
            layers.Conv2D(3, 2, name="convolution"),
            layers.Flatten(name="flat"),
            layers.Dense(2, name="hidden"),
            layers.Dense(1, name="last"),
        ],
        name="small",
    )
    model.set_weights([draw.normal(size=weight.shape).astype("float32") * 0.3 for weight in model.get_weights()])
    model.compile(keras.optimizers.SGD(0.01), "mse", metrics=["mae"])
    callback = keras.callbacks.TensorBoard(
        str(directory),
        histogram_freq=2,
        write_images=True,
        write_steps_per_second=True,
        update_freq=update_freq,
    )
    arguments = {"batch_size": 8, "verbose": 0, "callbacks": [callback]}
    model.fit(x, y, epochs=3, shuffle=False, validation_data=(x[:8], y[:8]), **arguments)
    model.evaluate(x, y, **arguments)
