"""Layers that make spectrograms: what every layer does, and what is special to them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ironhorn import layers
from ironhorn.errors import DTypeError, UnsupportedError
from ironhorn.testing import assert_raises_text, run_layer_test

SOUNDS = np.sin(np.arange(200, dtype="float32") * [[0.5], [1.5]]).astype("float32")


def test_mel_spectrogram() -> None:
    layer = run_layer_test(
        layers.MelSpectrogram,
        {"fft_length": 64, "sequence_stride": 16, "num_mel_bins": 8},
        input_data=SOUNDS,
        expected_output_shape=(2, 8, 13),
        expected_num_trainable_weights=0,
    )
    assert layer.compute_output_shape((None, None)) == (None, 8, None)
    # Ears hear the higher tone in higher bands.
    low, high = np.asarray(layer(SOUNDS)).mean(axis=2).argmax(axis=1)
    assert low < high
    weights = np.asarray(layer.linear_to_mel_weight_matrix())
    assert weights.shape == (129, 20) and weights.min() == 0 and 0 < weights.max() <= 1 and not weights[0].any()
    assert layers.MelSpectrogram(dtype="float16", fft_length=64)(SOUNDS).dtype == "float16"


@pytest.mark.parametrize("mode", ["log", "magnitude", "psd", "real", "imag", "angle", "stft"])
@pytest.mark.parametrize("options", [{}, {"expand_dims": True}, {"data_format": "channels_first", "padding": "same"}])
def test_stft_spectrogram(mode: str, options: dict[str, Any]) -> None:
    run_layer_test(
        layers.STFTSpectrogram,
        {"mode": mode, "frame_length": 16, "frame_step": 5, **options},
        input_shape=(2, 3, 40) if "data_format" in options else (2, 40, 3),
        expected_num_trainable_weights=1 if mode in ("real", "imag") else 2,
        # The gradients of weights that angles and logarithms have are steep where signals are weak.
        rtol=1e-3,
        atol=1e-3,
    )


def test_stft_is_the_fourier_transform() -> None:
    signal = np.random.default_rng(0).standard_normal((1, 32, 1)).astype("float32")
    found = np.asarray(layers.STFTSpectrogram("stft", 8, 4, window=None, scaling=None)(signal))
    frames = np.lib.stride_tricks.sliding_window_view(signal[0, :, 0], 8)[::4]
    spectra = np.fft.rfft(frames)
    np.testing.assert_allclose(found[0], np.concatenate([spectra.real, spectra.imag], axis=1), atol=1e-5)


@pytest.mark.parametrize(
    ("call", "error", "texts"),
    [
        (lambda: layers.MelSpectrogram(16, sequence_length=32), ValueError, ["fft_length=16", "sequence_length=32"]),
        (lambda: layers.STFTSpectrogram("power"), ValueError, ["mode='power'", "psd"]),
        (lambda: layers.STFTSpectrogram(frame_step=300), ValueError, ["frame_step=300"]),
        (lambda: layers.STFTSpectrogram(fft_length=8), ValueError, ["fft_length=8"]),
        (lambda: layers.STFTSpectrogram(window="kaiser"), UnsupportedError, ["'kaiser'"]),
        (lambda: layers.STFTSpectrogram(padding="causal"), ValueError, ["padding"]),
        (lambda: layers.STFTSpectrogram()(np.zeros((1, 400, 1), "int32")), DTypeError, ["int32", "Cast"]),
    ],
)
def test_errors(call: Any, error: type[Exception], texts: list[str]) -> None:
    assert_raises_text(error, texts, call)


def test_lengths_that_are_no_power_of_two_are_said() -> None:
    with pytest.warns(UserWarning, match="power of two"):
        layers.STFTSpectrogram(frame_length=8, fft_length=12)
