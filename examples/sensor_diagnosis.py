"""Sensor diagnosis: tell from half an hour of sensor readings which of 18 states a chemical plant is in.

Tennessee Eastman: 52 sensors and valves every three minutes, normal operation and 17 faults, in windows of ten rows. A
convolution over time, pooled, beside extra trees on the means, deviations and trends of each window. Plain Keras:

    python -m ironhorn run examples/sensor_diagnosis.py          # on Ironhorn
    python examples/sensor_diagnosis.py                          # on Keras itself
"""

import os
import pathlib
import time
import zipfile

import keras
import numpy as np
from keras import layers
from sklearn.ensemble import ExtraTreesClassifier

DATA = pathlib.Path(os.environ.get("IRONHORN_DATA", ".data"))
STATES = [fault for fault in range(21) if fault not in (3, 9, 15)]  # Those three are known to be nearly invisible.
ROWS = 10

keras.utils.set_random_seed(0)
wheel = zipfile.ZipFile(DATA / "datasets" / "bibmon-1.2.0-py3-none-any.whl")


def run_of(name: str) -> np.ndarray:
    """The rows of one run of the plant; one of the files has a line a sensor."""
    values = np.loadtxt(wheel.open(f"bibmon/tennessee_eastman/{name}.dat"))
    return values.T if len(values) == 52 else values


def windows(run: np.ndarray, step: int) -> np.ndarray:
    """Windows of ten rows, one every `step` rows."""
    return np.stack([run[start : start + ROWS] for start in range(0, len(run) - ROWS + 1, step)])


normal = run_of("d00")
centre, spread = normal.mean(axis=0), normal.std(axis=0)


def labelled(runs: dict[int, np.ndarray], step: int) -> tuple[np.ndarray, np.ndarray]:
    """Windows in units of normal operation's deviation, and the number of each one's state."""
    parts = [windows((runs[state] - centre) / spread, step) for state in STATES]
    labels = np.repeat(np.arange(len(STATES)), [len(part) for part in parts])
    return np.concatenate(parts).astype("float32"), labels


def statistics(x: np.ndarray) -> np.ndarray:
    """Mean, deviation and trend of each sensor in each window."""
    trend = np.tensordot(x, np.arange(ROWS) - (ROWS - 1) / 2, axes=(1, 0))
    return np.concatenate([x.mean(axis=1), x.std(axis=1), trend], axis=1)


# Training windows overlap, test windows do not; a fault acts from row 160 of its test run on.
x_train, y_train = labelled({state: run_of(f"d{state:02d}") for state in STATES}, step=1)
x_test, y_test = labelled({state: run_of(f"d{state:02d}_te")[160 if state else 0 :] for state in STATES}, step=ROWS)

inputs = keras.Input((ROWS, 52))
x = keras.ops.clip(inputs, -5, 5)
x = layers.Conv1D(256, 3, use_bias=False, kernel_regularizer=keras.regularizers.L2(1e-2))(x)
x = layers.BatchNormalization()(x)
x = layers.Activation("relu")(x)
x = layers.Concatenate()([layers.GlobalAveragePooling1D()(x), layers.GlobalMaxPooling1D()(x)])
x = layers.Dropout(0.7)(x)
model = keras.Model(inputs, layers.Dense(len(STATES), activation="softmax")(x))
model.summary()
model.compile(keras.optimizers.Adam(), loss="sparse_categorical_crossentropy", metrics=["accuracy"])


def slow_down(epoch, logs=None):
    """Take smaller steps after every third epoch."""
    model.optimizer.learning_rate = 3e-3 * 0.4 ** (epoch // 3)


started = time.perf_counter()
slower = keras.callbacks.LambdaCallback(on_epoch_begin=slow_down)
model.fit(x_train, y_train, batch_size=64, epochs=12, callbacks=[slower], verbose=2)
seconds = time.perf_counter() - started

_, accuracy = model.evaluate(x_test, y_test, batch_size=500, verbose=0)
right = model.predict(x_test, batch_size=500, verbose=0).argmax(axis=1) == y_test
trees = ExtraTreesClassifier(300, random_state=0, n_jobs=-1).fit(statistics(x_train), y_train)

print(f"\n{len(x_train)} training and {len(x_test)} test windows, {len(STATES)} states, 12 epochs in {seconds:.1f} s")
print(f"convolution on the readings      {accuracy:.4f}")
print(f"extra trees on their statistics  {trees.score(statistics(x_test), y_test):.4f}")
found = {state: right[y_test == number].mean() for number, state in enumerate(STATES)}
for state in sorted(found, key=found.get)[:3]:
    print(f"hardest: {f'fault {state}' if state else 'normal operation':16s} {found[state]:.1%} found")
