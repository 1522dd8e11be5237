"""Writes `rows/<family>.npz`: what layers of real Keras compute, in float64 on JAX.

Run it where Keras and JAX are installed:

    python tests/layers/make_layer_reference.py [family ...]            records these families, or all
    python tests/layers/make_layer_reference.py --check [family ...]    compares with what is recorded (--sample: fewer)

A recording holds for every row of the table, under `<row>/`: `output<i>`; `mask` that `compute_mask` returns, if the
row has a mask; `input<i>` and `weight<i>`, gradients of the row's functional; `state<i>`, variables that are not
trained, after the call; `config` and `shape`, configuration and `compute_output_shape` with an unknown batch, as JSON.

On JAX, Keras narrows the results of many ops from float64 to float32, whether JAX allows float64 or not. Here float64
is taken out of that rule, so that numbers are what they claim to be.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import sys
import zlib
from typing import Any

os.environ["KERAS_BACKEND"] = "jax"
os.environ["JAX_ENABLE_X64"] = "1"
sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import jax
import jax.numpy as jnp
import keras
import numpy as np
from keras.src.backend.common import dtypes
from keras.src.backend.common.masking import set_keras_mask
from keras.src.backend.common.stateless_scope import StatelessScope

from layers.rows import FAMILIES, FOLDER
from layers.rows.row import Row

dtypes.BIT64_TO_BIT32_DTYPE.pop("float64", None)


def use(dtype: str) -> None:
    """Lets layers be made of this type."""
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)


def as_json(value: Any) -> np.ndarray:
    """A structure of plain values as an array that holds its JSON text."""
    return np.array(json.dumps(value, sort_keys=True))


def record(row: Row) -> dict[str, np.ndarray]:
    """Everything about one row."""
    found: dict[str, np.ndarray] = {}
    keras.backend.clear_session()
    use("float32")
    narrow = row.make(keras)
    found["config"] = as_json(narrow.get_config()) if row.config else as_json(None)
    use("float64")
    layer = row.make(keras)
    inputs = [jnp.asarray(array) for array in row.arrays("float64")]
    row.apply(layer, inputs, set_keras_mask)
    layer.set_weights([row.weight(i, v.path, v.shape) for i, v in enumerate(layer.weights)])
    trained = [variable.value for variable in layer.trainable_variables]
    fixed = [variable.value for variable in layer.non_trainable_variables]

    def run(trained: Any, inputs: Any) -> tuple[Any, Any]:
        # `stateless_call` would go past the steps that hand carried masks to the layer.
        variables = [*layer.trainable_variables, *layer.non_trainable_variables]
        with StatelessScope(state_mapping=list(zip(variables, [*trained, *fixed], strict=True))) as scope:
            outputs = row.apply(layer, inputs, set_keras_mask)
        found = [scope.get_current_value(variable) for variable in layer.non_trainable_variables]
        return outputs, [old if new is None else new for old, new in zip(fixed, found, strict=True)]

    def number(trained: Any, inputs: Any) -> Any:
        leaves = [leaf for leaf in jax.tree_util.tree_leaves(run(trained, inputs)[0])]
        floats = [leaf for leaf in leaves if jnp.issubdtype(leaf.dtype, jnp.floating)]
        return sum(jnp.sum(leaf * row.functional(i, leaf.shape)) for i, leaf in enumerate(floats))

    outputs, state = run(trained, inputs)
    for i, leaf in enumerate(jax.tree_util.tree_leaves(outputs)):
        found[f"output{i}"] = np.asarray(leaf)
    for i, (variable, value) in enumerate(zip(layer.non_trainable_variables, state, strict=True)):
        if "seed_generator" not in variable.path:
            found[f"state{i}"] = np.asarray(value)
    if row.gradient is True:
        by_weights = jax.grad(number)(trained, inputs)
        for i, gradient in enumerate(by_weights):
            found[f"weight{i}"] = np.asarray(gradient)
        if not row.integers:
            for i, gradient in enumerate(jax.grad(number, argnums=1)(trained, inputs)):
                found[f"input{i}"] = np.asarray(gradient)
    if row.mask is not None:
        given = inputs if len(inputs) > 1 else inputs[0]
        masks = jax.tree_util.tree_leaves(layer.compute_mask(given, row.masks()), is_leaf=lambda leaf: leaf is None)
        found["mask"] = as_json([None if mask is None else np.asarray(mask).tolist() for mask in masks])
    if len(inputs) == 1:
        found["shape"] = as_json(layer.compute_output_shape((None, *row.inputs[0][1:])))
    return found


def differences(row: Row, have: dict[str, np.ndarray], want: dict[str, np.ndarray]) -> list[str]:
    """What differs between two recordings of one row."""
    if set(have) != set(want):
        return [f"{row.id}: {sorted(set(have) ^ set(want))} in one only"]
    wrong = []
    for name, value in have.items():
        if value.dtype.kind in "US" or value.dtype.kind != "f":
            same = bool(np.array_equal(value, want[name]))
        else:
            allowed = row.tolerance * (1e-5 if row.narrow else 1e-11)
            same = np.allclose(value, want[name], rtol=allowed, atol=allowed)
        if not same:
            wrong.append(f"{row.id}/{name}")
    return wrong


def part(recording: dict[str, np.ndarray], row: Row) -> dict[str, np.ndarray]:
    """What a recording has of one row."""
    prefix = f"{row.id}/"
    return {name.removeprefix(prefix): value for name, value in recording.items() if name.startswith(prefix)}


def computed(rows: list[Row]) -> dict[str, np.ndarray]:
    """What Keras makes of rows."""
    found: dict[str, np.ndarray] = {}
    for row in rows:
        try:
            values = record(row)
        except Exception as error:
            raise RuntimeError(f"Keras failed on {row.id}") from error
        found.update({f"{row.id}/{name}": value for name, value in values.items()})
    return found


def main() -> None:
    """Records or compares."""
    parser = argparse.ArgumentParser(description="Records what Keras makes of the layers' rows.")
    parser.add_argument("families", nargs="*", metavar="family", choices=[*FAMILIES, []])
    parser.add_argument("--check", action="store_true", help="compare with what is recorded")
    parser.add_argument("--sample", type=int, default=1, help="compare one row in so many")
    options = parser.parse_args()
    wrong: list[str] = []
    for family in options.families or FAMILIES:
        path = FOLDER / f"{family}.npz"
        if not options.check:
            np.savez_compressed(path, **computed(FAMILIES[family]))
            print(family, len(FAMILIES[family]), "rows", path.stat().st_size, "bytes", flush=True)
            continue
        rows = [row for row in FAMILIES[family] if zlib.crc32(row.id.encode()) % options.sample == 0]
        found = computed(rows)
        with np.load(path) as stored:
            kept = {name: stored[name] for name in stored.files}
        for row in rows:
            wrong += differences(row, part(found, row), part(kept, row))
        print(family, len(rows), "rows compared", flush=True)
    if wrong:
        sys.exit("Keras computes something else than is recorded:\n" + "\n".join(wrong))


if __name__ == "__main__":
    main()
