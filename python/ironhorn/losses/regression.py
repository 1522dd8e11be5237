"""Losses of real numbers: differences of targets and predictions."""

from __future__ import annotations

import math
from typing import Any

from ironhorn import backend, ops
from ironhorn.losses.wrapper import BuiltInLoss, same_rank


class MeanSquaredError(BuiltInLoss):
    """Mean of squared differences over the last axis.

    Args:
        reduction: See `Loss`.
        name: Name of the loss.
        dtype: See `Loss`.

    Example:
        >>> float(MeanSquaredError()([[1.0, 0.0]], [[0.5, 0.5]]))
        0.25
    """

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str = "mean_squared_error", dtype: Any = None
    ):
        super().__init__(mean_squared_error, reduction=reduction, name=name, dtype=dtype)


class MeanAbsoluteError(BuiltInLoss):
    """Mean of absolute differences over the last axis.

    Args:
        reduction: See `Loss`.
        name: Name of the loss.
        dtype: See `Loss`.

    Example:
        >>> float(MeanAbsoluteError()([[1.0, 0.0]], [[0.5, 0.5]]))
        0.5
    """

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str = "mean_absolute_error", dtype: Any = None
    ):
        super().__init__(mean_absolute_error, reduction=reduction, name=name, dtype=dtype)


class MeanAbsolutePercentageError(BuiltInLoss):
    """Mean of absolute differences over the last axis, in percent of the targets.

    Args:
        reduction: See `Loss`.
        name: Name of the loss.
        dtype: See `Loss`.

    Example:
        >>> float(MeanAbsolutePercentageError()([[2.0, 4.0]], [[1.0, 4.0]]))
        25.0
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str = "mean_absolute_percentage_error",
        dtype: Any = None,
    ):
        super().__init__(mean_absolute_percentage_error, reduction=reduction, name=name, dtype=dtype)


class MeanSquaredLogarithmicError(BuiltInLoss):
    """Mean of squared differences of `log(1 + value)` over the last axis; values below 0 count as 0.

    Args:
        reduction: See `Loss`.
        name: Name of the loss.
        dtype: See `Loss`.

    Example:
        >>> float(MeanSquaredLogarithmicError()([[1.0, 0.0]], [[1.0, 0.0]]))
        0.0
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str = "mean_squared_logarithmic_error",
        dtype: Any = None,
    ):
        super().__init__(mean_squared_logarithmic_error, reduction=reduction, name=name, dtype=dtype)


class Huber(BuiltInLoss):
    """Squared for small differences, linear for large ones (Huber, 1964).

    A difference `d` costs `d^2 / 2` up to `delta`, and `delta |d| - delta^2 / 2` beyond.

    Args:
        delta: Where the loss turns linear.
        reduction: See `Loss`.
        name: Name of the loss.
        dtype: See `Loss`.

    Example:
        >>> float(Huber()([[0.0, 0.0]], [[1.0, 3.0]]))
        1.5
    """

    def __init__(
        self,
        delta: float = 1.0,
        reduction: str | None = "sum_over_batch_size",
        name: str = "huber_loss",
        dtype: Any = None,
    ):
        super().__init__(huber, reduction=reduction, name=name, dtype=dtype, delta=delta)


class LogCosh(BuiltInLoss):
    """Mean of `log(cosh(difference))` over the last axis: squared for small differences, linear for large ones.

    Args:
        reduction: See `Loss`.
        name: Name of the loss.
        dtype: See `Loss`.

    Example:
        >>> round(float(LogCosh()([[0.0]], [[1.0]])), 4)
        0.4338
    """

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str = "log_cosh", dtype: Any = None):
        super().__init__(log_cosh, reduction=reduction, name=name, dtype=dtype)


class CosineSimilarity(BuiltInLoss):
    """Minus the cosine of the angle between targets and predictions: -1 where they point the same way.

    Args:
        axis: Axis of the vectors.
        reduction: See `Loss`.
        name: Name of the loss.
        dtype: See `Loss`.

    Example:
        >>> round(float(CosineSimilarity()([[0.0, 2.0]], [[0.0, 1.0]])), 4)
        -1.0
    """

    def __init__(
        self,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "cosine_similarity",
        dtype: Any = None,
    ):
        super().__init__(cosine_similarity, reduction=reduction, name=name, dtype=dtype, axis=axis)


def mean_squared_error(y_true: Any, y_pred: Any) -> Any:
    """Mean of squared differences over the last axis.

    Args:
        y_true: Targets, shape `(batch, ...)`.
        y_pred: Predictions, same shape.

    Returns:
        One value per sample, shape without the last axis.
    """
    y_true, y_pred = same_rank(y_true, y_pred)
    return ops.mean(ops.square(ops.subtract(y_true, y_pred)), axis=-1)


def mean_absolute_error(y_true: Any, y_pred: Any) -> Any:
    """Mean of absolute differences over the last axis.

    Args:
        y_true: Targets, shape `(batch, ...)`.
        y_pred: Predictions, same shape.

    Returns:
        One value per sample, shape without the last axis.
    """
    y_true, y_pred = same_rank(y_true, y_pred)
    return ops.mean(ops.absolute(ops.subtract(y_true, y_pred)), axis=-1)


def mean_absolute_percentage_error(y_true: Any, y_pred: Any) -> Any:
    """Mean of absolute differences over the last axis, in percent of the targets.

    Args:
        y_true: Targets, shape `(batch, ...)`.
        y_pred: Predictions, same shape.

    Returns:
        One value per sample, shape without the last axis.
    """
    y_true, y_pred = same_rank(y_true, y_pred)
    scale = ops.maximum(ops.absolute(y_true), backend.epsilon())
    return ops.multiply(ops.mean(ops.absolute(ops.divide(ops.subtract(y_true, y_pred), scale)), axis=-1), 100.0)


def mean_squared_logarithmic_error(y_true: Any, y_pred: Any) -> Any:
    """Mean of squared differences of `log(1 + value)` over the last axis.

    Args:
        y_true: Targets, shape `(batch, ...)`.
        y_pred: Predictions, same shape.

    Returns:
        One value per sample, shape without the last axis.
    """
    y_true, y_pred = same_rank(y_true, y_pred)
    first = ops.log(ops.add(ops.maximum(y_pred, backend.epsilon()), 1.0))
    second = ops.log(ops.add(ops.maximum(y_true, backend.epsilon()), 1.0))
    return ops.mean(ops.square(ops.subtract(first, second)), axis=-1)


def huber(y_true: Any, y_pred: Any, delta: float = 1.0) -> Any:
    """Squared for differences up to `delta`, linear beyond, averaged over the last axis.

    Args:
        y_true: Targets, shape `(batch, ...)`.
        y_pred: Predictions, same shape.
        delta: Where the loss turns linear.

    Returns:
        One value per sample, shape without the last axis.
    """
    y_true, y_pred = same_rank(y_true, y_pred)
    difference = ops.absolute(ops.subtract(y_pred, y_true))
    squared = ops.multiply(ops.square(difference), 0.5)
    linear = ops.subtract(ops.multiply(difference, delta), 0.5 * delta * delta)
    return ops.mean(ops.where(ops.less_equal(difference, delta), squared, linear), axis=-1)


def log_cosh(y_true: Any, y_pred: Any) -> Any:
    """Mean of `log(cosh(difference))` over the last axis, without overflow.

    Args:
        y_true: Targets, shape `(batch, ...)`.
        y_pred: Predictions, same shape.

    Returns:
        One value per sample, shape without the last axis.
    """
    y_true, y_pred = same_rank(y_true, y_pred)
    difference = ops.subtract(y_pred, y_true)
    # log cosh d = d + log(1 + exp(-2 d)) - log 2
    values = ops.subtract(ops.add(difference, ops.softplus(ops.multiply(difference, -2.0))), math.log(2.0))
    return ops.mean(values, axis=-1)


def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """Minus the cosine of the angle between targets and predictions.

    Args:
        y_true: Targets, shape `(batch, ...)`.
        y_pred: Predictions, same shape.
        axis: Axis of the vectors.

    Returns:
        Values from -1 (same direction) to 1, shape without `axis`.
    """
    y_true, y_pred = same_rank(y_true, y_pred)
    product = ops.multiply(ops.normalize(y_true, axis=axis), ops.normalize(y_pred, axis=axis))
    return ops.negative(ops.sum(product, axis=axis))
