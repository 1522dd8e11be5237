"""The loss of connectionist temporal classification."""

from __future__ import annotations

from typing import Any

from ironhorn import ops
from ironhorn.losses.wrapper import BuiltInLoss


class CTC(BuiltInLoss):
    """Loss of label sequences whose places in the input are not known (Graves et al., 2006).

    Targets are `(batch, labels)` integers, padded with 0, which is the blank; predictions are logits
    `(batch, steps, classes)`.

    Args:
        reduction: See `Loss`.
        name: Name of the loss.
        dtype: See `Loss`.
    """

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str = "ctc", dtype: Any = None):
        super().__init__(ctc, reduction=reduction, name=name, dtype=dtype)


def ctc(y_true: Any, y_pred: Any) -> Any:
    """CTC loss; every sequence of predictions counts in full.

    Args:
        y_true: Labels, integers `(batch, labels)`, padded with 0.
        y_pred: Logits `(batch, steps, classes)`; class 0 is the blank.

    Returns:
        The loss of each sample, shape `(batch,)`.

    Raises:
        ValueError: If the ranks are others.
    """
    y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
    if len(y_true.shape) != 2 or len(y_pred.shape) != 3:
        raise ValueError(
            "CTC takes labels of shape (batch, labels) and logits of shape (batch, steps, classes). Received: "
            f"y_true.shape={tuple(y_true.shape)}, y_pred.shape={tuple(y_pred.shape)}"
        )
    batch, steps = ops.shape(y_pred)[:2]
    lengths = ops.multiply(ops.ones((batch,), dtype="int32"), ops.cast(steps, "int32"))
    labels = ops.sum(ops.cast(ops.not_equal(y_true, 0), "int32"), axis=-1)
    return ops.ctc_loss(ops.cast(y_true, "int32"), y_pred, labels, lengths, mask_index=0)
