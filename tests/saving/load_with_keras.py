"""Run by `test_real_keras.py` under real Keras: load a model that Ironhorn saved and store what it answers.

Usage: python load_with_keras.py model.keras golden-model-name answers.npz
"""

from __future__ import annotations

import sys

import golden_models
import keras
import numpy as np

model_path, name, answers_path = sys.argv[1:]
if name == "mixed":
    # Keras does not read the policy of the model itself, on which loss scaling depends.
    keras.config.set_dtype_policy("mixed_float16")
model = keras.saving.load_model(model_path)
contents: dict[str, np.ndarray] = {}
if name == "vectorizer":
    contents["vocabulary"] = np.array(model.layers[-1].get_vocabulary())
else:
    inputs, targets = golden_models.data(name)
    outputs = model.predict_on_batch(inputs)
    for index, value in enumerate(outputs if isinstance(outputs, list) else [outputs]):
        contents[f"output_{index}"] = np.asarray(value)
    for index, variable in enumerate(model.optimizer.variables):
        contents[f"optimizer_{index}"] = np.asarray(variable.numpy())
    weights = golden_models.build(keras, name)
    weights.load_weights(model_path)
    for index, variable in enumerate(weights.weights):
        contents[f"weight_{index}"] = np.asarray(variable.numpy())
    model.train_on_batch(inputs, targets)
np.savez(answers_path, **contents)
