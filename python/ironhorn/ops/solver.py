"""Linear equations and inverses.

NumPy computes; derivatives are those of Giles, "Collected matrix derivative results for forward and reverse mode
algorithmic differentiation" (2008), and of Golub and Pereyra, "The differentiation of pseudo-inverses and nonlinear
least squares problems" (1973).
"""

import functools
from typing import Any

import numpy as np

from ironhorn import _core
from ironhorn.errors import ShapeError
from ironhorn.ops._dispatch import op
from ironhorn.ops._matrices import (
    call,
    column,
    computable,
    identity_like,
    lower_part,
    matrices,
    product,
    swap,
    total,
    upper_part,
)
from ironhorn.ops._values import as_dtype, as_float, common_dtype, handle, shape_of, tensor
from ironhorn.ops.product import matmul

__all__ = ["cholesky_inverse", "inv", "lstsq", "pinv", "solve", "solve_triangular"]

# Rows that are eliminated at once, by products of matrices.
_BLOCK = 32


def _negative(x: Any) -> Any:
    return handle["negative"](x)


def _inverse_rule(inputs: Any, outputs: Any, gradients: Any) -> Any:
    turned = swap(outputs[0])
    return [_negative(product(turned, gradients[0], turned))]


_INV = _core.HostFunction("inv", np.linalg.inv, _inverse_rule)


@op
def inv(x: Any) -> Any:
    """The inverses of square matrices.

    Args:
        x: array of shape `(..., M, M)`.

    Raises:
        ShapeError: if the matrices are not square.
        ValueRangeError: if one is singular.

    Example:
        >>> from ironhorn import ops
        >>> ops.inv([[2.0, 0.0], [0.0, 4.0]]).numpy().tolist()
        [[0.5, 0.0], [0.0, 0.25]]
    """
    x = matrices("inv", x, square=True)
    return call(_INV, [x], [(x.dtype, shape_of(x))])


def _pseudo_inverse(rcond: float | None, x: Any) -> Any:
    # As NumPy's, with the cut-off that Keras has on JAX.
    cut = 10.0 * max(x.shape[-2:]) * np.finfo(x.dtype).eps if rcond is None else rcond
    return np.linalg.pinv(x, np.asarray(cut, x.dtype))


def _pseudo_inverse_rule(inputs: Any, outputs: Any, gradients: Any) -> Any:
    (a,), (p,), (g,) = inputs, outputs, gradients
    # dP = -P dA P + P P' dA' (1 - A P) + (1 - P A) dA' P' P, read backwards; t is what stands in the place of dA'.
    turned_p, turned_g = swap(p), swap(g)
    first = product(turned_p, g, turned_p)
    rest = handle["subtract"](turned_g, product(a, p, turned_g))
    second = product(rest, p, turned_p)
    third = product(turned_p, p, handle["subtract"](turned_g, product(turned_g, p, a)))
    return [total(_negative(first), second, third)]


@functools.cache
def _pseudo_inverse_function(rcond: float | None) -> Any:
    return _core.HostFunction("pinv", functools.partial(_pseudo_inverse, rcond), _pseudo_inverse_rule)


@op
def pinv(x: Any, rcond: float | None = None) -> Any:
    """The Moore-Penrose pseudo-inverses of matrices.

    Args:
        x: array of shape `(..., M, N)`.
        rcond: singular values up to this part of the largest count as zero; `10 * max(M, N)` rounding errors by
            default.

    Returns:
        Array of shape `(..., N, M)`.
    """
    x = matrices("pinv", x)
    *batch, rows, columns = shape_of(x)
    function = _pseudo_inverse_function(None if rcond is None else float(rcond))
    return call(function, [x], [(x.dtype, [*batch, columns, rows])])


def _least_squares(rcond: float | None, a: Any) -> Any:
    cut = max(a.shape[-2:]) * np.finfo(a.dtype).eps if rcond is None else rcond
    u, s, v = np.linalg.svd(a, full_matrices=False)
    kept = (s >= cut * s[..., :1]) & (s > 0)
    scale = np.where(kept, 1.0 / np.where(kept, s, 1.0), 0.0).astype(a.dtype)
    return np.swapaxes(v, -1, -2) @ (scale[..., None] * np.swapaxes(u, -1, -2))


@functools.cache
def _least_squares_function(rcond: float | None) -> Any:
    return _core.HostFunction("lstsq", functools.partial(_least_squares, rcond), _pseudo_inverse_rule)


@op
def lstsq(a: Any, b: Any, rcond: float | None = None) -> Any:
    """The `x` of least norm among those for which the norm of `a @ x - b` is least.

    Args:
        a: matrix of shape `(M, N)`.
        b: array of shape `(M,)` or `(M, K)`.
        rcond: singular values of `a` below this part of the largest count as zero; `max(M, N)` rounding errors by
            default.

    Returns:
        Array of shape `(N,)` or `(N, K)`.

    Raises:
        ShapeError: for other shapes.
    """
    a, b = _same_type("lstsq", matrices("lstsq", a), b)
    if a.ndim != 2 or b.ndim not in (1, 2):
        raise ShapeError(f"ops.lstsq takes a matrix and one or two axes of values, got shapes {a.shape} and {b.shape}")
    if None not in (a.shape[0], b.shape[0]) and a.shape[0] != b.shape[0]:
        raise ShapeError(f"ops.lstsq needs as many values as rows, got shapes {a.shape} and {b.shape}")
    rows, columns = shape_of(a)
    function = _least_squares_function(None if rcond is None else float(rcond))
    return matmul(call(function, [a], [(a.dtype, [columns, rows])]), b)


def _same_type(name: str, a: Any, b: Any) -> tuple[Any, Any]:
    b = as_float(b)
    dtype = common_dtype(a, b)
    return computable(name, as_dtype(a, dtype)), computable(name, as_dtype(b, dtype))


def _spread(a: Any, b: Any) -> tuple[Any, Any]:
    """Matrices and right sides with the same axes before the last two."""
    if a.ndim == b.ndim and a.shape[:-2] == b.shape[:-2]:
        return a, b
    # A sum has the shape that both broadcast to; only its lengths are read.
    mark = [
        handle["slice"](x, starts=[0] * x.ndim, stops=[None] * (x.ndim - 2) + [1, 1], steps=[1] * x.ndim)
        for x in (a, b)
    ]
    batch = shape_of(handle["add"](*mark))[:-2]
    return (
        handle["broadcast_to"](a, shape=[*batch, *shape_of(a)[-2:]]),
        handle["broadcast_to"](b, shape=[*batch, *shape_of(b)[-2:]]),
    )


def _prepare(name: str, a: Any, b: Any) -> tuple[Any, Any, bool]:
    """Matrices, right sides as matrices, and whether these were vectors."""
    a = matrices(name, a, square=True)
    a, b = _same_type(name, a, tensor(b))
    if b.ndim == 0:
        raise ShapeError(f"ops.{name} takes vectors or matrices on the right side, got a scalar")
    vector = b.ndim == 1 or b.ndim == a.ndim - 1
    b = column(b) if vector else b
    if None not in (a.shape[-1], b.shape[-2]) and a.shape[-1] != b.shape[-2]:
        raise ShapeError(f"ops.{name} needs as many rows on the right side as on the left, got {a.shape} and {b.shape}")
    return (*_spread(a, b), vector)


def _without_column(x: Any, vector: bool) -> Any:
    return handle["reshape"](x, shape=shape_of(x)[:-1]) if vector else x


def _solve_matrices(a: Any, b: Any) -> Any:
    return call(_SOLVE, [a, b], [(b.dtype, shape_of(b))])


def _solve_rule(inputs: Any, outputs: Any, gradients: Any) -> Any:
    right = _solve_matrices(swap(inputs[0]), gradients[0])
    return [_negative(product(right, swap(outputs[0]))), right]


_SOLVE = _core.HostFunction("solve", np.linalg.solve, _solve_rule)


@op
def solve(a: Any, b: Any) -> Any:
    """The `x` for which `a @ x` is `b`.

    Args:
        a: square matrices, of shape `(..., M, M)`.
        b: right sides, of shape `(..., M)` or `(..., M, N)`.

    Returns:
        Array of the shape of `b`, with the axes before the last two that `a` and `b` broadcast to.

    Raises:
        ShapeError: if shapes do not fit.
        ValueRangeError: if a matrix is singular.

    Example:
        >>> from ironhorn import ops
        >>> ops.solve([[2.0, 0.0], [0.0, 4.0]], [2.0, 2.0]).numpy().tolist()
        [1.0, 0.5]
    """
    a, b, vector = _prepare("solve", a, b)
    return _without_column(_solve_matrices(a, b), vector)


def _substitute(lower: bool, a: Any, b: Any) -> Any:
    size = a.shape[-1]
    x = b.copy()
    starts = list(range(0, size, _BLOCK))
    for start in starts if lower else reversed(starts):
        stop = min(start + _BLOCK, size)
        block = a[..., start:stop, start:stop]
        block = np.tril(block) if lower else np.triu(block)
        x[..., start:stop, :] = np.linalg.solve(block, x[..., start:stop, :])
        if lower:
            x[..., stop:, :] -= a[..., stop:, start:stop] @ x[..., start:stop, :]
        else:
            x[..., :start, :] -= a[..., :start, start:stop] @ x[..., start:stop, :]
    return x


def triangular(a: Any, b: Any, lower: bool) -> Any:
    """Solves equations with triangular matrices; both sides have the same leading axes."""
    return call(_SUBSTITUTE[lower], [a, b], [(b.dtype, shape_of(b))])


def _substitute_rule(lower: bool, inputs: Any, outputs: Any, gradients: Any) -> Any:
    right = triangular(swap(inputs[0]), gradients[0], not lower)
    left = _negative(product(right, swap(outputs[0])))
    return [lower_part(left) if lower else upper_part(left), right]


_SUBSTITUTE = {
    lower: _core.HostFunction(
        "solve_triangular", functools.partial(_substitute, lower), functools.partial(_substitute_rule, lower)
    )
    for lower in (False, True)
}


@op
def solve_triangular(a: Any, b: Any, lower: bool = False) -> Any:
    """The `x` for which `a @ x` is `b`, where only one triangle of `a` is read.

    Args:
        a: matrices of shape `(..., M, M)`.
        b: right sides, of shape `(..., M)` or `(..., M, N)`.
        lower: whether to read the lower triangle; the upper one by default.

    Raises:
        ShapeError: if shapes do not fit.
        ValueRangeError: if a matrix is singular.
    """
    a, b, vector = _prepare("solve_triangular", a, b)
    return _without_column(triangular(a, b, bool(lower)), vector)


@op
def cholesky_inverse(x: Any, upper: bool = False) -> Any:
    """The inverses of the matrices that have these Cholesky factors.

    Args:
        x: factors, of shape `(..., M, M)`.
        upper: whether they are upper triangular; lower by default.
    """
    x = matrices("cholesky_inverse", x, square=True)
    one = handle["broadcast_to"](identity_like(x), shape=shape_of(x))
    inverse = triangular(x, one, not upper)
    return product(inverse, swap(inverse)) if upper else product(swap(inverse), inverse)
