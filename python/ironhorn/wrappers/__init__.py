"""Models as estimators of scikit-learn: `keras.wrappers`. scikit-learn is imported when one of the names is used."""

from ironhorn.backend.lazy import attach

ALL, __getattr__ = attach(__name__, __file__, globals())
__all__ = sorted(ALL)


def __dir__() -> list[str]:
    return __all__
