"""Cross entropies of probabilities or logits."""

from typing import Any

from ironhorn.backend.config import epsilon
from ironhorn.errors import ShapeError
from ironhorn.ops import numpy as np_ops
from ironhorn.ops._dispatch import op
from ironhorn.ops._values import as_dtype, as_float, axis_of, handle, tensor

__all__ = ["binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy"]


def _same_shapes(target: Any, output: Any, what: str) -> tuple[Any, Any]:
    target, output = tensor(target), as_float(output)
    target = as_dtype(target, output.dtype)
    if target.ndim != output.ndim or builtin_any(
        a is not None and b is not None and a != b for a, b in zip(target.shape, output.shape, strict=True)
    ):
        raise ShapeError(
            f"{what}: targets and predictions must have the same shape, got targets {target.shape} and predictions "
            f"{output.shape}"
        )
    return target, output


def builtin_any(values: Any) -> bool:
    """Whether any of some Python values is true."""
    return any(values)


@op
def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Any:
    """`-(t log p + (1 - t) log(1 - p))`, element by element.

    Args:
        target: zeros and ones, or probabilities.
        output: probabilities, or logits with `from_logits`.
        from_logits: whether `output` goes through a sigmoid first.

    Raises:
        ShapeError: if the shapes differ.
    """
    target, output = _same_shapes(target, output, "binary_crossentropy")
    if from_logits:
        # max(x, 0) - x t + log(1 + exp(-|x|))
        soft = handle["log1p"](handle["exp"](handle["negative"](handle["absolute"](output))))
        linear = handle["subtract"](handle["relu"](output), handle["multiply"](output, target))
        return handle["add"](linear, soft)
    output = np_ops.clip(output, epsilon(), 1.0 - epsilon())
    yes = handle["multiply"](target, handle["log"](output))
    no = handle["multiply"](handle["subtract"](1.0, target), handle["log"](handle["subtract"](1.0, output)))
    return handle["negative"](handle["add"](yes, no))


def _loss(output: Any, target: Any, from_logits: bool, sparse: bool) -> Any:
    """Returns a loss for every row of the last axis; probabilities are clipped to `epsilon()` from 0 and 1."""
    margin = {} if from_logits else {"margin": epsilon()}
    return handle["cross_entropy"](output, target, sparse=sparse, **margin)


@op
def categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Any:
    """`-sum(t log p)` along the class axis.

    Args:
        target: one-hot rows or probabilities, of the shape of `output`.
        output: probabilities, or logits with `from_logits`.
        from_logits: whether `output` goes through a softmax first.
        axis: the class axis.

    Raises:
        ShapeError: if the shapes differ.
    """
    target, output = _same_shapes(target, output, "categorical_crossentropy")
    if output.ndim < 1:
        raise ShapeError("categorical_crossentropy: predictions need a class axis, got a scalar")
    place = axis_of(axis, output.ndim)
    if place != output.ndim - 1:
        target, output = np_ops.moveaxis(target, place, -1), np_ops.moveaxis(output, place, -1)
    return _loss(output, target, from_logits, sparse=False)


@op
def sparse_categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Any:
    """`-log p[t]` along the class axis, for integer targets.

    Args:
        target: class numbers, of the shape of `output` without the class axis (or with length 1 in its place).
        output: probabilities, or logits with `from_logits`.
        from_logits: whether `output` goes through a softmax first.
        axis: the class axis.

    Raises:
        ShapeError: if the shapes do not fit.
        ValueRangeError: for a label outside the classes.
    """
    target, output = tensor(target), as_float(output)
    if target.dtype not in ("int32", "int64"):
        target = as_dtype(target, "int32")
    if output.ndim < 1:
        raise ShapeError("sparse_categorical_crossentropy: predictions need a class axis, got a scalar")
    place = axis_of(axis, output.ndim)
    if target.ndim == output.ndim and target.shape[place] == 1:
        target = np_ops.squeeze(target, place)
    rows = [n for i, n in enumerate(output.shape) if i != place]
    if target.ndim != len(rows) or builtin_any(
        a is not None and b is not None and a != b for a, b in zip(target.shape, rows, strict=True)
    ):
        raise ShapeError(
            f"sparse_categorical_crossentropy: integer targets of shape {target.shape} do not fit predictions of shape "
            f"{output.shape}; targets have the predictions' shape without the class axis (for one-hot targets use "
            "categorical_crossentropy)"
        )
    if place != output.ndim - 1:
        output = np_ops.moveaxis(output, place, -1)
    return _loss(output, target, from_logits, sparse=True)
