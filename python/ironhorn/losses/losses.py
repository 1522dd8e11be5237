"""The built-in losses: one function and one class each, with Keras' names, defaults and numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ironhorn import backend, ops, tree
from ironhorn.losses.loss import Loss, squeeze_or_expand_to_same_rank


class LossFunctionWrapper(Loss):
    """Makes a `Loss` of a function `fn(y_true, y_pred, **kwargs)`.

    Args:
        fn: The function; it returns one value per sample.
        reduction: See `Loss`.
        name: Name of the loss.
        dtype: See `Loss`.
        **kwargs: Further arguments of `fn`.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.fn = fn
        self._fn_kwargs = kwargs

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Brings targets and predictions to one rank and calls the function."""
        if tree.is_nested(y_pred) or tree.is_nested(y_true):
            tree.assert_same_structure(y_true, y_pred)
            pairs = [
                squeeze_or_expand_to_same_rank(target, prediction)
                for target, prediction in zip(tree.flatten(y_true), tree.flatten(y_pred), strict=True)
            ]
            y_true = tree.pack_sequence_as(y_true, [target for target, _ in pairs])
            y_pred = tree.pack_sequence_as(y_pred, [prediction for _, prediction in pairs])
        else:
            y_true, y_pred = squeeze_or_expand_to_same_rank(y_true, y_pred)
        return self.fn(y_true, y_pred, **self._fn_kwargs)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal loss."""
        from ironhorn.saving.registry import serialize_keras_object

        config = super().get_config()
        config["fn"] = serialize_keras_object(self.fn)
        config.update(serialize_keras_object(self._fn_kwargs))
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Loss:
        """Makes a loss from what `get_config` returned."""
        from ironhorn.saving.registry import deserialize_keras_object

        if "fn" in config:
            config = deserialize_keras_object(config)
        return cls(**config)

    def __repr__(self) -> str:
        return f"<LossFunctionWrapper({self.fn}, kwargs={self._fn_kwargs})>"


class _BuiltInLoss(LossFunctionWrapper):
    """A wrapped built-in function: its config holds the constructor's arguments instead of the function."""

    _config_names: tuple[str, ...] = ()

    def get_config(self) -> dict[str, Any]:
        return {**Loss.get_config(self), **{name: getattr(self, name) for name in self._config_names}}


class MeanSquaredError(_BuiltInLoss):
    """Mean of squared differences over the last axis.

    Args:
        reduction: See `Loss`.
        name: Name of the loss.
        dtype: See `Loss`.

    Example:
        >>> float(MeanSquaredError()([[1.0, 0.0]], [[0.5, 0.5]]))
        0.25
    """

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str = "mean_squared_error", dtype: Any = None
    ):
        super().__init__(mean_squared_error, reduction=reduction, name=name, dtype=dtype)


class MeanAbsoluteError(_BuiltInLoss):
    """Mean of absolute differences over the last axis.

    Args:
        reduction: See `Loss`.
        name: Name of the loss.
        dtype: See `Loss`.

    Example:
        >>> float(MeanAbsoluteError()([[1.0, 0.0]], [[0.5, 0.5]]))
        0.5
    """

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str = "mean_absolute_error", dtype: Any = None
    ):
        super().__init__(mean_absolute_error, reduction=reduction, name=name, dtype=dtype)


class BinaryCrossentropy(_BuiltInLoss):
    """Cross-entropy of two classes, targets 0 or 1, one prediction per label.

    Args:
        from_logits: Whether predictions are logits (any real number) instead of probabilities.
        label_smoothing: In [0, 1]: moves targets towards 0.5 by that share.
        axis: Axis over which the mean is taken.
        reduction: See `Loss`.
        name: Name of the loss.
        dtype: See `Loss`.

    Example:
        >>> round(float(BinaryCrossentropy()([[1.0], [0.0]], [[0.5], [0.5]])), 4)
        0.6931
    """

    _config_names = ("from_logits", "label_smoothing", "axis")

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "binary_crossentropy",
        dtype: Any = None,
    ):
        super().__init__(
            binary_crossentropy,
            reduction=reduction,
            name=name,
            dtype=dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.axis = axis


class CategoricalCrossentropy(_BuiltInLoss):
    """Cross-entropy with one-hot (or soft) targets.

    Args:
        from_logits: Whether predictions are logits instead of probabilities.
        label_smoothing: In [0, 1]: share of each target that is spread over all classes.
        axis: The class axis.
        reduction: See `Loss`.
        name: Name of the loss.
        dtype: See `Loss`.

    Example:
        >>> round(float(CategoricalCrossentropy()([[0.0, 1.0]], [[0.5, 0.5]])), 4)
        0.6931
    """

    _config_names = ("from_logits", "label_smoothing", "axis")

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "categorical_crossentropy",
        dtype: Any = None,
    ):
        super().__init__(
            categorical_crossentropy,
            reduction=reduction,
            name=name,
            dtype=dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.axis = axis


class SparseCategoricalCrossentropy(_BuiltInLoss):
    """Cross-entropy with integer class numbers as targets.

    Args:
        from_logits: Whether predictions are logits instead of probabilities.
        ignore_class: Class number whose entries do not count (neither in the sum nor in the divisor).
        reduction: See `Loss`.
        axis: The class axis.
        name: Name of the loss.
        dtype: See `Loss`.

    Raises:
        ValueRangeError: When a target is not in `[0, number of classes)`.

    Example:
        >>> round(float(SparseCategoricalCrossentropy()([1], [[0.5, 0.5]])), 4)
        0.6931
    """

    _config_names = ("from_logits", "ignore_class")

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: str | None = "sum_over_batch_size",
        axis: int = -1,
        name: str = "sparse_categorical_crossentropy",
        dtype: Any = None,
    ):
        super().__init__(
            sparse_categorical_crossentropy,
            reduction=reduction,
            name=name,
            dtype=dtype,
            from_logits=from_logits,
            ignore_class=ignore_class,
            axis=axis,
        )
        self.from_logits = from_logits
        self.ignore_class = ignore_class


def mean_squared_error(y_true: Any, y_pred: Any) -> Any:
    """Mean of squared differences over the last axis.

    Args:
        y_true: Targets, shape `(batch, ...)`.
        y_pred: Predictions, same shape.

    Returns:
        One value per sample, shape without the last axis.
    """
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = ops.convert_to_tensor(y_true, dtype=y_pred.dtype)
    y_true, y_pred = squeeze_or_expand_to_same_rank(y_true, y_pred)
    return ops.mean(ops.square(ops.subtract(y_true, y_pred)), axis=-1)


def mean_absolute_error(y_true: Any, y_pred: Any) -> Any:
    """Mean of absolute differences over the last axis.

    Args:
        y_true: Targets, shape `(batch, ...)`.
        y_pred: Predictions, same shape.

    Returns:
        One value per sample, shape without the last axis.
    """
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = ops.convert_to_tensor(y_true, dtype=y_pred.dtype)
    y_true, y_pred = squeeze_or_expand_to_same_rank(y_true, y_pred)
    return ops.mean(ops.absolute(ops.subtract(y_true, y_pred)), axis=-1)


def binary_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Any:
    """Binary cross-entropy, averaged over one axis.

    Args:
        y_true: Targets, 0 or 1, shape `(batch, ...)`.
        y_pred: Probabilities or logits, same shape.
        from_logits: Whether `y_pred` holds logits.
        label_smoothing: See `BinaryCrossentropy`.
        axis: Axis of the mean.

    Returns:
        The loss, shape without `axis`.
    """
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = ops.cast(y_true, y_pred.dtype)
    if label_smoothing:
        y_true = ops.add(ops.multiply(y_true, 1.0 - label_smoothing), 0.5 * label_smoothing)
    return ops.mean(ops.binary_crossentropy(y_true, y_pred, from_logits=from_logits), axis=axis)


def categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Any:
    """Cross-entropy with one-hot targets.

    Args:
        y_true: One-hot or soft targets, shape `(batch, ..., classes)`.
        y_pred: Probabilities or logits, same shape.
        from_logits: Whether `y_pred` holds logits.
        label_smoothing: See `CategoricalCrossentropy`.
        axis: The class axis.

    Returns:
        The loss, shape without the class axis.

    Raises:
        ValueError: If `axis` is a bool.
    """
    if isinstance(axis, bool):
        raise ValueError(f"`axis` must be of type `int`. Received: axis={axis} of type bool")
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = ops.cast(y_true, y_pred.dtype)
    if len(y_pred.shape) and y_pred.shape[-1] == 1:
        import warnings

        warnings.warn(
            f"categorical_crossentropy received y_pred of shape {tuple(y_pred.shape)}: with a single class the loss "
            "is always 0. For two classes and one output use 'binary_crossentropy'.",
            SyntaxWarning,
            stacklevel=2,
        )
    if label_smoothing:
        classes = ops.cast(ops.shape(y_true)[-1], y_pred.dtype)
        y_true = ops.add(ops.multiply(y_true, 1.0 - label_smoothing), ops.divide(label_smoothing, classes))
    return ops.categorical_crossentropy(y_true, y_pred, from_logits=from_logits, axis=axis)


def sparse_categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, ignore_class: int | None = None, axis: int = -1
) -> Any:
    """Cross-entropy with integer targets.

    Args:
        y_true: Class numbers, shape `(batch, ...)` or `(batch, ..., 1)`.
        y_pred: Probabilities or logits, shape `(batch, ..., classes)`.
        from_logits: Whether `y_pred` holds logits.
        ignore_class: Class number whose entries are 0 in the result and masked out of the mean.
        axis: The class axis.

    Returns:
        The loss, shape of `y_pred` without the class axis.
    """
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = ops.convert_to_tensor(y_true)
    if len(y_true.shape) == len(y_pred.shape) and y_true.shape[axis] == 1:
        y_true = ops.squeeze(y_true, axis=axis)
    if ignore_class is None:
        return ops.sparse_categorical_crossentropy(y_true, y_pred, from_logits=from_logits, axis=axis)
    valid = ops.not_equal(y_true, ops.cast(ignore_class, y_true.dtype))
    y_true = ops.where(valid, y_true, ops.zeros_like(y_true))
    y_pred = ops.where(ops.expand_dims(valid, axis), y_pred, ops.zeros_like(y_pred))
    values = ops.sparse_categorical_crossentropy(y_true, y_pred, from_logits=from_logits, axis=axis)
    values = ops.where(valid, values, ops.zeros_like(values))
    backend.set_keras_mask(values, valid)
    return values
