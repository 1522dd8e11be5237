"""A layer that adds a loss, an activity regularizer, and metrics that a layer keeps itself."""

import keras
import numpy as np
from adapter import report, start
from keras import layers, ops


class SparseCode(layers.Layer):
    def __init__(self, units, weight, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(units, activation="relu")
        self.weight = weight
        self.active = keras.metrics.Mean(name="active")

    def call(self, inputs):
        code = self.dense(inputs)
        self.add_loss(self.weight * ops.mean(ops.sum(code, axis=-1)))
        self.active.update_state(ops.cast(code > 0, "float32"))
        return code


random = np.random.RandomState(23)
x = random.standard_normal((240, 10)).astype("float32")
inputs = keras.Input((10,))
code = SparseCode(24, 0.01)(inputs)
h = layers.Dense(12, activation="tanh", activity_regularizer=keras.regularizers.L1(1e-3))(code)
h = layers.ActivityRegularization(l2=1e-3)(h)
model = start(keras.Model(inputs, layers.Dense(10, kernel_constraint="max_norm")(h)))
model.compile(keras.optimizers.Adamax(0.02), "mae")
history = model.fit(x, x, batch_size=24, epochs=5, shuffle=False, verbose=0)
assert 0.0 < history.history["active"][-1] < 1.0
report(history.history["loss"][-1])
