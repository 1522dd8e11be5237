"""Anomaly detection: learn how a plant's sensors move together, and raise an alarm where one of them does not.

Eleven days of a real plant, tags without names and records without labels, every five minutes. An autoencoder learns
the first five days, which are quiet. It is tested on hours of these days that it has not seen, in which one sensor at a
time is made to read wrong, beside principal components of the same number; then it watches the other days. Plain Keras:

    python -m ironhorn run examples/anomaly_detection.py         # on Ironhorn
    python examples/anomaly_detection.py                         # on Keras itself
"""

import csv
import os
import pathlib
import time
import zipfile
from collections import Counter

import keras
import numpy as np
from keras import layers
from sklearn.metrics import roc_auc_score

DATA = pathlib.Path(os.environ.get("IRONHORN_DATA", ".data"))
DAY, HOUR, QUIET_DAYS, CODE = 288, 12, 5, 24

keras.utils.set_random_seed(0)
random = np.random.default_rng(0)
wheel = zipfile.ZipFile(DATA / "datasets" / "bibmon-1.2.0-py3-none-any.whl")
text = wheel.read("bibmon/real_process_data/real_process_data.csv").decode().splitlines()
header, *records = csv.reader(text)
# Tags in which a cell is text ("Bad") or which hardly ever move are left out.
quiet = QUIET_DAYS * DAY
moving = [
    column
    for column in range(1, len(header))
    if not any(record[column].strip("-.0123456789e+") for record in records)
    and len({record[column] for record in records[:quiet]}) > quiet / 4
]
tags = [header[column] for column in moving]
values = np.array([[float(record[column]) for column in moving] for record in records])
values = (values - values[:quiet].mean(axis=0)) / values[:quiet].std(axis=0)
values = values.clip(-10, 10).astype("float32")

# Of ten quiet hours eight are learned, one says how large errors usually are, one is for the test.
hours = np.arange(quiet) // HOUR % 10
learned, usual_rows, unseen = (values[:quiet][np.isin(hours, part)] for part in ((0, 1, 2, 3, 5, 6, 7, 8), 4, 9))
later = values[quiet:]

model = keras.Sequential(
    [
        keras.Input((len(tags),)),
        layers.Dropout(0.2),
        layers.Dense(128, activation="gelu"),
        layers.Dense(CODE),
        layers.Dense(128, activation="gelu"),
        layers.Dense(len(tags)),
    ]
)
model.summary()
epochs, batch_size = 120, 64
steps = epochs * -(-len(learned) // batch_size)
model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(2e-3, steps)), loss="mse")
started = time.perf_counter()
model.fit(learned, learned, batch_size=batch_size, epochs=epochs, verbose=0)
seconds = time.perf_counter() - started

components = np.linalg.svd(learned, full_matrices=False)[2][:CODE]
methods = {
    "autoencoder": lambda rows: model.predict(rows, batch_size=500, verbose=0),
    "principal components": lambda rows: rows @ components.T @ components,
}
wrong = np.repeat(unseen, 10, axis=0)
wrong_sensor = random.integers(len(tags), size=len(wrong))
wrong[np.arange(len(wrong)), wrong_sensor] += random.choice([-4, 4], size=len(wrong))

print(f"\n{len(learned)} readings of {len(tags)} sensors learned in {seconds:.1f} s")
print(f"{len(unseen)} readings not seen before, as they are and with one sensor wrong by 4 deviations:")
for name, rebuilt in methods.items():
    # A sensor's error counts in units of its usual error; the worst sensor decides.
    usual = np.abs(usual_rows - rebuilt(usual_rows)).mean(axis=0)

    def errors(rows, rebuilt=rebuilt, usual=usual):
        return np.abs(rows - rebuilt(rows)) / usual

    scores = np.concatenate([errors(unseen).max(axis=1), errors(wrong).max(axis=1)])
    area = roc_auc_score(np.arange(len(scores)) >= len(unseen), scores)
    named = (errors(wrong).argmax(axis=1) == wrong_sensor).mean()
    print(f"{name:20s}  told apart (area under the curve) {area:.4f}, wrong sensor named {named:.4f}")
    if name == "autoencoder":
        threshold = np.quantile(errors(usual_rows).max(axis=1), 0.99)
        alarms, blamed = errors(later).max(axis=1) > threshold, errors(later).argmax(axis=1)

print("\nthe other days, as the autoencoder sees them:")
for day in range(len(later) // DAY):
    rows = slice(day * DAY, (day + 1) * DAY)
    worst = Counter(tags[sensor] for sensor in blamed[rows][alarms[rows]]).most_common(3)
    named = ", ".join(f"{tag} ({count})" for tag, count in worst)
    print(f"{records[quiet + day * DAY][0][:10]}: alarm in {alarms[rows].mean():5.1%} of the readings, mostly {named}")
