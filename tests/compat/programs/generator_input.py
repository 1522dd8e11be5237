"""Batches from a generator, from a PyDataset with workers, and validation from arrays."""

import keras
import numpy as np
from adapter import report, start
from keras import layers

random = np.random.RandomState(14)
x = random.standard_normal((240, 6)).astype("float32")
y = (x @ random.standard_normal((6, 1))).astype("float32")


def batches():
    while True:
        for i in range(0, 240, 24):
            yield x[i : i + 24], y[i : i + 24]


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 10

    def __getitem__(self, index):
        return x[index * 24 : index * 24 + 24], y[index * 24 : index * 24 + 24]


model = start(keras.Sequential([keras.Input((6,)), layers.Dense(8, activation="elu"), layers.Dense(1)]))
model.compile(keras.optimizers.SGD(0.05), "mse", metrics=["mae"])
model.fit(batches(), steps_per_epoch=10, epochs=3, validation_data=(x, y), verbose=0)
history = model.fit(Batches(workers=2), epochs=2, shuffle=False, verbose=0)
report(history.history["loss"][-1] + model.evaluate(Batches(), verbose=0, return_dict=True)["mae"])
