"""Few faults among many good parts: class weights, curves, and precision at recall."""

import keras
import numpy as np
from adapter import report, start
from keras import layers

random = np.random.RandomState(15)
x = random.standard_normal((1200, 8)).astype("float32")
y = (x[:, 0] + x[:, 1] * x[:, 2] + 0.5 * random.standard_normal(1200) > 2.2).astype("float32")[:, None]
normalize = layers.Normalization()
normalize.adapt(x)
network = start(keras.Sequential([keras.Input((8,)), layers.Dense(16, activation="relu"), layers.Dense(1, "sigmoid")]))
model = keras.Sequential([keras.Input((8,)), normalize, network])
model.compile(
    keras.optimizers.Adam(0.01),
    keras.losses.BinaryFocalCrossentropy(gamma=1.0),
    metrics=[
        keras.metrics.AUC(name="roc"),
        keras.metrics.AUC(curve="PR", name="pr"),
        keras.metrics.Precision(name="precision"),
        keras.metrics.Recall(name="recall"),
        keras.metrics.PrecisionAtRecall(0.5, name="at_half"),
        keras.metrics.FalseNegatives(name="missed"),
    ],
)
history = model.fit(x, y, batch_size=60, epochs=8, shuffle=False, verbose=0, class_weight={0: 1.0, 1: 12.0})
report(history.history["loss"][-1] + history.history["roc"][-1] + history.history["pr"][-1])
