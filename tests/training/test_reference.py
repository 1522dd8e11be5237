"""Losses, metrics, optimizers, fit and callbacks against what real Keras returned (the cases of tests/compat)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import compat.dataset_cases
import compat.fit_cases  # noqa: F401  (both add their cases)
import ironhorn
from compat.training_cases import CASES

COMPAT = Path(__file__).parent.parent / "compat"
REFERENCE = json.loads((COMPAT / "training_reference.json").read_text())["cases"]
TOLERANCE = 2e-5


def assert_same(expected, actual, path="result"):
    """Numbers within `TOLERANCE` (relative above 1), everything else equal."""
    if isinstance(expected, dict):
        assert isinstance(actual, dict), path
        assert sorted(expected) == sorted(actual), path
        for key in expected:
            assert_same(expected[key], actual[key], f"{path}[{key!r}]")
    elif isinstance(expected, list):
        assert isinstance(actual, list), path
        assert len(expected) == len(actual), path
        for index, (left, right) in enumerate(zip(expected, actual, strict=True)):
            assert_same(left, right, f"{path}[{index}]")
    elif isinstance(expected, float):
        assert abs(expected - actual) <= TOLERANCE * max(1.0, abs(expected)), f"{path}: {actual}, not {expected}"
    else:
        assert expected == actual, path


def run(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return json.loads(json.dumps(CASES[name](ironhorn)))


def test_every_case_has_a_reference():
    assert sorted(CASES) == sorted(REFERENCE)


@pytest.mark.parametrize("name", list(CASES))
def test_as_keras(name):
    assert_same(REFERENCE[name], run(name))


@pytest.mark.peer
def test_live_keras(tmp_path):
    names = [
        "fit[classifier]",
        "outputs[metrics dict]",
        "optimizer[11 Adam {'learning_rate': 0.05, 'beta_1': 0.8, 'beta_2': 0.95, 'epsilon': 1e-05}]",
        "hooks[validation]",
    ]
    probe = subprocess.run([sys.executable, "-c", "import keras, jax"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip("Keras with JAX is not installed")
    output = tmp_path / "live.json"
    subprocess.run(
        [sys.executable, str(COMPAT / "make_training_reference.py"), str(output), *names],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        check=True,
        timeout=280,
    )
    for name, expected in json.loads(output.read_text())["cases"].items():
        assert_same(expected, run(name))
