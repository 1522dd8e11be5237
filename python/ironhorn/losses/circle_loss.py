"""The circle loss, for embeddings of labelled samples."""

from __future__ import annotations

from typing import Any

from ironhorn import backend, ops
from ironhorn.losses.wrapper import BuiltInLoss


class Circle(BuiltInLoss):
    """Pulls embeddings of one label together and pushes others apart (Sun et al., 2020, "Circle loss").

    Args:
        gamma: Scale of the similarities.
        margin: Relaxation of both similarities.
        remove_diagonal: Whether a sample is no pair with itself.
        reduction: See `Loss`.
        name: Name of the loss.
        dtype: See `Loss`.

    Example:
        >>> vectors = [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]
        >>> float(Circle()([0, 0, 1], vectors)) >= 0.0
        True
    """

    _config_names = ("gamma", "margin", "remove_diagonal")

    def __init__(
        self,
        gamma: float = 80.0,
        margin: float = 0.4,
        remove_diagonal: bool = True,
        reduction: str | None = "sum_over_batch_size",
        name: str = "circle",
        dtype: Any = None,
    ):
        super().__init__(
            circle,
            reduction=reduction,
            name=name,
            dtype=dtype,
            gamma=gamma,
            margin=margin,
            remove_diagonal=remove_diagonal,
        )
        self.gamma = gamma
        self.margin = margin
        self.remove_diagonal = remove_diagonal


def circle(
    y_true: Any,
    y_pred: Any,
    ref_labels: Any = None,
    ref_embeddings: Any = None,
    remove_diagonal: bool = True,
    gamma: float = 80,
    margin: float = 0.4,
) -> Any:
    """Circle loss of embeddings.

    Args:
        y_true: Labels, shape `(batch,)` or `(batch, 1)`.
        y_pred: Embeddings of length 1, shape `(batch, features)`.
        ref_labels: Labels of the embeddings to compare with; those of the batch by default.
        ref_embeddings: Embeddings to compare with; the batch by default.
        remove_diagonal: Whether a sample is no pair with itself.
        gamma: Scale of the similarities.
        margin: Relaxation of both similarities.

    Returns:
        The loss of each sample, shape `(batch,)`; samples without loss are masked out of the mean.
    """
    y_pred = ops.convert_to_tensor(y_pred)
    labels = ops.reshape(ops.cast(y_true, "int32"), (-1, 1))
    others = y_pred if ref_embeddings is None else ops.convert_to_tensor(ref_embeddings)
    other_labels = labels if ref_labels is None else ops.reshape(ops.cast(ref_labels, "int32"), (-1, 1))
    distances = ops.maximum(ops.subtract(1.0, ops.matmul(y_pred, ops.transpose(others))), 0.0)
    same = ops.equal(labels, ops.transpose(other_labels))
    different = ops.logical_not(same)
    if remove_diagonal:
        rows = ops.arange(ops.shape(y_pred)[0], dtype="int32")
        columns = ops.arange(ops.shape(others)[0], dtype="int32")
        same = ops.logical_and(same, ops.not_equal(ops.expand_dims(rows, 1), ops.expand_dims(columns, 0)))
    pulled = ops.multiply(ops.add(distances, margin), ops.multiply(ops.subtract(distances, margin), gamma))
    room = ops.maximum(ops.subtract(1.0 + margin, distances), 0.0)
    pushed = ops.multiply(ops.multiply(ops.subtract(1.0 - margin, distances), room), gamma)
    nothing = float("-inf")
    pull = ops.logsumexp(ops.where(same, pulled, nothing), axis=1)
    push = ops.logsumexp(ops.where(different, pushed, nothing), axis=1)
    values = ops.softplus(ops.add(pull, push))
    backend.set_keras_mask(values, ops.greater(values, 0.0))
    return values
