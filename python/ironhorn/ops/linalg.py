"""Linear algebra, under the name that Keras has for its module."""

from ironhorn.ops.decomposition import cholesky, eig, eigh, lu_factor, qr, svd
from ironhorn.ops.derivative import jvp
from ironhorn.ops.determinant import det, matrix_rank, norm
from ironhorn.ops.solver import cholesky_inverse, inv, lstsq, pinv, solve, solve_triangular

__all__ = [
    "cholesky",
    "cholesky_inverse",
    "det",
    "eig",
    "eigh",
    "inv",
    "jvp",
    "lstsq",
    "lu_factor",
    "matrix_rank",
    "norm",
    "pinv",
    "qr",
    "solve",
    "solve_triangular",
    "svd",
]
