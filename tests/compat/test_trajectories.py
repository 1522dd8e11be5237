"""Training, step by step, as real Keras does it: against stored numbers always, against Keras where installed."""

from __future__ import annotations

import os
import pathlib

import numpy as np
import pytest

import ironhorn
from compat import reference_models
from compat.make_trajectories import relative_distance

FOLDER = pathlib.Path(__file__).resolve().parent / "trajectories"


def stored(problem: str) -> dict[str, np.ndarray]:
    """What `make_trajectories.py` wrote for a problem."""
    with np.load(FOLDER / f"{problem}.npz") as file:
        return {name: file[name] for name in file.files}


@pytest.mark.parametrize("problem", reference_models.PROBLEMS)
def test_sgd_in_float64_follows_keras_on_jax(problem: str) -> None:
    ours = reference_models.run(ironhorn, problem, "sgd", "float64")
    np.testing.assert_allclose(ours["losses"], stored(problem)["sgd_losses"], rtol=0, atol=1e-8)


@pytest.mark.parametrize("problem", reference_models.PROBLEMS)
def test_adam_in_float32_is_as_near_to_keras_on_jax_as_keras_on_tensorflow(problem: str) -> None:
    reference = stored(problem)
    ours = reference_models.run(ironhorn, problem, "adam", "float32")
    np.testing.assert_allclose(ours["losses"], reference["adam_losses"], rtol=0, atol=1e-3)
    expected = [reference[f"adam_weight_{index}"] for index in range(len(ours["weights"]))]
    assert [value.shape for value in ours["weights"]] == [value.shape for value in expected]
    # Below the spacing of float32 numbers nobody is nearer than anybody else.
    limit = max(reference["adam_distances"].max(), np.finfo("float32").eps)
    assert relative_distance(ours["weights"], expected) <= limit


def test_stored_trajectories_are_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.glob("*.npz")) < 1_000_000


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("problem", reference_models.PROBLEMS)
def test_live_keras(problem: str) -> None:
    os.environ.setdefault("KERAS_BACKEND", "jax")
    keras = pytest.importorskip("keras")
    if keras is ironhorn:
        pytest.skip("`keras` is Ironhorn in this process")
    theirs = reference_models.run(keras, problem, "adam", "float32", seed=21)
    ours = reference_models.run(ironhorn, problem, "adam", "float32", seed=21)
    np.testing.assert_allclose(ours["losses"], theirs["losses"], rtol=0, atol=1e-3)
    assert relative_distance(ours["weights"], theirs["weights"]) <= 1e-5
