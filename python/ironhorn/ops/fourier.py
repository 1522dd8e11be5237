"""Fourier transforms.

Complex numbers are pairs of arrays, real and imaginary parts. NumPy computes. Derivatives are transforms again: the
adjoint of the transform is the one backwards without its factor.
"""

from typing import Any

import numpy as np

from ironhorn import _core
from ironhorn.errors import DTypeError, ShapeError, ValueRangeError
from ironhorn.ops._dispatch import op
from ironhorn.ops._matrices import call, computable
from ironhorn.ops._values import as_dtype, as_float, common_dtype, handle, shape_of, tensor

__all__ = ["fft", "fft2", "ifft2", "irfft", "istft", "rfft", "stft"]


def _pair(name: str, x: Any, rank: int) -> tuple[Any, Any]:
    """The real and the imaginary part, of one type and one shape."""
    if not isinstance(x, (tuple, list)) or len(x) != 2:
        raise ValueRangeError(f"ops.{name} takes a pair of arrays, real and imaginary parts, got {type(x).__name__}")
    real, imaginary = as_float(x[0]), as_float(x[1])
    dtype = common_dtype(real, imaginary)
    real, imaginary = computable(name, as_dtype(real, dtype)), as_dtype(imaginary, dtype)
    if real.shape != imaginary.shape or real.ndim < rank:
        raise ShapeError(
            f"ops.{name} takes real and imaginary parts of one shape with at least {rank} axes, got {real.shape} and "
            f"{imaginary.shape}"
        )
    return real, imaginary


def _complex(real: Any, imaginary: Any) -> Any:
    return real + imaginary * np.asarray(1j, "complex64" if real.dtype == "float32" else "complex128")


def _parts(x: Any) -> tuple[Any, Any]:
    return np.ascontiguousarray(x.real), np.ascontiguousarray(x.imag)


def _zero(gradient: Any, like: Any) -> Any:
    return handle["multiply"](like, 0.0) if gradient is None else gradient


def _transform(function: Any, real: Any, imaginary: Any) -> Any:
    return call(function, [real, imaginary], [(real.dtype, shape_of(real))] * 2)


def _adjoint(function: Any) -> Any:
    """The derivative of a transform that is a symmetric matrix: conjugate, transform, conjugate."""

    def rule(inputs: Any, outputs: Any, gradients: Any) -> Any:
        real, imaginary = (_zero(g, like) for g, like in zip(gradients, outputs, strict=True))
        back = _transform(function(), real, handle["negative"](imaginary))
        return [back[0], handle["negative"](back[1])]

    return rule


_FFT: Any = _core.HostFunction("fft", lambda a, b: _parts(np.fft.fft(_complex(a, b))), _adjoint(lambda: _FFT))
_FFT2: Any = _core.HostFunction("fft2", lambda a, b: _parts(np.fft.fft2(_complex(a, b))), _adjoint(lambda: _FFT2))
_IFFT2: Any = _core.HostFunction("ifft2", lambda a, b: _parts(np.fft.ifft2(_complex(a, b))), _adjoint(lambda: _IFFT2))


@op
def fft(x: Any) -> Any:
    """The Fourier transform along the last axis: `y[k]` is the sum of `x[j] * exp(-2 pi i j k / n)`.

    Args:
        x: pair of the real and imaginary parts.

    Returns:
        The pair of the real and imaginary parts of the transform.

    Example:
        >>> from ironhorn import ops
        >>> real, imaginary = ops.fft((ops.array([1.0, 2.0]), ops.array([0.0, 1.0])))
        >>> real.numpy().tolist(), imaginary.numpy().tolist()
        ([3.0, -1.0], [1.0, -1.0])
    """
    return _transform(_FFT, *_pair("fft", x, 1))


@op
def fft2(x: Any) -> Any:
    """The Fourier transform along the last two axes, of the pair of real and imaginary parts."""
    return _transform(_FFT2, *_pair("fft2", x, 2))


@op
def ifft2(x: Any) -> Any:
    """What `fft2` transforms into `x`, both as pairs of real and imaginary parts."""
    return _transform(_IFFT2, *_pair("ifft2", x, 2))


def _length(n: Any) -> Any:
    return _core.tensor(n, "int32")


def _twice(x: Any, n: Any, factor: Any) -> Any:
    """Frequencies that stand for themselves and their negatives times `factor`."""
    k = handle["iota"](shape=[shape_of(x)[-1]], axis=0, dtype="int32")
    both = handle["logical_and"](handle["greater"](k, 0), handle["less"](handle["multiply"](k, 2), n))
    return handle["multiply"](
        x, handle["select"](both, as_dtype(tensor(factor), x.dtype), as_dtype(tensor(1.0), x.dtype))
    )


def _forward(x: Any) -> Any:
    *rest, n = shape_of(x)
    return call(_RFFT, [x], [(x.dtype, [*rest, n // 2 + 1])] * 2)


def _backward(real: Any, imaginary: Any, n: Any) -> Any:
    return call(_IRFFT, [real, imaginary, _length(n)], [(real.dtype, [*shape_of(real)[:-1], n])])


def _rfft_rule(inputs: Any, outputs: Any, gradients: Any) -> Any:
    n = shape_of(inputs[0])[-1]
    real, imaginary = (_twice(_zero(g, y), _length(n), 0.5) for g, y in zip(gradients, outputs, strict=True))
    return [handle["multiply"](_backward(real, imaginary, n), as_dtype(_length(n), real.dtype))]


def _irfft_rule(inputs: Any, outputs: Any, gradients: Any) -> Any:
    count = inputs[2]
    found = _forward(gradients[0])
    factor = as_dtype(count, gradients[0].dtype)
    return [*(handle["divide"](_twice(part, count, 2.0), factor) for part in found), None]


_RFFT = _core.HostFunction("rfft", lambda x: _parts(np.fft.rfft(x)), _rfft_rule)
_IRFFT = _core.HostFunction("irfft", lambda a, b, n: np.fft.irfft(_complex(a, b), int(n)), _irfft_rule)


def _fit(x: Any, length: Any) -> Any:
    """The last axis cut, or filled with zeros, to a length."""
    found = shape_of(x)[-1]
    if isinstance(found, int) and isinstance(length, int) and found >= length:
        long = x
    else:
        more = length - found if isinstance(found, int) and isinstance(length, int) else length
        long = handle["pad"](x, low=[0] * x.ndim, high=[0] * (x.ndim - 1) + [more], value=0.0)
    return handle["slice"](long, starts=[None] * x.ndim, stops=[None] * (x.ndim - 1) + [length], steps=[1] * x.ndim)


@op
def rfft(x: Any, fft_length: int | None = None) -> Any:
    """The Fourier transform of real numbers along the last axis, for the frequencies that are not negative.

    Args:
        x: array.
        fft_length: the length that the axis is cut to, or filled up to with zeros; its own by default.

    Returns:
        The pair of real and imaginary parts, with `fft_length // 2 + 1` frequencies.
    """
    x = computable("rfft", as_float(x))
    return _forward(x if fft_length is None else _fit(x, int(fft_length)))


@op
def irfft(x: Any, fft_length: int | None = None) -> Any:
    """What `rfft` transforms into `x`.

    Args:
        x: pair of real and imaginary parts.
        fft_length: the length of the result; twice the number of frequencies less 2 by default.
    """
    real, imaginary = _pair("irfft", x, 1)
    if fft_length is None:
        return _backward(real, imaginary, 2 * (shape_of(real)[-1] - 1))
    count = int(fft_length) // 2 + 1
    return _backward(_fit(real, count), _fit(imaginary, count), int(fft_length))


def _window(window: Any, sequence_length: int, fft_length: int, dtype: str) -> Any:
    """The window in the middle of a frame."""
    if isinstance(window, str):
        if window not in ("hann", "hamming"):
            raise ValueRangeError(f"window must be 'hann', 'hamming', an array or None, got {window!r}")
        middle = 0.5 if window == "hann" else 0.54
        angles = np.arange(sequence_length) * (2.0 * np.pi / sequence_length)
        values = middle - (1.0 - middle) * np.cos(angles) if sequence_length > 1 else np.ones(1)
    else:
        values = np.ones(fft_length) if window is None else np.asarray(window)
    expected = fft_length if window is None else sequence_length
    if values.shape != (expected,):
        raise ShapeError(f"window must have shape ({sequence_length},), got {values.shape}")
    before = (fft_length - expected) // 2
    return np.pad(values, (before, fft_length - expected - before)).astype(dtype)


def _frame_places(count: Any, stride: int, size: int) -> Any:
    """Where the elements of every frame stand."""
    frames = handle["iota"](shape=[count, 1], axis=0, dtype="int32")
    places = handle["iota"](shape=[1, size], axis=1, dtype="int32")
    return handle["add"](handle["multiply"](frames, stride), places)


@op
def stft(
    x: Any,
    sequence_length: int,
    sequence_stride: int,
    fft_length: int,
    window: Any = "hann",
    center: bool = True,
) -> Any:
    """The Fourier transforms of overlapping frames of the last axis.

    Args:
        x: `float32` or `float64` array of shape `(..., samples)`.
        sequence_length: length of a frame.
        sequence_stride: how far frames are apart.
        fft_length: length that frames are filled up to with zeros on both sides.
        window: "hann", "hamming", array of shape `(sequence_length,)`, or None for frames as they are.
        center: whether frame `t` has sample `t * sequence_stride` in its middle; samples are mirrored at the ends for
            that.

    Returns:
        The pair of real and imaginary parts, of shape `(..., frames, fft_length // 2 + 1)`.

    Raises:
        DTypeError: for other types.
        ValueRangeError: if `fft_length` is less than `sequence_length`.
    """
    x = tensor(x)
    if x.dtype not in ("float32", "float64"):
        raise DTypeError(f"ops.stft takes float32 or float64, got {x.dtype}; cast the input first")
    if fft_length < sequence_length:
        raise ValueRangeError(f"fft_length={fft_length} must be at least sequence_length={sequence_length}")
    taps = _window(window, sequence_length, fft_length, x.dtype)
    samples = shape_of(x)[-1]
    margin = fft_length // 2 if center else 0
    count = (samples + 2 * margin - fft_length) // sequence_stride + 1
    places = _frame_places(count, sequence_stride, fft_length)
    if center:
        # Mirrored at the first and at the last sample.
        last = handle["subtract"](_length(samples), 1)
        places = handle["absolute"](handle["subtract"](places, margin))
        places = handle["subtract"](last, handle["absolute"](handle["subtract"](last, places)))
    frames = handle["take"](x, places, axis=x.ndim - 1)
    return _forward(handle["multiply"](frames, _core.tensor(taps)))


@op
def istft(
    x: Any,
    sequence_length: int,
    sequence_stride: int,
    fft_length: int,
    length: int | None = None,
    window: Any = "hann",
    center: bool = True,
) -> Any:
    """The samples whose frames have given Fourier transforms: what `stft` does, backwards.

    Args:
        x: pair of real and imaginary parts, of shape `(..., frames, fft_length // 2 + 1)`.
        sequence_length: length of a frame.
        sequence_stride: how far frames are apart.
        fft_length: length that frames were filled up to.
        length: number of samples to return; as many as there are by default.
        window: the window that `stft` was given.
        center: what `stft` was given.

    Returns:
        Array of shape `(..., samples)`.
    """
    real, imaginary = _pair("istft", x, 2)
    taps = _window(window, sequence_length, fft_length, real.dtype)
    frames = irfft((real, imaginary), fft_length)
    *rest, count, _ = shape_of(frames)
    total = fft_length + sequence_stride * (count - 1)
    places = _frame_places(count, sequence_stride, fft_length)
    weighted = handle["multiply"](frames, _core.tensor(taps))
    room = handle["broadcast_to"](_core.tensor(0.0, real.dtype), shape=[*rest, total])
    added = handle["take_grad"](weighted, places, room, axis=weighted.ndim - 2)
    squares = handle["broadcast_to"](_core.tensor(taps * taps), shape=[count, fft_length])
    line = handle["broadcast_to"](_core.tensor(0.0, real.dtype), shape=[total])
    weight = handle["take_grad"](squares, places, line, axis=0)
    samples = handle["divide"](added, handle["select"](handle["greater"](weight, 1e-10), weight, 1.0))
    if window is None:
        # Keras' scale for frames without a window.
        samples = handle["multiply"](samples, fft_length / sequence_stride)
    start = fft_length // 2 if center else 0
    stop: Any = None
    if length is not None:
        stop = start + length
    elif center and fft_length // 2:
        stop = -(fft_length // 2)
    lead: list[Any] = [None] * len(rest)
    return handle["slice"](samples, starts=[*lead, start], stops=[*lead, stop], steps=[1] * samples.ndim)
