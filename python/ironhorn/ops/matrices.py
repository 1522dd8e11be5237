"""Diagonals, triangles and products of vectors that make matrices.

Keras' names and arguments, Keras' rules for types.
"""

from typing import Any

from ironhorn import _core
from ironhorn.backend.dtypes import standardize_dtype
from ironhorn.errors import ShapeError, UnsupportedError
from ironhorn.ops import product, reduction, shaping
from ironhorn.ops._dispatch import op
from ironhorn.ops._values import as_dtype, axis_of, common_dtype, flattened, handle, paired, shape_of, tensor

__all__ = [
    "cross",
    "diag",
    "diagflat",
    "diagonal",
    "inner",
    "kron",
    "outer",
    "trace",
    "tri",
    "tril",
    "triu",
    "vander",
    "vdot",
]


def _index(rows: Any, columns: Any, axis: int) -> Any:
    return handle["iota"](shape=[rows, columns], axis=axis, dtype="int32")


def _below(rows: Any, columns: Any, k: int) -> Any:
    """Where a matrix lies on or below diagonal `k`."""
    return handle["less_equal"](_index(rows, columns, 1), handle["add"](_index(rows, columns, 0), k))


def tri(N: Any, M: Any = None, k: int = 0, dtype: Any = None) -> Any:
    """A matrix of ones on and below diagonal `k`, zeros above.

    Args:
        N: number of rows.
        M: number of columns, `N` by default.
        k: the diagonal: above the main one if positive.
        dtype: element type, `floatx()` by default.
    """
    return as_dtype(_below(N, N if M is None else M, k), standardize_dtype(dtype))


def _matrix(name: str, x: Any) -> Any:
    x = tensor(x)
    if x.ndim < 2:
        raise ShapeError(f"ops.{name} takes matrices, got shape {x.shape}")
    return x


@op
def tril(x: Any, k: int = 0) -> Any:
    """Matrices with zeros above diagonal `k`."""
    x = _matrix("tril", x)
    return handle["select"](_below(shape_of(x)[-2], shape_of(x)[-1], k), x, _core.tensor(0, x.dtype))


@op
def triu(x: Any, k: int = 0) -> Any:
    """Matrices with zeros below diagonal `k`."""
    x = _matrix("triu", x)
    return handle["select"](_below(shape_of(x)[-2], shape_of(x)[-1], k - 1), _core.tensor(0, x.dtype), x)


@op
def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The elements whose places on two axes differ by `offset`, on a last axis of their own.

    Args:
        x: array of two axes at least.
        offset: place on `axis2` minus place on `axis1`.
        axis1: first axis of the matrices.
        axis2: second axis of the matrices.

    Raises:
        UnsupportedError: for matrices of unknown lengths.
    """
    x = _matrix("diagonal", x)
    a, b = axis_of(axis1, x.ndim), axis_of(axis2, x.ndim)
    if a == b:
        raise ShapeError(f"ops.diagonal takes two different axes, got axis1={axis1} and axis2={axis2}")
    kept = [axis for axis in range(x.ndim) if axis not in (a, b)]
    x = handle["transpose"](x, axes=[*kept, a, b])
    lengths = shape_of(x)
    rows, columns = x.shape[-2:]
    if rows is None or columns is None:
        raise UnsupportedError(
            f"ops.diagonal takes matrices of known lengths, got shape {x.shape}; multiply with ops.tri masks and sum"
        )
    first = offset if offset >= 0 else -offset * columns
    count = min_of(rows, columns - offset) if offset >= 0 else min_of(rows + offset, columns)
    if count <= 0:
        none: list[Any] = [None] * (x.ndim - 2)
        return handle["reshape"](
            handle["slice"](x, starts=[*none, 0, 0], stops=[*none, 0, 1], steps=[1] * x.ndim), shape=[*lengths[:-2], 0]
        )
    flat = handle["reshape"](x, shape=[*lengths[:-2], rows * columns])
    before: list[Any] = [None] * (x.ndim - 2)
    stop = first + (count - 1) * (columns + 1) + 1
    return handle["slice"](
        flat, starts=[*before, first], stops=[*before, stop], steps=[1] * (x.ndim - 2) + [columns + 1]
    )


def min_of(a: int, b: int) -> int:
    """The smaller of two Python ints (`min` is an op here)."""
    return a if a < b else b


@op
def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The sum over a diagonal of two axes. Small integers and booleans are summed as int32."""
    return reduction.sum(diagonal(x, offset, axis1, axis2), -1)


@op
def diag(x: Any, k: int = 0) -> Any:
    """Diagonal `k` of a matrix; of a vector, the matrix with that diagonal and zeros elsewhere."""
    x = tensor(x)
    if x.ndim == 2:
        return diagonal(x, k)
    if x.ndim != 1:
        raise ShapeError(f"ops.diag takes a vector or a matrix, got shape {x.shape}")
    size = abs_of(k)
    # One element a row (of the upper triangle) or a column (of the lower), and none for the last `|k|`.
    padded = handle["pad"](x, low=[0], high=[size], value=0.0)
    side = shape_of(padded)[0]
    row, column = _index(side, side, 0), _index(side, side, 1)
    place = handle["equal"](handle["add"](row, k), column)
    spread = handle["reshape"](padded, shape=[side, 1] if k >= 0 else [1, side])
    return handle["select"](place, spread, _core.tensor(0, x.dtype))


def abs_of(k: int) -> int:
    """The size of a Python int (`abs` is an op here)."""
    return k if k >= 0 else -k


@op
def diagflat(x: Any, k: int = 0) -> Any:
    """The matrix with the elements of `x`, in C order, on diagonal `k` and zeros elsewhere."""
    return diag(flattened(tensor(x)), k)


@op
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """The matrix of powers of a vector's elements, a row each: `x^(N-1), .., x, 1`.

    Args:
        x: vector.
        N: number of columns, the length of `x` by default.
        increasing: whether powers rise from left to right.
    """
    x = tensor(x)
    if x.ndim != 1:
        raise ShapeError(f"ops.vander takes a vector, got shape {x.shape}")
    if x.dtype == "bool":
        x = as_dtype(x, "int32")
    powers = handle["iota"](shape=[shape_of(x)[0] if N is None else N], axis=0, dtype="int32")
    if not increasing:
        powers = shaping.flip(powers)
    return handle["power"](shaping.expand_dims(x, 1), as_dtype(powers, x.dtype))


@op
def outer(x1: Any, x2: Any) -> Any:
    """The products of every element of one array with every element of another: a matrix."""
    rows, columns = flattened(tensor(x1)), flattened(tensor(x2))
    return product_of(shaping.expand_dims(rows, 1), shaping.expand_dims(columns, 0))


def product_of(a: Any, b: Any) -> Any:
    """Products, element by element; of booleans their conjunction."""
    a, b = paired(a, b)
    return handle["logical_and"](a, b) if a.dtype == "bool" else handle["multiply"](a, b)


@op
def inner(x1: Any, x2: Any) -> Any:
    """The sums of products over the last axes of both; the product where either is a number."""
    a, b = tensor(x1), tensor(x2)
    if a.ndim == 0 or b.ndim == 0:
        return product_of(a, b)
    return as_dtype(product.tensordot(a, b, ([-1], [-1])), common_dtype(a, b))


@op
def vdot(x1: Any, x2: Any) -> Any:
    """The sum of products of all elements."""
    a, b = flattened(tensor(x1)), flattened(tensor(x2))
    return as_dtype(product.dot(a, b), common_dtype(a, b))


@op
def kron(x1: Any, x2: Any) -> Any:
    """Kronecker's product: every element of `x1` times a whole `x2` in its place."""
    a, b = tensor(x1), tensor(x2)
    rank = a.ndim if a.ndim > b.ndim else b.ndim
    left, right = ([1] * (rank - t.ndim) + shape_of(t) for t in (a, b))
    spread_left = [length for pair in zip(left, [1] * rank, strict=True) for length in pair]
    spread_right = [length for pair in zip([1] * rank, right, strict=True) for length in pair]
    products = product_of(handle["reshape"](a, shape=spread_left), handle["reshape"](b, shape=spread_right))
    return handle["reshape"](products, shape=[n * m for n, m in zip(left, right, strict=True)])


@op
def cross(x1: Any, x2: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    """The vector product of vectors of two or three components.

    Args:
        x1: array.
        x2: array; the axes beside those of the vectors broadcast.
        axisa: the axis of `x1` that holds the vectors.
        axisb: the axis of `x2` that holds the vectors.
        axisc: the axis of the result that holds them. Two vectors of two components give a number, without it.
        axis: stands for all three.

    Raises:
        ShapeError: if the vectors do not have two or three components.
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = paired(x1, x2)
    if a.dtype == "bool":
        a, b = as_dtype(a, "int32"), as_dtype(b, "int32")
    a, b = shaping.moveaxis(a, axisa, -1), shaping.moveaxis(b, axisb, -1)
    if a.shape[-1] not in (2, 3) or b.shape[-1] not in (2, 3):
        raise ShapeError(
            f"ops.cross takes vectors of 2 or 3 components, got {a.shape[-1]} on axis {axisa} of x1 and "
            f"{b.shape[-1]} on axis {axisb} of x2"
        )
    flat = a.shape[-1] == b.shape[-1] == 2
    left, right = shaping.unstack(a, axis=-1), shaping.unstack(b, axis=-1)
    left, right = ([*t, _core.tensor(0, t[0].dtype)] if len(t) == 2 else t for t in (left, right))

    def component(i: int, j: int) -> Any:
        return handle["subtract"](handle["multiply"](left[i], right[j]), handle["multiply"](left[j], right[i]))

    if flat:
        return component(0, 1)
    return shaping.moveaxis(shaping.stack([component(1, 2), component(2, 0), component(0, 1)], -1), -1, axisc)
