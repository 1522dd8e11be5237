"""Counts of right and wrong decisions, and precision, recall, sensitivity and specificity."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ironhorn import ops
from ironhorn.metrics.confusion import NEVER, add_to_counts, evenly_spread, threshold_list
from ironhorn.metrics.metric import Metric


class _Count(Metric):
    """The weight of the decisions of one kind."""

    _kind = ""

    def __init__(self, thresholds: Any = None, name: str | None = None, dtype: Any = None):
        super().__init__(name=name, dtype=dtype)
        self.init_thresholds = thresholds
        self.thresholds = threshold_list(thresholds, default=0.5)
        self._even = evenly_spread(self.thresholds)
        self.accumulator = self.add_variable(shape=(len(self.thresholds),), initializer="zeros", name="accumulator")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds one batch: targets 0 or 1, predictions in [0, 1], weights of samples."""
        add_to_counts(
            {self._kind: self.accumulator}, y_true, y_pred, self.thresholds, self._even, sample_weight=sample_weight
        )

    def result(self) -> Any:
        """Returns the count, or one for each threshold."""
        return self.accumulator[0] if len(self.thresholds) == 1 else self.accumulator.value

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal metric."""
        return {**super().get_config(), "thresholds": self.init_thresholds}


class TruePositives(_Count):
    """Weight of the positives that were predicted.

    Args:
        thresholds: Number or list of numbers in [0, 1]: predictions above are positive; 0.5 by default.
        name: Name in logs.
        dtype: Type of the state.

    Example:
        >>> metric = TruePositives()
        >>> metric.update_state([0, 1, 1, 1], [1.0, 0.0, 1.0, 1.0])
        >>> float(metric.result())
        2.0
    """

    _kind = "tp"


class FalsePositives(_Count):
    """Weight of the negatives that were predicted to be positive.

    Args:
        thresholds: Number or list of numbers in [0, 1]: predictions above are positive; 0.5 by default.
        name: Name in logs.
        dtype: Type of the state.
    """

    _kind = "fp"


class TrueNegatives(_Count):
    """Weight of the negatives that were predicted.

    Args:
        thresholds: Number or list of numbers in [0, 1]: predictions above are positive; 0.5 by default.
        name: Name in logs.
        dtype: Type of the state.
    """

    _kind = "tn"


class FalseNegatives(_Count):
    """Weight of the positives that were missed.

    Args:
        thresholds: Number or list of numbers in [0, 1]: predictions above are positive; 0.5 by default.
        name: Name in logs.
        dtype: Type of the state.
    """

    _kind = "fn"


class _Share(Metric):
    """True positives as a share of them and of one other kind."""

    _other = ""
    _other_name = ""

    def __init__(
        self,
        thresholds: Any = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(name=name, dtype=dtype)
        self._direction = "up"
        self.init_thresholds = thresholds
        self.top_k = top_k
        self.class_id = class_id
        self.thresholds = threshold_list(thresholds, default=0.5 if top_k is None else NEVER)
        self._even = evenly_spread(self.thresholds)
        shape = (len(self.thresholds),)
        self.true_positives = self.add_variable(shape=shape, initializer="zeros", name="true_positives")
        self._rest = self.add_variable(shape=shape, initializer="zeros", name=self._other_name)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds one batch: targets 0 or 1, predictions in [0, 1], weights of samples."""
        add_to_counts(
            {"tp": self.true_positives, self._other: self._rest},
            y_true,
            y_pred,
            self.thresholds,
            self._even,
            top_k=self.top_k,
            class_id=self.class_id,
            sample_weight=sample_weight,
        )

    def result(self) -> Any:
        """Returns the share, or one for each threshold; 0 where nothing was counted."""
        share = ops.divide_no_nan(self.true_positives, ops.add(self.true_positives, self._rest))
        return share[0] if len(self.thresholds) == 1 else share

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal metric."""
        own = {"thresholds": self.init_thresholds, "top_k": self.top_k, "class_id": self.class_id}
        return {**super().get_config(), **own}


class Precision(_Share):
    """Share of the predicted positives that are positive.

    Args:
        thresholds: Number or list of numbers in [0, 1]: predictions above are positive; 0.5 by default, none with
            `top_k`.
        top_k: If given, the `top_k` largest predictions of a sample are the positives (above the threshold, if given).
        class_id: If given, only this class is looked at.
        name: Name in logs.
        dtype: Type of the state.

    Example:
        >>> metric = Precision()
        >>> metric.update_state([0, 1, 1, 1], [1.0, 0.0, 1.0, 1.0])
        >>> round(float(metric.result()), 4)
        0.6667
    """

    _other, _other_name = "fp", "false_positives"

    @property
    def false_positives(self) -> Any:
        """The variable that counts false positives."""
        return self._rest


class Recall(_Share):
    """Share of the positives that were predicted.

    Args:
        thresholds: Number or list of numbers in [0, 1]: predictions above are positive; 0.5 by default, none with
            `top_k`.
        top_k: If given, the `top_k` largest predictions of a sample are the positives (above the threshold, if given).
        class_id: If given, only this class is looked at.
        name: Name in logs.
        dtype: Type of the state.

    Example:
        >>> metric = Recall()
        >>> metric.update_state([0, 1, 1, 1], [1.0, 0.0, 1.0, 1.0])
        >>> round(float(metric.result()), 4)
        0.6667
    """

    _other, _other_name = "fn", "false_negatives"

    @property
    def false_negatives(self) -> Any:
        """The variable that counts false negatives."""
        return self._rest


class _BestAtConstraint(Metric):
    """The largest value of one rate among the thresholds at which another is at least as large as wanted."""

    _constraint = ""

    def __init__(
        self,
        wanted: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ):
        if wanted < 0 or wanted > 1:
            raise ValueError(
                f"Argument `{self._constraint}` must be in the range [0, 1]. Received: {self._constraint}={wanted}"
            )
        if num_thresholds <= 0:
            raise ValueError(
                f"Argument `num_thresholds` must be an integer > 0. Received: num_thresholds={num_thresholds}"
            )
        super().__init__(name=name, dtype=dtype)
        self._direction = "up"
        setattr(self, self._constraint, wanted)
        self.value = wanted
        self.num_thresholds = num_thresholds
        self.class_id = class_id
        self._even = num_thresholds > 1
        last = num_thresholds - 1
        inner = [(i + 1) * 1.0 / last for i in range(num_thresholds - 2)]
        self.thresholds = [0.0, *inner, 1.0] if num_thresholds > 1 else [0.5]
        shape = (len(self.thresholds),)
        self.true_positives = self.add_variable(shape=shape, initializer="zeros", name="true_positives")
        self.false_positives = self.add_variable(shape=shape, initializer="zeros", name="false_positives")
        self.true_negatives = self.add_variable(shape=shape, initializer="zeros", name="true_negatives")
        self.false_negatives = self.add_variable(shape=shape, initializer="zeros", name="false_negatives")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds one batch: targets 0 or 1, predictions in [0, 1], weights of samples."""
        add_to_counts(
            {
                "tp": self.true_positives,
                "fp": self.false_positives,
                "tn": self.true_negatives,
                "fn": self.false_negatives,
            },
            y_true,
            y_pred,
            self.thresholds,
            self._even,
            class_id=self.class_id,
            sample_weight=sample_weight,
        )

    def _recall(self) -> Any:
        return ops.divide_no_nan(self.true_positives, ops.add(self.true_positives, self.false_negatives))

    def _precision(self) -> Any:
        return ops.divide_no_nan(self.true_positives, ops.add(self.true_positives, self.false_positives))

    def _specificity(self) -> Any:
        return ops.divide_no_nan(self.true_negatives, ops.add(self.true_negatives, self.false_positives))

    def _best(self, constrained: Callable[[], Any], wanted: Callable[[], Any]) -> Any:
        feasible = ops.greater_equal(constrained(), self.value)
        return ops.maximum(ops.max(ops.where(feasible, wanted(), 0.0)), 0.0)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal metric."""
        own = {
            "num_thresholds": self.num_thresholds,
            self._constraint: self.value,
            "class_id": self.class_id,
        }
        return {**super().get_config(), **own}


class SensitivityAtSpecificity(_BestAtConstraint):
    """The best share of found positives among thresholds with at least a given share of found negatives.

    Args:
        specificity: That share, in [0, 1].
        num_thresholds: Number of thresholds that are tried.
        class_id: If given, only this class is looked at.
        name: Name in logs.
        dtype: Type of the state.

    Example:
        >>> metric = SensitivityAtSpecificity(0.5)
        >>> metric.update_state([0, 0, 0, 1, 1], [0.0, 0.3, 0.8, 0.3, 0.8])
        >>> float(metric.result())
        0.5
    """

    _constraint = "specificity"

    def __init__(
        self,
        specificity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(specificity, num_thresholds, class_id, name, dtype)

    def result(self) -> Any:
        """Returns the best sensitivity."""
        return self._best(self._specificity, self._recall)


class SpecificityAtSensitivity(_BestAtConstraint):
    """The best share of found negatives among thresholds with at least a given share of found positives.

    Args:
        sensitivity: That share, in [0, 1].
        num_thresholds: Number of thresholds that are tried.
        class_id: If given, only this class is looked at.
        name: Name in logs.
        dtype: Type of the state.
    """

    _constraint = "sensitivity"

    def __init__(
        self,
        sensitivity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(sensitivity, num_thresholds, class_id, name, dtype)

    def result(self) -> Any:
        """Returns the best specificity."""
        return self._best(self._recall, self._specificity)


class PrecisionAtRecall(_BestAtConstraint):
    """The best precision among thresholds with at least a given recall.

    Args:
        recall: The recall, in [0, 1].
        num_thresholds: Number of thresholds that are tried.
        class_id: If given, only this class is looked at.
        name: Name in logs.
        dtype: Type of the state.
    """

    _constraint = "recall"

    def __init__(
        self,
        recall: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(recall, num_thresholds, class_id, name, dtype)

    def result(self) -> Any:
        """Returns the best precision."""
        return self._best(self._recall, self._precision)


class RecallAtPrecision(_BestAtConstraint):
    """The best recall among thresholds with at least a given precision.

    Args:
        precision: The precision, in [0, 1].
        num_thresholds: Number of thresholds that are tried.
        class_id: If given, only this class is looked at.
        name: Name in logs.
        dtype: Type of the state.
    """

    _constraint = "precision"

    def __init__(
        self,
        precision: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(precision, num_thresholds, class_id, name, dtype)

    def result(self) -> Any:
        """Returns the best recall."""
        return self._best(self._precision, self._recall)
