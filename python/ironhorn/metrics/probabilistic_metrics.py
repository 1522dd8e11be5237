"""Cross-entropies and other losses of probabilities as metrics."""

from __future__ import annotations

from typing import Any

from ironhorn.losses.probabilistic import (
    binary_crossentropy,
    categorical_crossentropy,
    kl_divergence,
    poisson,
    sparse_categorical_crossentropy,
)
from ironhorn.metrics.reduction_metrics import BuiltInMetric


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


class KLDivergence(BuiltInMetric):
    """Kullback-Leibler divergence `sum(y_true * log(y_true / y_pred))`.

    Args:
        name: Name in logs.
        dtype: Type of the state.
    """

    def __init__(self, name: str | None = "kl_divergence", dtype: Any = None):
        super().__init__(kl_divergence, name=name, dtype=dtype)


class Poisson(BuiltInMetric):
    """Poisson loss `y_pred - y_true * log(y_pred)`.

    Args:
        name: Name in logs.
        dtype: Type of the state.
    """

    def __init__(self, name: str | None = "poisson", dtype: Any = None):
        super().__init__(poisson, name=name, dtype=dtype)
