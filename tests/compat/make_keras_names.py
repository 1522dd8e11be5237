"""Writes `keras_names.json`: the public names of Keras, module by module.

Run it where Keras is installed: KERAS_BACKEND=jax python tests/compat/make_keras_names.py
"""

import importlib
import json
import pathlib

import keras

MODULES = [
    "",
    "activations",
    "callbacks",
    "config",
    "constraints",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "ops",
    "ops.image",
    "ops.linalg",
    "ops.nn",
    "ops.numpy",
    "optimizers",
    "optimizers.schedules",
    "random",
    "regularizers",
    "saving",
    "tree",
    "utils",
]


def names(module: str) -> list[str]:
    """The names that a module of `keras` (or, for "", `keras` itself) offers."""
    found = vars(importlib.import_module(f"keras.{module}".rstrip(".")))
    return sorted(name for name in found if not name.startswith("_") and name not in ("api", "src"))


if __name__ == "__main__":
    found = {"version": keras.__version__, "modules": {module: names(module) for module in MODULES}}
    path = pathlib.Path(__file__).with_name("keras_names.json")
    path.write_text(json.dumps(found, indent=0) + "\n")
