"""`Sum`, `Mean`, and `MeanMetricWrapper`, which makes a metric of a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ironhorn import backend, ops
from ironhorn.losses.loss import apply_mask, squeeze_or_expand_to_same_rank
from ironhorn.metrics.metric import Metric


def reduce_to_samplewise_values(
    values: Any, sample_weight: Any, reduce_fn: Callable[..., Any], dtype: str
) -> tuple[Any, Any]:
    """Reduces values to one per sample and weights them.

    Args:
        values: A tensor.
        sample_weight: Weights of the same or lower rank, or `None`.
        reduce_fn: `ops.mean` or `ops.sum`.
        dtype: Type to compute in.

    Returns:
        The weighted values and the weights, both of rank 0 or 1.
    """
    mask = backend.get_keras_mask(values)
    values = ops.cast(values, dtype=dtype)
    if sample_weight is not None:
        sample_weight = ops.convert_to_tensor(sample_weight, dtype=dtype)
        if mask is not None:
            sample_weight = apply_mask(sample_weight, mask, dtype=dtype, reduction="sum")
        values, sample_weight = squeeze_or_expand_to_same_rank(values, sample_weight)
        weight_rank, value_rank = len(sample_weight.shape), len(values.shape)
        if value_rank > weight_rank:
            values = reduce_fn(values, axis=list(range(weight_rank, value_rank)))
        if weight_rank:
            sample_weight = ops.broadcast_to(sample_weight, ops.shape(values))
        values = ops.multiply(values, sample_weight)
        if weight_rank > 1:
            sample_weight = reduce_fn(sample_weight, axis=list(range(1, weight_rank)))
    if len(values.shape) > 1:
        values = reduce_fn(values, axis=list(range(1, len(values.shape))))
    return values, sample_weight


def _total(values: Any) -> Any:
    """Returns the sum of all values; one value is its own sum."""
    return ops.sum(values) if len(values.shape) else values


class Sum(Metric):
    """The (weighted) sum of all values.

    Args:
        name: Name in logs.
        dtype: Type of the state.

    Example:
        >>> metric = Sum()
        >>> metric.update_state([1, 3, 5])
        >>> float(metric.result())
        9.0
    """

    def __init__(self, name: str | None = "sum", dtype: Any = None):
        super().__init__(name=name, dtype=dtype)
        self.total = self.add_variable(shape=(), initializer="zeros", dtype=self.dtype, name="total")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Adds values, each times its weight."""
        values, _ = reduce_to_samplewise_values(values, sample_weight, reduce_fn=ops.sum, dtype=self.dtype)
        self.total.assign_add(_total(values))

    def result(self) -> Any:
        """Returns the sum."""
        return ops.cast(self.total, self.dtype)


class Mean(Metric):
    """The (weighted) mean of all values.

    Args:
        name: Name in logs.
        dtype: Type of the state.

    Example:
        >>> metric = Mean()
        >>> metric.update_state([1, 3, 5])
        >>> float(metric.result())
        3.0
    """

    def __init__(self, name: str | None = "mean", dtype: Any = None):
        super().__init__(name=name, dtype=dtype)
        self.total = self.add_variable(shape=(), initializer="zeros", dtype=self.dtype, name="total")
        self.count = self.add_variable(shape=(), initializer="zeros", dtype=self.dtype, name="count")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Adds values, each with its weight (1 when `None`)."""
        values, sample_weight = reduce_to_samplewise_values(values, sample_weight, reduce_fn=ops.mean, dtype=self.dtype)
        self.total.assign_add(_total(values))
        if sample_weight is not None:
            count = _total(sample_weight)
        elif len(values.shape):
            count = ops.shape(values)[0]
        else:
            count = 1
        self.count.assign_add(ops.cast(count, dtype=self.dtype))

    def result(self) -> Any:
        """Returns the mean, 0 when nothing was added."""
        return ops.divide_no_nan(self.total, self.count)


class MeanMetricWrapper(Mean):
    """The mean of a function `fn(y_true, y_pred, **kwargs)` over all samples.

    Args:
        fn: The function; it returns one value per sample.
        name: Name in logs.
        dtype: Type of the state.
        **kwargs: Further arguments of `fn`.

    Example:
        ```python
        metric = MeanMetricWrapper(lambda y_true, y_pred: ops.abs(y_true - y_pred), name="distance")
        ```
    """

    def __init__(self, fn: Callable[..., Any], name: str | None = None, dtype: Any = None, **kwargs: Any):
        super().__init__(name=name, dtype=dtype)
        self._fn = fn
        self._fn_kwargs = kwargs
        # The built-in losses, and what wraps them, are better when smaller.
        home = fn if hasattr(fn, "__name__") else type(fn)
        if getattr(home, "__module__", "").startswith("ironhorn.losses."):
            self._direction = "down"

    def update_state(  # type: ignore[override]
        self, y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> None:
        """Adds the function's values of one batch; a mask on `y_pred` sets weights to 0."""
        mask = backend.get_keras_mask(y_pred)
        values = self._fn(y_true, y_pred, **self._fn_kwargs)
        super().update_state(values, apply_mask(sample_weight, mask, dtype=self.dtype, reduction="sum"))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal metric."""
        from ironhorn.saving.registry import serialize_keras_object

        config = super().get_config()
        config["fn"] = serialize_keras_object(self._fn)
        config.update(serialize_keras_object(self._fn_kwargs))
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Metric:
        """Makes a metric from what `get_config` returned."""
        from ironhorn.saving.registry import deserialize_keras_object

        if "fn" in config:
            config = deserialize_keras_object(config)
        return cls(**config)


class BuiltInMetric(MeanMetricWrapper):
    """A wrapped built-in function: its config holds the constructor's arguments instead of the function."""

    _config_names: tuple[str, ...] = ()

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal metric."""
        return {**Metric.get_config(self), **{name: getattr(self, name) for name in self._config_names}}
