"""Writes `training_reference.json`: what real Keras returns for every case of `*_cases.py`.

Run it where Keras 3 and JAX are installed:

    KERAS_BACKEND=jax python tests/compat/make_training_reference.py

With arguments it writes the named cases only: `make_training_reference.py OUTPUT.json NAME...`.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import keras

sys.path.insert(0, str(Path(__file__).parent.parent))
import compat.dataset_cases
import compat.fit_cases  # noqa: F401  (both add their cases)
from compat.training_cases import CASES


def rounded(value):
    """Keeps nine significant digits, more than float32 holds."""
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return value


def main(output, names):
    results = {}
    for name in names:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            keras.utils.clear_session()
            results[name] = rounded(CASES[name](keras))
    document = {"keras": keras.__version__, "backend": keras.backend.backend(), "cases": results}
    output.write_text(json.dumps(document, separators=(",", ":")) + "\n")
    print(f"{len(results)} cases, {output.stat().st_size} bytes")


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("training_reference.json")
    main(target, sys.argv[2:] or list(CASES))
