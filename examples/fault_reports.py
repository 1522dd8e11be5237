"""Fault reports: read a mechanic's short note and say which part of the excavator it is about.

Real work orders of five mining excavators ("L/H BUCKET CYL LEAKING."), eight groups of locations, no note twice. A
bidirectional LSTM over words, with the padding masked, beside TF-IDF + logistic regression. Plain Keras:

    python -m ironhorn run examples/fault_reports.py             # on Ironhorn
    python examples/fault_reports.py                             # on Keras itself
"""

import csv
import os
import pathlib
import re
import time

import keras
import numpy as np
from keras import layers
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

DATA = pathlib.Path(os.environ.get("IRONHORN_DATA", ".data"))
GROUPS = {
    "hydraulic": "HYDRAUL|HOSE|PUMP",
    "engine": "ENGINE|TURBO|EXHAUST|RADIATOR|COOLING",
    "lube": "GREASE|LUBE",
    "bucket": "BUCKET|BOOM|STICK|IMPLEMENT",
    "electrical": "ELECTR|LIGHT|BATTER|ALARM|STARTER|ALTERN",
    "cabin": "CABIN|AIR COND|SEAT|OPERATOR|WIPER",
    "structure": "FRAME|LADDER|HANDRAIL|WALKWAY|TRACK|UNDERCARR|STRUCT",
    "fire": "FIRE",
}

reports: dict[str, int] = {}
with open(DATA / "excavators-cleaned.csv", newline="", encoding="utf-8") as file:
    for row in csv.DictReader(file):
        matches = [bool(re.search(pattern, row["FuncLocation"].upper())) for pattern in GROUPS.values()]
        if any(matches):
            reports.setdefault(row["OriginalShorttext"].lower(), matches.index(True))
texts, labels = np.array(list(reports)), np.array(list(reports.values()))


def trained_model(vocabulary: int, numbers: np.ndarray, groups: np.ndarray) -> keras.Model:
    """Word numbers of any length in, one probability per group out; the step shrinks from epoch to epoch."""
    words = keras.Input((None,), dtype="int32")
    x = layers.Embedding(vocabulary, 128, mask_zero=True)(words)
    x = layers.Dropout(0.6)(x)
    x = layers.Bidirectional(layers.LSTM(64))(x)
    x = layers.Dropout(0.5)(x)
    model = keras.Model(words, layers.Dense(len(GROUPS), activation="softmax")(x))

    def slow_down(epoch, logs=None):
        model.optimizer.learning_rate = 4e-3 * 0.6**epoch

    model.compile(keras.optimizers.Adam(), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    slower = keras.callbacks.LambdaCallback(on_epoch_begin=slow_down)
    model.fit(numbers, groups, batch_size=32, epochs=5, callbacks=[slower], verbose=0)
    return model


accuracies, baselines, seconds = [], [], 0.0
for seed in range(5):
    keras.utils.set_random_seed(seed)
    order = np.random.default_rng(seed).permutation(len(texts))
    train, test = order[len(order) // 5 :], order[: len(order) // 5]

    vectorize = layers.TextVectorization(max_tokens=2000)
    vectorize.adapt(texts[train])
    numbers = np.asarray(vectorize(texts))

    started = time.perf_counter()
    model = trained_model(vectorize.vocabulary_size(), numbers[train], labels[train])
    _, accuracy = model.evaluate(numbers[test], labels[test], verbose=0)
    seconds += time.perf_counter() - started

    baseline = make_pipeline(TfidfVectorizer(), LogisticRegression(max_iter=1000)).fit(texts[train], labels[train])
    accuracies.append(accuracy)
    baselines.append(baseline.score(texts[test], labels[test]))
    print(
        f"split {seed}: bidirectional LSTM {accuracy:.3f}, TF-IDF + logistic regression {baselines[-1]:.3f}", flush=True
    )

print(f"\n{len(texts)} reports, {len(GROUPS)} groups, mean of 5 splits, 5 x 5 epochs in {seconds:.1f} s")
print(f"bidirectional LSTM             {np.mean(accuracies):.4f}")
print(f"TF-IDF + logistic regression   {np.mean(baselines):.4f}")
