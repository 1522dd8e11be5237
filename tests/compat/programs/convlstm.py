"""ConvLSTM forecasts the next frame of a moving square."""

import keras
import numpy as np
from adapter import report, start
from keras import layers

random = np.random.RandomState(8)
films = np.zeros((40, 6, 10, 10, 1), "float32")
for film in films:
    i, j, size = random.randint(0, 4), random.randint(0, 4), random.randint(2, 5)
    for t in range(6):
        film[t, (i + t) % 10 : (i + t) % 10 + size, j : j + size] = 1.0
x, y = films[:, :-1], films[:, 1:]
model = start(
    keras.Sequential(
        [
            keras.Input((None, 10, 10, 1)),
            layers.ConvLSTM2D(6, (3, 3), padding="same", return_sequences=True, activation="relu"),
            layers.BatchNormalization(),
            layers.ConvLSTM2D(6, (1, 1), padding="same", return_sequences=True),
            layers.Conv3D(1, (3, 3, 3), activation="sigmoid", padding="same"),
        ]
    )
)
model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy")
history = model.fit(x, y, batch_size=8, epochs=3, shuffle=False, verbose=0)
report(history.history["loss"][-1])
