"""The layer that makes spectrograms by convolutions, whose kernels may be trained."""

from __future__ import annotations

import math
import warnings
from typing import Any

from ironhorn import backend, initializers, ops
from ironhorn.errors import DTypeError
from ironhorn.layers.convolutional.geometry import data_format_of, padding_of
from ironhorn.layers.input_spec import InputSpec
from ironhorn.layers.layer import Layer

_MODES = ("log", "magnitude", "psd", "real", "imag", "angle", "stft")


class STFTSpectrogram(Layer):
    """Makes spectrograms of the channels of a signal: short-time Fourier transforms, by convolutions.

    Args:
        mode: What comes out: `"log"` or `"magnitude"`, `"psd"` (the density of the power), `"real"`, `"imag"`,
            `"angle"`, or `"stft"` (real and imaginary parts after each other).
        frame_length: Length of a frame, in samples.
        frame_step: How far frames are apart; half of `frame_length` by default.
        fft_length: Length of the Fourier transforms; the power of two from `frame_length` up by default.
        window: As for `initializers.STFT`.
        periodic: As for `initializers.STFT`.
        scaling: `"density"`, `"spectrum"` or `None`, as for `initializers.STFT`.
        padding: `"valid"` or `"same"`.
        expand_dims: Whether channels keep an axis of their own; otherwise the frequencies of all follow each other.
        data_format: `"channels_last"` or `"channels_first"`.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Input shape:
        `(batch, samples, channels)`, or `(batch, channels, samples)` with `"channels_first"`.

    Output shape:
        `(batch, frames, frequencies * channels)`, or with `expand_dims` `(batch, frames, frequencies, channels)`; with
        `"channels_first"` `(batch, channels * frequencies, frames)` or `(batch, channels, frames, frequencies)`.

    Example:
        >>> layer = ironhorn.layers.STFTSpectrogram(frame_length=16, frame_step=8, trainable=False)
        >>> layer(ironhorn.ops.ones((1, 64, 2))).shape
        (1, 7, 18)
    """

    def __init__(
        self,
        mode: str = "log",
        frame_length: int = 256,
        frame_step: int | None = None,
        fft_length: int | None = None,
        window: Any = "hann",
        periodic: bool = False,
        scaling: str | None = "density",
        padding: str = "valid",
        expand_dims: bool = False,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if frame_step is not None and not 1 <= frame_step <= frame_length:
            raise ValueError(
                "`frame_step` of an STFTSpectrogram layer must be from 1 to `frame_length`. Received: "
                f"frame_step={frame_step}, frame_length={frame_length}."
            )
        if fft_length is not None and fft_length < frame_length:
            raise ValueError(
                "`fft_length` of an STFTSpectrogram layer must be at least `frame_length`. Received: "
                f"fft_length={fft_length}, frame_length={frame_length}."
            )
        if fft_length is not None and fft_length & -fft_length != fft_length:
            warnings.warn(
                f"An STFTSpectrogram layer works best with a power of two. Received: fft_length={fft_length}.",
                stacklevel=2,
            )
        if mode not in _MODES:
            raise ValueError(f"`mode` of an STFTSpectrogram layer must be one of {_MODES}. Received: mode={mode!r}.")
        # Refuses a window or scaling that there is not.
        initializers.STFT("real", window, scaling, periodic)
        self.mode = mode
        self.frame_length = frame_length
        self.frame_step = frame_step
        self._frame_step = frame_step or frame_length // 2
        self.fft_length = fft_length
        self._fft_length = fft_length or 2 ** math.ceil(math.log2(frame_length))
        self.window = window
        self.periodic = periodic
        self.scaling = scaling
        self.padding = padding_of(padding)
        self.expand_dims = expand_dims
        self.data_format = data_format_of(data_format)
        self.input_spec = InputSpec(ndim=3)

    def build(self, input_shape: Any) -> None:
        """Makes the kernels: cosines and sines, times the window."""
        shape = (self.frame_length, 1, self._fft_length // 2 + 1)
        arguments = (self.window, self.scaling, self.periodic)
        if self.mode != "imag":
            self.real_kernel = self.add_weight(
                name="real_kernel", shape=shape, initializer=initializers.STFT("real", *arguments)
            )
        if self.mode != "real":
            self.imag_kernel = self.add_weight(
                name="imag_kernel", shape=shape, initializer=initializers.STFT("imag", *arguments)
            )

    def call(self, inputs: Any) -> Any:
        """Makes the spectrograms."""
        if backend.standardize_dtype(inputs.dtype) not in ("float16", "bfloat16", "float32", "float64"):
            raise DTypeError(f"Layer '{self.name}' takes floats. Received: dtype {inputs.dtype}. Cast the signal.")
        signal = inputs if self.data_format == "channels_first" else ops.swapaxes(inputs, 1, 2)
        if self.mode == "real":
            return self._arranged(self._transform(signal, self.real_kernel))
        if self.mode == "imag":
            return self._arranged(self._transform(signal, self.imag_kernel))
        real, imaginary = (self._transform(signal, kernel) for kernel in (self.real_kernel, self.imag_kernel))
        if self.mode == "angle":
            return self._arranged(ops.arctan2(imaginary, real))
        if self.mode == "stft":
            return self._arranged(ops.concatenate([real, imaginary], axis=-1))
        power = ops.square(real) + ops.square(imaginary)
        if self.mode == "psd":
            # All frequencies but the first and the last stand for their negatives too.
            return self._arranged(power + ops.pad(power[..., 1:-1], [[0, 0], [0, 0], [0, 0], [1, 1]]))
        magnitude = self._arranged(ops.sqrt(ops.maximum(power, backend.epsilon())))
        return magnitude if self.mode == "magnitude" else ops.log(ops.maximum(magnitude, backend.epsilon()))

    def _transform(self, signal: Any, kernel: Any) -> Any:
        """One part of the transforms of `(batch, channels, samples)`: `(batch, channels, frames, frequencies)`."""
        batch, channels, samples = ops.shape(signal)
        frames = ops.conv(
            ops.reshape(signal, (batch * channels, samples, 1)),
            ops.cast(kernel, signal.dtype),
            strides=self._frame_step,
            padding=self.padding,
            data_format="channels_last",
        )
        return ops.reshape(frames, (batch, channels, *ops.shape(frames)[1:]))

    def _arranged(self, spectra: Any) -> Any:
        """`(batch, channels, frames, frequencies)` in the order of axes that is wanted."""
        channels_last = self.data_format == "channels_last"
        if self.expand_dims:
            return ops.transpose(spectra, (0, 2, 3, 1)) if channels_last else spectra
        batch, channels, frames, frequencies = ops.shape(spectra)
        if channels_last:
            return ops.reshape(ops.transpose(spectra, (0, 2, 1, 3)), (batch, frames, channels * frequencies))
        return ops.reshape(ops.transpose(spectra, (0, 1, 3, 2)), (batch, channels * frequencies, frames))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs."""
        channels_last = self.data_format == "channels_last"
        batch = input_shape[0]
        samples, channels = (input_shape[1], input_shape[2]) if channels_last else (input_shape[2], input_shape[1])
        frames = None
        if samples is not None:
            reach = 1 if self.padding == "same" else self.frame_length
            frames = (samples - reach) // self._frame_step + 1
        frequencies = (self._fft_length // 2 + 1) * (2 if self.mode == "stft" else 1)
        if self.expand_dims:
            return (batch, frames, frequencies, channels) if channels_last else (batch, channels, frames, frequencies)
        both = None if channels is None else frequencies * channels
        return (batch, frames, both) if channels_last else (batch, both, frames)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {
            **super().get_config(),
            "mode": self.mode,
            "frame_length": self.frame_length,
            "frame_step": self.frame_step,
            "fft_length": self.fft_length,
            "window": self.window,
            "periodic": self.periodic,
            "scaling": self.scaling,
            "padding": self.padding,
            "data_format": self.data_format,
            "expand_dims": self.expand_dims,
        }
