"""Taking `.keras` files apart and putting changed ones together."""

from __future__ import annotations

import io
import json
import pathlib
import zipfile
from collections.abc import Callable
from typing import Any

import h5py

GOLDEN = pathlib.Path(__file__).resolve().parent / "golden"


def members(path: pathlib.Path) -> dict[str, bytes]:
    """All members of an archive."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path: pathlib.Path, contents: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> pathlib.Path:
    """Write an archive."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path


def with_config(target: pathlib.Path, change: Callable[[dict[str, Any]], Any], source: str = "cnn") -> pathlib.Path:
    """A golden file with another configuration: `change` edits it in place, or returns another one."""
    contents = members(GOLDEN / f"{source}.keras")
    config = json.loads(contents["config.json"])
    changed = change(config)
    contents["config.json"] = json.dumps(config if changed is None else changed).encode()
    return write(target, contents)


def with_weights(target: pathlib.Path, change: Callable[[h5py.File], None], source: str = "cnn") -> pathlib.Path:
    """A golden file with other weights: `change` edits the HDF5 file."""
    contents = members(GOLDEN / f"{source}.keras")
    buffer = io.BytesIO(contents["model.weights.h5"])
    with h5py.File(buffer, "r+") as file:
        change(file)
    contents["model.weights.h5"] = buffer.getvalue()
    return write(target, contents)
