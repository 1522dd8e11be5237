"""The layer that makes mel spectrograms of sounds."""

from __future__ import annotations

from typing import Any

import numpy as np

from ironhorn import ops
from ironhorn.layers.layer import Layer


class MelSpectrogram(Layer):
    """Makes a picture of a sound: how strong it is at each time, in bands as wide as ears tell apart.

    The short-time Fourier transform's magnitudes to the power of `mag_exp` are summed with triangular weights over
    bands that are equally spaced on the mel scale, `1127 log(1 + hertz / 700)`.

    Args:
        fft_length: Length of the Fourier transforms.
        sequence_stride: How far frames are apart, in samples.
        sequence_length: Length of a frame; `fft_length` by default.
        window: `"hann"`, `"hamming"`, an array of the frame's length, or `None` for frames as they are.
        sampling_rate: Samples per second.
        num_mel_bins: Number of bands.
        min_freq: Lower end of the lowest band, in hertz.
        max_freq: Upper end of the highest band; half of the sampling rate by default.
        power_to_db: Whether results are in decibels.
        top_db: Decibels that results are below the greatest at most.
        mag_exp: Power that magnitudes are raised to: 1 for energy, 2 for power.
        min_power: Least power that is told apart from none.
        ref_power: Power of 0 decibels.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Input shape:
        `(samples,)` or `(batch, samples)`.

    Output shape:
        `(bands, frames)` or `(batch, bands, frames)`.

    Example:
        >>> layer = ironhorn.layers.MelSpectrogram(fft_length=64, sequence_stride=16, num_mel_bins=8)
        >>> layer(np.sin(np.arange(320, dtype="float32"))[None]).shape
        (1, 8, 21)
    """

    def __init__(
        self,
        fft_length: int = 2048,
        sequence_stride: int = 512,
        sequence_length: int | None = None,
        window: Any = "hann",
        sampling_rate: float = 16000,
        num_mel_bins: int = 128,
        min_freq: float = 20.0,
        max_freq: float | None = None,
        power_to_db: bool = True,
        top_db: float = 80.0,
        mag_exp: float = 2.0,
        min_power: float = 1e-10,
        ref_power: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.fft_length = fft_length
        self.sequence_stride = sequence_stride
        self.sequence_length = sequence_length or fft_length
        if self.fft_length < self.sequence_length:
            raise ValueError(
                "`fft_length` of a MelSpectrogram layer must be at least `sequence_length`. Received: "
                f"fft_length={fft_length}, sequence_length={sequence_length}."
            )
        self.window = window
        self.sampling_rate = sampling_rate
        self.num_mel_bins = num_mel_bins
        self.min_freq = min_freq
        self.max_freq = max_freq or int(sampling_rate / 2)
        self.power_to_db = power_to_db
        self.top_db = top_db
        self.mag_exp = mag_exp
        self.min_power = min_power
        self.ref_power = ref_power
        self._allow_non_tensor_positional_args = True
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        """Makes the spectrograms."""
        dtype = self.compute_dtype if self.compute_dtype in ("float32", "float64") else "float32"
        sounds = ops.cast(inputs, dtype)
        real, imaginary = ops.stft(
            sounds, self.sequence_length, self.sequence_stride, self.fft_length, window=self.window, center=True
        )
        power = ops.square(real) + ops.square(imaginary)
        # The square root has no slope at 0, and the square of it needs none.
        strength = power if self.mag_exp == 2 else ops.power(ops.sqrt(power), self.mag_exp)
        weights = self.linear_to_mel_weight_matrix(
            self.num_mel_bins, self.fft_length // 2 + 1, self.sampling_rate, self.min_freq, self.max_freq
        )
        bands = ops.matmul(strength, ops.cast(weights, dtype))
        if self.power_to_db:
            bands = self._decibels(bands)
        return ops.cast(ops.swapaxes(bands, -1, -2), self.compute_dtype)

    def _decibels(self, power: Any) -> Any:
        level = 10.0 * ops.log10(ops.maximum(power, self.min_power))
        level = level - 10.0 * float(np.log10(max(abs(self.ref_power), self.min_power)))
        return ops.maximum(level, ops.max(level) - self.top_db)

    def linear_to_mel_weight_matrix(
        self,
        num_mel_bins: int = 20,
        num_spectrogram_bins: int = 129,
        sampling_rate: float = 8000,
        lower_edge_hertz: float = 125.0,
        upper_edge_hertz: float = 3800.0,
        dtype: str = "float32",
    ) -> Any:
        """Returns what frequencies count in bands, `(num_spectrogram_bins, num_mel_bins)`.

        Args:
            num_mel_bins: Number of bands.
            num_spectrogram_bins: Number of frequencies, from 0 to half of the sampling rate.
            sampling_rate: Samples per second.
            lower_edge_hertz: Lower end of the lowest band.
            upper_edge_hertz: Upper end of the highest band.
            dtype: Dtype of the result.
        """
        frequencies = np.linspace(0.0, sampling_rate / 2.0, num_spectrogram_bins)[1:]
        mels = _mel(frequencies)[:, None]
        edges = np.linspace(_mel(lower_edge_hertz), _mel(upper_edge_hertz), num_mel_bins + 2)
        lower, center, upper = edges[:-2], edges[1:-1], edges[2:]
        slopes = np.minimum((mels - lower) / (center - lower), (upper - mels) / (upper - center))
        # The constant part of a sound belongs to no band.
        return ops.convert_to_tensor(np.pad(np.maximum(slopes, 0.0), ((1, 0), (0, 0))), dtype=dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs."""
        *batch, samples = input_shape
        margin = self.fft_length // 2 * 2 - self.fft_length
        frames = None if samples is None else (samples + margin) // self.sequence_stride + 1
        return (*batch, self.num_mel_bins, frames)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {
            **super().get_config(),
            "fft_length": self.fft_length,
            "sequence_stride": self.sequence_stride,
            "sequence_length": self.sequence_length,
            "window": self.window,
            "sampling_rate": self.sampling_rate,
            "num_mel_bins": self.num_mel_bins,
            "min_freq": self.min_freq,
            "max_freq": self.max_freq,
            "power_to_db": self.power_to_db,
            "top_db": self.top_db,
            "mag_exp": self.mag_exp,
            "min_power": self.min_power,
            "ref_power": self.ref_power,
        }


def _mel(hertz: Any) -> Any:
    """Frequencies on the scale of ears."""
    return 1127.0 * np.log1p(hertz / 700.0)
