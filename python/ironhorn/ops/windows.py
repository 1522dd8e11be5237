"""Windows for pieces of signals.

Keras' names and arguments. Each is symmetric, 1 or nearly so in the middle and small at both ends.
"""

from typing import Any

import numpy as np

from ironhorn import _core
from ironhorn.backend.config import floatx
from ironhorn.errors import ValueRangeError
from ironhorn.ops._values import as_float, handle

__all__ = ["bartlett", "blackman", "hamming", "hanning", "kaiser"]


def _length(name: str, x: Any) -> int:
    length = int(np.asarray(x)) if not isinstance(x, int) else x
    if length < 0:
        raise ValueRangeError(f"ops.{name} takes a length of 0 or more, got {length}")
    return length


def _cosines(name: str, x: Any, coefficients: tuple[float, ...]) -> Any:
    length = _length(name, x)
    if length == 1:
        return _core.tensor(np.ones(1), floatx())
    angles = 2.0 * np.pi * np.arange(length) / (length - 1)
    window = sum(c * np.cos(k * angles) for k, c in enumerate(coefficients))
    return _core.tensor(np.asarray(window, "float64").reshape(length), floatx())


def bartlett(x: Any) -> Any:
    """A triangle, 0 at its ends.

    Args:
        x: number of points.

    >>> from ironhorn import ops
    >>> ops.bartlett(5).numpy().tolist()
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    length = _length("bartlett", x)
    return _core.tensor(np.bartlett(length), floatx())


def blackman(x: Any) -> Any:
    """`0.42 - 0.5 cos(t) + 0.08 cos(2 t)`, t from 0 to 2 pi.

    Args:
        x: number of points.
    """
    return _cosines("blackman", x, (0.42, -0.5, 0.08))


def hamming(x: Any) -> Any:
    """`0.54 - 0.46 cos(t)`, t from 0 to 2 pi.

    Args:
        x: number of points.
    """
    return _cosines("hamming", x, (0.54, -0.46))


def hanning(x: Any) -> Any:
    """`0.5 - 0.5 cos(t)`, t from 0 to 2 pi.

    Args:
        x: number of points.
    """
    return _cosines("hanning", x, (0.5, -0.5))


def kaiser(x: Any, beta: Any) -> Any:
    """`i0(beta sqrt(1 - t^2)) / i0(beta)`, t from -1 to 1 (J. F. Kaiser, 1974).

    Args:
        x: number of points.
        beta: a number: larger ones make the window narrower. 0 is a rectangle, 8.6 near Blackman's.
    """
    length = _length("kaiser", x)
    t = np.linspace(-1.0, 1.0, length) if length > 1 else np.zeros(length)
    reach = _core.tensor(np.sqrt(np.maximum(1.0 - t * t, 0.0)), "float64")
    beta = handle["cast"](as_float(beta), dtype="float64")
    top, bottom = handle["i0"](handle["multiply"](reach, beta)), handle["i0"](beta)
    return handle["cast"](handle["divide"](top, bottom), dtype=floatx())
