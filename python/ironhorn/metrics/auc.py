"""Areas under curves of rates."""

from __future__ import annotations

from typing import Any

import numpy as np

from ironhorn import backend, ops
from ironhorn.metrics.confusion import add_to_counts, evenly_spread
from ironhorn.metrics.metric import Metric

_CURVES = ("ROC", "PR", "PRGAIN")
_METHODS = ("interpolation", "majoring", "minoring")


def _choice(what: str, value: Any, choices: tuple[str, ...]) -> str:
    """The choice that a name, in any case, stands for."""
    found = next((choice for choice in choices if str(value).lower() == choice.lower()), None)
    if found is None:
        raise ValueError(f'Invalid AUC {what} value: "{value}". Expected one of {list(choices)}')
    return found


class AUC(Metric):
    """Area under a curve that the decisions at a list of thresholds draw.

    Args:
        num_thresholds: Number of thresholds, spread evenly over [0, 1].
        curve: `"ROC"` (found positives over wrong positives), `"PR"` (precision over recall), or `"PRGAIN"` (Flach and
            Kull, 2015).
        summation_method: `"interpolation"` (trapezoids; for PR that of Davis and Goadrich, 2006), `"minoring"` or
            `"majoring"` (the smaller or the larger side of each interval).
        name: Name in logs.
        dtype: Type of the state.
        thresholds: Thresholds in (0, 1) to use instead; 0 and 1 are added.
        multi_label: Whether each label has a curve of its own; the result is the mean of their areas.
        num_labels: Number of labels; found out at the first batch if not given.
        label_weights: Weights of the labels.
        from_logits: Whether predictions are logits.

    Raises:
        ValueError: If an argument has none of these values.

    Example:
        >>> metric = AUC(num_thresholds=3)
        >>> metric.update_state([0, 0, 1, 1], [0.0, 0.5, 0.3, 0.9])
        >>> float(metric.result())
        0.75
    """

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = None,
        dtype: Any = None,
        thresholds: Any = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: Any = None,
        from_logits: bool = False,
    ):
        super().__init__(name=name, dtype=dtype)
        self._direction = "up"
        self.curve = _choice("curve", curve, _CURVES)
        self.summation_method = _choice("summation method", summation_method, _METHODS)
        self._own_thresholds = thresholds is not None
        if thresholds is not None:
            inner = sorted(float(value) for value in thresholds)
            self.num_thresholds = len(inner) + 2
            self._even = evenly_spread(np.array([0.0, *inner, 1.0]))
        else:
            if num_thresholds <= 1:
                raise ValueError(
                    f"Argument `num_thresholds` must be an integer > 1. Received: num_thresholds={num_thresholds}"
                )
            self.num_thresholds = num_thresholds
            inner = [(i + 1) * 1.0 / (num_thresholds - 1) for i in range(num_thresholds - 2)]
            self._even = True
        # A little beyond both ends, so that predictions of 0 and 1 count.
        self._thresholds = [0.0 - backend.epsilon(), *inner, 1.0 + backend.epsilon()]
        if num_labels and not multi_label:
            raise ValueError("`num_labels` is needed only when `multi_label` is True.")
        self.multi_label = multi_label
        self.num_labels = num_labels
        self.label_weights = None if label_weights is None else np.asarray(label_weights, self.dtype)
        self._from_logits = from_logits
        self._built = False
        if not multi_label or num_labels:
            self._build((None, num_labels) if multi_label else None)

    @property
    def thresholds(self) -> list[float]:
        """The thresholds, from a little below 0 to a little above 1."""
        return list(self._thresholds)

    def _build(self, shape: Any) -> None:
        counts: tuple[int, ...] = (self.num_thresholds,)
        if self.multi_label:
            if len(shape) != 2 or shape[1] is None:
                raise ValueError(
                    "With `multi_label=True`, predictions must have shape (batch, labels). Received: "
                    f"y_pred.shape={tuple(shape)}"
                )
            counts = (self.num_thresholds, shape[1])
        self.true_positives = self.add_variable(shape=counts, initializer="zeros", name="true_positives")
        self.false_positives = self.add_variable(shape=counts, initializer="zeros", name="false_positives")
        self.true_negatives = self.add_variable(shape=counts, initializer="zeros", name="true_negatives")
        self.false_negatives = self.add_variable(shape=counts, initializer="zeros", name="false_negatives")
        self._built = True

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds one batch: targets 0 or 1, predictions in [0, 1] or logits, weights of samples."""
        y_pred = ops.convert_to_tensor(y_pred, dtype=self.dtype)
        if not self._built:
            self._build(y_pred.shape)
        if self._from_logits:
            y_pred = ops.sigmoid(y_pred)
        add_to_counts(
            {
                "tp": self.true_positives,
                "fp": self.false_positives,
                "tn": self.true_negatives,
                "fn": self.false_negatives,
            },
            y_true,
            y_pred,
            self._thresholds,
            self._even,
            sample_weight=sample_weight,
            multi_label=self.multi_label,
            label_weights=None if self.multi_label else self.label_weights,
        )

    def result(self) -> Any:
        """Returns the area."""
        if self.curve == "PR" and self.summation_method == "interpolation":
            return self._total(self._precision_recall_areas())
        tp, fp, tn, fn = (
            variable.value
            for variable in (self.true_positives, self.false_positives, self.true_negatives, self.false_negatives)
        )
        recall = ops.divide_no_nan(tp, ops.add(tp, fn))
        if self.curve == "ROC":
            x, y = ops.divide_no_nan(fp, ops.add(fp, tn)), recall
        elif self.curve == "PR":
            x, y = recall, ops.divide_no_nan(tp, ops.add(tp, fp))
        else:
            odds = ops.divide_no_nan(ops.add(tp, fn), ops.add(tn, fp))
            none = ops.equal(tp, 0.0)
            recall_gain = ops.subtract(1.0, ops.multiply(odds, ops.divide_no_nan(fn, tp)))
            precision_gain = ops.subtract(1.0, ops.multiply(odds, ops.divide_no_nan(fp, tp)))
            x = ops.maximum(ops.where(none, 0.0, recall_gain), 0.0)
            y = ops.where(none, 1.0, precision_gain)
        if self.summation_method == "interpolation":
            heights = ops.divide(ops.add(y[:-1], y[1:]), 2.0)
        elif self.summation_method == "minoring":
            heights = ops.minimum(y[:-1], y[1:])
        else:
            heights = ops.maximum(y[:-1], y[1:])
        return self._total(ops.multiply(ops.subtract(x[:-1], x[1:]), heights))

    def interpolate_pr_auc(self) -> Any:
        """Returns the area under the precision-recall curve, interpolated between its points."""
        return self._total(self._precision_recall_areas())

    def _precision_recall_areas(self) -> Any:
        """The area of each interval: between two points, false positives grow linearly with true positives."""
        tp = self.true_positives.value
        found = ops.add(tp, self.false_positives)
        gained = ops.subtract(tp[:-1], tp[1:])
        slope = ops.divide_no_nan(gained, ops.maximum(ops.subtract(found[:-1], found[1:]), 0.0))
        intercept = ops.subtract(tp[1:], ops.multiply(slope, found[1:]))
        both = ops.logical_and(ops.greater(found[:-1], 0.0), ops.greater(found[1:], 0.0))
        ratio = ops.where(both, ops.divide_no_nan(found[:-1], ops.maximum(found[1:], 0.0)), 1.0)
        area = ops.multiply(slope, ops.add(gained, ops.multiply(intercept, ops.log(ratio))))
        positives = ops.add(tp[1:], self.false_negatives[1:])
        return ops.divide_no_nan(area, ops.maximum(positives, 0.0))

    def _total(self, areas: Any) -> Any:
        """The sum over intervals, and the (weighted) mean over labels."""
        if not self.multi_label:
            return ops.sum(areas)
        by_label = ops.sum(areas, axis=0)
        if self.label_weights is None:
            return ops.mean(by_label)
        weighted = ops.sum(ops.multiply(by_label, self.label_weights))
        return ops.divide_no_nan(weighted, ops.sum(ops.convert_to_tensor(self.label_weights)))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal metric."""
        config = {
            **super().get_config(),
            "num_thresholds": self.num_thresholds,
            "curve": self.curve,
            "summation_method": self.summation_method,
            "multi_label": self.multi_label,
            "num_labels": self.num_labels,
            "label_weights": None if self.label_weights is None else self.label_weights.tolist(),
            "from_logits": self._from_logits,
        }
        if self._own_thresholds:
            config["thresholds"] = self._thresholds[1:-1]
        return config
