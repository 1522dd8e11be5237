"""Linear algebra."""

from __future__ import annotations

from typing import Any

import numpy as np

from ironhorn import ops
from ops.cases.case import NO_FLOATS, Argument, Case, tensor

EYE = 3.0 * np.eye(3)


def swap(x: Any) -> Any:
    """Transposes of arrays or tensors."""
    return np.swapaxes(x, -1, -2) if isinstance(x, np.ndarray) else ops.swapaxes(x, -1, -2)


def positive(x: Any) -> Any:
    """Symmetric positive definite matrices."""
    if isinstance(x, np.ndarray):
        return x @ swap(x) + EYE.astype(x.dtype)
    x = tensor(x)
    return ops.matmul(x, swap(x)) + EYE.astype(x.dtype)


def far(x: Any) -> Any:
    """Square matrices that are far from singular."""
    return x + EYE.astype(x.dtype) if isinstance(x, np.ndarray) else tensor(x) + EYE.astype(x.dtype)


def matrix(name: str, reference: Any, prepare: Any = far, shape: Any = (2, 3, 3), note: str = "", **known: Any) -> Case:
    """A function of matrices made to suit it."""
    options = known.pop("options", {})
    call = getattr(ops, name)
    known = {"tolerance": 400.0, **known}
    return Case(
        name,
        (Argument(shape),),
        lambda x: reference(prepare(x)),
        call=lambda x: call(prepare(x), **options),
        note=note,
        **known,
    )


def equations(name: str, reference: Any, right: Any, note: str = "", **options: Any) -> Case:
    """Equations with well-behaved matrices."""
    call = getattr(ops, name)
    return Case(
        name,
        (Argument((2, 3, 3)), Argument(right)),
        lambda a, b: reference(far(a), b),
        call=lambda a, b: call(far(a), b, **options),
        tolerance=400.0,
        note=note,
    )


def spread(rows: int, columns: int) -> Any:
    """A matrix with singular values that differ, to be added to others."""
    values = 2.0 * np.arange(1, min(rows, columns) + 1)
    return np.pad(np.diag(values), ((0, rows - len(values)), (0, columns - len(values))))


def distinct(x: Any) -> Any:
    """Matrices with singular values and eigenvalues that differ."""
    own = (spread(*x.shape[-2:]) * 2.0).astype(x.dtype)
    return x * x.dtype.type(0.3) + own if isinstance(x, np.ndarray) else tensor(x) * 0.3 + own


def solve_each(a: Any, b: Any) -> Any:
    """NumPy's solve of matrices and vectors."""
    return np.linalg.solve(a, b[..., None])[..., 0]


def norms(note: str, shape: Any, values: str = "any", **options: Any) -> Case:
    """A norm."""
    return Case(
        "norm",
        (Argument(shape, values),),
        lambda x: np.linalg.norm(x, **options),
        call=lambda x: ops.norm(x, **options),
        note=note,
        tolerance=100.0,
        empty=False,
    )


def lu_reference(x: Any) -> Any:
    """Elimination with partial pivoting of every matrix."""
    count = min(x.shape[-2:])
    made, pivots = np.array(x), np.zeros((len(x), count), "int32")
    for m, p in zip(made, pivots, strict=True):
        for k in range(count):
            p[k] = k + np.argmax(np.abs(m[k:, k]))
            m[[k, p[k]]] = m[[p[k], k]]
            m[k + 1 :, k] /= m[k, k]
            m[k + 1 :, k + 1 :] -= np.outer(m[k + 1 :, k], m[k, k + 1 :])
    return made, pivots


def pair(name: str, transform: Any, shape: Any = (2, 6)) -> Case:
    """A transform of complex numbers."""
    call = getattr(ops, name)

    def reference(real: Any, imaginary: Any) -> Any:
        made = transform(real + 1j * imaginary)
        return made.real, made.imag

    return Case(name, (Argument(shape), Argument(shape)), reference, call=lambda a, b: call((a, b)), tolerance=60.0)


def real_fft(x: Any, n: int | None = None) -> Any:
    """NumPy's transform of real numbers as a pair."""
    made = np.fft.rfft(x, n)
    return made.real, made.imag


def frames(x: Any, size: int, stride: int, fft_length: int, center: bool) -> Any:
    """The short-time transform with a Hann window, frame by frame."""
    window = np.pad(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size), (fft_length - size) // 2)
    window = np.pad(window, (0, fft_length - len(window)))
    if center:
        x = np.pad(x, ((0, 0), (fft_length // 2,) * 2), mode="reflect")
    starts = range(0, x.shape[-1] - fft_length + 1, stride)
    return real_fft(np.stack([x[:, s : s + fft_length] * window for s in starts], 1))


def there_and_back(x: Any) -> Any:
    """Samples through their short-time transform."""
    return ops.istft(ops.stft(x, 6, 2, 8), 6, 2, 8, length=12)


CASES: list[Case] = [
    matrix("inv", np.linalg.inv),
    matrix("det", np.linalg.det),
    matrix("slogdet", lambda x: tuple(np.linalg.slogdet(x))),
    matrix("logdet", lambda x: np.linalg.slogdet(x)[1]),
    matrix("cholesky", np.linalg.cholesky, positive),
    matrix("cholesky", lambda x: swap(np.linalg.cholesky(x)), positive, note="upper", options={"upper": True}),
    Case(
        "cholesky_inverse",
        (Argument((2, 3, 3)),),
        lambda x: np.linalg.inv(np.tril(far(x)) @ swap(np.tril(far(x)))),
        call=lambda x: ops.cholesky_inverse(far(x)),
        tolerance=1000.0,
    ),
    Case(
        "cholesky_inverse",
        (Argument((3, 3), batch=False),),
        lambda x: np.linalg.inv(swap(np.triu(far(x))) @ np.triu(far(x))),
        call=lambda x: ops.cholesky_inverse(far(x), upper=True),
        tolerance=1000.0,
        note="upper",
        empty=False,
    ),
    equations("solve", np.linalg.solve, (2, 3, 2)),
    equations("solve", solve_each, (2, 3), note="vectors"),
    equations("solve_triangular", lambda a, b: np.linalg.solve(np.triu(a), b), (2, 3, 2)),
    equations("solve_triangular", lambda a, b: solve_each(np.tril(a), b), (2, 3), note="lower vectors", lower=True),
    Case(
        "solve_triangular",
        (Argument((70, 70), "unit", batch=False), Argument((70, 2), batch=False)),
        lambda a, b: np.linalg.solve(np.tril(a) + 9 * np.eye(70, dtype=a.dtype), b),
        call=lambda a, b: ops.solve_triangular(a + 9 * np.eye(70).astype(b.dtype), b, lower=True),
        note="blocks",
        gradient="checked on the small arrays",
        tolerance=400.0,
        empty=False,
        symbolic=False,
    ),
    matrix("pinv", np.linalg.pinv, lambda x: x, (2, 4, 3), tolerance=4000.0),
    matrix("pinv", np.linalg.pinv, lambda x: x, (2, 2, 3), note="wide", tolerance=4000.0),
    Case(
        "lstsq",
        (Argument((4, 3), batch=False), Argument((4, 2), batch=False)),
        lambda a, b: np.linalg.lstsq(a, b, rcond=None)[0],
        call=lambda a, b: ops.lstsq(a, b),
        tolerance=4000.0,
        empty=False,
    ),
    Case(
        "lstsq",
        (Argument((2, 3), batch=False), Argument((2,), batch=False)),
        lambda a, b: np.linalg.lstsq(a, b, rcond=None)[0],
        call=lambda a, b: ops.lstsq(a, b),
        note="wide",
        tolerance=4000.0,
        empty=False,
    ),
    matrix("qr", lambda x: tuple(np.linalg.qr(x)), distinct, (2, 4, 3)),
    matrix("qr", lambda x: tuple(np.linalg.qr(x)), distinct, (2, 3, 4), note="wide"),
    matrix(
        "qr",
        lambda x: tuple(np.linalg.qr(x, mode="complete")),
        distinct,
        (2, 4, 3),
        note="complete",
        options={"mode": "complete"},
        gradient="square factors of tall matrices have none",
    ),
    Case(
        "lu_factor",
        (Argument((2, 3, 3)),),
        lambda x: lu_reference(x)[0],
        call=lambda x: ops.lu_factor(x)[0],
        tolerance=4000.0,
    ),
    Case(
        "lu_factor",
        (Argument((2, 4, 3)),),
        lambda x: lu_reference(x)[1],
        call=lambda x: ops.lu_factor(x)[1],
        note="pivots",
        gradient=NO_FLOATS,
        results={"*": "int32"},
    ),
    matrix("eigh", lambda x: tuple(np.linalg.eigh((x + swap(x)) / 2)), distinct, tolerance=4000.0),
    matrix("eig", lambda x: tuple(np.linalg.eig(x)), lambda x: distinct(x), tolerance=4000.0),
    matrix("svd", lambda x: tuple(np.linalg.svd(x)), distinct, tolerance=4000.0),
    matrix(
        "svd",
        lambda x: tuple(np.linalg.svd(x, full_matrices=False)),
        distinct,
        (2, 4, 3),
        note="tall",
        options={"full_matrices": False},
        tolerance=4000.0,
    ),
    matrix(
        "svd",
        lambda x: tuple(np.linalg.svd(x, full_matrices=False)),
        distinct,
        (2, 3, 4),
        note="wide",
        options={"full_matrices": False},
        tolerance=4000.0,
    ),
    matrix(
        "svd",
        lambda x: np.linalg.svd(x, compute_uv=False),
        distinct,
        (2, 3, 4),
        note="values",
        options={"compute_uv": False},
        tolerance=4000.0,
    ),
    matrix(
        "matrix_rank",
        lambda x: np.linalg.matrix_rank(x).astype("int32"),
        lambda x: x[..., :1] * x[..., :1, :],
        gradient=NO_FLOATS,
        results={"*": "int32"},
    ),
    norms("axis", (3, 4), axis=1, keepdims=True),
    norms("first", (3, 4), axis=0, ord=1),
    norms("infinity", (3, 4), axis=-1, ord=np.inf),
    norms("smallest", (3, 4), axis=-1, ord=-np.inf),
    norms("count", (3, 4), axis=-1, ord=0),
    norms("third power", (3, 4), axis=-1, ord=3),
    norms("matrix", (3, 4), ord="fro"),
    norms("columns", (3, 4, 2), axis=(0, 2), ord=1),
    norms("least column", (3, 4, 2), axis=(0, 2), ord=-1),
    norms("rows", (3, 4, 2), axis=(-1, 0), ord=np.inf, keepdims=True),
    norms("least row", (3, 4, 2), axis=(1, 2), ord=-np.inf),
    norms("spectral", (3, 4, 2), axis=(1, 2), ord=2),
    norms("smallest singular value", (3, 4, 2), axis=(2, 0), ord=-2, keepdims=True),
    norms("nuclear", (3, 4, 2), axis=(1, 2), ord="nuc"),
    Case(
        "jvp",
        (Argument((3, 4)), Argument((3, 4))),
        lambda x, t: (np.sin(x) * x, (np.cos(x) * x + np.sin(x)) * t),
        call=lambda x, t: ops.jvp(lambda y: ops.sin(y) * y, (x,), (t,)),
        tolerance=4.0,
    ),
    pair("fft", np.fft.fft),
    pair("fft2", np.fft.fft2, (2, 3, 4)),
    pair("ifft2", np.fft.ifft2, (2, 3, 4)),
    Case("rfft", (Argument((2, 6)),), real_fft, tolerance=60.0),
    Case("rfft", (Argument((2, 7)),), real_fft, note="odd", tolerance=60.0),
    Case(
        "rfft",
        (Argument((2, 6)),),
        lambda x: real_fft(x, 9),
        call=lambda x: ops.rfft(x, 9),
        note="longer",
        tolerance=60.0,
    ),
    Case(
        "rfft", (Argument((2, 6)),), lambda x: real_fft(x, 4), call=lambda x: ops.rfft(x, 4), note="cut", tolerance=60.0
    ),
    Case(
        "irfft",
        (Argument((2, 4)), Argument((2, 4))),
        lambda a, b: np.fft.irfft(a + 1j * b),
        call=lambda a, b: ops.irfft((a, b)),
        tolerance=60.0,
    ),
    Case(
        "irfft",
        (Argument((2, 4)), Argument((2, 4))),
        lambda a, b: np.fft.irfft(a + 1j * b, 9),
        call=lambda a, b: ops.irfft((a, b), 9),
        note="odd",
        tolerance=60.0,
    ),
    Case(
        "stft",
        (Argument((2, 12)),),
        lambda x: frames(x, 6, 2, 8, True),
        call=lambda x: ops.stft(x, 6, 2, 8),
        tolerance=60.0,
    ),
    Case(
        "stft",
        (Argument((2, 13)),),
        lambda x: frames(x, 5, 3, 8, False),
        call=lambda x: ops.stft(x, 5, 3, 8, center=False),
        note="not centred",
        tolerance=60.0,
    ),
    Case("istft", (Argument((2, 12)),), lambda x: x, call=there_and_back, tolerance=60.0),
]
