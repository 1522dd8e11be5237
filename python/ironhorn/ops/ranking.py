"""The largest elements.

Keras' names and arguments, Keras' rules for types.
"""

import math
from typing import Any

from ironhorn.errors import ShapeError
from ironhorn.ops._dispatch import op
from ironhorn.ops._values import as_dtype, as_float, handle, shape_of, tensor

__all__ = ["in_top_k", "top_k"]


@op
def top_k(x: Any, k: int, sorted: bool = True) -> Any:
    """The `k` largest elements of the last axis, and where they stand.

    Args:
        x: array.
        k: how many; at most the length of the last axis.
        sorted: must the largest come first; they always do. Of equal elements the first comes first.

    Returns:
        Two tensors of the shape of `x` with `k` in place of the last length: the elements, and their positions as
        int32.

    Raises:
        ShapeError: if the last axis is shorter than `k`.

    Example:
        >>> values, positions = top_k([5, 2, 7, 1, 9, 3], 3)
        >>> values.numpy().tolist(), positions.numpy().tolist()
        ([9, 7, 5], [4, 2, 0])
    """
    return handle["top_k"](x, k=int(k))


@op
def in_top_k(targets: Any, predictions: Any, k: int) -> Any:
    """Whether each target's prediction is among the `k` largest of its row; ties with the last of them are.

    Args:
        targets: class numbers of shape `(batch,)`.
        predictions: scores of shape `(batch, classes)`.
        k: how many classes are looked at.

    Returns:
        Booleans of the shape of `targets`; False for numbers that are no class.
    """
    targets, predictions = tensor(targets), as_float(predictions)
    if targets.ndim + 1 != predictions.ndim:
        raise ShapeError(
            f"ops.in_top_k takes a target for each row of predictions, got {targets.shape} and {predictions.shape}"
        )
    classes = shape_of(predictions)[-1]
    targets = as_dtype(targets, "int64" if targets.dtype in ("int64", "uint32", "uint64") else "int32")
    valid = handle["logical_and"](handle["greater_equal"](targets, -classes), handle["less"](targets, classes))
    places = handle["reshape"](handle["select"](valid, targets, 0), shape=[*shape_of(targets), 1])
    own = handle["take_along"](predictions, places, axis=-1)
    valid = handle["reshape"](valid, shape=[*shape_of(targets), 1])
    usable = handle["logical_and"](valid, handle["equal"](own, own))
    own = handle["select"](usable, own, -math.inf)
    above = as_dtype(handle["greater"](predictions, own), "int32")
    return handle["less"](handle["reduce"](above, kind="sum", axis=[predictions.ndim - 1]), int(k))
