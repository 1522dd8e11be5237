"""Helpers around training: `keras.utils`. Their names stand in `__init__.pyi`; modules are imported when first used."""

from importlib import import_module
from typing import Any

from ironhorn.backend.lazy import attach

ALL, _find = attach(__name__, __file__, globals())
__all__ = sorted([*ALL, "legacy"])


def __getattr__(name: str) -> Any:
    return import_module("ironhorn.utils.legacy") if name == "legacy" else _find(name)


def __dir__() -> list[str]:
    return __all__
