"""Writes `peer_rows.npz`: what Keras on JAX computes in float64 for the rows of `peer_rows.py`.

Run it where Keras and JAX are installed:

    python tests/training/make_peer_rows.py             records
    python tests/training/make_peer_rows.py --check     compares with what is recorded (--sample: a quarter of it)
"""

from __future__ import annotations

import os
import pathlib
import sys
import warnings
import zlib

os.environ["KERAS_BACKEND"] = "jax"
os.environ["JAX_ENABLE_X64"] = "1"
sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import keras
import numpy as np
from keras.src.backend.common import dtypes
from keras.src.backend.common.masking import set_keras_mask

from training import peer_rows

# On JAX, Keras narrows the results of many ops from float64 to float32 even where JAX allows float64.
dtypes.BIT64_TO_BIT32_DTYPE.pop("float64", None)


def main() -> None:
    """Records or compares."""
    keras.config.set_floatx("float64")
    warnings.simplefilter("ignore")
    found: dict[str, np.ndarray] = {}

    def chosen(key: str) -> bool:
        return "--sample" not in sys.argv or zlib.crc32(key.encode()) % 4 == 0

    for row in [row for row in peer_rows.LOSSES if chosen(row.id)]:
        found[f"loss/{row.id}"] = peer_rows.joined(peer_rows.loss_numbers(keras, row, set_keras_mask))
    for row in [row for row in peer_rows.METRICS if chosen(row.id)]:
        found[f"metric/{row.id}"] = peer_rows.joined(peer_rows.metric_numbers(keras, row))
    for optimizer in [row for row in peer_rows.OPTIMIZERS if chosen(peer_rows.optimizer_id(row))]:
        numbers = peer_rows.optimizer_numbers(keras, optimizer)
        found[f"optimizer/{peer_rows.optimizer_id(optimizer)}"] = peer_rows.joined(numbers)
    path = pathlib.Path(__file__).with_name("peer_rows.npz")
    if "--check" not in sys.argv:
        np.savez_compressed(path, **found)
        print(len(found), "rows,", path.stat().st_size, "bytes")
        return
    with np.load(path) as stored:
        names = sorted(set(found) - set(stored.files))
        wrong = [
            name for name, value in found.items() if name not in names and not np.allclose(value, stored[name], 1e-12)
        ]
    if names or wrong:
        sys.exit("Keras computes something else than is recorded:\n" + "\n".join(names + wrong))


if __name__ == "__main__":
    main()
