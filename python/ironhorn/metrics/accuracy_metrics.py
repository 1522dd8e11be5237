"""The accuracy family: how often predictions are right."""

from __future__ import annotations

from typing import Any

from ironhorn import backend, ops
from ironhorn.losses.loss import squeeze_or_expand_to_same_rank
from ironhorn.metrics.reduction_metrics import BuiltInMetric


def accuracy(y_true: Any, y_pred: Any) -> Any:
    """Returns 1 where prediction equals target, else 0.

    Args:
        y_true: Targets.
        y_pred: Predictions, same shape.

    Returns:
        Ones and zeros of the default float type.
    """
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = ops.convert_to_tensor(y_true, dtype=y_pred.dtype)
    y_true, y_pred = squeeze_or_expand_to_same_rank(y_true, y_pred)
    return ops.cast(ops.equal(y_true, y_pred), backend.floatx())


def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Any:
    """Returns 1 where `y_pred > threshold` agrees with the target, else 0.

    Args:
        y_true: Targets, 0 or 1.
        y_pred: Probabilities, same shape.
        threshold: Where 1 begins.

    Returns:
        Ones and zeros of the default float type.
    """
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = ops.convert_to_tensor(y_true)
    y_true, y_pred = squeeze_or_expand_to_same_rank(y_true, y_pred)
    predicted = ops.cast(ops.greater(y_pred, ops.cast(threshold, y_pred.dtype)), y_true.dtype)
    return ops.cast(ops.equal(y_true, predicted), backend.floatx())


def categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """Returns 1 where the largest prediction is at the one-hot target, else 0.

    Args:
        y_true: One-hot targets, shape `(batch, ..., classes)`.
        y_pred: Scores, same shape.

    Returns:
        Ones and zeros, shape without the class axis.
    """
    target = ops.argmax(ops.convert_to_tensor(y_true), axis=-1)
    predicted = ops.argmax(ops.convert_to_tensor(y_pred), axis=-1)
    return ops.cast(ops.equal(target, predicted), backend.floatx())


def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """Returns 1 where the largest prediction is at the target class, else 0.

    Args:
        y_true: Class numbers, shape `(batch, ...)` or `(batch, ..., 1)`.
        y_pred: Scores, shape `(batch, ..., classes)`.

    Returns:
        Ones and zeros, shape of `y_pred` without the class axis.
    """
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = ops.convert_to_tensor(y_true, dtype=y_pred.dtype)
    if len(y_true.shape) == len(y_pred.shape) and y_true.shape[-1] == 1:
        y_true = ops.squeeze(y_true, -1)
    predicted = ops.cast(ops.argmax(y_pred, axis=-1), y_true.dtype)
    matches = ops.cast(ops.equal(y_true, predicted), backend.floatx())
    if len(matches.shape) > 1 and matches.shape[-1] == 1:
        matches = ops.squeeze(matches, -1)
    return matches


def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Any:
    """Returns 1 where the one-hot target is among the `k` largest predictions, else 0.

    Args:
        y_true: One-hot targets, shape `(batch, ..., classes)`.
        y_pred: Scores, same shape.
        k: How many predictions count.

    Returns:
        Ones and zeros, shape without the class axis.
    """
    return _in_top_k(ops.argmax(ops.convert_to_tensor(y_true), axis=-1), ops.convert_to_tensor(y_pred), k)


def sparse_top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5, from_sorted_ids: bool = False) -> Any:
    """Returns 1 where the target class is among the `k` largest predictions, else 0.

    Args:
        y_true: Class numbers, shape `(batch, ...)`.
        y_pred: Scores, shape `(batch, ..., classes)`; with `from_sorted_ids` class numbers, best first.
        k: How many predictions count.
        from_sorted_ids: Whether `y_pred` holds class numbers.

    Returns:
        Ones and zeros, shape of `y_true`.
    """
    y_pred = ops.convert_to_tensor(y_pred)
    if from_sorted_ids:
        y_true = ops.convert_to_tensor(y_true, dtype=y_pred.dtype)
        matches = ops.equal(ops.expand_dims(y_true, axis=-1), y_pred[..., :k])
        return ops.cast(ops.any(matches, axis=-1), backend.floatx())
    y_true = ops.cast(ops.convert_to_tensor(y_true), "int32")
    if len(y_true.shape) == len(y_pred.shape) and y_true.shape[-1] == 1:
        y_true = ops.squeeze(y_true, -1)
    return _in_top_k(y_true, y_pred, k)


def _in_top_k(target: Any, scores: Any, k: int) -> Any:
    """Returns 1 where fewer than `k` scores exceed the target's; ties count as in the top."""
    classes = scores.shape[-1]
    at_target = ops.one_hot(target, classes, dtype=scores.dtype)
    target_score = ops.sum(ops.where(at_target > 0, scores, ops.zeros_like(scores)), axis=-1, keepdims=True)
    better = ops.sum(ops.cast(ops.greater(scores, target_score), "int32"), axis=-1)
    finite = ops.squeeze(ops.isfinite(target_score), -1)
    return ops.cast(ops.logical_and(ops.less(better, k), finite), backend.floatx())


class Accuracy(BuiltInMetric):
    """How often predictions equal targets.

    Args:
        name: Name in logs.
        dtype: Type of the state.

    Example:
        >>> metric = Accuracy()
        >>> metric.update_state([1, 2, 3], [1, 2, 0])
        >>> round(float(metric.result()), 4)
        0.6667
    """

    def __init__(self, name: str | None = "accuracy", dtype: Any = None):
        super().__init__(accuracy, name=name, dtype=dtype)
        self._direction = "up"


class BinaryAccuracy(BuiltInMetric):
    """How often a probability is on the target's side of a threshold.

    Args:
        name: Name in logs.
        dtype: Type of the state.
        threshold: Where 1 begins; in [0, 1].
    """

    _config_names = ("threshold",)

    def __init__(self, name: str | None = "binary_accuracy", dtype: Any = None, threshold: float = 0.5):
        super().__init__(binary_accuracy, name=name, dtype=dtype, threshold=threshold)
        self.threshold = threshold
        self._direction = "up"


class CategoricalAccuracy(BuiltInMetric):
    """How often the largest prediction is at the one-hot target.

    Args:
        name: Name in logs.
        dtype: Type of the state.
    """

    def __init__(self, name: str | None = "categorical_accuracy", dtype: Any = None):
        super().__init__(categorical_accuracy, name=name, dtype=dtype)
        self._direction = "up"


class SparseCategoricalAccuracy(BuiltInMetric):
    """How often the largest prediction is at the target class.

    Args:
        name: Name in logs.
        dtype: Type of the state.
    """

    def __init__(self, name: str | None = "sparse_categorical_accuracy", dtype: Any = None):
        super().__init__(sparse_categorical_accuracy, name=name, dtype=dtype)
        self._direction = "up"


class TopKCategoricalAccuracy(BuiltInMetric):
    """How often the one-hot target is among the `k` largest predictions.

    Args:
        k: How many predictions count.
        name: Name in logs.
        dtype: Type of the state.
    """

    _config_names = ("k",)

    def __init__(self, k: int = 5, name: str | None = "top_k_categorical_accuracy", dtype: Any = None):
        super().__init__(top_k_categorical_accuracy, name=name, dtype=dtype, k=k)
        self.k = k
        self._direction = "up"


class SparseTopKCategoricalAccuracy(BuiltInMetric):
    """How often the target class is among the `k` largest predictions.

    Args:
        k: How many predictions count.
        name: Name in logs.
        dtype: Type of the state.
        from_sorted_ids: Whether predictions are class numbers, best first, instead of scores.
    """

    _config_names = ("k",)

    def __init__(
        self,
        k: int = 5,
        name: str | None = "sparse_top_k_categorical_accuracy",
        dtype: Any = None,
        from_sorted_ids: bool = False,
    ):
        super().__init__(
            sparse_top_k_categorical_accuracy, name=name, dtype=dtype, k=k, from_sorted_ids=from_sorted_ids
        )
        self.k = k
        self.from_sorted_ids = from_sorted_ids
        self._direction = "up"

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal metric."""
        config = super().get_config()
        return {**config, "from_sorted_ids": True} if self.from_sorted_ids else config
