"""Errors of real numbers as metrics."""

from __future__ import annotations

from typing import Any

from ironhorn import ops
from ironhorn.losses.loss import squeeze_or_expand_to_same_rank
from ironhorn.losses.regression import (
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
)
from ironhorn.losses.wrapper import same_rank
from ironhorn.metrics.metric import Metric
from ironhorn.metrics.reduction_metrics import BuiltInMetric, Mean


class MeanSquaredError(BuiltInMetric):
    """Mean of squared differences.

    Args:
        name: Name in logs.
        dtype: Type of the state.
    """

    def __init__(self, name: str | None = "mean_squared_error", dtype: Any = None):
        super().__init__(mean_squared_error, name=name, dtype=dtype)
        self._direction = "down"


class MeanAbsoluteError(BuiltInMetric):
    """Mean of absolute differences.

    Args:
        name: Name in logs.
        dtype: Type of the state.
    """

    def __init__(self, name: str | None = "mean_absolute_error", dtype: Any = None):
        super().__init__(mean_absolute_error, name=name, dtype=dtype)
        self._direction = "down"


class MeanAbsolutePercentageError(BuiltInMetric):
    """Mean of absolute differences, in percent of the targets.

    Args:
        name: Name in logs.
        dtype: Type of the state.
    """

    def __init__(self, name: str | None = "mean_absolute_percentage_error", dtype: Any = None):
        super().__init__(mean_absolute_percentage_error, name=name, dtype=dtype)
        self._direction = "down"


class MeanSquaredLogarithmicError(BuiltInMetric):
    """Mean of squared differences of `log(1 + value)`.

    Args:
        name: Name in logs.
        dtype: Type of the state.
    """

    def __init__(self, name: str | None = "mean_squared_logarithmic_error", dtype: Any = None):
        super().__init__(mean_squared_logarithmic_error, name=name, dtype=dtype)
        self._direction = "down"


class RootMeanSquaredError(Mean):
    """Square root of the mean of squared differences over everything seen.

    Args:
        name: Name in logs.
        dtype: Type of the state.

    Example:
        >>> metric = RootMeanSquaredError()
        >>> metric.update_state([[0.0, 0.0]], [[3.0, 3.0]])
        >>> float(metric.result())
        3.0
    """

    def __init__(self, name: str | None = "root_mean_squared_error", dtype: Any = None):
        super().__init__(name=name, dtype=dtype)
        self._direction = "down"

    def update_state(  # type: ignore[override]
        self, y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> None:
        """Adds the squared errors of one batch."""
        y_true = ops.convert_to_tensor(y_true, dtype=self.dtype)
        y_pred = ops.convert_to_tensor(y_pred, dtype=self.dtype)
        y_true, y_pred = squeeze_or_expand_to_same_rank(y_true, y_pred)
        super().update_state(ops.square(ops.subtract(y_true, y_pred)), sample_weight=sample_weight)

    def result(self) -> Any:
        """Returns the root of the mean."""
        return ops.sqrt(super().result())

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal metric."""
        return Metric.get_config(self)


class CosineSimilarity(BuiltInMetric):
    """Cosine of the angle between targets and predictions.

    Args:
        name: Name in logs.
        dtype: Type of the state.
        axis: Axis of the vectors.
    """

    def __init__(self, name: str | None = "cosine_similarity", dtype: Any = None, axis: int = -1):
        super().__init__(cosine_similarity, name=name, dtype=dtype, axis=axis)
        self._direction = "up"


class LogCoshError(BuiltInMetric):
    """Mean of `log(cosh(difference))`.

    Args:
        name: Name in logs.
        dtype: Type of the state.
    """

    def __init__(self, name: str | None = "logcosh", dtype: Any = None):
        super().__init__(log_cosh, name=name, dtype=dtype)
        self._direction = "down"


class R2Score(Metric):
    """Coefficient of determination: 1 for perfect predictions, 0 for those of the targets' mean.

    Args:
        class_aggregation: `"uniform_average"`, `"variance_weighted_average"`, or `None` for one score an output.
        num_regressors: Number of independent variables, for the adjusted score; 0 for the plain one.
        name: Name in logs.
        dtype: Type of the state.

    Raises:
        ValueError: If an argument has none of these values, or inputs are not of shape `(batch, outputs)`.

    Example:
        >>> metric = R2Score()
        >>> metric.update_state([[1.0], [2.0], [3.0]], [[1.0], [2.0], [2.0]])
        >>> float(metric.result())
        0.5
    """

    def __init__(
        self,
        class_aggregation: str | None = "uniform_average",
        num_regressors: int = 0,
        name: str | None = "r2_score",
        dtype: Any = None,
    ):
        super().__init__(name=name, dtype=dtype)
        self._direction = "up"
        aggregations = (None, "uniform_average", "variance_weighted_average")
        if class_aggregation not in aggregations:
            raise ValueError(
                f"Invalid value for argument `class_aggregation`. Expected one of {aggregations}. "
                f"Received: class_aggregation={class_aggregation}"
            )
        if num_regressors < 0:
            raise ValueError(f"`num_regressors` must not be negative. Received: num_regressors={num_regressors}")
        self.class_aggregation = class_aggregation
        self.num_regressors = num_regressors
        self.num_samples = self.add_variable(shape=(), initializer="zeros", name="num_samples")
        self._built = False

    def _build(self, y_true_shape: Any, y_pred_shape: Any) -> None:
        if len(y_pred_shape) != 2 or len(y_true_shape) != 2 or y_pred_shape[-1] is None or y_true_shape[-1] is None:
            raise ValueError(
                "R2Score takes targets and predictions of shape (batch_size, output_dim). Received: "
                f"y_true.shape={tuple(y_true_shape)}, y_pred.shape={tuple(y_pred_shape)}"
            )
        shape = (y_pred_shape[-1],)
        self.squared_sum = self.add_variable(shape=shape, initializer="zeros", name="squared_sum")
        self.sum = self.add_variable(shape=shape, initializer="zeros", name="sum")
        self.total_mse = self.add_variable(shape=shape, initializer="zeros", name="residual")
        self.count = self.add_variable(shape=shape, initializer="zeros", name="count")
        self._built = True

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds one batch."""
        y_true = ops.convert_to_tensor(y_true, dtype=self.dtype)
        y_true, y_pred = squeeze_or_expand_to_same_rank(y_true, ops.convert_to_tensor(y_pred, dtype=self.dtype))
        if not self._built:
            self._build(y_true.shape, y_pred.shape)
        weights = ops.convert_to_tensor(1.0 if sample_weight is None else sample_weight, dtype=self.dtype)
        if len(weights.shape) == 1:
            weights = ops.expand_dims(weights, axis=1)
        weights = ops.broadcast_to(weights, ops.shape(y_true))
        weighted = ops.multiply(y_true, weights)
        errors = ops.multiply(ops.square(ops.subtract(y_true, y_pred)), weights)
        self.sum.assign_add(ops.sum(weighted, axis=0))
        self.squared_sum.assign_add(ops.sum(ops.multiply(y_true, weighted), axis=0))
        self.total_mse.assign_add(ops.sum(errors, axis=0))
        self.count.assign_add(ops.sum(weights, axis=0))
        # Keras counts elements, not rows.
        self.num_samples.assign_add(ops.cast(ops.size(y_true), self.num_samples.dtype))

    def result(self) -> Any:
        """Returns the score, or one for each output."""
        mean = ops.divide(self.sum, self.count)
        total = ops.subtract(self.squared_sum, ops.multiply(self.sum, mean))
        scores = ops.subtract(1.0, ops.divide(self.total_mse, total))
        scores = ops.where(ops.isinf(scores), 0.0, scores)
        if self.class_aggregation == "uniform_average":
            scores = ops.mean(scores)
        elif self.class_aggregation == "variance_weighted_average":
            scores = ops.divide(ops.sum(ops.multiply(total, scores)), ops.sum(total))
        if self.num_regressors == 0:
            return scores
        # With too few samples for the adjustment the plain score stands.
        rest = ops.subtract(self.num_samples, 1.0 + self.num_regressors)
        possible = ops.greater(rest, 0.0)
        wrong = ops.multiply(ops.subtract(1.0, scores), ops.subtract(self.num_samples, 1.0))
        adjusted = ops.subtract(1.0, ops.divide(wrong, ops.where(possible, rest, 1.0)))
        return ops.where(possible, adjusted, scores)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal metric."""
        own = {"class_aggregation": self.class_aggregation, "num_regressors": self.num_regressors}
        return {**super().get_config(), **own}


def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """Cosine of the angle between targets and predictions; the loss of the same name is its negative.

    Args:
        y_true: Targets, shape `(batch, ...)`.
        y_pred: Predictions, same shape.
        axis: Axis of the vectors.

    Returns:
        Values from -1 to 1, shape without `axis`.
    """
    y_true, y_pred = same_rank(y_true, y_pred)
    return ops.sum(ops.multiply(ops.normalize(y_true, axis=axis), ops.normalize(y_pred, axis=axis)), axis=axis)
