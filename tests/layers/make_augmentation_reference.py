"""Writes `augmentation_reference.npz`: images that Keras' augmentation layers make with known transformations.

Run it where Keras 3.15 and JAX are installed:

    python tests/layers/make_augmentation_reference.py

For each case of `augmentation_cases.py` it draws a transformation with the layer of Keras, and keeps the tensors of
that transformation (`<case>/drawn/<name>`), the outputs (`<case>/images`, `<case>/labels`) and the configuration
(`<case>/config`). Everything is float64: Keras' rule that narrows results on JAX is taken out.
"""

from __future__ import annotations

import json
import os
import pathlib
import sys

os.environ["KERAS_BACKEND"] = "jax"
os.environ["JAX_ENABLE_X64"] = "1"
sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import keras
import numpy as np
from keras.src.backend.common import dtypes

from layers.augmentation_cases import CASES, FILE, LABELS, flat

dtypes.BIT64_TO_BIT32_DTYPE.pop("float64", None)


def main() -> None:
    """Records every case."""
    found: dict[str, np.ndarray] = {}
    for case in CASES:
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")
        config = case.make(keras).get_config()
        config.pop("name")
        found[f"{case.id}/config"] = np.array(json.dumps(config, sort_keys=True))
        keras.config.set_floatx("float64")
        keras.config.set_dtype_policy("float64")
        layer = case.make(keras)
        images = case.images()
        drawn = layer.get_random_transformation(keras.ops.convert_to_tensor(images), training=True)
        outputs = layer.transform_images(keras.ops.convert_to_tensor(images), drawn, training=True)
        found[f"{case.id}/images"] = np.asarray(outputs)
        if case.labels:
            found[f"{case.id}/labels"] = np.asarray(layer.transform_labels(keras.ops.convert_to_tensor(LABELS), drawn))
        for name, value in flat(drawn):
            if name.rpartition("/")[2] not in ("seed", "input_shape", "image_height", "image_width", "batch_size"):
                found[f"{case.id}/drawn/{name}"] = np.asarray(value)
    np.savez_compressed(FILE, **found)


if __name__ == "__main__":
    main()
