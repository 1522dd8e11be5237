"""Arrays of labels and numbers: `to_categorical` and `normalize`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ironhorn import backend, ops
from ironhorn.errors import ValueRangeError


def to_categorical(x: Any, num_classes: int | None = None) -> Any:
    """Turns class numbers into rows with a 1 in the place of the class.

    Args:
        x: Integers from 0 to `num_classes - 1`, of any shape; a last axis of length 1 is dropped.
        num_classes: Number of classes. `None` means the largest number plus 1.

    Returns:
        Floats of shape `x.shape + (num_classes,)`; a tensor if `x` is one, else a NumPy array.

    Raises:
        ValueRangeError: If a number lies outside the range; a `ValueError`.

    Example:
        >>> ironhorn.utils.to_categorical([0, 2], num_classes=3)
        array([[1., 0., 0.],
               [0., 0., 1.]])
    """
    if backend.is_tensor(x):
        return ops.convert_to_tensor(to_categorical(x.numpy(), num_classes).astype(backend.floatx()))
    labels = np.asarray(x)
    if labels.dtype.kind == "f" and not np.array_equal(labels, np.trunc(labels)):
        raise ValueRangeError("Class numbers must be whole numbers. Round them first if they are scores.")
    if labels.dtype.kind not in "fiub":
        raise ValueRangeError(
            f"Class numbers must be numbers. Received: dtype={labels.dtype}. Map names to numbers first."
        )
    labels = labels.astype("int64")
    shape = labels.shape
    if len(shape) > 1 and shape[-1] == 1:
        shape = shape[:-1]
    flat = labels.reshape(-1)
    if num_classes is None:
        if not flat.size:
            raise ValueRangeError("`num_classes` must be given for no labels at all.")
        num_classes = int(flat.max()) + 1
    if flat.size and (flat.min() < 0 or flat.max() >= num_classes):
        raise ValueRangeError(
            f"Class numbers must lie from 0 to {num_classes - 1} (num_classes={num_classes}), but they run from "
            f"{flat.min()} to {flat.max()}. Number the classes from 0, or raise `num_classes`."
        )
    rows = np.zeros((flat.size, num_classes))
    rows[np.arange(flat.size), flat] = 1.0
    return rows.reshape((*shape, num_classes))


def normalize(x: Any, axis: int = -1, order: int | float = 2) -> Any:
    """Divides by the norm along an axis, so that the norm becomes 1; zeros stay zeros.

    Args:
        x: An array or tensor of numbers.
        axis: The axis along which norms are taken.
        order: The order of the norm: 1, 2, ... or `float("inf")`.

    Returns:
        An array of the same shape; a tensor if `x` is one.

    Raises:
        ValueError: If `order` is not positive.

    Example:
        >>> ironhorn.utils.normalize([[3.0, 4.0]])
        array([[0.6, 0.8]])
    """
    if isinstance(order, bool) or not isinstance(order, int | float) or order <= 0:
        raise ValueError(f"`order` must be a positive number. Received: order={order!r}")
    if backend.is_tensor(x):
        length = ops.norm(x, ord=order, axis=axis, keepdims=True)
        return ops.divide(x, ops.where(ops.equal(length, 0), ops.ones_like(length), length))
    values = np.asarray(x)
    length = np.linalg.norm(values, ord=order, axis=axis, keepdims=True)
    return values / np.where(length == 0, 1.0, length).astype(length.dtype)
