"""Writes `rows/mixed.json`: how layers of real Keras compute under mixed precision, on JAX.

Run it where Keras and JAX are installed:

    python tests/layers/make_mixed_reference.py [family ...]            records these families, or all

For every row of the layers' table under `mixed_bfloat16`, the types of the outputs and how far each lies from what the
same layer gives in float32, as a part of the largest number of the output. Where Keras fails, `null`.
"""

from __future__ import annotations

import json
import os
import pathlib
import sys
from typing import Any

os.environ["KERAS_BACKEND"] = "jax"
sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import jax
import jax.numpy as jnp
import keras
import numpy as np
from keras.src.backend.common.masking import set_keras_mask

from layers.rows import FAMILIES, FOLDER
from layers.rows.row import Row


def outputs(row: Row, policy: str) -> list[Any]:
    """What the layer of a row gives under a policy."""
    keras.backend.clear_session()
    keras.config.set_dtype_policy(policy)
    layer = row.make(keras)
    inputs = [jnp.asarray(array) for array in row.arrays("float32")]
    row.apply(layer, inputs, set_keras_mask)
    layer.set_weights([row.weight(i, v.path, v.shape) for i, v in enumerate(layer.weights)])
    return jax.tree_util.tree_leaves(row.apply(layer, inputs, set_keras_mask))


def deviation(value: Any, wide: Any) -> float:
    """The largest difference, as a part of the largest number."""
    value, wide = np.asarray(value).astype("float64"), np.asarray(wide).astype("float64")
    same = np.isfinite(wide) & np.isfinite(value)
    if wide.dtype.kind != "f" or not same.any():
        return 0.0
    return float(np.abs(value - wide)[same].max() / max(np.abs(wide[same]).max(), 1e-3))


def record(row: Row) -> Any:
    """Type and deviation of every output of a row."""
    wide = outputs(row, "float32")
    try:
        narrow = outputs(row, "mixed_bfloat16")
    except Exception as error:
        print(f"{row.id}: Keras fails: {str(error).splitlines()[0]}")
        return None
    return [[str(x.dtype), round(deviation(x, y), 6)] for x, y in zip(narrow, wide, strict=True)]


def main() -> None:
    """Records families one by one."""
    path = FOLDER / "mixed.json"
    for family in sys.argv[1:] or FAMILIES:
        found = json.loads(path.read_text()) if path.exists() else {}
        found = {name: values for name, values in found.items() if not name.startswith(f"{family}/")}
        found.update({f"{family}/{row.id}": record(row) for row in FAMILIES[family]})
        lines = [f"{json.dumps(name)}: {json.dumps(values)}" for name, values in sorted(found.items())]
        path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
