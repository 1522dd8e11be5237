"""Early stopping, a plateau, checkpoints, a log file, and functions as callbacks."""

import os
import tempfile

import keras
import numpy as np
from adapter import report, start
from keras import callbacks, layers

random = np.random.RandomState(22)
x = random.standard_normal((300, 5)).astype("float32")
y = (x @ [1.0, -2.0, 0.5, 0.0, 3.0] + 0.1 * random.standard_normal(300)).astype("float32")
model = start(keras.Sequential([keras.Input((5,)), layers.Dense(6, activation="relu"), layers.Dense(1)]))
model.compile(keras.optimizers.Adam(0.05), "mse", metrics=["mae"])
seen = []
with tempfile.TemporaryDirectory() as folder:
    best = os.path.join(folder, "best.weights.h5")
    log = os.path.join(folder, "log.csv")
    history = model.fit(
        x,
        y,
        batch_size=30,
        epochs=40,
        validation_split=0.2,
        shuffle=False,
        verbose=0,
        callbacks=[
            callbacks.EarlyStopping(patience=4, restore_best_weights=True),
            callbacks.ReduceLROnPlateau(factor=0.5, patience=2, min_delta=0.01),
            callbacks.ModelCheckpoint(best, save_best_only=True, save_weights_only=True),
            callbacks.CSVLogger(log),
            callbacks.TerminateOnNaN(),
            callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(logs["val_loss"])),
        ],
    )
    assert len(open(log).readlines()) == len(seen) + 1
    restored = model.evaluate(x, y, verbose=0, return_dict=True)["loss"]
    model.load_weights(best)
report(restored + model.evaluate(x, y, verbose=0, return_dict=True)["loss"])
