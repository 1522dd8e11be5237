"""Products of matrices and tensors.

Keras' names and arguments, Keras' rules for types.
"""

from typing import Any

from ironhorn.backend.dtypes import is_float_dtype
from ironhorn.errors import ShapeError
from ironhorn.ops._dispatch import op
from ironhorn.ops._values import as_dtype, axes_of, common_dtype, handle, shape_of, tensor
from ironhorn.ops.einsum import einsum

__all__ = ["dot", "matmul", "tensordot"]

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


@op
def matmul(x1: Any, x2: Any) -> Any:
    """Matrix product of the last two axes.

    Leading axes broadcast; a vector is a row on the left and a column on the right.

    Raises:
        ShapeError: if the inner lengths differ.
    """
    a, b = tensor(x1), tensor(x2)
    if a.ndim == 0 or b.ndim == 0:
        raise ShapeError(f"matmul takes arrays of at least one axis, got shapes {a.shape} and {b.shape}")
    dtype = common_dtype(a, b)
    if not is_float_dtype(dtype):
        return _integer_matmul(a, b, dtype)
    a_vector, b_vector = a.ndim == 1, b.ndim == 1
    if a_vector:
        a = handle["reshape"](a, shape=[1, *shape_of(a)])
    if b_vector:
        b = handle["reshape"](b, shape=[*shape_of(b), 1])
    y = handle["matmul"](a, b)
    if a_vector or b_vector:
        shape = shape_of(y)
        y = handle["reshape"](
            y, shape=shape[:-2] + ([] if a_vector else [shape[-2]]) + ([] if b_vector else [shape[-1]])
        )
    return y


def _integer_matmul(a: Any, b: Any, dtype: str) -> Any:
    """Integer products, exact in float64 up to 2^53. Those of int8 are summed in int32."""
    product = matmul(as_dtype(a, "float64"), as_dtype(b, "float64"))
    return as_dtype(product, "int32" if a.dtype == b.dtype == "int8" else dtype)


@op
def dot(x1: Any, x2: Any) -> Any:
    """The sum of products over the last axis of `x1` and the second-to-last (or only) axis of `x2`."""
    a, b = tensor(x1), tensor(x2)
    if a.ndim == 0 or b.ndim == 0:
        return handle["multiply"](a, b)
    if b.ndim <= 2:
        return as_dtype(matmul(a, b), common_dtype(a, b))
    return tensordot(a, b, ([-1], [-2]))


@op
def tensordot(x1: Any, x2: Any, axes: Any = 2) -> Any:
    """The sum of products over pairs of axes.

    Args:
        x1: array.
        x2: array.
        axes: a number `n` (the last `n` axes of `x1` with the first `n` of `x2`), or two lists of axes.
    """
    a, b = tensor(x1), tensor(x2)
    if isinstance(axes, int):
        left, right = list(range(a.ndim - axes, a.ndim)), list(range(axes))
    else:
        left, right = axes_of(axes[0], a.ndim), axes_of(axes[1], b.ndim)
    if len(left) != len(right):
        raise ShapeError(f"ops.tensordot: axes={axes} pairs {len(left)} axes of x1 with {len(right)} of x2")
    a_term = _LETTERS[: a.ndim]
    free = iter(_LETTERS[a.ndim :])
    b_term = "".join(a_term[left[right.index(i)]] if i in right else next(free) for i in range(b.ndim))
    result = "".join(label for label in a_term + b_term if (label in a_term) != (label in b_term))
    return as_dtype(einsum(f"{a_term},{b_term}->{result}", a, b), common_dtype(a, b))
