"""Run by `test_operation_graphs.py` under real Keras: make models of configurations and store what they answer.

Usage: python load_operations_with_keras.py models.json inputs.npz answers.npz
"""

from __future__ import annotations

import json
import sys

import keras
import numpy as np

keras.config.enable_unsafe_deserialization()
models_path, inputs_path, answers_path = sys.argv[1:]
with open(models_path) as file:
    configs = json.load(file)
answers: dict[str, np.ndarray] = {}
with np.load(inputs_path) as inputs:
    for name, config in configs.items():
        arrays = [inputs[key] for key in inputs.files if key.rpartition("/")[0] == name]
        try:
            model = keras.Model.from_config(config)
            for index, value in enumerate(keras.tree.flatten(model(arrays))):
                answers[f"{name}/{index}"] = np.asarray(value)
        except Exception as error:
            answers[f"{name}/error"] = np.array(f"{type(error).__name__}: {error}")
np.savez(answers_path, **answers)
