"""What ops compute, as plain loops over NumPy arrays: slow, and easy to believe."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

Array = np.ndarray


def erf(x: Array) -> Array:
    """Error function."""
    return np.vectorize(math.erf, otypes=["float64"])(x)


def sigmoid(x: Array) -> Array:
    """`1 / (1 + exp(-x))`."""
    return 1.0 / (1.0 + np.exp(-x))


def softmax(x: Array, axis: Any = -1) -> Array:
    """`exp(x) / sum(exp(x))`."""
    raised = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return raised / np.sum(raised, axis=axis, keepdims=True)


def elu(x: Array, alpha: float = 1.0) -> Array:
    """`x` above 0, `alpha * (exp(x) - 1)` below."""
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def gelu(x: Array, approximate: bool = True) -> Array:
    """`x` times the normal distribution function, or its approximation by tanh."""
    if approximate:
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * (1 + erf(x / math.sqrt(2)))


def one_hot(x: Array, classes: int) -> Array:
    """Rows with a 1 at the place that each number names."""
    return (np.asarray(x)[..., None] == np.arange(classes)).astype("float64")


def windows(lengths: Any, window: Any, strides: Any, dilation: Any, same: bool) -> tuple[list[int], list[int]]:
    """Lengths of the output, and the padding before every axis."""
    out, before = [], []
    for length, size, stride, step in zip(lengths, window, strides, dilation, strict=True):
        reach = (size - 1) * step + 1
        if same:
            count = -(-length // stride)
            before.append(max((count - 1) * stride + reach - length, 0) // 2)
        else:
            count = max(0, (length - reach) // stride + 1)
            before.append(0)
        out.append(count)
    return out, before


def taps(x: Array, place: Any, window: Any, strides: Any, dilation: Any, before: Any) -> Any:
    """The window's offsets and rows of channels that lie within the image, for one place of the output."""
    for offset in itertools.product(*(range(size) for size in window)):
        at = [p * s + o * d - b for p, s, o, d, b in zip(place, strides, offset, dilation, before, strict=True)]
        if all(0 <= a < n for a, n in zip(at, x.shape[1:-1], strict=True)):
            yield offset, x[(slice(None), *at)]


def conv(x: Array, kernel: Array, strides: int = 1, padding: str = "valid", dilation: int = 1) -> Array:
    """Convolution of (batch, spatial.., channels) with (kernel.., channels / groups, filters)."""
    rank = x.ndim - 2
    steps, spread, window = [strides] * rank, [dilation] * rank, kernel.shape[:rank]
    out, before = windows(x.shape[1:-1], window, steps, spread, padding == "same")
    channels, filters = kernel.shape[-2:]
    groups = x.shape[-1] // channels
    y = np.zeros((x.shape[0], *out, filters))
    for place in itertools.product(*(range(n) for n in out)):
        for offset, row in taps(x, place, window, steps, spread, before):
            for group in range(groups):
                some = slice(group * filters // groups, (group + 1) * filters // groups)
                part = row[:, group * channels : (group + 1) * channels]
                y[(slice(None), *place, some)] += part @ kernel[offset][:, some]
    return y


def pool(kind: str, x: Array, size: int, strides: int, padding: str) -> Array:
    """The largest element, or the mean, of every window; padding does not count."""
    rank = x.ndim - 2
    window, steps, spread = [size] * rank, [strides] * rank, [1] * rank
    out, before = windows(x.shape[1:-1], window, steps, spread, padding == "same")
    y = np.zeros((x.shape[0], *out, x.shape[-1]))
    reduce = np.max if kind == "max" else np.mean
    for place in itertools.product(*(range(n) for n in out)):
        rows = [row for _, row in taps(x, place, window, steps, spread, before)]
        y[(slice(None), *place)] = reduce(np.stack(rows), axis=0)
    return y


def lstm(
    x: Array,
    hidden: Array,
    cell: Array,
    kernel: Array,
    recurrent: Array,
    bias: Array | None = None,
    mask: Array | None = None,
    go_backwards: bool = False,
    zero_output_for_mask: bool = False,
) -> tuple[Array, Array, Array]:
    """An LSTM, step by step; gates i, f, g, o."""
    units = hidden.shape[1]
    outputs = np.zeros((x.shape[0], x.shape[1], units))
    steps = range(x.shape[1])
    for position, t in enumerate(reversed(steps) if go_backwards else steps):
        gates = x[:, t] @ kernel + hidden @ recurrent + (0 if bias is None else bias)
        i, f, g, o = (gates[:, k * units : (k + 1) * units] for k in range(4))
        new_cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
        new_hidden = sigmoid(o) * np.tanh(new_cell)
        shown = new_hidden
        if mask is not None:
            here = mask[:, t, None].astype(bool)
            new_cell, new_hidden = np.where(here, new_cell, cell), np.where(here, new_hidden, hidden)
            shown = np.where(here, shown, np.zeros_like(shown) if zero_output_for_mask else hidden)
        hidden, cell = new_hidden, new_cell
        outputs[:, position] = shown
    return outputs, hidden, cell


def binary_crossentropy(target: Array, output: Array, from_logits: bool = False) -> Array:
    """`-(t log p + (1 - t) log(1 - p))`."""
    p = sigmoid(output) if from_logits else np.clip(output, 1e-7, 1 - 1e-7)
    return -(target * np.log(p) + (1 - target) * np.log(1 - p))


def categorical_crossentropy(target: Array, output: Array, from_logits: bool = False, axis: int = -1) -> Array:
    """`-sum(t log p)` along an axis."""
    p = softmax(output, axis) if from_logits else output / np.sum(output, axis=axis, keepdims=True)
    return -np.sum(target * np.log(np.clip(p, 1e-7, 1 - 1e-7)), axis=axis)


def sparse_categorical_crossentropy(target: Array, output: Array, from_logits: bool = False) -> Array:
    """`-log p[t]` along the last axis."""
    return categorical_crossentropy(one_hot(target, output.shape[-1]), output, from_logits)


def batch_normalization(x: Array, mean: Array, variance: Array, offset: Array, scale: Array) -> Array:
    """Normalisation of the last axis."""
    return (x - mean) / np.sqrt(variance + 1e-3) * scale + offset


def batch_normalization_train(x: Array, scale: Array, offset: Array, mask: Array | None = None) -> Any:
    """Normalisation of the last axis by the moments of the rows that count."""
    rows = x.reshape(-1, x.shape[-1])
    counted = rows if mask is None else rows[np.asarray(mask).reshape(-1).astype(bool)]
    mean, variance = counted.mean(axis=0), counted.var(axis=0)
    return batch_normalization(x, mean, variance, offset, scale), mean, variance
