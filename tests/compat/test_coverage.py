"""docs/coverage.md says exactly what of Keras' public names is not there.

`make_keras_names.py` writes the list of names.
"""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def missing() -> dict[str, set[str]]:
    """Module of Keras -> its names that ours lacks."""
    modules = json.loads(Path(__file__).with_name("keras_names.json").read_text())["modules"]
    found = {}
    for module, names in modules.items():
        ours = importlib.import_module(f"ironhorn.{module}".rstrip("."))
        found[module or "keras"] = {name for name in names if not hasattr(ours, name)}
    return {module: names for module, names in found.items() if names}


def test_coverage() -> None:
    rows = re.findall(r"^\| `([\w.]+)` \| ([^|]*) \|", (ROOT / "docs" / "coverage.md").read_text(), re.MULTILINE)
    documented = {module: set(re.findall(r"`(\w+)`", names)) for module, names in rows}
    assert documented == missing()
