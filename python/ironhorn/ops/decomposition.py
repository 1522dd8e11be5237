"""Matrices as products: Cholesky, QR, LU, eigenvalues, singular values.

NumPy computes. Derivatives: Murray, "Differentiation of the Cholesky decomposition" (2016); Seeger, Hetzel, Dai,
Meissner and Lawrence, "Auto-differentiating linear algebra" (2017); Roberts and Roberts, "QR and LQ decomposition
matrix backpropagation algorithms" (2020); Giles, "Collected matrix derivative results" (2008).
"""

import functools
from typing import Any

import numpy as np

from ironhorn import _core
from ironhorn.errors import UnsupportedError, ValueRangeError
from ironhorn.ops._dispatch import op
from ironhorn.ops._matrices import (
    call,
    column,
    diagonal_matrix,
    diagonal_part,
    identity_like,
    inverse_differences,
    lower_part,
    matrices,
    product,
    row,
    shorter_side,
    sides,
    swap,
    symmetric,
    total,
    upper_part,
)
from ironhorn.ops._values import handle, shape_of
from ironhorn.ops.solver import solve, triangular

__all__ = ["cholesky", "eig", "eigh", "lu_factor", "qr", "svd"]


def _times(a: Any, b: Any) -> Any:
    return handle["multiply"](a, b)


def _minus(a: Any, b: Any) -> Any:
    return handle["subtract"](a, b)


def _cut(x: Any, rows: Any, columns: Any) -> Any:
    """The first rows and columns of matrices."""
    lead: list[Any] = [None] * (x.ndim - 2)
    return handle["slice"](x, starts=[*lead, 0, 0], stops=[*lead, rows, columns], steps=[1] * x.ndim)


def _after(x: Any, columns: int) -> Any:
    """Matrices without their first columns."""
    return handle["slice"](x, starts=[None] * (x.ndim - 1) + [columns], stops=[None] * x.ndim, steps=[1] * x.ndim)


def _cholesky_rule(inputs: Any, outputs: Any, gradients: Any) -> Any:
    (factor,), (g,) = outputs, gradients
    turned = swap(factor)
    # The lower triangle with half the diagonal: the derivative of the product of a factor with its transpose, inverted.
    inner = product(turned, g)
    inner = _minus(lower_part(inner), _times(diagonal_part(inner), 0.5))
    half = triangular(turned, inner, False)
    return [symmetric(swap(triangular(turned, swap(half), False)))]


_CHOLESKY = _core.HostFunction("cholesky", np.linalg.cholesky, _cholesky_rule)


@op
def cholesky(x: Any, upper: bool = False) -> Any:
    """The triangular matrices `L` with `L @ L.T` equal to symmetric positive definite matrices.

    Args:
        x: array of shape `(..., M, M)`; of a matrix that is not symmetric the symmetric part is taken.
        upper: whether to return the transpose of `L`.

    Raises:
        ShapeError: if the matrices are not square.
        ValueRangeError: if one is not positive definite.

    Example:
        >>> from ironhorn import ops
        >>> ops.cholesky([[4.0, 2.0], [2.0, 10.0]]).numpy().tolist()
        [[2.0, 0.0], [1.0, 3.0]]
    """
    x = symmetric(matrices("cholesky", x, square=True))
    factor = call(_CHOLESKY, [x], [(x.dtype, shape_of(x))])
    return swap(factor) if upper else factor


def _qr_rule(mode: str, inputs: Any, outputs: Any, gradients: Any) -> Any:
    (x,), (q, r), (to_q, to_r) = inputs, outputs, gradients
    rows, columns = sides("qr", x)
    if mode == "complete" and rows > columns:
        raise UnsupportedError(
            f"ops.qr(mode='complete') has no derivative for matrices with more rows than columns, got shape {x.shape}; "
            "use mode='reduced'"
        )
    if rows < columns:
        # The left square part gives q; the rest of r is q' times the rest of x.
        if to_r is None:
            left = _square_qr(q, _cut(r, rows, rows), to_q, None)
            return [handle["pad"](left, low=[0] * x.ndim, high=[0] * (x.ndim - 1) + [columns - rows], value=0.0)]
        to_rest = _after(to_r, rows)
        to_q = total(to_q, product(_after(x, rows), swap(to_rest)))
        left = _square_qr(q, _cut(r, rows, rows), to_q, _cut(to_r, rows, rows))
        return [handle["concatenate"](left, product(q, to_rest), axis=x.ndim - 1)]
    return [_square_qr(q, r, to_q, to_r)]


def _square_qr(q: Any, r: Any, to_q: Any, to_r: Any) -> Any:
    """The gradient of `q @ r` where `r` is square."""
    m = total(
        None if to_r is None else product(r, swap(to_r)),
        None if to_q is None else handle["negative"](product(swap(to_q), q)),
    )
    below = lower_part(m, diagonal=False)
    mirrored = total(below, swap(below), diagonal_part(m))
    inner = total(to_q, product(q, mirrored))
    return swap(triangular(r, swap(inner), False))


@functools.cache
def _qr_function(mode: str) -> Any:
    return _core.HostFunction("qr", functools.partial(_compute_qr, mode), functools.partial(_qr_rule, mode))


def _compute_qr(mode: Any, x: Any) -> Any:
    return tuple(np.linalg.qr(x, mode=mode))


@op
def qr(x: Any, mode: str = "reduced") -> Any:
    """Orthogonal `q` and upper triangular `r` with `q @ r` equal to `x`.

    Args:
        x: array of shape `(..., M, N)`.
        mode: "reduced" for `min(M, N)` columns of `q`, "complete" for M.

    Returns:
        The tuple `(q, r)`.

    Raises:
        ValueRangeError: for another mode.
        UnsupportedError: for derivatives of complete decompositions of matrices with more rows than columns.
    """
    if mode not in ("reduced", "complete"):
        raise ValueRangeError(f"mode must be 'reduced' or 'complete', got {mode!r}")
    x = matrices("qr", x)
    inner = shorter_side(x)
    *batch, rows, columns = shape_of(x)
    inner = inner if mode == "reduced" else rows
    return call(_qr_function(mode), [x], [(x.dtype, [*batch, rows, inner]), (x.dtype, [*batch, inner, columns])])


def _compute_lu(x: Any) -> Any:
    """LU with partial pivoting, of a stack of matrices at once, column by column."""
    lu = x.copy()
    rows, columns = x.shape[-2:]
    flat = lu.reshape(-1, rows, columns)
    stack = np.arange(len(flat))
    order = np.tile(np.arange(rows, dtype="int32"), (len(flat), 1))
    pivots = np.zeros((len(flat), min(rows, columns)), "int32")
    for k in range(min(rows, columns)):
        found = k + np.argmax(np.abs(flat[:, k:, k]), axis=1)
        pivots[:, k] = found
        for swapped in (flat, order):
            kept = swapped[stack, found].copy()
            swapped[stack, found] = swapped[:, k]
            swapped[:, k] = kept
        pivot = flat[:, k, k, None]
        flat[:, k + 1 :, k] /= np.where(pivot == 0, 1, pivot)
        flat[:, k + 1 :, k + 1 :] -= flat[:, k + 1 :, k, None] * flat[:, k, None, k + 1 :]
    back = np.argsort(order, axis=1).astype("int32") + (stack * rows).astype("int32")[:, None]
    batch = x.shape[:-2]
    return lu, pivots.reshape(*batch, min(rows, columns)), back.reshape(*batch, rows)


def _lu_rule(inputs: Any, outputs: Any, gradients: Any) -> Any:
    (x,), (lu, _, back), g = inputs, outputs, gradients[0]
    rows, columns = sides("lu_factor", x)
    if rows != columns:
        raise UnsupportedError(f"ops.lu_factor has derivatives for square matrices only, got shape {x.shape}")
    if g is None:
        return [None]
    # With P x = L U: P dx = L (tril(L' gL) + triu(gU U')) U in the place of differentials, read backwards.
    below = lower_part(lu, diagonal=False)
    unit = handle["add"](below, identity_like(lu))
    upper = upper_part(lu)
    inner = handle["add"](
        lower_part(product(swap(unit), lower_part(g, diagonal=False)), diagonal=False),
        upper_part(product(upper_part(g), swap(upper))),
    )
    half = triangular(swap(unit), inner, False)
    permuted = swap(triangular(upper, swap(half), False))
    table = handle["reshape"](permuted, shape=[-1, columns])
    return [handle["reshape"](handle["take"](table, back, axis=0), shape=shape_of(x))]


_LU = _core.HostFunction("lu_factor", _compute_lu, _lu_rule)


@op
def lu_factor(x: Any) -> Any:
    """Lower and upper triangular matrices whose product is `x` with its rows exchanged.

    Args:
        x: array of shape `(..., M, N)`.

    Returns:
        The tuple `(lu, pivots)`: `lu` holds the upper triangular matrix and, below the diagonal, the lower one, which
        has ones on its diagonal. Row `i` was exchanged with row `pivots[i]`, one after the other.

    Raises:
        UnsupportedError: for derivatives by matrices that are not square.
    """
    x = matrices("lu_factor", x)
    *batch, rows, _ = shape_of(x)
    pivots = shorter_side(x)
    outputs = [(x.dtype, shape_of(x)), ("int32", [*batch, pivots]), ("int32", [*batch, rows])]
    return call(_LU, [x], outputs)[:2]


def _eigh_rule(inputs: Any, outputs: Any, gradients: Any) -> Any:
    (values, vectors), (to_values, to_vectors) = outputs, gradients
    turned = swap(vectors)
    inner = total(
        None if to_values is None else diagonal_matrix(to_values),
        None if to_vectors is None else _times(inverse_differences(values), product(turned, to_vectors)),
    )
    return [symmetric(product(vectors, inner, turned))]


def _compute_eigh(x: Any) -> Any:
    return tuple(np.linalg.eigh(x))


_EIGH = _core.HostFunction("eigh", _compute_eigh, _eigh_rule)


@op
def eigh(x: Any) -> Any:
    """Eigenvalues and eigenvectors of symmetric matrices.

    Args:
        x: array of shape `(..., M, M)`; of a matrix that is not symmetric the symmetric part is taken.

    Returns:
        The tuple of eigenvalues, ascending, of shape `(..., M)`, and eigenvectors, the columns of an array of shape
        `(..., M, M)`. Derivatives of eigenvectors need eigenvalues that differ.
    """
    x = symmetric(matrices("eigh", x, square=True))
    return call(_EIGH, [x], [(x.dtype, shape_of(x)[:-1]), (x.dtype, shape_of(x))])


def _eig_rule(inputs: Any, outputs: Any, gradients: Any) -> Any:
    (values, vectors), (to_values, to_vectors) = outputs, gradients
    turned = swap(vectors)
    inner = None if to_values is None else diagonal_matrix(to_values)
    if to_vectors is not None:
        # Vectors have norm 1: what would change the norm does not count.
        onto = product(turned, to_vectors)
        onto = _minus(onto, product(turned, vectors, diagonal_part(onto)))
        inner = total(inner, _times(inverse_differences(values), onto))
    return [solve(turned, product(inner, turned))]


def _compute_eig(x: Any) -> Any:
    values, vectors = np.linalg.eig(x)
    if np.iscomplexobj(values):
        if np.any(values.imag):
            raise UnsupportedError(
                "a matrix has complex eigenvalues, and there are no complex tensors; use numpy.linalg.eig, or ops.eigh "
                "for symmetric matrices"
            )
        values, vectors = values.real, vectors.real
    return values, vectors


_EIG = _core.HostFunction("eig", _compute_eig, _eig_rule)


@op
def eig(x: Any) -> Any:
    """Eigenvalues and eigenvectors of square matrices whose eigenvalues are real.

    Args:
        x: array of shape `(..., M, M)`.

    Returns:
        The tuple of eigenvalues, in no particular order, of shape `(..., M)`, and eigenvectors of norm 1, the columns
        of an array of shape `(..., M, M)`, both of the type of `x` (Keras' are complex).

    Raises:
        UnsupportedError: if an eigenvalue is complex.
    """
    x = matrices("eig", x, square=True)
    return call(_EIG, [x], [(x.dtype, shape_of(x)[:-1]), (x.dtype, shape_of(x))])


def _svd_rule(full: bool, inputs: Any, outputs: Any, gradients: Any) -> Any:
    (x,), (u, s, v), (to_u, to_s, to_v) = inputs, outputs, gradients
    rows, columns = shape_of(x)[-2:]
    square = rows == columns
    if full and not square:
        if to_u is not None or to_v is not None:
            raise UnsupportedError(
                "the singular vectors of ops.svd(full_matrices=True) have no derivative for matrices that are not "
                f"square, got shape {x.shape}; use full_matrices=False"
            )
        count = shape_of(s)[-1]
        u, v = _cut(u, rows, count), _cut(v, count, columns)
    # What lies beside the vectors counts where there are fewer of them than elements: on the longer side.
    known = isinstance(rows, int) and isinstance(columns, int)
    tall = not square and not (known and rows < columns)
    wide = not square and not (known and rows > columns)
    # x = u diag(s) v.
    inner = None if to_s is None else diagonal_matrix(to_s)
    outside = None
    if to_u is not None or to_v is not None:
        squares = inverse_differences(_times(s, s))
        inverse = handle["divide"](1.0, s)
    if to_u is not None:
        turned = product(swap(u), to_u)
        inner = total(inner, _times(_times(squares, _minus(turned, swap(turned))), row(s)))
        if tall:
            beside = _minus(to_u, product(u, turned))
            outside = product(_times(beside, row(inverse)), v)
    if to_v is not None:
        turned = product(v, swap(to_v))
        inner = total(inner, _times(column(s), _times(squares, _minus(turned, swap(turned)))))
        if wide:
            beside = _minus(to_v, product(swap(turned), v))
            outside = total(outside, product(u, _times(column(inverse), beside)))
    return [total(product(u, inner, v), outside)]


def _compute_svd(full: bool, x: Any) -> Any:
    return tuple(np.linalg.svd(x, full_matrices=full))


_SVD = {
    full: _core.HostFunction("svd", functools.partial(_compute_svd, full), functools.partial(_svd_rule, full))
    for full in (False, True)
}


@op
def svd(x: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """Orthogonal `u` and `vh` and singular values `s` with `u @ diag(s) @ vh` equal to `x`.

    Args:
        x: array of shape `(..., M, N)`.
        full_matrices: whether `u` and `vh` are square; otherwise they have `min(M, N)` columns and rows.
        compute_uv: whether to return more than `s`.

    Returns:
        The tuple `(u, s, vh)`, or `s` of shape `(..., min(M, N))`, largest first.

    Raises:
        UnsupportedError: for derivatives of square `u` and `vh` of matrices that are not square.
    """
    x = matrices("svd", x)
    count = shorter_side(x)
    *batch, rows, columns = shape_of(x)
    full = bool(full_matrices) and bool(compute_uv)
    outputs = [
        (x.dtype, [*batch, rows, rows if full else count]),
        (x.dtype, [*batch, count]),
        (x.dtype, [*batch, columns if full else count, columns]),
    ]
    u, s, v = call(_SVD[full], [x], outputs)
    return (u, s, v) if compute_uv else s
