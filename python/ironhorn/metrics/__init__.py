"""Metrics: `keras.metrics`.

A metric accumulates over batches: `update_state(y_true, y_pred, sample_weight)`, `result()`, `reset_state()`. In
`compile` a name (`"accuracy"`, `"mse"`), a metric, or a function `fn(y_true, y_pred)` will do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ironhorn.backend.missing import explain
from ironhorn.losses import (
    binary_crossentropy,
    categorical_crossentropy,
    mean_absolute_error,
    mean_squared_error,
    sparse_categorical_crossentropy,
)
from ironhorn.metrics.accuracy_metrics import (
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
    binary_accuracy,
    categorical_accuracy,
    sparse_categorical_accuracy,
    sparse_top_k_categorical_accuracy,
    top_k_categorical_accuracy,
)
from ironhorn.metrics.error_metrics import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    MeanAbsoluteError,
    MeanSquaredError,
    RootMeanSquaredError,
    SparseCategoricalCrossentropy,
)
from ironhorn.metrics.metric import Metric
from ironhorn.metrics.reduction_metrics import Mean, MeanMetricWrapper, Sum
from ironhorn.training.names import to_snake_case, unknown_name

_CLASSES = (
    Metric,
    Mean,
    Sum,
    MeanMetricWrapper,
    Accuracy,
    BinaryAccuracy,
    BinaryCrossentropy,
    CategoricalAccuracy,
    CategoricalCrossentropy,
    MeanAbsoluteError,
    MeanSquaredError,
    RootMeanSquaredError,
    SparseCategoricalAccuracy,
    SparseCategoricalCrossentropy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
)
_SHORT_NAMES = {
    "bce": BinaryCrossentropy,
    "BCE": BinaryCrossentropy,
    "mae": MeanAbsoluteError,
    "MAE": MeanAbsoluteError,
    "mse": MeanSquaredError,
    "MSE": MeanSquaredError,
}

ALL: dict[str, Any] = {cls.__name__: cls for cls in _CLASSES}
_BY_SNAKE_CASE = {to_snake_case(cls.__name__): cls for cls in _CLASSES}

__all__ = [
    "ALL",
    "Accuracy",
    "BinaryAccuracy",
    "BinaryCrossentropy",
    "CategoricalAccuracy",
    "CategoricalCrossentropy",
    "Mean",
    "MeanAbsoluteError",
    "MeanMetricWrapper",
    "MeanSquaredError",
    "Metric",
    "RootMeanSquaredError",
    "SparseCategoricalAccuracy",
    "SparseCategoricalCrossentropy",
    "SparseTopKCategoricalAccuracy",
    "Sum",
    "TopKCategoricalAccuracy",
    "binary_accuracy",
    "binary_crossentropy",
    "categorical_accuracy",
    "categorical_crossentropy",
    "deserialize",
    "get",
    "mean_absolute_error",
    "mean_squared_error",
    "serialize",
    "sparse_categorical_accuracy",
    "sparse_categorical_crossentropy",
    "sparse_top_k_categorical_accuracy",
    "top_k_categorical_accuracy",
]


def serialize(metric: Any) -> Any:
    """Returns the config of a metric instance or function.

    Args:
        metric: A `Metric` or a metric function.

    Returns:
        What `deserialize` turns back into the metric.
    """
    from ironhorn.saving.registry import serialize_keras_object

    return serialize_keras_object(metric)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """Makes a metric from its config.

    Args:
        config: The config (or name).
        custom_objects: Your own classes and functions by name.

    Returns:
        A `Metric` or a metric function.
    """
    if isinstance(config, str):
        known = _SHORT_NAMES.get(config) or _BY_SNAKE_CASE.get(config) or ALL.get(config)
        if known is not None:
            return known()
    from ironhorn.saving.registry import deserialize_keras_object

    return deserialize_keras_object(config, custom_objects=custom_objects)


def get(identifier: Any) -> Any:
    """Returns the metric that `identifier` stands for.

    Args:
        identifier: `None`, a name, a config, a function, or a `Metric`.

    Returns:
        `None`, a function or a `Metric`.

    Raises:
        UnknownObjectError: If no metric has that name; the message names the closest one.
    """
    if identifier is None:
        return None
    metric = identifier
    if isinstance(identifier, dict):
        metric = deserialize(identifier)
    elif isinstance(identifier, str):
        metric = _SHORT_NAMES.get(identifier) or _BY_SNAKE_CASE.get(identifier) or ALL.get(identifier)
        if metric is None:
            from ironhorn.saving.registry import get_registered_object

            metric = get_registered_object(identifier)
    if metric is None or not callable(metric):
        known = [*_BY_SNAKE_CASE, *_SHORT_NAMES, "accuracy", "acc", "crossentropy", "ce"]
        raise unknown_name("metric", identifier, [name for name in known if name != "metric"])
    return metric() if isinstance(metric, type) else metric


if not TYPE_CHECKING:
    __getattr__ = explain(__name__)
