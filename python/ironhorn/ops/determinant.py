"""Determinants, ranks and norms of matrices."""

from typing import Any

import numpy as np

from ironhorn import _core
from ironhorn.errors import ValueRangeError
from ironhorn.ops import reduction
from ironhorn.ops._dispatch import op
from ironhorn.ops._matrices import call, corner, matrices, swap
from ironhorn.ops._values import as_dtype, as_float, axes_of, handle, shape_of
from ironhorn.ops.decomposition import svd
from ironhorn.ops.solver import inv

__all__ = ["det", "logdet", "matrix_rank", "norm", "slogdet"]


def _det_rule(inputs: Any, outputs: Any, gradients: Any) -> Any:
    factor = corner(handle["multiply"](gradients[0], outputs[0]))
    return [handle["multiply"](factor, swap(inv(inputs[0])))]


_DET = _core.HostFunction("det", np.linalg.det, _det_rule)


@op
def det(x: Any) -> Any:
    """The determinants of square matrices.

    Args:
        x: array of shape `(..., M, M)`. Derivatives need matrices that are not singular.

    Raises:
        ShapeError: if the matrices are not square.
    """
    x = matrices("det", x, square=True)
    return call(_DET, [x], [(x.dtype, shape_of(x)[:-2])])


def _slogdet_rule(inputs: Any, outputs: Any, gradients: Any) -> Any:
    # The sign is piecewise constant.
    g = gradients[1]
    return [None if g is None else handle["multiply"](corner(g), swap(inv(inputs[0])))]


def _compute_slogdet(x: Any) -> Any:
    return tuple(np.linalg.slogdet(x))


_SLOGDET = _core.HostFunction("slogdet", _compute_slogdet, _slogdet_rule)


@op
def slogdet(x: Any) -> Any:
    """The signs of the determinants of square matrices and the logarithms of their absolute values.

    Args:
        x: array of shape `(..., M, M)`.

    Returns:
        The tuple `(sign, logarithm)`; 0 and minus infinity for a singular matrix.

    Raises:
        ShapeError: if the matrices are not square.
    """
    x = matrices("slogdet", x, square=True)
    return call(_SLOGDET, [x], [(x.dtype, shape_of(x)[:-2])] * 2)


@op
def logdet(x: Any) -> Any:
    """The logarithms of the absolute values of the determinants of square matrices."""
    x = matrices("logdet", x, square=True)
    return call(_SLOGDET, [x], [(x.dtype, shape_of(x)[:-2])] * 2)[1]


def _nothing(inputs: Any, outputs: Any, gradients: Any) -> Any:
    return [None] * len(inputs)


def _compute_rank(x: Any, tolerance: Any) -> Any:
    s = np.linalg.svd(x, compute_uv=False)
    if tolerance < 0:
        tolerance = s.max(axis=-1, keepdims=True, initial=0) * max(x.shape[-2:]) * np.finfo(x.dtype).eps
    return np.count_nonzero(s > tolerance, axis=-1).astype("int32")


_RANK = _core.HostFunction("matrix_rank", _compute_rank, _nothing)


@op
def matrix_rank(x: Any, tol: Any = None) -> Any:
    """How many singular values of matrices are larger than a tolerance.

    Args:
        x: array of shape `(..., M, N)`.
        tol: the tolerance; by default as many rounding errors of the largest singular value as the longer side has
            elements.

    Returns:
        `int32` array of the shape of `x` without its last two axes.
    """
    x = matrices("matrix_rank", x)
    tolerance = _core.tensor(-1.0 if tol is None else float(tol), x.dtype)
    return call(_RANK, [x, tolerance], [("int32", shape_of(x)[:-2])])


def _vector_norm(x: Any, order: Any, axes: Any, keepdims: bool) -> Any:
    size = handle["absolute"](x)
    if order is None or order == 2:
        return handle["sqrt"](reduction.sum(handle["square"](x), axes, keepdims))
    if order == float("inf"):
        return reduction.max(size, axes, keepdims)
    if order == float("-inf"):
        return reduction.min(size, axes, keepdims)
    if order == 0:
        return reduction.sum(as_dtype(handle["not_equal"](x, 0), x.dtype), axes, keepdims)
    if order == 1:
        return reduction.sum(size, axes, keepdims)
    if isinstance(order, str):
        raise ValueRangeError(f"ord={order!r} is a norm of matrices; give two axes, or a number for norms of vectors")
    powers = reduction.sum(handle["power"](size, float(order)), axes, keepdims)
    return handle["power"](powers, 1.0 / float(order))


def _matrix_norm(x: Any, order: Any, axes: list[int], keepdims: bool) -> Any:
    if order is None or order == "fro":
        return handle["sqrt"](reduction.sum(handle["square"](x), tuple(axes), keepdims))
    rows, columns = axes
    if order in (1, -1, float("inf"), float("-inf")):
        first, second = (rows, columns) if abs(order) == 1 else (columns, rows)
        sums = reduction.sum(handle["absolute"](x), first, True)
        found = (reduction.max if order > 0 else reduction.min)(sums, second, True)
    elif order in ("nuc", 2, -2):
        rest = [axis for axis in range(x.ndim) if axis not in axes]
        values = svd(handle["transpose"](x, axes=[*rest, rows, columns]), compute_uv=False)
        reduce = reduction.sum if order == "nuc" else reduction.max if order == 2 else reduction.min
        found = reduce(values, -1)
        shape = shape_of(x)
        found = handle["reshape"](found, shape=[1 if axis in axes else shape[axis] for axis in range(x.ndim)])
    else:
        raise ValueRangeError(f"ord must be one of 1, -1, 2, -2, inf, -inf, 'fro', 'nuc' for matrices, got {order!r}")
    if keepdims:
        return found
    shape = shape_of(found)
    return handle["reshape"](found, shape=[shape[axis] for axis in range(x.ndim) if axis not in axes])


@op
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """The norms of vectors along one axis, or of matrices along two.

    Args:
        x: array.
        ord: for vectors a number, infinity or minus infinity (the largest and smallest absolute value), 0 (how many are
            not 0), 2 by default; for matrices 1 or -1 (the largest and smallest column sum of absolute values),
            infinity or minus infinity (row sums), 2 or -2 (singular values), "nuc" (their sum), "fro" (the root of the
            sum of squares), which is the default.
        axis: axis of the vectors, or pair of axes of the matrices. None: all elements as one vector if `ord` is None,
            else the array must have one or two axes.
        keepdims: whether to leave axes of length 1 in the place of those named.

    Raises:
        ValueRangeError: for another `ord`, or if there are too many axes.
    """
    x = as_float(x)
    if axis is None and ord is None:
        return handle["sqrt"](reduction.sum(handle["square"](x), None, keepdims))
    axes = axes_of(axis, x.ndim)
    if len(axes) == 1:
        return _vector_norm(x, ord, axes[0], keepdims)
    if len(axes) != 2 or axes[0] == axes[1]:
        raise ValueRangeError(
            f"ops.norm with ord={ord!r} takes one axis or two different ones, got axis={axis!r} for shape {x.shape}"
        )
    return _matrix_norm(x, ord, axes, keepdims)
