"""Lives of a training program that is killed at random moments; `test_backup_and_restore.py` runs this file.

    python backup_crash.py CASE KILLS DIRECTORY SEED

The process forks once per life, kills it with SIGKILL after a random time, checks that the backup can be read, and
starts the next life from it, until so many were killed. The final weights of every run that came to its end must be
those of an uninterrupted one. Prints what happened as JSON.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import numpy as np

import ironhorn as keras
from ironhorn.callbacks.backup_and_restore import read_backup

X = np.random.default_rng(0).normal(size=(60, 6)).astype("float32")
Y = (X[:, :1] * X[:, 1:2]).astype("float32")


def model(**arguments):
    keras.utils.set_random_seed(5)
    layers = keras.layers
    network = keras.Sequential(
        [
            layers.Input((6,)),
            layers.Dense(8, activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.3),
            layers.Dense(1),
        ]
    )
    optimizer = arguments.pop("optimizer", None) or keras.optimizers.Adam(0.01)
    network.compile(optimizer, "mse", metrics=["mae"], **arguments)
    return network


class Rows(keras.utils.PyDataset):
    """Batches that are noisy from NumPy's global generator."""

    def __len__(self):
        return 8

    def __getitem__(self, index):
        rows = slice(8 * index, 8 * index + 8)
        return X[rows] + np.random.normal(size=X[rows].shape).astype("float32") * 0.01, Y[rows]


def batches():
    """Endless batches that depend on their number."""
    generator = np.random.default_rng(3)
    while True:
        rows = generator.permutation(len(X))[:8]
        yield X[rows], Y[rows]


class Sleep(keras.callbacks.Callback):
    """Makes steps long enough to be killed in, and moves the global generators within them."""

    def on_train_batch_end(self, batch, logs=None):
        np.random.normal()
        random.random()
        time.sleep(0.001)


class TwoOptimizers(keras.Model):
    """A `train_step` of its own, whose second optimizer is built when it is traced."""

    def __init__(self):
        super().__init__()
        self.first = keras.layers.Dense(8, activation="tanh")
        self.second = keras.layers.Dense(1)
        self.other = keras.optimizers.RMSprop(0.01)
        self.seen = keras.metrics.Mean(name="seen")

    def call(self, inputs):
        return self.second(self.first(inputs))

    def train_step(self, data):
        x, y = data
        with keras.GradientTape() as tape:
            loss = keras.ops.mean(keras.ops.square(self(x, training=True) - y))
        gradients = tape.gradient(loss, self.trainable_weights)
        self.optimizer.apply(gradients[:2], self.first.trainable_weights)
        self.other.apply(gradients[2:], self.second.trainable_weights)
        self.seen.update_state(loss)
        return {"seen": self.seen.result()}


def two_optimizers():
    keras.utils.set_random_seed(5)
    network = TwoOptimizers()
    network.compile(keras.optimizers.Adam(0.01))
    return network


def plateau():
    callbacks = keras.callbacks
    return [
        callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.9),
        callbacks.ReduceLROnPlateau(monitor="loss", factor=0.7, patience=1, min_delta=0.2),
        callbacks.EarlyStopping(monitor="val_mae", patience=3, restore_best_weights=True),
    ]


def averages():
    return model(optimizer=keras.optimizers.SGD(0.05, momentum=0.9, use_ema=True, ema_momentum=0.9))


def several():
    """Two optimizers, of which one collects gradients."""
    optimizers = keras.optimizers
    first = optimizers.Adam(0.01, name="first")
    second = optimizers.SGD(0.01, gradient_accumulation_steps=3, name="second")
    chosen = optimizers.MultiOptimizer(lambda variable: first if "kernel" in variable.path else second)
    return model(optimizer=chosen)


def scaled():
    optimizers = keras.optimizers
    return model(optimizer=optimizers.LossScaleOptimizer(optimizers.Adam(0.01), dynamic_growth_steps=5))


ARRAYS = {"x": X, "y": Y, "batch_size": 8}
CASES = {
    "epoch": (model, "epoch", lambda: ARRAYS, list),
    "batches": (model, 3, lambda: ARRAYS, list),
    "every batch": (two_optimizers, 1, lambda: ARRAYS, list),
    "part of a pass": (model, 2, lambda: {**ARRAYS, "steps_per_epoch": 4, "shuffle": "batch"}, list),
    "dataset": (model, 3, lambda: {"x": Rows()}, list),
    "generator": (model, 3, lambda: {"x": batches(), "steps_per_epoch": 6}, list),
    "callbacks": (model, 5, lambda: {**ARRAYS, "validation_split": 0.2}, plateau),
    "averages": (averages, "epoch", lambda: ARRAYS, lambda: [keras.callbacks.SwapEMAWeights(swap_on_epoch=True)]),
    "several optimizers": (several, 3, lambda: ARRAYS, list),
    "scaled loss": (scaled, 3, lambda: ARRAYS, list),
    "steps per execution": (lambda: model(steps_per_execution=3), 4, lambda: ARRAYS, list),
}


def train(case, directory, result):
    make, save_freq, data, callbacks = CASES[case]
    network = make()
    backup = keras.callbacks.BackupAndRestore(directory, save_freq=save_freq)
    network.fit(**data(), epochs=5, verbose=0, callbacks=[backup, Sleep(), *callbacks()])
    values = network.get_weights() + [variable.numpy() for variable in network.optimizer.variables]
    np.savez(f"{result}.part.npz", *values)
    os.replace(f"{result}.part.npz", result)


def live(case, directory, result, seconds):
    """One life; returns whether it came to its end."""
    started = time.perf_counter()
    child = os.fork()
    if child == 0:
        try:
            train(case, directory, result)
            os._exit(0)
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
    while seconds is None or time.perf_counter() - started < seconds:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            if status:
                raise SystemExit(f"a life ended with status {status}")
            return True
        time.sleep(0.0005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def main(case, kills, directory, seed):
    draw = random.Random(seed)
    backup, result = directory / "backup", directory / "result.npz"
    started = time.perf_counter()
    live(case, directory / "whole", result, None)
    whole = time.perf_counter() - started
    with np.load(result) as file:
        expected = [file[name] for name in file.files]
    result.unlink()
    killed = runs = resumed = 0
    while killed < kills or backup.exists() or not runs:
        # A life that has to make the first backup needs longer than one that goes on.
        finished = live(case, backup, result, draw.uniform(0.1, 0.9) * whole if killed < kills else None)
        path = backup / "latest.backup"
        if not finished:
            killed += 1
            if path.exists():
                read_backup(str(path))
                resumed += 1
            continue
        assert not backup.exists(), "the backup was not deleted"
        runs += 1
        with np.load(result) as file:
            actual = [file[name] for name in file.files]
        result.unlink()
        assert len(expected) == len(actual)
        for left, right in zip(expected, actual, strict=True):
            np.testing.assert_array_equal(left, right)
    shutil.rmtree(directory, ignore_errors=True)
    print(json.dumps({"killed": killed, "resumed": resumed, "runs": runs, "seconds": round(whole, 3)}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
