"""What linear algebra shares: stacks of matrices, calls of NumPy from programs, masks."""

from collections.abc import Sequence
from typing import Any

from ironhorn import _core
from ironhorn.errors import DTypeError, ShapeError, UnsupportedError
from ironhorn.ops._values import as_float, handle, shape_of
from ironhorn.ops.product import matmul


def call(function: Any, inputs: Sequence[Any], outputs: Sequence[tuple[str, Sequence[Any]]]) -> Any:
    """What a host function makes of tensors: one tensor, or a tuple."""
    made = _core.host_call(function, inputs, outputs)
    return made[0] if len(made) == 1 else tuple(made)


def matrices(name: str, x: Any, square: bool = False) -> Any:
    """`x` as a stack of matrices of a type that can be computed with.

    Raises:
        ShapeError: if it is none.
        DTypeError: for floats of sixteen bits.
    """
    x = as_float(x)
    if x.ndim < 2:
        raise ShapeError(f"ops.{name} takes matrices, that is rank 2 or more, got shape {x.shape}")
    rows, columns = x.shape[-2:]
    if square and rows is not None and columns is not None and rows != columns:
        raise ShapeError(f"ops.{name} takes square matrices, got shape {x.shape}")
    return computable(name, x)


def computable(name: str, x: Any) -> Any:
    """`x`, refused if it has sixteen bits an element."""
    if x.dtype not in ("float32", "float64"):
        raise DTypeError(f"ops.{name} computes in float32 or float64, got {x.dtype}; cast the input first")
    return x


def shorter_side(x: Any) -> Any:
    """The smaller of the two lengths of matrices."""
    rows, columns = shape_of(x)[-2:]
    if isinstance(rows, int) and isinstance(columns, int):
        return rows if rows < columns else columns
    if rows == columns:
        return rows
    return rows.minimum(columns) if isinstance(rows, _core.SymbolicDim) else columns.minimum(rows)


def sides(name: str, x: Any) -> tuple[int, int]:
    """Rows and columns of the matrices that a derivative is for; square ones may be of any size."""
    rows, columns = shape_of(x)[-2:]
    if isinstance(rows, int) and isinstance(columns, int):
        return rows, columns
    if rows == columns:
        return 1, 1
    raise UnsupportedError(
        f"derivatives of ops.{name} need to know the sizes of matrices while a model is traced, got shape {x.shape}; "
        "only the axes before the last two may vary"
    )


def swap(x: Any) -> Any:
    """The transposes of matrices."""
    order = list(range(x.ndim))
    order[-2:] = [order[-1], order[-2]]
    return handle["transpose"](x, axes=order)


def product(*factors: Any) -> Any:
    """The product of matrices, from left to right."""
    result = factors[0]
    for factor in factors[1:]:
        result = matmul(result, factor)
    return result


def column(x: Any) -> Any:
    """Vectors as matrices of one column."""
    return handle["reshape"](x, shape=[*shape_of(x), 1])


def row(x: Any) -> Any:
    """Vectors as matrices of one row."""
    shape = shape_of(x)
    return handle["reshape"](x, shape=[*shape[:-1], 1, shape[-1]])


def corner(x: Any) -> Any:
    """Numbers as matrices of one element."""
    return handle["reshape"](x, shape=[*shape_of(x), 1, 1])


def _compare(name: str, x: Any, shift: int = 0) -> Any:
    rows, columns = shape_of(x)[-2:]
    left = handle["iota"](shape=[rows, 1], axis=0, dtype="int32")
    right = handle["iota"](shape=[1, columns], axis=1, dtype="int32")
    return handle[name](left if not shift else handle["add"](left, shift), right)


def lower_part(x: Any, diagonal: bool = True) -> Any:
    """Matrices with zeros above the diagonal; with `diagonal=False` on it, too."""
    return handle["select"](_compare("greater_equal" if diagonal else "greater", x), x, 0)


def upper_part(x: Any) -> Any:
    """Matrices with zeros below the diagonal."""
    return handle["select"](_compare("less_equal", x), x, 0)


def off_diagonal(x: Any) -> Any:
    """Matrices with zeros on the diagonal."""
    return handle["select"](_compare("equal", x), 0, x)


def diagonal_part(x: Any) -> Any:
    """Matrices with zeros off the diagonal."""
    return handle["select"](_compare("equal", x), x, 0)


def diagonal_matrix(x: Any) -> Any:
    """Vectors as diagonal matrices."""
    size = shape_of(x)[-1]
    spread = handle["broadcast_to"](row(x), shape=[*shape_of(x)[:-1], size, size])
    return diagonal_part(spread)


def identity_like(x: Any) -> Any:
    """One identity matrix of the size of square matrices."""
    size = shape_of(x)[-1]
    left = handle["iota"](shape=[size, 1], axis=0, dtype="int32")
    right = handle["iota"](shape=[1, size], axis=1, dtype="int32")
    return handle["cast"](handle["equal"](left, right), dtype=x.dtype)


def symmetric(x: Any) -> Any:
    """The symmetric parts of matrices."""
    return handle["multiply"](handle["add"](x, swap(x)), 0.5)


def total(*terms: Any) -> Any:
    """The sum of those terms that are not None; None if there are none."""
    present = [term for term in terms if term is not None]
    result = present[0] if present else None
    for term in present[1:]:
        result = handle["add"](result, term)
    return result


def inverse_differences(values: Any) -> Any:
    """`1 / (v[j] - v[i])` at row i and column j, 0 on the diagonal."""
    differences = handle["subtract"](row(values), column(values))
    # The diagonal gets ones before the division, lest derivatives meet 0 / 0.
    safe = handle["select"](_compare("equal", differences), 1, differences)
    return off_diagonal(handle["divide"](1.0, safe))
