"""Files that real Keras wrote load under Ironhorn, answer as they did under Keras, and train on."""

from __future__ import annotations

import pathlib

import numpy as np
import pytest

import ironhorn
from saving import golden_models

GOLDEN = pathlib.Path(__file__).resolve().parent / "golden"


def stored(name: str) -> dict[str, np.ndarray]:
    """What Keras answered."""
    with np.load(GOLDEN / f"{name}.npz") as file:
        return {key: file[key] for key in file.files}


def check(model: object, name: str, optimizer: bool = True) -> None:
    """Compare outputs, weights and the optimizer's state with what Keras had."""
    expected = stored(name)
    inputs, _ = golden_models.data(name)
    outputs = model.predict_on_batch(inputs)
    tolerance = 1e-2 if name == "mixed" else 1e-5
    for index, value in enumerate(outputs if isinstance(outputs, list) else [outputs]):
        np.testing.assert_allclose(value, expected[f"output_{index}"], rtol=tolerance, atol=tolerance / 10)
    for index, variable in enumerate(model.weights):
        np.testing.assert_array_equal(variable.numpy(), expected[f"weight_{index}"], err_msg=variable.path)
    if optimizer:
        assert len(model.optimizer.variables) == sum(key.startswith("optimizer_") for key in expected)
        for index, variable in enumerate(model.optimizer.variables):
            np.testing.assert_array_equal(variable.numpy(), expected[f"optimizer_{index}"], err_msg=variable.path)


@pytest.mark.parametrize("name", golden_models.MODELS)
def test_load_a_model_of_keras(name: str) -> None:
    model = ironhorn.saving.load_model(GOLDEN / f"{name}.keras")
    check(model, name)
    inputs, targets = golden_models.data(name)
    model.train_on_batch(inputs, targets)
    assert int(model.optimizer.iterations.numpy()) == 3


@pytest.mark.parametrize("name", golden_models.MODELS)
def test_load_weights_of_keras(name: str) -> None:
    for suffix in ("weights.h5", "keras"):
        model = golden_models.build(ironhorn, name)
        model.optimizer.build(model.trainable_variables)
        model.load_weights(GOLDEN / f"{name}.{suffix}")
        check(model, name)


def test_without_compiling() -> None:
    model = ironhorn.saving.load_model(GOLDEN / "cnn.keras", compile=False)
    assert not model.compiled
    check(model, "cnn", optimizer=False)


@pytest.mark.parametrize("name", golden_models.MODELS)
def test_save_again_and_load(name: str, tmp_path: pathlib.Path) -> None:
    model = ironhorn.saving.load_model(GOLDEN / f"{name}.keras")
    model.save(tmp_path / "again.keras")
    check(ironhorn.saving.load_model(tmp_path / "again.keras"), name)


@pytest.mark.parametrize("name", golden_models.MODELS)
def test_same_groups_as_keras(name: str, tmp_path: pathlib.Path) -> None:
    """What Ironhorn writes has the groups, names and shapes of Keras' file."""
    import h5py

    def layout(path: pathlib.Path) -> dict[str, object]:
        found = {}

        def visit(key: str, item: object) -> None:
            shape = getattr(item, "shape", None)
            found[key] = shape if shape is not None else True

        with h5py.File(path) as file:
            file.visititems(visit)
        return found

    model = golden_models.build(ironhorn, name)
    inputs, targets = golden_models.data(name)
    model.train_on_batch(inputs, targets)
    model.save_weights(tmp_path / "ours.weights.h5")
    assert layout(tmp_path / "ours.weights.h5") == layout(GOLDEN / f"{name}.weights.h5")


def test_vectorizer_of_keras(tmp_path: pathlib.Path) -> None:
    expected = stored("vectorizer")
    model = ironhorn.saving.load_model(GOLDEN / "vectorizer.keras")
    for _ in range(2):
        vectorizer = model.layers[-1]
        assert vectorizer.get_vocabulary() == expected["vocabulary"].tolist()
        answers = np.asarray(vectorizer(expected["texts"].tolist()))
        np.testing.assert_array_equal(answers, expected["answers"])
        model.save(tmp_path / "again.keras")
        model = ironhorn.saving.load_model(tmp_path / "again.keras")
