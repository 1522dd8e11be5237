"""Intersections of regions over their unions, for segmentation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ironhorn import backend, ops
from ironhorn.metrics.metric import Metric


class IoU(Metric):
    """Intersection over union of predicted and true regions, averaged over some classes.

    Args:
        num_classes: Number of classes.
        target_class_ids: The classes to average over.
        name: Name in logs.
        dtype: Type of the counts; integers by default.
        ignore_class: A class whose pixels do not count.
        sparse_y_true: Whether targets are class numbers; otherwise the largest entry of `axis` is taken.
        sparse_y_pred: Whether predictions are class numbers; otherwise the largest entry of `axis` is taken.
        axis: The class axis of targets or predictions that are not class numbers.

    Raises:
        ValueError: If a class id is not below `num_classes`.

    Example:
        >>> metric = IoU(num_classes=2, target_class_ids=[0])
        >>> metric.update_state([0, 0, 1, 1], [0, 1, 0, 1])
        >>> round(float(metric.result()), 4)
        0.3333
    """

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ):
        super().__init__(name=name, dtype=dtype or "int")
        self._direction = "up"
        if max(target_class_ids) >= num_classes:
            raise ValueError(f"Target class id {max(target_class_ids)} is out of range, which is [0, {num_classes}).")
        self.num_classes = num_classes
        self.target_class_ids = list(target_class_ids)
        self.ignore_class = ignore_class
        self.sparse_y_true = sparse_y_true
        self.sparse_y_pred = sparse_y_pred
        self.axis = axis
        self.total_cm = self.add_variable(
            shape=(num_classes, num_classes), initializer="zeros", dtype=self.dtype, name="total_confusion_matrix"
        )

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds one batch to the confusion matrix; rows are targets, columns predictions."""
        y_true = self._classes(y_true, self.sparse_y_true)
        y_pred = self._classes(y_pred, self.sparse_y_pred)
        weights = ops.ones_like(y_true)
        if sample_weight is not None:
            weights = self._weights(sample_weight, y_true)
        counted = ops.logical_and(self._known(y_true), self._known(y_pred))
        if self.ignore_class is not None:
            counted = ops.logical_and(counted, ops.not_equal(y_true, self.ignore_class))
        weights = ops.cast(ops.where(counted, weights, ops.zeros_like(weights)), self.dtype)
        place = ops.add(ops.multiply(y_true, self.num_classes), y_pred)
        place = ops.cast(ops.where(counted, place, ops.zeros_like(place)), "int32")
        cells = ops.segment_sum(weights, place, num_segments=self.num_classes**2)
        self.total_cm.assign_add(ops.reshape(cells, (self.num_classes, self.num_classes)))

    def _classes(self, values: Any, sparse: bool) -> Any:
        """Class numbers in one row."""
        values = ops.convert_to_tensor(values)
        if not sparse:
            values = ops.argmax(values, axis=self.axis)
        return ops.reshape(ops.cast(values, self.dtype), (-1,))

    def _weights(self, sample_weight: Any, y_true: Any) -> Any:
        sample_weight = ops.convert_to_tensor(sample_weight)
        if "float" in sample_weight.dtype and "int" in self.dtype:
            import warnings

            warnings.warn(
                f"{type(self).__name__} counts in {self.dtype}, and sample weights are floats: their fractions are "
                "cut off. Give the metric dtype='float32'.",
                stacklevel=3,
            )
        sample_weight = ops.cast(sample_weight, self.dtype)
        if len(sample_weight.shape) > 1:
            sample_weight = ops.reshape(sample_weight, (-1,))
        return ops.broadcast_to(sample_weight, ops.shape(y_true))

    def _known(self, classes: Any) -> Any:
        return ops.logical_and(ops.greater_equal(classes, 0), ops.less(classes, self.num_classes))

    def result(self) -> Any:
        """Returns the mean over the classes that occurred."""
        matrix = ops.cast(self.total_cm.value, "float32")
        rows = ops.convert_to_tensor(self.target_class_ids, dtype="int32")
        inside = ops.sum(ops.multiply(matrix, ops.eye(self.num_classes, dtype="float32")), axis=0)
        union = ops.subtract(ops.add(ops.sum(matrix, axis=0), ops.sum(matrix, axis=1)), inside)
        inside, union = ops.take(inside, rows), ops.take(union, rows)
        occurred = ops.greater(union, 1e-9)
        share = ops.where(occurred, ops.divide(inside, ops.add(union, backend.epsilon())), 0.0)
        count = ops.sum(ops.cast(occurred, "float32"))
        return ops.divide(ops.sum(share), ops.add(count, backend.epsilon()))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal metric."""
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "target_class_ids": self.target_class_ids,
            "ignore_class": self.ignore_class,
            "sparse_y_true": self.sparse_y_true,
            "sparse_y_pred": self.sparse_y_pred,
            "axis": self.axis,
        }

    def _config_without(self, *names: str) -> dict[str, Any]:
        return {name: value for name, value in IoU.get_config(self).items() if name not in names}


class BinaryIoU(IoU):
    """Intersection over union of two classes that a threshold separates.

    Args:
        target_class_ids: The classes to average over, of 0 and 1.
        threshold: Predictions at or above are class 1.
        name: Name in logs.
        dtype: Type of the counts; integers by default.

    Example:
        >>> metric = BinaryIoU(threshold=0.3)
        >>> metric.update_state([0, 1, 0, 1], [0.1, 0.2, 0.4, 0.7])
        >>> round(float(metric.result()), 4)
        0.3333
    """

    def __init__(
        self,
        target_class_ids: Sequence[int] = (0, 1),
        threshold: float = 0.5,
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(num_classes=2, target_class_ids=target_class_ids, name=name, dtype=dtype)
        self.threshold = threshold

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds one batch."""
        y_pred = ops.cast(ops.greater_equal(ops.cast(y_pred, "float32"), self.threshold), self.dtype)
        super().update_state(y_true, y_pred, sample_weight)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal metric."""
        unused = ("num_classes", "ignore_class", "sparse_y_true", "sparse_y_pred", "axis")
        return {**self._config_without(*unused), "threshold": self.threshold}


class MeanIoU(IoU):
    """Intersection over union, averaged over all classes.

    Args:
        num_classes: Number of classes.
        name: Name in logs.
        dtype: Type of the counts; integers by default.
        ignore_class: A class whose pixels do not count.
        sparse_y_true: Whether targets are class numbers; otherwise the largest entry of `axis` is taken.
        sparse_y_pred: Whether predictions are class numbers; otherwise the largest entry of `axis` is taken.
        axis: The class axis of targets or predictions that are not class numbers.
    """

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ):
        super().__init__(num_classes, range(num_classes), name, dtype, ignore_class, sparse_y_true, sparse_y_pred, axis)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal metric."""
        return self._config_without("target_class_ids")


class OneHotIoU(IoU):
    """Intersection over union with one-hot targets, averaged over some classes.

    Args:
        num_classes: Number of classes.
        target_class_ids: The classes to average over.
        name: Name in logs.
        dtype: Type of the counts; integers by default.
        ignore_class: A class whose pixels do not count.
        sparse_y_pred: Whether predictions are class numbers; otherwise the largest entry of `axis` is taken.
        axis: The class axis.
    """

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ):
        super().__init__(num_classes, target_class_ids, name, dtype, ignore_class, False, sparse_y_pred, axis)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal metric."""
        return self._config_without("sparse_y_true")


class OneHotMeanIoU(IoU):
    """Intersection over union with one-hot targets, averaged over all classes.

    Args:
        num_classes: Number of classes.
        name: Name in logs.
        dtype: Type of the counts; integers by default.
        ignore_class: A class whose pixels do not count.
        sparse_y_pred: Whether predictions are class numbers; otherwise the largest entry of `axis` is taken.
        axis: The class axis.
    """

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ):
        super().__init__(num_classes, range(num_classes), name, dtype, ignore_class, False, sparse_y_pred, axis)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal metric."""
        return self._config_without("target_class_ids", "sparse_y_true")
