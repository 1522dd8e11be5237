"""Initializers that draw no random numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ironhorn import backend, ops
from ironhorn.errors import UnsupportedError
from ironhorn.initializers.initializer import Initializer


def resolve_dtype(dtype: str | None) -> str:
    """Returns a dtype name, the default float type where none is given."""
    return backend.floatx() if dtype is None else backend.standardize_dtype(dtype)


class Constant(Initializer):
    """Fills the tensor with one value.

    Args:
        value: A number, or an array that can be broadcast to the shape asked for.

    Example:
        >>> ironhorn.initializers.Constant(3.0)(shape=(2,)).numpy()
        array([3., 3.], dtype=float32)
    """

    def __init__(self, value: Any = 0.0) -> None:
        self.value = value

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Any:
        """Returns a tensor of the given shape that holds the value."""
        value = ops.convert_to_tensor(self.value, dtype=resolve_dtype(dtype))
        return ops.broadcast_to(value, tuple(shape))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        from ironhorn.saving import registry

        return {"value": registry.serialize_keras_object(self.value)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Constant:
        """Makes an initializer from what `get_config` returned."""
        from ironhorn.saving import registry

        return cls(registry.deserialize_keras_object(config["value"]))


class Zeros(Initializer):
    """Fills the tensor with zeros."""

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Any:
        """Returns a tensor of zeros."""
        return ops.zeros(tuple(shape), dtype=resolve_dtype(dtype))


class Ones(Initializer):
    """Fills the tensor with ones."""

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Any:
        """Returns a tensor of ones."""
        return ops.ones(tuple(shape), dtype=resolve_dtype(dtype))


class Identity(Initializer):
    """Makes a matrix with `gain` on the diagonal and zeros elsewhere.

    Args:
        gain: The value on the diagonal.

    Example:
        >>> ironhorn.initializers.Identity()(shape=(2, 3)).numpy()
        array([[1., 0., 0.],
               [0., 1., 0.]], dtype=float32)
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Any:
        """Returns the matrix.

        Raises:
            ValueError: If `shape` has another rank than 2.
        """
        if len(shape) != 2:
            raise ValueError(
                "The Identity initializer makes matrices, so `shape` must have two dimensions. Received: "
                f"shape={shape} of rank {len(shape)}. Choose another initializer for this weight."
            )
        dtype = resolve_dtype(dtype)
        return ops.multiply(ops.eye(shape[0], shape[1], dtype=dtype), self.gain)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {"gain": self.gain}


class STFT(Initializer):
    """Fills a convolution kernel with the cosines or sines of the short-time Fourier transform.

    A convolution with the kernel over frames of a signal gives one side of their spectra. The weight has the shape
    `(frame length, 1, transform length // 2 + 1)`.

    Args:
        side: `"real"` for cosines, `"imag"` for sines.
        window: Factor of each place in a frame: `"hann"`, `"hamming"`, `"blackman"`, `"bartlett"`, `"boxcar"`, an array
            of the frame's length, or `None` for none.
        scaling: `"density"` to divide by the window's root of the sum of squares, `"spectrum"` to divide by its sum,
            `None` for neither.
        periodic: Whether the window is one period of a longer one, instead of symmetric.

    Raises:
        UnsupportedError: For another window by name: give its values instead.

    Example:
        >>> ironhorn.initializers.STFT("real", None)((2, 1, 2)).numpy().tolist()
        [[[1.0, 1.0]], [[1.0, -1.0]]]
    """

    def __init__(
        self, side: str = "real", window: Any = "hann", scaling: str | None = "density", periodic: bool = False
    ) -> None:
        if side not in ("real", "imag"):
            raise ValueError(f'`side` must be "real" or "imag". Received: side={side!r}.')
        if isinstance(window, str) and window not in _WINDOWS:
            raise UnsupportedError(
                f"The STFT initializer knows the windows {tuple(_WINDOWS)}. Received: window={window!r}; pass an array "
                "of the window's values instead."
            )
        if scaling not in (None, "density", "spectrum"):
            raise ValueError(f'`scaling` must be "density", "spectrum" or None. Received: scaling={scaling!r}.')
        self.side = side
        self.window = window
        self.scaling = scaling
        self.periodic = periodic

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Any:
        """Returns the kernel.

        Raises:
            ValueError: If the shape is not that of such a kernel, or the window has another length.
        """
        import numpy as np

        if len(shape) != 3 or shape[1] != 1:
            raise ValueError(
                "The STFT initializer makes kernels of shape (frame length, 1, frequencies). Received: "
                f"shape={tuple(shape)}."
            )
        length, _, frequencies = shape
        angles = -2.0 * np.pi * np.outer(np.arange(length), np.arange(frequencies)) / (2 * (frequencies - 1))
        kernel = np.cos(angles) if self.side == "real" else np.sin(angles)
        if self.window is not None:
            window = self._values(length)
            if window.shape != (length,):
                raise ValueError(
                    f"The window of the STFT initializer must have the frame's length, {length}. Received a window of "
                    f"shape {window.shape}."
                )
            kernel = kernel * window[:, None]
            if self.scaling == "density":
                kernel = kernel / np.sqrt(np.sum(window**2))
            elif self.scaling == "spectrum":
                kernel = kernel / np.sum(np.abs(window))
        return ops.convert_to_tensor(kernel[:, None, :], dtype=resolve_dtype(dtype))

    def _values(self, length: int) -> Any:
        import numpy as np

        if not isinstance(self.window, str):
            return np.asarray(self.window, dtype="float64")
        if length == 1:
            return np.ones(1)
        places = np.arange(length) / (length if self.periodic else length - 1)
        if self.window == "bartlett":
            return 1.0 - np.abs(2.0 * places - 1.0)
        return sum(factor * np.cos(2.0 * np.pi * k * places) for k, factor in enumerate(_WINDOWS[self.window]))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        from ironhorn.saving import registry

        return {
            "side": self.side,
            "window": registry.serialize_keras_object(self.window),
            "periodic": self.periodic,
            "scaling": self.scaling,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> STFT:
        """Makes an initializer from what `get_config` returned."""
        from ironhorn.saving import registry

        return cls(**{**config, "window": registry.deserialize_keras_object(config.get("window"))})


#: Windows as sums of cosines: their factors.
_WINDOWS: dict[str, tuple[float, ...]] = {
    "hann": (0.5, -0.5),
    "hamming": (0.54, -0.46),
    "blackman": (0.42, -0.5, 0.08),
    "bartlett": (),
    "boxcar": (1.0,),
}
