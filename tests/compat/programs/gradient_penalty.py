"""A penalty on the gradient by the inputs: a tape inside a tape."""

import keras
import numpy as np
from adapter import GradientTape, report, start
from keras import layers, ops


class Smooth(keras.Model):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner
        self.tracker = keras.metrics.Mean(name="loss")

    def call(self, x):
        return self.inner(x)

    def train_step(self, data):
        x, y = data
        with GradientTape() as outer:
            with GradientTape() as inner:
                inner.watch(x)
                predictions = self.inner(x)
            slopes = inner.gradient(predictions, x)
            norms = ops.sqrt(ops.sum(ops.square(slopes), axis=1) + 1e-8)
            loss = ops.mean(ops.square(predictions - y)) + 0.1 * ops.mean(ops.square(norms - 1.0))
        gradients = outer.gradient(loss, self.inner.trainable_weights)
        self.optimizer.apply(gradients, self.inner.trainable_weights)
        self.tracker.update_state(loss)
        return {"loss": self.tracker.result()}


random = np.random.RandomState(13)
x = random.standard_normal((256, 4)).astype("float32")
y = np.sin(x[:, :1]) + 0.5 * x[:, 1:2]
inner = keras.Sequential([keras.Input((4,)), layers.Dense(24, activation="tanh"), layers.Dense(1)])
model = Smooth(start(inner))
model.compile(keras.optimizers.Adam(0.01))
history = model.fit(x, y, batch_size=32, epochs=6, shuffle=False, verbose=0)
report(history.history["loss"][-1])
