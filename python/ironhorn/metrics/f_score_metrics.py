"""Means of precision and recall."""

from __future__ import annotations

from typing import Any

from ironhorn import backend, ops
from ironhorn.metrics.metric import Metric

_AVERAGES = (None, "micro", "macro", "weighted")


class FBetaScore(Metric):
    """Harmonic mean of precision and recall, recall weighted by `beta ** 2`.

    Targets are one-hot (or several 0 and 1), predictions probabilities, both of shape `(batch, classes)`.

    Args:
        average: `None` for a score of each class, `"macro"` for their mean, `"weighted"` for their mean weighted by the
            number of targets, `"micro"` for one score of all decisions.
        beta: Weight of recall.
        threshold: Predictions above are positive; the largest prediction of a sample if `None`.
        name: Name in logs.
        dtype: Type of the state.

    Raises:
        ValueError: If an argument has none of these values, or inputs have another rank.

    Example:
        >>> metric = FBetaScore(average="micro", beta=2.0, threshold=0.5)
        >>> metric.update_state([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0]], [[0.2, 0.6, 0.7], [0.2, 0.6, 0.6]])
        >>> round(float(metric.result()), 4)
        0.5
    """

    def __init__(
        self,
        average: str | None = None,
        beta: float = 1.0,
        threshold: float | None = None,
        name: str | None = "fbeta_score",
        dtype: Any = None,
    ):
        super().__init__(name=name, dtype=dtype)
        self._direction = "up"
        if average not in _AVERAGES:
            raise ValueError(
                f"Invalid `average` argument value. Expected one of: {_AVERAGES}. Received: average={average}"
            )
        if not isinstance(beta, float) or beta <= 0.0:
            raise ValueError(f"`beta` must be a Python float above 0. Received: beta={beta!r}")
        if threshold is not None and not (isinstance(threshold, float) and 0.0 < threshold <= 1.0):
            raise ValueError(
                f"`threshold` must be a Python float above 0 and at most 1. Received: threshold={threshold!r}"
            )
        self.average = average
        self.beta = beta
        self.threshold = threshold
        self._axis = None if average == "micro" else 0
        self._built = False

    def _build(self, y_true_shape: Any, y_pred_shape: Any) -> None:
        if len(y_pred_shape) != 2 or len(y_true_shape) != 2 or y_pred_shape[-1] is None or y_true_shape[-1] is None:
            raise ValueError(
                f"{type(self).__name__} takes targets and predictions of shape (batch_size, output_dim). Received: "
                f"y_true.shape={tuple(y_true_shape)}, y_pred.shape={tuple(y_pred_shape)}"
            )
        shape = () if self.average == "micro" else (y_pred_shape[-1],)
        self.true_positives = self._zeros(shape, "true_positives")
        self.false_positives = self._zeros(shape, "false_positives")
        self.false_negatives = self._zeros(shape, "false_negatives")
        self.intermediate_weights = self._zeros(shape, "intermediate_weights")
        self._built = True

    def _zeros(self, shape: tuple[int, ...], name: str) -> Any:
        return self.add_variable(shape=shape, initializer="zeros", dtype=self.dtype, name=name)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds one batch."""
        y_true = ops.convert_to_tensor(y_true, dtype=self.dtype)
        y_pred = ops.convert_to_tensor(y_pred, dtype=self.dtype)
        if not self._built:
            self._build(y_true.shape, y_pred.shape)
        if self.threshold is None:
            largest = ops.max(y_pred, axis=-1, keepdims=True)
            # A row of zeros chooses nothing.
            decided = ops.logical_and(ops.greater_equal(y_pred, largest), ops.greater(ops.absolute(y_pred), 1e-9))
        else:
            decided = ops.greater(y_pred, self.threshold)
        positive = ops.cast(decided, self.dtype)
        weights = None if sample_weight is None else ops.expand_dims(ops.cast(sample_weight, self.dtype), 1)

        def total(values: Any) -> Any:
            return ops.sum(values if weights is None else ops.multiply(values, weights), axis=self._axis)

        self.true_positives.assign_add(total(ops.multiply(positive, y_true)))
        self.false_positives.assign_add(total(ops.multiply(positive, ops.subtract(1.0, y_true))))
        self.false_negatives.assign_add(total(ops.multiply(ops.subtract(1.0, positive), y_true)))
        self.intermediate_weights.assign_add(total(y_true))

    def result(self) -> Any:
        """Returns the score, or one for each class."""
        small = backend.epsilon()
        found = self.true_positives.value
        precision = ops.divide(found, ops.add(ops.add(found, self.false_positives), small))
        recall = ops.divide(found, ops.add(ops.add(found, self.false_negatives), small))
        square = self.beta**2
        below = ops.add(ops.add(ops.multiply(precision, square), recall), small)
        scores = ops.multiply(ops.divide(ops.multiply(precision, recall), below), 1.0 + square)
        if self.average == "weighted":
            total = ops.add(ops.sum(self.intermediate_weights.value), small)
            return ops.sum(ops.multiply(scores, ops.divide(self.intermediate_weights, total)))
        return scores if self.average is None else ops.mean(scores)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal metric."""
        own = {"average": self.average, "beta": self.beta, "threshold": self.threshold}
        return {**super().get_config(), **own}


class F1Score(FBetaScore):
    """Harmonic mean of precision and recall.

    Args:
        average: See `FBetaScore`.
        threshold: See `FBetaScore`.
        name: Name in logs.
        dtype: Type of the state.

    Example:
        >>> metric = F1Score(average="macro")
        >>> metric.update_state([[1.0, 0.0], [0.0, 1.0]], [[0.9, 0.1], [0.2, 0.8]])
        >>> round(float(metric.result()), 4)
        1.0
    """

    def __init__(
        self,
        average: str | None = None,
        threshold: float | None = None,
        name: str | None = "f1_score",
        dtype: Any = None,
    ):
        super().__init__(average=average, beta=1.0, threshold=threshold, name=name, dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal metric."""
        return {name: value for name, value in super().get_config().items() if name != "beta"}
