"""Writes `hashing_reference.json`: bins that Keras' hashing layers, which are TensorFlow's, find.

Run it where Keras 3.15 and TensorFlow 2.21 are installed:

    python tests/layers/make_hashing_reference.py
"""

from __future__ import annotations

import json
import os
import pathlib
import sys

os.environ["KERAS_BACKEND"] = "tensorflow"
sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import keras
import numpy as np

from layers.hashing_cases import CROSSES, FEATURES, FILE, HASHINGS, given


def main() -> None:
    """Records every case."""
    found: dict[str, list[object]] = {"hashing": [], "crossing": []}
    for arguments in HASHINGS:
        layer = keras.layers.Hashing(**arguments)
        outputs = [np.asarray(layer(values)).tolist() for values in given(arguments)]
        found["hashing"].append({"outputs": outputs, "config": {**layer.get_config(), "name": None}})
    for arguments in CROSSES:
        layer = keras.layers.HashedCrossing(**arguments)
        found["crossing"].append(
            {
                "outputs": [np.asarray(layer(features)).tolist() for features in FEATURES],
                "config": {**layer.get_config(), "name": None},
            }
        )
    FILE.write_text(json.dumps(found, indent=None, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
