"""Tabular data: categories and numbers are preprocessed by layers; a wide and a deep part are added."""

import keras
import numpy as np
from adapter import report, start
from keras import layers

random = np.random.RandomState(20)
numbers = (random.standard_normal((300, 4)) * [1, 10, 100, 0.1] + [0, 5, -20, 1]).astype("float32")
category = random.randint(0, 6, (300, 1))
age = random.uniform(0, 80, (300, 1)).astype("float32")
y = (numbers[:, 1] / 10 + category[:, 0] / 3 + (age[:, 0] > 40) > 2).astype("float32")
normalize = layers.Normalization()
normalize.adapt(numbers)
inputs = [keras.Input((4,)), keras.Input((1,), dtype="int32"), keras.Input((1,))]
hot = layers.CategoryEncoding(6, output_mode="one_hot")(inputs[1])
bins = layers.Discretization([20.0, 40.0, 60.0], output_mode="one_hot")(inputs[2])
wide = layers.concatenate([hot, bins])
deep = layers.Dense(16, activation="relu")(layers.concatenate([normalize(inputs[0]), wide]))
deep = layers.PReLU()(layers.Dense(8)(deep))
outputs = layers.Activation("sigmoid")(layers.Add()([layers.Dense(1)(deep), layers.Dense(1)(wide)]))
model = keras.Model(inputs, outputs)
kept = normalize.get_weights()
start(model)
normalize.set_weights(kept)
model.compile(keras.optimizers.Adagrad(0.1), "binary_crossentropy", metrics=["accuracy"])
history = model.fit([numbers, category, age], y, batch_size=30, epochs=6, shuffle=False, verbose=0)
report(history.history["loss"][-1])
