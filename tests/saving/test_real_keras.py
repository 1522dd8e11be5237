"""Real Keras loads what Ironhorn saved.

Keras is looked for in the running environment, or in the Python that `IRONHORN_REFERENCE_PYTHON` names.
"""

from __future__ import annotations

import importlib.util
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import ironhorn
from saving import golden_models

HERE = pathlib.Path(__file__).resolve().parent


def reference_python() -> str:
    """A Python that has Keras, or skip the test."""
    named = os.environ.get("IRONHORN_REFERENCE_PYTHON")
    if named:
        return named
    if importlib.util.find_spec("keras") is None:
        pytest.skip("Keras is not installed, and IRONHORN_REFERENCE_PYTHON is not set")
    return sys.executable


def answers(model_path: pathlib.Path, name: str, backend: str) -> dict[str, np.ndarray]:
    """What real Keras says about a file."""
    output = model_path.with_suffix(".npz")
    environment = dict(os.environ, KERAS_BACKEND=backend, TF_CPP_MIN_LOG_LEVEL="3", PYTHONPATH=str(HERE))
    result = subprocess.run(
        [reference_python(), str(HERE / "load_with_keras.py"), str(model_path), name, str(output)],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    with np.load(output) as file:
        return {key: file[key] for key in file.files}


@pytest.mark.peer
@pytest.mark.parametrize("name", golden_models.MODELS)
def test_keras_loads_our_models(name: str, tmp_path: pathlib.Path) -> None:
    reference_python()
    model = golden_models.build(ironhorn, name)
    inputs, targets = golden_models.data(name)
    for _ in range(2):
        model.train_on_batch(inputs, targets)
    model.save(tmp_path / "ours.keras")
    found = answers(tmp_path / "ours.keras", name, "jax")
    outputs = model.predict_on_batch(inputs)
    for index, value in enumerate(outputs if isinstance(outputs, list) else [outputs]):
        tolerance = 1e-2 if name == "mixed" else 1e-5
        np.testing.assert_allclose(found[f"output_{index}"], value, rtol=tolerance, atol=tolerance / 10)
    for index, variable in enumerate(model.weights):
        np.testing.assert_array_equal(found[f"weight_{index}"], variable.numpy(), err_msg=variable.path)
    for index, variable in enumerate(model.optimizer.variables):
        np.testing.assert_array_equal(found[f"optimizer_{index}"], variable.numpy(), err_msg=variable.path)


@pytest.mark.peer
def test_keras_loads_our_vocabulary(tmp_path: pathlib.Path) -> None:
    python = reference_python()
    probe = subprocess.run([python, "-c", "import tensorflow"], capture_output=True)
    if probe.returncode != 0:
        pytest.skip("Keras needs TensorFlow for TextVectorization")
    vectorizer = ironhorn.layers.TextVectorization(max_tokens=12, output_sequence_length=6)
    vectorizer.adapt(["pump leaks oil", "Pump hot!", "track loose, track noisy", "oil hot"])
    model = ironhorn.Sequential([ironhorn.Input((1,), dtype="string"), vectorizer], name="vectorizer")
    model.save(tmp_path / "ours.keras")
    assert answers(tmp_path / "ours.keras", "vectorizer", "tensorflow")["vocabulary"].tolist() == (
        vectorizer.get_vocabulary()
    )
