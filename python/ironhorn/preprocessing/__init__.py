"""Older home of some of `ironhorn.utils`: `keras.preprocessing`."""

from ironhorn.backend.lazy import attach
from ironhorn.preprocessing import image as image
from ironhorn.preprocessing import sequence as sequence

ALL, __getattr__ = attach(__name__, __file__, globals())
__all__ = sorted([*ALL, "image", "sequence"])


def __dir__() -> list[str]:
    return __all__
