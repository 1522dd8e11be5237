"""Correlations of targets and predictions."""

from __future__ import annotations

from typing import Any

from ironhorn import backend, ops
from ironhorn.losses.wrapper import same_rank
from ironhorn.metrics.reduction_metrics import BuiltInMetric


class PearsonCorrelation(BuiltInMetric):
    """Pearson's correlation of targets and predictions: covariance over both standard deviations.

    Args:
        name: Name in logs.
        dtype: Type of the state.
        axis: Axis of the vectors.
    """

    _config_names = ("axis",)

    def __init__(self, name: str | None = "pearson_correlation", dtype: Any = None, axis: int = -1):
        super().__init__(pearson_correlation, name=name, dtype=dtype, axis=axis)
        self.axis = axis
        self._direction = "up"


class ConcordanceCorrelation(BuiltInMetric):
    """Lin's concordance correlation (Lin, 1989), in Keras' form.

    Args:
        name: Name in logs.
        dtype: Type of the state.
        axis: Axis of the vectors.
    """

    _config_names = ("axis",)

    def __init__(self, name: str | None = "concordance_correlation", dtype: Any = None, axis: int = -1):
        super().__init__(concordance_correlation, name=name, dtype=dtype, axis=axis)
        self.axis = axis
        self._direction = "up"


def pearson_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """Pearson's correlation.

    Args:
        y_true: Targets, shape `(batch, ...)`.
        y_pred: Predictions, same shape.
        axis: Axis of the vectors that are correlated.

    Returns:
        Values from -1 to 1, shape without `axis`.
    """
    y_true, y_pred = (_centred(values, axis) for values in same_rank(y_true, y_pred))
    y_true = ops.divide(y_true, ops.std(y_true, axis=axis, keepdims=True))
    y_pred = ops.divide(y_pred, ops.std(y_pred, axis=axis, keepdims=True))
    return ops.mean(ops.multiply(y_true, y_pred), axis=axis)


def concordance_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """Concordance correlation as Keras computes it: both factors are centred by the predictions' mean.

    Args:
        y_true: Targets, shape `(batch, ...)`.
        y_pred: Predictions, same shape.
        axis: Axis of the vectors that are correlated.

    Returns:
        Values from -1 to 1, shape without `axis`.
    """
    y_true, y_pred = same_rank(y_true, y_pred)
    true_mean = ops.mean(y_true, axis=axis, keepdims=True)
    pred_mean = ops.mean(y_pred, axis=axis, keepdims=True)
    product = ops.multiply(ops.subtract(y_true, pred_mean), ops.subtract(y_pred, pred_mean))
    spread = ops.add(ops.var(y_true, axis=axis, keepdims=True), ops.var(y_pred, axis=axis, keepdims=True))
    spread = ops.add(spread, ops.square(ops.subtract(true_mean, pred_mean)))
    return ops.mean(ops.divide(ops.multiply(product, 2.0), ops.add(spread, backend.epsilon())), axis=axis)


def _centred(values: Any, axis: int) -> Any:
    return ops.subtract(values, ops.mean(values, axis=axis, keepdims=True))
