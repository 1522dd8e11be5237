"""Writes `program_reference.json`: the loss that every program in `programs/` reaches under real Keras.

Run it where Keras and TensorFlow (and JAX) are installed:

    python tests/compat/make_program_reference.py [program ...]

Programs that need GradientTape run on TensorFlow, which has one; the others on JAX.
"""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
# On JAX, Keras cannot update a metric that belongs to a layer inside a step.
ON_TENSORFLOW = {"added_losses"}
PROGRAMS = sorted(path for path in (HERE / "programs").glob("*.py") if path.stem != "adapter")


def backend_of(program: pathlib.Path) -> str:
    """The backend of Keras that a program runs on."""
    return "tensorflow" if "GradientTape" in program.read_text() or program.stem in ON_TENSORFLOW else "jax"


def loss_of(command: list[str], program: pathlib.Path, **environment: str) -> float:
    """Runs a program and reads the loss that it prints."""
    done = subprocess.run(
        [*command, str(program)], capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )
    if done.returncode:
        raise RuntimeError(f"{program.name} failed:\n{(done.stdout + done.stderr)[-4000:]}")
    return float(done.stdout.strip().splitlines()[-1].removeprefix("loss "))


def main() -> None:
    """Runs the named programs, or all, under Keras."""
    path = HERE / "program_reference.json"
    found = json.loads(path.read_text()) if path.exists() else {}
    chosen = [program for program in PROGRAMS if program.stem in sys.argv[1:]] or PROGRAMS
    for program in chosen:
        backend = backend_of(program)
        if program.stem in found and not sys.argv[1:]:
            continue
        loss = loss_of([sys.executable], program, KERAS_BACKEND=backend, TF_CPP_MIN_LOG_LEVEL="3")
        found[program.stem] = {"backend": backend, "loss": loss}
        print(program.stem, backend, loss, flush=True)
        path.write_text(json.dumps(dict(sorted(found.items())), indent=1) + "\n")


if __name__ == "__main__":
    main()
