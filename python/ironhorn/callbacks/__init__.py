"""Callbacks: `keras.callbacks`. Their names stand in `__init__.pyi`; modules are imported when first used."""

from ironhorn.backend.lazy import attach

ALL, __getattr__ = attach(__name__, __file__, globals())
__all__ = sorted([*ALL, "ALL"])


def __dir__() -> list[str]:
    return __all__
