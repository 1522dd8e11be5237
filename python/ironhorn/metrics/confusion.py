"""Counts of right and wrong decisions at a list of thresholds: what AUC, precision and recall are made of."""

from __future__ import annotations

from typing import Any

import numpy as np

from ironhorn import backend, ops
from ironhorn.losses.loss import squeeze_or_expand_to_same_rank

#: A prediction that no threshold lets pass.
NEVER = -1e10


def threshold_list(thresholds: Any, default: float) -> list[float]:
    """The thresholds that a user gave, as a list.

    Args:
        thresholds: `None`, a number, or a list of numbers in [0, 1].
        default: The threshold if none is given.

    Raises:
        ValueError: If a threshold is not in [0, 1].
    """
    if thresholds is None:
        return [default]
    found = list(thresholds) if isinstance(thresholds, (list, tuple, np.ndarray)) else [thresholds]
    invalid = [value for value in found if value is None or value < 0 or value > 1]
    if invalid:
        raise ValueError(f"Threshold values must be in [0, 1]. Received: {invalid}")
    return found


def evenly_spread(thresholds: Any) -> bool:
    """Whether at least three thresholds run from 0 to 1 in equal steps."""
    count = len(thresholds)
    if count < 3:
        return False
    even = np.arange(count, dtype="float32") / (count - 1)
    return bool(np.allclose(thresholds, even, atol=backend.epsilon()))


def add_to_counts(
    counts: dict[str, Any],
    y_true: Any,
    y_pred: Any,
    thresholds: list[float],
    even: bool,
    top_k: int | None = None,
    class_id: int | None = None,
    sample_weight: Any = None,
    multi_label: bool = False,
    label_weights: Any = None,
) -> None:
    """Adds one batch to the counts.

    Args:
        counts: Variables of shape `(thresholds,)`, or `(thresholds, labels)` if `multi_label`, by `"tp"`, `"fp"`,
            `"tn"`, `"fn"`: weights of true and false positives and negatives.
        y_true: Targets, 0 or 1, `(batch, ...)`.
        y_pred: Predictions in [0, 1], same shape.
        thresholds: A prediction above a threshold is a positive.
        even: Whether the thresholds are spread evenly, so that a prediction's place among them can be computed.
        top_k: If given, only the `top_k` largest predictions of the last axis can be positives.
        class_id: If given, only this entry of the last axis counts.
        sample_weight: Weights of the samples.
        multi_label: Whether each entry of axis 1 has counts of its own.
        label_weights: Weights of the labels, if `multi_label` is false.
    """
    dtype = next(iter(counts.values())).dtype
    y_true, y_pred = ops.cast(y_true, dtype), ops.cast(y_pred, dtype)
    y_pred, y_true = squeeze_or_expand_to_same_rank(y_pred, y_true)
    if sample_weight is not None:
        sample_weight = ops.expand_dims(ops.cast(sample_weight, dtype), axis=-1)
        _, sample_weight = squeeze_or_expand_to_same_rank(y_true, sample_weight, expand_rank_1=False)
    if top_k is not None:
        y_pred = _only_top(y_pred, top_k)
    if class_id is not None:
        if len(y_pred.shape) == 1:
            raise ValueError(
                "With `class_id`, predictions must have shape (num_samples, num_classes). Received: "
                f"y_pred.shape={tuple(y_pred.shape)}"
            )
        y_true, y_pred = (values[..., class_id : class_id + 1 or None] for values in (y_true, y_pred))
    shape = ops.shape(y_pred)
    weights = ops.ones_like(y_pred)
    if sample_weight is not None:
        weights = ops.broadcast_to(sample_weight, shape)
    if label_weights is not None:
        weights = ops.multiply(weights, ops.expand_dims(ops.cast(label_weights, dtype), 0))
    positive = ops.cast(ops.cast(y_true, "bool"), dtype)
    if not multi_label:
        positive, y_pred, weights = (ops.reshape(values, (-1, 1)) for values in (positive, y_pred, weights))
    weighted = (ops.multiply(positive, weights), ops.multiply(ops.subtract(1.0, positive), weights))
    above = _above_evenly if even else _above
    found = dict(zip(("tp", "fp"), (above(y_pred, values, thresholds) for values in weighted), strict=True))
    totals = [ops.sum(values, axis=0, keepdims=True) for values in weighted]
    found["fn"] = ops.subtract(totals[0], found["tp"])
    found["tn"] = ops.subtract(totals[1], found["fp"])
    for name, variable in counts.items():
        variable.assign_add(found[name] if multi_label else ops.squeeze(found[name], axis=1))


def _above(y_pred: Any, weights: Any, thresholds: list[float]) -> Any:
    """The weights of predictions above each threshold, `(thresholds, labels)`, by comparing every pair."""
    limits = ops.reshape(ops.convert_to_tensor(thresholds, dtype=y_pred.dtype), (-1, 1, 1))
    positive = ops.greater(ops.expand_dims(y_pred, 0), limits)
    return ops.sum(ops.where(positive, ops.expand_dims(weights, 0), 0.0), axis=1)


def _above_evenly(y_pred: Any, weights: Any, thresholds: list[float]) -> Any:
    """As `_above`, in one pass: weights are summed between neighbouring thresholds, then from the last to the first.

    Prediction `p` lies above threshold `i` of `n` if `i <= ceil(p (n - 1)) - 1`. A prediction of 0 is above none,
    except where the first threshold is a little below 0.
    """
    count = len(thresholds)
    labels = y_pred.shape[1]
    place = ops.subtract(ops.ceil(ops.multiply(ops.clip(y_pred, 0.0, 1.0), float(count - 1))), 1.0)
    if thresholds[0] < 0.0 or thresholds[-1] > 1.0:
        place = ops.relu(place)
    place = ops.cast(place, "int32")
    if labels == 1:
        sums = ops.segment_sum(ops.reshape(weights, (-1,)), ops.reshape(place, (-1,)), num_segments=count)
        return ops.reshape(ops.flip(ops.cumsum(ops.flip(sums))), (-1, 1))
    # Every label has `count` places of its own; a negative place is dropped.
    own = ops.add(place, ops.expand_dims(ops.multiply(ops.arange(labels, dtype="int32"), count), 0))
    place = ops.where(ops.less(place, 0), -1, own)
    sums = ops.segment_sum(ops.reshape(weights, (-1,)), ops.reshape(place, (-1,)), num_segments=labels * count)
    sums = ops.flip(ops.reshape(sums, (labels, count)), axis=1)
    return ops.transpose(ops.flip(ops.cumsum(sums, axis=1), axis=1))


def _only_top(y_pred: Any, k: int) -> Any:
    """The `k` largest predictions of the last axis; the others are never positive."""
    _, places = ops.top_k(y_pred, k)
    chosen = ops.sum(ops.one_hot(places, y_pred.shape[-1], dtype=y_pred.dtype), axis=-2)
    return ops.add(ops.multiply(y_pred, chosen), ops.multiply(ops.subtract(1.0, chosen), NEVER))
