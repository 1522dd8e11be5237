"""Sensor series of different lengths: padding, masking, bidirectional GRUs, a loss that ignores the padding."""

import keras
import numpy as np
from adapter import report, start
from keras import layers

random = np.random.RandomState(19)
series = [random.standard_normal((random.randint(4, 15), 2)) for _ in range(160)]
x = keras.utils.pad_sequences(series, maxlen=14, dtype="float32", padding="post", value=-9.0)
y = np.zeros((160, 14, 1), "float32")
for i, one in enumerate(series):
    y[i, : len(one), 0] = np.cumsum(one[:, 0]) / 3
model = start(
    keras.Sequential(
        [
            keras.Input((None, 2)),
            layers.Masking(-9.0),
            layers.Bidirectional(layers.GRU(10, return_sequences=True), merge_mode="concat"),
            layers.GRU(8, return_sequences=True, reset_after=False),
            layers.TimeDistributed(layers.Dense(1)),
        ]
    )
)
model.compile(keras.optimizers.Adam(0.01), "huber", metrics=[keras.metrics.RootMeanSquaredError()])
history = model.fit(x, y, batch_size=20, epochs=5, shuffle=False, verbose=0)
report(history.history["loss"][-1])
