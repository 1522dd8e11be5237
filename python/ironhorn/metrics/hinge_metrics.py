"""Losses of margins as metrics."""

from __future__ import annotations

from typing import Any

from ironhorn.losses.margins import categorical_hinge, hinge, squared_hinge
from ironhorn.metrics.reduction_metrics import BuiltInMetric


class Hinge(BuiltInMetric):
    """Mean of `max(1 - y_true * y_pred, 0)`.

    Args:
        name: Name in logs.
        dtype: Type of the state.
    """

    def __init__(self, name: str | None = "hinge", dtype: Any = None):
        super().__init__(hinge, name=name, dtype=dtype)
        self._direction = "down"


class SquaredHinge(BuiltInMetric):
    """Mean of `max(1 - y_true * y_pred, 0) ** 2`.

    Args:
        name: Name in logs.
        dtype: Type of the state.
    """

    def __init__(self, name: str | None = "squared_hinge", dtype: Any = None):
        super().__init__(squared_hinge, name=name, dtype=dtype)
        self._direction = "down"


class CategoricalHinge(BuiltInMetric):
    """Mean of `max(largest wrong prediction - right prediction + 1, 0)`.

    Args:
        name: Name in logs.
        dtype: Type of the state.
    """

    def __init__(self, name: str | None = "categorical_hinge", dtype: Any = None):
        super().__init__(categorical_hinge, name=name, dtype=dtype)
        self._direction = "down"
