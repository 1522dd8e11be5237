"""A recurrent cell of one's own in RNN, alone and stacked."""

import keras
import numpy as np
from adapter import report, start
from keras import layers, ops


class MinimalGatedCell(layers.Layer):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.state_size = units

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], 2 * self.units), name="kernel")
        self.recurrent = self.add_weight(shape=(self.units, 2 * self.units), name="recurrent")
        self.bias = self.add_weight(shape=(2 * self.units,), initializer="zeros", name="bias")

    def call(self, inputs, states):
        h = states[0]
        z = ops.matmul(inputs, self.kernel) + ops.matmul(h, self.recurrent) + self.bias
        gate, candidate = ops.split(z, 2, axis=-1)
        gate = ops.sigmoid(gate)
        h = (1 - gate) * h + gate * ops.tanh(candidate)
        return h, [h]


random = np.random.RandomState(12)
x = random.standard_normal((160, 12, 3)).astype("float32")
y = np.cumsum(x[..., 0], axis=1)[:, -1:] / 4
model = start(
    keras.Sequential(
        [
            keras.Input((None, 3)),
            layers.RNN([MinimalGatedCell(8), MinimalGatedCell(8)], return_sequences=True),
            layers.RNN(MinimalGatedCell(6)),
            layers.Dense(1),
        ]
    )
)
model.compile(keras.optimizers.Adam(0.01), "mse")
history = model.fit(x, y, batch_size=16, epochs=5, shuffle=False, verbose=0)
report(history.history["loss"][-1])
