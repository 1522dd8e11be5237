"""Losses of probabilities: cross-entropies and their relatives."""

from __future__ import annotations

from typing import Any

from ironhorn import backend, ops
from ironhorn.losses.wrapper import BuiltInLoss, same_type


class BinaryCrossentropy(BuiltInLoss):
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


class CategoricalCrossentropy(BuiltInLoss):
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


class SparseCategoricalCrossentropy(BuiltInLoss):
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


class BinaryFocalCrossentropy(BuiltInLoss):
    """Binary cross-entropy in which what is easy counts less (Lin et al., 2017, "Focal loss").

    Args:
        apply_class_balancing: Whether class 1 is weighted by `alpha` and class 0 by `1 - alpha`.
        alpha: Weight of class 1 if classes are balanced.
        gamma: Exponent of the factor `(1 - probability of the target) ** gamma`.
        from_logits: Whether predictions are logits instead of probabilities.
        label_smoothing: In [0, 1]: moves targets towards 0.5 by that share.
        axis: Axis over which the mean is taken.
        reduction: See `Loss`.
        name: Name of the loss.
        dtype: See `Loss`.

    Example:
        >>> round(float(BinaryFocalCrossentropy()([[1.0]], [[0.5]])), 4)
        0.1733
    """

    _config_names = ("apply_class_balancing", "alpha", "gamma", "from_logits", "label_smoothing", "axis")

    def __init__(
        self,
        apply_class_balancing: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "binary_focal_crossentropy",
        dtype: Any = None,
    ):
        super().__init__(
            binary_focal_crossentropy,
            reduction=reduction,
            name=name,
            dtype=dtype,
            apply_class_balancing=apply_class_balancing,
            alpha=alpha,
            gamma=gamma,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )
        self.apply_class_balancing = apply_class_balancing
        self.alpha = alpha
        self.gamma = gamma
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.axis = axis


class CategoricalFocalCrossentropy(BuiltInLoss):
    """Cross-entropy in which what is easy counts less (Lin et al., 2017, "Focal loss").

    Args:
        alpha: Weight, or a weight for each class.
        gamma: Exponent of the factor `(1 - probability) ** gamma`.
        from_logits: Whether predictions are logits instead of probabilities.
        label_smoothing: In [0, 1]: share of each target that is spread over all classes.
        axis: The class axis.
        reduction: See `Loss`.
        name: Name of the loss.
        dtype: See `Loss`.

    Example:
        >>> round(float(CategoricalFocalCrossentropy()([[0.0, 1.0]], [[0.5, 0.5]])), 4)
        0.0433
    """

    _config_names = ("alpha", "gamma", "from_logits", "label_smoothing", "axis")

    def __init__(
        self,
        alpha: Any = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "categorical_focal_crossentropy",
        dtype: Any = None,
    ):
        super().__init__(
            categorical_focal_crossentropy,
            reduction=reduction,
            name=name,
            dtype=dtype,
            alpha=alpha,
            gamma=gamma,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )
        self.alpha = alpha
        self.gamma = gamma
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.axis = axis


class CategoricalGeneralizedCrossEntropy(BuiltInLoss):
    """Cross-entropy that withstands wrong labels: `(1 - p ** q) / q` (Zhang and Sabuncu, 2018).

    Args:
        q: Between 0 (cross-entropy) and 1 (mean absolute error).
        reduction: See `Loss`.
        name: Name of the loss.
        dtype: See `Loss`.

    Example:
        >>> float(CategoricalGeneralizedCrossEntropy()([1], [[0.75, 0.25]]))
        1.0
    """

    _config_names = ("q",)

    def __init__(
        self,
        q: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str = "categorical_generalized_cross_entropy",
        dtype: Any = None,
    ):
        if not 0 < q < 1:
            raise ValueError(f"`q` must be between 0 and 1, both excluded. Received: q={q}")
        super().__init__(categorical_generalized_cross_entropy, reduction=reduction, name=name, dtype=dtype, q=q)
        self.q = q


class KLDivergence(BuiltInLoss):
    """Kullback-Leibler divergence `sum(y_true * log(y_true / y_pred))` over the last axis.

    Args:
        reduction: See `Loss`.
        name: Name of the loss.
        dtype: See `Loss`.

    Example:
        >>> round(float(KLDivergence()([[0.5, 0.5]], [[0.25, 0.75]])), 4)
        0.1438
    """

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str = "kl_divergence", dtype: Any = None):
        super().__init__(kl_divergence, reduction=reduction, name=name, dtype=dtype)


class Poisson(BuiltInLoss):
    """Poisson loss `y_pred - y_true * log(y_pred)`, averaged over the last axis.

    Args:
        reduction: See `Loss`.
        name: Name of the loss.
        dtype: See `Loss`.

    Example:
        >>> round(float(Poisson()([[1.0]], [[1.0]])), 4)
        1.0
    """

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str = "poisson", dtype: Any = None):
        super().__init__(poisson, reduction=reduction, name=name, dtype=dtype)


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
    y_true, y_pred = same_type(y_true, y_pred)
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
    check_class_axis(axis)
    y_true, y_pred = same_type(y_true, y_pred)
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


def binary_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Any:
    """Binary focal cross-entropy, averaged over one axis.

    Args:
        y_true: Targets, shape `(batch, ...)`.
        y_pred: Predictions, same shape.
        apply_class_balancing: See `BinaryFocalCrossentropy`.
        alpha: See `BinaryFocalCrossentropy`.
        gamma: See `BinaryFocalCrossentropy`.
        from_logits: Whether `y_pred` holds logits.
        label_smoothing: See `BinaryFocalCrossentropy`.
        axis: Axis of the mean.

    Returns:
        The loss, shape without `axis`.
    """
    y_true, y_pred = same_type(y_true, y_pred)
    if label_smoothing:
        y_true = ops.add(ops.multiply(y_true, 1.0 - label_smoothing), 0.5 * label_smoothing)
    if from_logits:
        y_pred = ops.sigmoid(y_pred)
    values = ops.binary_crossentropy(y_true, y_pred)
    rest = ops.subtract(1.0, y_true)
    right = ops.add(ops.multiply(y_true, y_pred), ops.multiply(rest, ops.subtract(1.0, y_pred)))
    values = ops.multiply(ops.power(ops.subtract(1.0, right), gamma), values)
    if apply_class_balancing:
        values = ops.multiply(ops.add(ops.multiply(y_true, alpha), ops.multiply(rest, 1.0 - alpha)), values)
    return ops.mean(values, axis=axis)


def categorical_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    alpha: Any = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Any:
    """Focal cross-entropy with one-hot targets.

    Args:
        y_true: Targets, shape `(batch, ..., classes)`.
        y_pred: Predictions, same shape.
        alpha: See `CategoricalFocalCrossentropy`.
        gamma: See `CategoricalFocalCrossentropy`.
        from_logits: Whether `y_pred` holds logits.
        label_smoothing: See `CategoricalFocalCrossentropy`.
        axis: The class axis.

    Returns:
        The loss, shape without the class axis.
    """
    check_class_axis(axis)
    y_true, y_pred = same_type(y_true, y_pred)
    if label_smoothing:
        classes = ops.cast(ops.shape(y_true)[-1], y_pred.dtype)
        y_true = ops.add(ops.multiply(y_true, 1.0 - label_smoothing), ops.divide(label_smoothing, classes))
    if from_logits:
        y_pred = ops.softmax(y_pred, axis=axis)
    y_pred = ops.divide(y_pred, ops.sum(y_pred, axis=axis, keepdims=True))
    y_pred = ops.clip(y_pred, backend.epsilon(), 1.0 - backend.epsilon())
    values = ops.negative(ops.multiply(y_true, ops.log(y_pred)))
    factor = ops.multiply(ops.power(ops.subtract(1.0, y_pred), gamma), ops.cast(alpha, y_pred.dtype))
    return ops.sum(ops.multiply(factor, values), axis=axis)


def categorical_generalized_cross_entropy(y_true: Any, y_pred: Any, q: float) -> Any:
    """Generalised cross-entropy with integer targets.

    Args:
        y_true: Class numbers, shape `(batch, ...)`.
        y_pred: Probabilities, shape `(batch, ..., classes)`.
        q: Between 0 and 1; see `CategoricalGeneralizedCrossEntropy`.

    Returns:
        The loss, shape of `y_true`.
    """
    y_pred = ops.convert_to_tensor(y_pred)
    hot = ops.one_hot(ops.cast(y_true, "int32"), y_pred.shape[-1], dtype=y_pred.dtype)
    chosen = ops.sum(ops.multiply(y_pred, hot), axis=-1)
    return ops.divide(ops.subtract(1.0, ops.power(chosen, q)), q)


def kl_divergence(y_true: Any, y_pred: Any) -> Any:
    """Kullback-Leibler divergence over the last axis.

    Args:
        y_true: Targets, shape `(batch, ...)`.
        y_pred: Predictions, same shape.

    Returns:
        One value per sample, shape without the last axis.
    """
    y_true, y_pred = same_type(y_true, y_pred)
    y_true = ops.clip(y_true, backend.epsilon(), 1.0)
    y_pred = ops.clip(y_pred, backend.epsilon(), 1.0)
    return ops.sum(ops.multiply(y_true, ops.log(ops.divide(y_true, y_pred))), axis=-1)


def poisson(y_true: Any, y_pred: Any) -> Any:
    """Poisson loss, averaged over the last axis.

    Args:
        y_true: Targets, shape `(batch, ...)`.
        y_pred: Predictions, same shape.

    Returns:
        One value per sample, shape without the last axis.
    """
    y_true, y_pred = same_type(y_true, y_pred)
    values = ops.subtract(y_pred, ops.multiply(y_true, ops.log(ops.add(y_pred, backend.epsilon()))))
    return ops.mean(values, axis=-1)


def check_class_axis(axis: Any) -> None:
    """Refuses `True` and `False`, which are likely to be a misplaced `from_logits`."""
    if isinstance(axis, bool):
        raise ValueError(f"`axis` must be of type `int`. Received: axis={axis} of type bool")
