"""Errors and cross-entropies as metrics: the mean over all samples of what the losses compute per batch."""

from __future__ import annotations

from typing import Any

from ironhorn import ops
from ironhorn.losses import (
    binary_crossentropy,
    categorical_crossentropy,
    mean_absolute_error,
    mean_squared_error,
    sparse_categorical_crossentropy,
)
from ironhorn.losses.loss import squeeze_or_expand_to_same_rank
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


class BinaryCrossentropy(BuiltInMetric):
    """Binary cross-entropy.

    Args:
        name: Name in logs.
        dtype: Type of the state.
        from_logits: Whether predictions are logits.
        label_smoothing: In [0, 1]: moves targets towards 0.5 by that share.
    """

    _config_names = ("from_logits", "label_smoothing")

    def __init__(
        self,
        name: str | None = "binary_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
    ):
        super().__init__(
            binary_crossentropy, name=name, dtype=dtype, from_logits=from_logits, label_smoothing=label_smoothing
        )
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self._direction = "down"


class CategoricalCrossentropy(BuiltInMetric):
    """Cross-entropy with one-hot targets.

    Args:
        name: Name in logs.
        dtype: Type of the state.
        from_logits: Whether predictions are logits.
        label_smoothing: In [0, 1]: share of each target that is spread over all classes.
        axis: The class axis.
    """

    _config_names = ("from_logits", "label_smoothing", "axis")

    def __init__(
        self,
        name: str | None = "categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
        axis: int = -1,
    ):
        super().__init__(
            categorical_crossentropy,
            name=name,
            dtype=dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.axis = axis
        self._direction = "down"


class SparseCategoricalCrossentropy(BuiltInMetric):
    """Cross-entropy with integer targets.

    Args:
        name: Name in logs.
        dtype: Type of the state.
        from_logits: Whether predictions are logits.
        ignore_class: Class number whose entries count as 0.
        axis: The class axis.
    """

    _config_names = ("from_logits", "ignore_class", "axis")

    def __init__(
        self,
        name: str | None = "sparse_categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
    ):
        super().__init__(
            sparse_categorical_crossentropy,
            name=name,
            dtype=dtype,
            from_logits=from_logits,
            ignore_class=ignore_class,
            axis=axis,
        )
        self.from_logits = from_logits
        self.ignore_class = ignore_class
        self.axis = axis
        self._direction = "down"
