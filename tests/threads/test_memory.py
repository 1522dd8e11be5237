"""Memory stays flat over many models and over many predictions.

`IRONHORN_TEST_SCALE=0.1` runs a tenth of it.
"""

from __future__ import annotations

import gc
import os
from pathlib import Path

import numpy as np
import pytest

import ironhorn as keras

SCALE = float(os.environ.get("IRONHORN_TEST_SCALE", "1"))
PAGE = os.sysconf("SC_PAGE_SIZE")
STATM = Path("/proc/self/statm")

pytestmark = pytest.mark.skipif(not STATM.exists(), reason="reads /proc")


def resident_megabytes():
    gc.collect()
    return int(STATM.read_text().split()[1]) * PAGE / 1e6


def test_models_made_trained_and_dropped():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(32, 64)).astype("float32")
    y = generator.normal(size=(32, 4)).astype("float32")

    def use_one():
        inputs = keras.layers.Input((64,))
        hidden = keras.layers.BatchNormalization()(keras.layers.Dense(512, activation="relu")(inputs))
        model = keras.Model(inputs, keras.layers.Dense(4)(hidden))
        model.compile("adam", "mse")
        model.train_on_batch(x, y)
        model.predict(x, verbose=0)

    count = int(500 * SCALE)
    for _ in range(max(count // 5, 20)):
        use_one()
    before = resident_megabytes()
    for _ in range(count - count // 5):
        use_one()
    growth = resident_megabytes() - before
    # One model holds 0.4 MB of weights and optimizer state: keeping one in ten would show as 16 MB.
    assert growth < 8, f"{growth:.1f} MB more"


def test_one_row_predictions():
    model = keras.Sequential(
        [keras.layers.Input((16,)), keras.layers.Dense(16, activation="relu"), keras.layers.Dense(1)]
    )
    x = np.random.default_rng(0).normal(size=(1, 16)).astype("float32")
    for _ in range(2000):
        model.predict(x, verbose=0)
    before = resident_megabytes()
    for _ in range(int(100_000 * SCALE)):
        model.predict(x, verbose=0)
    growth = resident_megabytes() - before
    assert growth < 4, f"{growth:.1f} MB more"
