"""The same bits: twice with one seed, and with one thread or two."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import pytest

SCRIPT = """
import hashlib
import sys
import numpy as np
import ironhorn as keras

keras.config.set_dtype_policy(sys.argv[1])
keras.utils.set_random_seed(7)
generator = np.random.default_rng(0)
x = generator.normal(size=(300, 12, 12, 3)).astype("float32")
y = generator.integers(0, 5, 300)
model = keras.Sequential([
    keras.layers.Input((12, 12, 3)),
    keras.layers.Conv2D(16, 3, activation="relu"),
    keras.layers.BatchNormalization(),
    keras.layers.MaxPooling2D(),
    keras.layers.Flatten(),
    keras.layers.Dropout(0.3),
    keras.layers.Dense(64, activation="relu"),
    keras.layers.Dense(5, activation="softmax"),
])
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
history = model.fit(x, y, batch_size=64, epochs=2, verbose=0)
digest = hashlib.sha256(repr(history.history).encode())
for weight in model.get_weights():
    digest.update(np.ascontiguousarray(weight).tobytes())
digest.update(model.predict(x, verbose=0).tobytes())
print(digest.hexdigest())
"""


def digest(threads, policy):
    environment = {**os.environ, "IRONHORN_NUM_THREADS": str(threads)}
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, policy],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )
    assert result.returncode == 0, result.stderr
    value = result.stdout.strip()
    assert len(value) == hashlib.sha256().digest_size * 2
    return value


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_two_runs_and_two_threads_give_the_same_bits(policy):
    one = digest(1, policy)
    assert digest(1, policy) == one
    assert digest(2, policy) == one
