"""Every loss, metric and optimizer against what Keras computes in float64: 1e-6 of the largest number of each row.

`peer_rows.py` has the rows and `make_peer_rows.py` records them.
"""

from __future__ import annotations

import importlib.util
import pathlib
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import ironhorn
from ironhorn import backend, losses, metrics, optimizers
from training import peer_rows

HERE = pathlib.Path(__file__).parent
TOLERANCE = 1e-6


@pytest.fixture(scope="module")
def recorded() -> dict[str, np.ndarray]:
    with np.load(HERE / "peer_rows.npz") as stored:
        return {name: stored[name] for name in stored.files}


@pytest.fixture(autouse=True)
def in_float64() -> Iterator[None]:
    before = backend.floatx()
    backend.set_floatx("float64")
    yield
    backend.set_floatx(before)


def compare(recorded: dict[str, np.ndarray], name: str, compute: Callable[[], dict[str, Any]]) -> None:
    assert name in recorded, "record it: python tests/training/make_peer_rows.py"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = compute()
    wanted = recorded[name]
    assert sum(np.size(value) for value in found.values()) == wanted.size
    start = 0
    for what, value in found.items():
        part = wanted[start : start + np.size(value)].reshape(np.shape(value))
        start += np.size(value)
        scale = max(float(np.abs(part).max(initial=0.0)), 1e-3)
        np.testing.assert_allclose(value, part, rtol=TOLERANCE, atol=TOLERANCE * scale, err_msg=what)


@pytest.mark.parametrize("row", peer_rows.LOSSES, ids=lambda row: row.id)
def test_loss(recorded: dict[str, np.ndarray], row: peer_rows.Row) -> None:
    compare(recorded, f"loss/{row.id}", lambda: peer_rows.loss_numbers(ironhorn, row, backend.set_keras_mask))


@pytest.mark.parametrize("row", peer_rows.METRICS, ids=lambda row: row.id)
def test_metric(recorded: dict[str, np.ndarray], row: peer_rows.Row) -> None:
    compare(recorded, f"metric/{row.id}", lambda: peer_rows.metric_numbers(ironhorn, row))


@pytest.mark.parametrize("row", peer_rows.OPTIMIZERS, ids=peer_rows.optimizer_id)
def test_optimizer(recorded: dict[str, np.ndarray], row: tuple[str, dict[str, Any]]) -> None:
    name = f"optimizer/{peer_rows.optimizer_id(row)}"
    compare(recorded, name, lambda: peer_rows.optimizer_numbers(ironhorn, row))


@pytest.mark.parametrize(
    ("module", "base", "rows"),
    [
        (losses, losses.Loss, {row.name for row in peer_rows.LOSSES}),
        (metrics, metrics.Metric, {row.name for row in peer_rows.METRICS}),
        (optimizers, optimizers.Optimizer, {name for name, _ in peer_rows.OPTIMIZERS}),
    ],
)
def test_every_class_has_a_row(module: Any, base: type, rows: set[str]) -> None:
    # Wrappers, which have tests of their own.
    without = {"LossFunctionWrapper", "MeanMetricWrapper", "LossScaleOptimizer", "MultiOptimizer", base.__name__}
    classes = {cls.__name__ for cls in module.ALL.values() if isinstance(cls, type) and issubclass(cls, base)}
    assert classes - without - rows == set()


@pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="compares with Keras itself")
def test_recordings_are_what_keras_computes() -> None:
    command = [sys.executable, str(HERE / "make_peer_rows.py"), "--check", "--sample"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
