"""`Loss`, the base of all losses, and the reductions that it shares with metrics."""

from __future__ import annotations

from typing import Any

from ironhorn import backend, ops, tree
from ironhorn.training.names import compute_dtype

REDUCTIONS = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None)


class Loss:
    """Base class of losses.

    Subclasses define `call(y_true, y_pred)`, which returns one value per sample (or per time step); the base
    class applies weights and masks and reduces the values to a scalar.

    Args:
        name: Name of the loss; the class name in snake case when `None`.
        reduction: `"sum_over_batch_size"` (same as `"mean"`: sum of the values over their count), `"sum"`,
            `"mean_with_sample_weight"` (sum over the sum of the weights), or `None` / `"none"` for no
            reduction.
        dtype: Type to compute in; the default float type when `None`.

    Raises:
        ValueError: If `reduction` is none of the above.

    Example:
        ```python
        class CubedError(Loss):
            def call(self, y_true, y_pred):
                return ops.mean(ops.abs(y_true - y_pred) ** 3, axis=-1)
        ```
    """

    def __init__(self, name: str | None = None, reduction: str | None = "sum_over_batch_size", dtype: Any = None):
        self.name = name or backend.auto_name(self.__class__.__name__)
        self.reduction = standardize_reduction(reduction)
        self._dtype = compute_dtype(dtype)

    @property
    def dtype(self) -> str:
        """The dtype in which the loss is computed."""
        return self._dtype

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Computes the reduced loss.

        Args:
            y_true: Targets, a tensor or a structure of tensors.
            y_pred: Predictions; a Keras mask on it removes the masked entries.
            sample_weight: Weights that broadcast against the unreduced loss.

        Returns:
            A scalar tensor, or the unreduced values when `reduction` is `None`.
        """
        prediction_mask = backend.get_keras_mask(y_pred)
        y_pred = tree.map_structure(lambda x: ops.convert_to_tensor(x, dtype=self.dtype), y_pred)
        y_true = tree.map_structure(lambda x: ops.convert_to_tensor(x, dtype=self.dtype), y_true)
        values = self.call(y_true, y_pred)
        mask = backend.get_keras_mask(values)
        if mask is None:
            mask = prediction_mask
        elif prediction_mask is not None:
            mask = ops.logical_and(prediction_mask, mask)
        return reduce_weighted_values(values, sample_weight, mask, self.reduction, self.dtype)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Computes the loss of each sample; subclasses override it.

        Args:
            y_true: Targets, already of the loss's dtype.
            y_pred: Predictions, already of the loss's dtype.

        Returns:
            The unreduced loss.
        """
        raise NotImplementedError(f"{self.__class__.__name__} must define call(self, y_true, y_pred).")

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal loss."""
        return {"name": self.name, "reduction": self.reduction}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Loss:
        """Makes a loss from what `get_config` returned."""
        return cls(**config)


def standardize_reduction(reduction: str | None) -> str | None:
    """Returns `reduction` unchanged if it is one that Keras knows, else raises `ValueError`."""
    if reduction not in REDUCTIONS:
        known = ", ".join(repr(name) for name in REDUCTIONS)
        raise ValueError(
            f"Invalid value for argument `reduction`. Expected one of {known}. Received: reduction={reduction!r}"
        )
    return reduction


def squeeze_or_expand_to_same_rank(x1: Any, x2: Any, expand_rank_1: bool = True) -> tuple[Any, Any]:
    """Makes two tensors whose ranks differ by one have the same rank.

    A last axis of size 1 is dropped from the larger one; where the smaller one has rank 1 it gains that axis
    instead (unless `expand_rank_1` is false). Anything else is returned unchanged.

    Args:
        x1: A tensor.
        x2: A tensor.
        expand_rank_1: Whether a vector may be expanded.

    Returns:
        Both tensors.
    """
    rank1, rank2 = len(x1.shape), len(x2.shape)
    if rank1 == rank2 + 1 and x1.shape[-1] == 1:
        if rank2 == 1 and expand_rank_1:
            return x1, ops.expand_dims(x2, axis=-1)
        return ops.squeeze(x1, axis=-1), x2
    if rank2 == rank1 + 1 and x2.shape[-1] == 1:
        if rank1 == 1 and expand_rank_1:
            return ops.expand_dims(x1, axis=-1), x2
        return x1, ops.squeeze(x2, axis=-1)
    return x1, x2


def element_count(x: Any, dtype: str) -> Any:
    """Returns the number of elements of `x` as a scalar of `dtype`, also where axes are unknown while tracing."""
    known = 1
    count: Any = None
    for size in ops.shape(x):
        if isinstance(size, int):
            known *= size
        else:
            size = ops.cast(size, dtype)
            count = size if count is None else ops.multiply(count, size)
    known_count = ops.convert_to_tensor(known, dtype=dtype)
    return known_count if count is None else ops.multiply(count, known_count)


def apply_mask(sample_weight: Any, mask: Any, dtype: str, reduction: str | None) -> Any:
    """Merges a mask into sample weights.

    For the mean reductions a valid entry gets the weight `total / valid`, so that dividing by all entries
    afterwards gives the mean over the valid ones.

    Args:
        sample_weight: Weights or `None`.
        mask: Boolean mask or `None`.
        dtype: Type of the result.
        reduction: The reduction that follows.

    Returns:
        The merged weights, or `None` when there is neither mask nor weight.
    """
    if mask is None:
        return sample_weight
    weights = ops.cast(mask, dtype)
    if reduction in ("mean", "sum_over_batch_size"):
        valid = ops.sum(weights)
        weights = ops.multiply(weights, ops.divide_no_nan(element_count(mask, dtype), valid))
    if sample_weight is None:
        return weights
    weights, sample_weight = squeeze_or_expand_to_same_rank(weights, ops.cast(sample_weight, dtype))
    return ops.multiply(sample_weight, weights)


def reduce_values(values: Any, sample_weight: Any = None, reduction: str | None = "sum_over_batch_size") -> Any:
    """Reduces already weighted values to a scalar.

    Args:
        values: The unreduced loss.
        sample_weight: The weights, for `"mean_with_sample_weight"`.
        reduction: See `Loss`.

    Returns:
        A scalar, or `values` where there is nothing to reduce.
    """
    shape = tuple(values.shape)
    if reduction in (None, "none") or shape in ((), (0,)):
        return values
    if reduction == "sum" or 0 in shape:
        return ops.sum(values)
    if reduction == "mean_with_sample_weight" and sample_weight is not None:
        return ops.divide_no_nan(ops.sum(values), ops.cast(ops.sum(sample_weight), values.dtype))
    return ops.mean(values)


def reduce_weighted_values(
    values: Any,
    sample_weight: Any = None,
    mask: Any = None,
    reduction: str | None = "sum_over_batch_size",
    dtype: str | None = None,
) -> Any:
    """Applies weights and mask to a loss and reduces it.

    Args:
        values: The unreduced loss.
        sample_weight: Weights or `None`.
        mask: Boolean mask or `None`.
        reduction: See `Loss`.
        dtype: Type to compute in; that of `values` when `None`.

    Returns:
        The reduced loss.
    """
    values = ops.convert_to_tensor(values, dtype=dtype)
    if sample_weight is not None:
        sample_weight = ops.convert_to_tensor(sample_weight, dtype=values.dtype)
    sample_weight = apply_mask(sample_weight, mask, dtype=values.dtype, reduction=reduction)
    if sample_weight is not None:
        values, sample_weight = squeeze_or_expand_to_same_rank(values, sample_weight)
        values = ops.multiply(values, sample_weight)
    return reduce_values(values, sample_weight, reduction)
