"""Activation functions beyond the usual ones, and how alike signals are."""

from __future__ import annotations

import numpy as np

from ironhorn import ops
from ops.cases.case import Argument, Case, unary


def _sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def _sparse_plus(x):
    return np.where(x <= -1, 0.0, np.where(x >= 1, x, (x + 1) ** 2 / 4))


def _sparsemax(x, axis=-1):
    x = np.moveaxis(x, axis, -1)
    falling = -np.sort(-x, axis=-1)
    running = np.cumsum(falling, axis=-1)
    kept = falling > (running - 1) / np.arange(1, x.shape[-1] + 1)
    edge = (np.where(kept, running, 0).sum(-1, keepdims=True) - 1) / kept.sum(-1, keepdims=True)
    return np.moveaxis(np.maximum(x - edge, 0), -1, axis)


CASES: list[Case] = [
    *unary("celu", lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0)))),
    *unary("hard_swish", lambda x: x * np.clip(x / 6 + 0.5, 0, 1)),
    *unary("hard_shrink", lambda x: np.where(np.abs(x) > 0.5, x, 0.0)),
    *unary("soft_shrink", lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.5, 0.0)),
    *unary("sparse_plus", _sparse_plus, integers="float32"),
    *unary("sparse_sigmoid", lambda x: np.clip((x + 1) / 2, 0, 1)),
    *unary("squareplus", lambda x: (x + np.sqrt(x**2 + 4)) / 2),
    Case(
        "celu",
        (Argument((3, 4)),),
        lambda x: np.where(x > 0, x, 0.3 * np.expm1(np.minimum(x, 0) / 0.3)),
        call=lambda x: ops.celu(x, alpha=0.3),
        note="alpha",
    ),
    Case("glu", (Argument((3, 4)),), lambda x: x[:, :2] * _sigmoid(x[:, 2:])),
    Case(
        "glu",
        (Argument((3, 2, 4)),),
        lambda x: x[:, :1] * _sigmoid(x[:, 1:]),
        call=lambda x: ops.glu(x, axis=1),
        note="axis",
    ),
    Case("sparsemax", (Argument((3, 4)),), _sparsemax),
    Case("sparsemax", (Argument((2, 5, 3)),), lambda x: _sparsemax(x, 1), lambda x: ops.sparsemax(x, 1), note="axis"),
    Case(
        "psnr",
        (Argument((3, 4)), Argument((3, 4))),
        lambda x, y: 10 * np.log10(1.5**2 / np.mean((x - y) ** 2)),
        call=lambda x, y: ops.psnr(x, y, 1.5),
        empty=False,
    ),
    Case(
        "threshold",
        (Argument((3, 4)),),
        lambda x: np.where(x > 0.25, x, -1.5),
        call=lambda x: ops.threshold(x, 0.25, -1.5),
    ),
]
