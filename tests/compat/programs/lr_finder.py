"""A callback that raises the learning rate after every batch and remembers the losses."""

import keras
import numpy as np
from adapter import report, start
from keras import layers


class LearningRateFinder(keras.callbacks.Callback):
    def __init__(self, first, last, steps):
        super().__init__()
        self.first, self.factor = first, (last / first) ** (1 / steps)
        self.rates, self.losses = [], []

    def on_train_begin(self, logs=None):
        self.model.optimizer.learning_rate = self.first

    def on_train_batch_end(self, batch, logs=None):
        rate = float(np.array(self.model.optimizer.learning_rate))
        self.rates.append(rate)
        self.losses.append(logs["loss"])
        self.model.optimizer.learning_rate = rate * self.factor


random = np.random.RandomState(16)
x = random.standard_normal((640, 10)).astype("float32")
y = np.tanh(x @ random.standard_normal((10, 1))).astype("float32")
model = start(keras.Sequential([keras.Input((10,)), layers.Dense(32, activation="relu"), layers.Dense(1)]))
model.compile(keras.optimizers.SGD(1e-4), "mse")
finder = LearningRateFinder(1e-4, 0.3, 20)
model.fit(x, y, batch_size=32, epochs=1, shuffle=False, verbose=0, callbacks=[finder])
assert len(finder.rates) == 20 and abs(finder.rates[-1] / 0.3 - 1) < 0.5
report(finder.losses[-1])
