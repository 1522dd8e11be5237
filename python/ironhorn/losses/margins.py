"""Losses of margins."""

from __future__ import annotations

from typing import Any

from ironhorn import ops
from ironhorn.losses.wrapper import BuiltInLoss, same_type


class Hinge(BuiltInLoss):
    """Mean of `max(1 - y_true * y_pred, 0)` over the last axis; targets -1 and 1 (or all 0 and 1).

    Args:
        reduction: See `Loss`.
        name: Name of the loss.
        dtype: See `Loss`.

    Example:
        >>> float(Hinge()([[-1.0, 1.0]], [[0.5, 0.5]]))
        1.0
    """

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str = "hinge", dtype: Any = None):
        super().__init__(hinge, reduction=reduction, name=name, dtype=dtype)


class SquaredHinge(BuiltInLoss):
    """Mean of `max(1 - y_true * y_pred, 0) ** 2` over the last axis; targets -1 and 1 (or all 0 and 1).

    Args:
        reduction: See `Loss`.
        name: Name of the loss.
        dtype: See `Loss`.

    Example:
        >>> float(SquaredHinge()([[-1.0, 1.0]], [[0.5, 0.5]]))
        1.25
    """

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str = "squared_hinge", dtype: Any = None):
        super().__init__(squared_hinge, reduction=reduction, name=name, dtype=dtype)


class CategoricalHinge(BuiltInLoss):
    """`max(largest wrong prediction - right prediction + 1, 0)`; targets are one-hot.

    Args:
        reduction: See `Loss`.
        name: Name of the loss.
        dtype: See `Loss`.

    Example:
        >>> float(CategoricalHinge()([[0.0, 1.0]], [[0.5, 0.25]]))
        1.25
    """

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str = "categorical_hinge", dtype: Any = None
    ):
        super().__init__(categorical_hinge, reduction=reduction, name=name, dtype=dtype)


def hinge(y_true: Any, y_pred: Any) -> Any:
    """Mean of `max(1 - y_true * y_pred, 0)` over the last axis.

    Args:
        y_true: Targets, shape `(batch, ...)`.
        y_pred: Predictions, same shape.

    Returns:
        One value per sample, shape without the last axis.
    """
    return ops.mean(_margin(y_true, y_pred), axis=-1)


def squared_hinge(y_true: Any, y_pred: Any) -> Any:
    """Mean of `max(1 - y_true * y_pred, 0) ** 2` over the last axis.

    Args:
        y_true: Targets, shape `(batch, ...)`.
        y_pred: Predictions, same shape.

    Returns:
        One value per sample, shape without the last axis.
    """
    return ops.mean(ops.square(_margin(y_true, y_pred)), axis=-1)


def categorical_hinge(y_true: Any, y_pred: Any) -> Any:
    """`max(largest wrong prediction - right prediction + 1, 0)`.

    Args:
        y_true: Targets, shape `(batch, ..., classes)`.
        y_pred: Predictions, same shape.

    Returns:
        One value per sample, shape without the last axis.
    """
    y_true, y_pred = same_type(y_true, y_pred)
    right = ops.sum(ops.multiply(y_true, y_pred), axis=-1)
    wrong = ops.max(ops.multiply(ops.subtract(1.0, y_true), y_pred), axis=-1)
    return ops.maximum(ops.add(ops.subtract(wrong, right), 1.0), 0.0)


def _margin(y_true: Any, y_pred: Any) -> Any:
    """How far each prediction is from the right side of 1; targets that are all 0 or 1 become -1 or 1."""
    y_true, y_pred = same_type(y_true, y_pred)
    binary = ops.all(ops.logical_or(ops.equal(y_true, 0.0), ops.equal(y_true, 1.0)))
    y_true = ops.where(binary, ops.subtract(ops.multiply(y_true, 2.0), 1.0), y_true)
    return ops.maximum(ops.subtract(1.0, ops.multiply(y_true, y_pred)), 0.0)
