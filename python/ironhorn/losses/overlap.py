"""Losses of overlapping regions, for segmentation."""

from __future__ import annotations

from typing import Any

from ironhorn import backend, ops
from ironhorn.losses.wrapper import BuiltInLoss, same_type


class Dice(BuiltInLoss):
    """`1 - 2 |A and B| / (|A| + |B|)` of two regions (Dice, 1945).

    Args:
        reduction: See `Loss`.
        name: Name of the loss.
        axis: Axes over which regions are summed; all, the batch included, by default.
        dtype: See `Loss`.

    Example:
        >>> round(float(Dice()([[1.0, 0.0]], [[0.5, 0.5]])), 4)
        0.5
    """

    _config_names = ("axis",)

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str = "dice", axis: Any = None, dtype: Any = None
    ):
        super().__init__(dice, reduction=reduction, name=name, dtype=dtype, axis=axis)
        self.axis = axis


class Tversky(BuiltInLoss):
    """`1 - |A and B| / (|A and B| + alpha |missed| + beta |wrong|)` of two regions (Salehi et al., 2017).

    Args:
        alpha: Weight of what is in the target only.
        beta: Weight of what is in the prediction only.
        reduction: See `Loss`.
        name: Name of the loss.
        axis: Axes over which regions are summed; all, the batch included, by default.
        dtype: See `Loss`.

    Example:
        >>> round(float(Tversky()([[1.0, 0.0]], [[0.5, 0.5]])), 4)
        0.5
    """

    _config_names = ("alpha", "beta", "axis")

    def __init__(
        self,
        alpha: float = 0.5,
        beta: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str = "tversky",
        axis: Any = None,
        dtype: Any = None,
    ):
        super().__init__(tversky, reduction=reduction, name=name, dtype=dtype, alpha=alpha, beta=beta, axis=axis)
        self.alpha = alpha
        self.beta = beta
        self.axis = axis


def dice(y_true: Any, y_pred: Any, axis: Any = None) -> Any:
    """Dice loss of two regions.

    Args:
        y_true: Targets, shape `(batch, ...)`.
        y_pred: Predictions, same shape.
        axis: Axes over which regions are summed; all by default.

    Returns:
        The loss, shape without `axis`.
    """
    y_true, y_pred = same_type(y_true, y_pred)
    both = ops.sum(ops.multiply(y_true, y_pred), axis=axis)
    total = ops.add(ops.add(ops.sum(y_true, axis=axis), ops.sum(y_pred, axis=axis)), backend.epsilon())
    return ops.subtract(1.0, ops.divide(ops.multiply(both, 2.0), total))


def tversky(y_true: Any, y_pred: Any, alpha: float = 0.5, beta: float = 0.5, axis: Any = None) -> Any:
    """Tversky loss of two regions.

    Args:
        y_true: Targets, shape `(batch, ...)`.
        y_pred: Predictions, same shape.
        alpha: Weight of what is in the target only.
        beta: Weight of what is in the prediction only.
        axis: Axes over which regions are summed; all by default.

    Returns:
        The loss, shape without `axis`.
    """
    y_true, y_pred = same_type(y_true, y_pred)
    both = ops.sum(ops.multiply(y_true, y_pred), axis=axis)
    missed = ops.sum(ops.multiply(ops.subtract(1.0, y_pred), y_true), axis=axis)
    wrong = ops.sum(ops.multiply(y_pred, ops.subtract(1.0, y_true)), axis=axis)
    total = ops.add(ops.add(both, ops.multiply(missed, alpha)), ops.multiply(wrong, beta))
    return ops.subtract(1.0, ops.divide(both, ops.add(total, backend.epsilon())))
