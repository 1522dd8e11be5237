"""Calls of `ops` that are compared with Keras': `CASES`, name -> what the arguments are drawn from, and the call.

The call gets `ops` of Keras or Ironhorn and the arguments as tensors. Keras' numbers are recorded, as their ties, zeros
and NaN are where implementations differ.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

_PLACES = np.array([[0, 1], [2, 3], [0, 1], [2, 5], [0, 1]], "int32")
_SEGMENTS = np.array([0, 1, 0], "int32")
_ALONG = np.random.default_rng(0).integers(0, 3, (4, 6)).astype("int32")
_PARTS = np.array([0.1, 0.77])

CASES: dict[str, tuple[tuple[str, ...], Callable[..., Any]]] = {
    "sort": (("any",), lambda ops, x: ops.sort(x)),
    "sort-ties": (("ties",), lambda ops, x: ops.sort(x, axis=0)),
    "top_k": (("any",), lambda ops, x: ops.top_k(x, 3)[0]),
    "top_k-ties": (("ties",), lambda ops, x: ops.top_k(x, 4)[0]),
    "take_along_axis": (("any",), lambda ops, x: ops.take_along_axis(x, _ALONG, 0)),
    "cumsum": (("any",), lambda ops, x: ops.cumsum(x, 1)),
    "cumsum-all": (("any",), lambda ops, x: ops.cumsum(x)),
    "cumprod": (("any",), lambda ops, x: ops.cumprod(x, 1)),
    "cumprod-zeros": (("zeros",), lambda ops, x: ops.cumprod(x, 1)),
    "cumprod-all": (("zeros",), lambda ops, x: ops.cumprod(x)),
    "nancumsum": (("nan",), lambda ops, x: ops.nancumsum(x, 1)),
    "nancumprod": (("nan",), lambda ops, x: ops.nancumprod(x, 0)),
    "diff": (("any",), lambda ops, x: ops.diff(x, 2)),
    "trapezoid": (("any", "any"), lambda ops, y, x: ops.trapezoid(y, x)),
    "segment_sum": (("any",), lambda ops, x: ops.segment_sum(x, np.array([2, 9, 2], "int32"), 4)),
    "segment_max": (("ties",), lambda ops, x: ops.segment_max(x, _SEGMENTS, 2)),
    "segment_min": (("ties",), lambda ops, x: ops.segment_min(x, _SEGMENTS, 2)),
    "scatter": (("row",), lambda ops, u: ops.scatter(_PLACES, u, (3, 6))),
    "scatter_update": (("any", "row"), lambda ops, x, u: ops.scatter_update(x, _PLACES, u)),
    "scatter_update-add": (("any", "row"), lambda ops, x, u: ops.scatter_update(x, _PLACES, u, "add")),
    "scatter_update-max": (("ties", "ties row"), lambda ops, x, u: ops.scatter_update(x, _PLACES, u, "max")),
    "scatter_update-min": (("ties", "ties row"), lambda ops, x, u: ops.scatter_update(x, _PLACES, u, "min")),
    "slice": (("any",), lambda ops, x: ops.slice(x, (2, -2), (2, 3))),
    "slice_update": (("any", "box"), lambda ops, x, u: ops.slice_update(x, np.array([1, 9], "int32"), u)),
    "median": (("any",), lambda ops, x: ops.median(x, axis=1)),
    "median-ties": (("ties",), lambda ops, x: ops.median(x, axis=0, keepdims=True)),
    "nanmedian": (("nan",), lambda ops, x: ops.nanmedian(x, axis=1)),
    "quantile": (("any",), lambda ops, x: ops.quantile(x, _PARTS, axis=(0, 1))),
    "quantile-nearest": (("any",), lambda ops, x: ops.quantile(x, _PARTS, axis=1, method="nearest")),
    "quantile-parts": (("parts",), lambda ops, q: ops.quantile(np.arange(7.0) ** 2, q)),
    "nanquantile": (("nan",), lambda ops, x: ops.nanquantile(x, _PARTS, axis=1)),
    "percentile": (("any",), lambda ops, x: ops.percentile(x, np.array([33.0]), axis=1)),
}


def arguments(name: str) -> list[np.ndarray]:
    """The arguments of a case, the same each time."""
    random = np.random.default_rng(zlib.crc32(name.encode()))
    drawn = []
    for kind in CASES[name][0]:
        shape = {"row": (5,), "ties row": (5,), "box": (2, 2), "parts": (3,)}.get(kind, (3, 6))
        x = random.uniform(0.1, 0.9, shape) if kind == "parts" else random.normal(size=shape)
        if kind.startswith("ties"):
            x = np.round(x)
        elif kind == "zeros":
            x = np.where(random.uniform(size=shape) < 0.3, 0.0, x)
        elif kind == "nan":
            x = np.where(x < -0.8, np.nan, x)
        drawn.append(x)
    return drawn


def functional(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Weights of the results, whose weighted sum is differentiated."""
    return np.random.default_rng(zlib.crc32(name.encode()) + 1).normal(size=shape)
