"""Programs written for Keras run unchanged, and reach the loss that they reach under Keras, within 2 %."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from compat import make_program_reference
from compat.make_program_reference import PROGRAMS, backend_of, loss_of

REFERENCE = json.loads(Path(make_program_reference.__file__).with_name("program_reference.json").read_text())
#: Programs that are run under real Keras too, where it is installed with JAX.
LIVE = ("transformer_text", "callbacks")


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_program(program: Path) -> None:
    loss = loss_of([sys.executable, "-m", "ironhorn", "run"], program)
    assert loss == pytest.approx(REFERENCE[program.stem]["loss"], rel=0.02)


@pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="runs Keras itself")
@pytest.mark.parametrize("program", [path for path in PROGRAMS if path.stem in LIVE], ids=lambda path: path.stem)
def test_program_under_keras(program: Path) -> None:
    assert backend_of(program) == "jax"
    loss = loss_of([sys.executable], program, KERAS_BACKEND="jax")
    assert loss == pytest.approx(REFERENCE[program.stem]["loss"], rel=1e-3)
