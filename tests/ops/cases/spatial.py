"""Convolutions and poolings of every kind and rank, and functions of windows and blocks."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from ironhorn import ops
from ops import references as ref
from ops.cases.case import NUMBERS, Argument, Case

LINE, IMAGE, VOLUME = (2, 7, 3), (2, 6, 5, 3), (2, 4, 3, 5, 2)


def first_to_last(x: np.ndarray) -> np.ndarray:
    """Channels second to channels last."""
    return np.moveaxis(x, 1, -1)


def last_to_first(x: np.ndarray) -> np.ndarray:
    """Channels last to channels second."""
    return np.moveaxis(x, -1, 1)


def convolution(
    name: str, note: str, shape: Any, kernels: list[Any], reference: Any, first: bool = False, **options: Any
) -> Case:
    """A function of an input and kernels; `reference` takes channels last."""
    shape = (shape[0], shape[-1], *shape[1:-1]) if first else shape
    data_format = "channels_first" if first else "channels_last"
    return Case(
        name,
        (Argument(shape, "unit"), *(Argument(kernel, "unit", batch=False) for kernel in kernels)),
        (lambda x, *w: last_to_first(reference(first_to_last(x), *w))) if first else reference,
        call=lambda *arrays: getattr(ops, name)(*arrays, data_format=data_format, **options),
        note=note,
        tolerance=8.0,
    )


def conv(note: str, shape: Any, kernel: Any, strides: int = 1, padding: str = "valid", dilation: int = 1) -> Case:
    """A dense convolution."""
    options = {"strides": strides, "padding": padding, "dilation_rate": dilation}
    return convolution(
        "conv", note, shape, [kernel], lambda x, w: ref.conv(x, w, strides, padding, dilation), **options
    )


def grouped(w: np.ndarray) -> np.ndarray:
    """A depthwise kernel as one of a convolution with as many groups as channels."""
    return w.reshape(*w.shape[:-2], 1, -1)


def depthwise(
    note: str,
    shape: Any,
    kernel: Any,
    strides: int = 1,
    padding: str = "valid",
    dilation: int = 1,
    first: bool = False,
) -> Case:
    """A depthwise convolution."""
    options = {"strides": strides, "padding": padding, "dilation_rate": dilation}
    return convolution(
        "depthwise_conv",
        note,
        shape,
        [kernel],
        lambda x, w: ref.conv(x, grouped(w), strides, padding, dilation),
        first,
        **options,
    )


def transposed_length(n: int, reach: int, stride: int, padding: str, end: int | None) -> int:
    """How long an axis becomes."""
    if padding == "valid":
        return (n - 1) * stride + reach + (max(stride - reach, 0) if end is None else end)
    return n * stride if end is None else (n - 1) * stride + reach % 2 + end


def transposed_start(reach: int, stride: int, padding: str, end: int | None) -> int:
    """How many elements before the first are cut off."""
    if padding == "valid":
        return 0
    around = stride + reach - 2 if end is None else reach + reach % 2 - 2 + end
    return reach - 1 - min(-(-around // 2), reach - 1)


def conv_transpose(
    x: np.ndarray, w: np.ndarray, strides: int, padding: str, dilation: int, end: int | None
) -> np.ndarray:
    """Every element adds the kernel, times itself, to the output."""
    rank = x.ndim - 2
    reaches = [(size - 1) * dilation + 1 for size in w.shape[:rank]]
    out = [transposed_length(n, reach, strides, padding, end) for n, reach in zip(x.shape[1:-1], reaches, strict=True)]
    starts = [transposed_start(reach, strides, padding, end) for reach in reaches]
    y = np.zeros((x.shape[0], *out, w.shape[-2]))
    for place in itertools.product(*(range(n) for n in x.shape[1:-1])):
        for tap in itertools.product(*(range(n) for n in w.shape[:rank])):
            at = [p * strides + t * dilation - s for p, t, s in zip(place, tap, starts, strict=True)]
            if all(0 <= a < n for a, n in zip(at, out, strict=True)):
                y[(slice(None), *at)] += x[(slice(None), *place)] @ w[tap].T
    return y


def transpose(
    note: str,
    shape: Any,
    kernel: Any,
    strides: int = 1,
    padding: str = "valid",
    dilation: int = 1,
    end: int | None = None,
    first: bool = False,
) -> Case:
    """A transposed convolution."""
    options = {"strides": strides, "padding": padding, "dilation_rate": dilation, "output_padding": end}
    return convolution(
        "conv_transpose",
        note,
        shape,
        [kernel],
        lambda x, w: conv_transpose(x, w, strides, padding, dilation, end),
        first,
        **options,
    )


def pool(kind: str, note: str, shape: Any, size: int, strides: int, padding: str) -> Case:
    """A pooling of windows of one size."""
    name = f"{kind}_pool"
    return Case(
        name,
        (Argument(shape),),
        lambda x: ref.pool(kind, x, size, strides, padding),
        call=lambda x: getattr(ops, name)(x, size, strides, padding, data_format="channels_last"),
        note=note,
    )


def adaptive_pool(kind: str, x: np.ndarray, outputs: Any) -> np.ndarray:
    """The maximum or mean of equal parts, rounded outwards."""
    reduce = np.max if kind == "max" else np.mean
    y = np.zeros((x.shape[0], *outputs, x.shape[-1]))
    for place in itertools.product(*(range(n) for n in outputs)):
        window = [
            slice(i * length // n, -(-(i + 1) * length // n))
            for i, n, length in zip(place, outputs, x.shape[1:-1], strict=True)
        ]
        y[(slice(None), *place)] = reduce(x[(slice(None), *window)], axis=tuple(range(1, x.ndim - 1)))
    return y


def adaptive(kind: str, note: str, shape: Any, outputs: Any, first: bool = False) -> Case:
    """A pooling of as many windows as are asked for."""
    name = f"adaptive_{kind}_pool"
    sizes = (outputs,) * (len(shape) - 2) if isinstance(outputs, int) else outputs
    if first:
        return Case(
            name,
            (Argument((shape[0], shape[-1], *shape[1:-1])),),
            lambda x: last_to_first(adaptive_pool(kind, first_to_last(x), sizes)),
            call=lambda x: getattr(ops, name)(x, outputs, data_format="channels_first"),
            note=note,
        )
    return Case(
        name,
        (Argument(shape),),
        lambda x: adaptive_pool(kind, x, sizes),
        call=lambda x: getattr(ops, name)(x, outputs, data_format="channels_last"),
        note=note,
    )


def depth_to_space(x: np.ndarray, b: int) -> np.ndarray:
    """Channels as blocks of pixels, one by one."""
    n, h, w, c = x.shape
    y = np.zeros((n, h * b, w * b, c // b**2), x.dtype)
    for row, column in itertools.product(range(b), range(b)):
        first = (row * b + column) * (c // b**2)
        y[:, row::b, column::b] = x[..., first : first + c // b**2]
    return y


def unfold(x: np.ndarray, size: Any, dilation: int, padding: int, stride: int) -> np.ndarray:
    """Windows as columns."""
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    counts = [(length - (k - 1) * dilation - 1) // stride + 1 for length, k in zip(x.shape[2:], size, strict=True)]
    y = np.zeros((x.shape[0], x.shape[1], *size, *counts))
    for i, j in itertools.product(range(size[0]), range(size[1])):
        for r, c in itertools.product(range(counts[0]), range(counts[1])):
            y[:, :, i, j, r, c] = x[:, :, r * stride + i * dilation, c * stride + j * dilation]
    return y.reshape(x.shape[0], x.shape[1] * size[0] * size[1], counts[0] * counts[1])


def fold(y: np.ndarray, output: Any, size: Any, dilation: int, padding: int, stride: int) -> np.ndarray:
    """Columns added up, through the places that `unfold` takes them from."""
    channels = y.shape[1] // (size[0] * size[1])
    places = np.arange(1.0, output[0] * output[1] + 1).reshape(1, 1, *output)
    taken = unfold(places, size, dilation, padding, stride)[0].astype(int)
    flat = np.zeros((y.shape[0], channels, output[0] * output[1] + 1))
    for tap, window in itertools.product(range(taken.shape[0]), range(taken.shape[1])):
        flat[:, :, taken[tap, window]] += y.reshape(y.shape[0], channels, *taken.shape)[:, :, tap, window]
    return flat[:, :, 1:].reshape(y.shape[0], channels, *output)


def pieces(x: np.ndarray, length: int, stride: int) -> np.ndarray:
    """Pieces of the last axis."""
    starts = range(0, x.shape[-1] - length + 1, stride)
    return np.stack([x[..., start : start + length] for start in starts], axis=-2)


def moved(name: str, note: str, shape: Any, reference: Any, call: Any, **known: Any) -> Case:
    """A function that only moves elements."""
    return Case(name, (Argument(shape),), reference, call=call, note=note, dtypes=NUMBERS, tolerance=0.0, **known)


CASES: list[Case] = [
    conv("volume", VOLUME, (2, 2, 3, 2, 4)),
    conv("volume same strides", VOLUME, (3, 2, 3, 2, 3), strides=2, padding="same"),
    conv("volume dilation", VOLUME, (2, 1, 2, 2, 3), dilation=2, padding="same"),
    conv("volume groups", (2, 3, 4, 3, 4), (2, 2, 2, 2, 6)),
    conv("volume by channel", (2, 3, 4, 3, 3), (2, 2, 2, 1, 6), padding="same"),
    convolution("conv", "volume channels first", VOLUME, [(2, 2, 2, 2, 3)], lambda x, w: ref.conv(x, w), first=True),
    depthwise("one axis", LINE, (3, 3, 2)),
    depthwise("one axis dilation", LINE, (3, 3, 1), dilation=2, padding="same"),
    depthwise("same", IMAGE, (3, 3, 3, 1), padding="same"),
    depthwise("strides", (2, 7, 9, 20), (3, 3, 20, 1), strides=2, padding="same"),
    depthwise("multiplier strides", IMAGE, (3, 2, 3, 3), strides=2, padding="same"),
    depthwise("wide", (2, 4, 12, 17), (5, 3, 17, 1), padding="same"),
    depthwise("channels first", IMAGE, (2, 3, 3, 2), first=True),
    convolution(
        "separable_conv",
        "",
        IMAGE,
        [(3, 3, 3, 2), (1, 1, 6, 4)],
        lambda x, d, p: ref.conv(ref.conv(x, grouped(d), 2, "same"), p),
        strides=2,
        padding="same",
    ),
    convolution(
        "separable_conv",
        "one axis channels first",
        LINE,
        [(2, 3, 1), (1, 3, 4)],
        lambda x, d, p: ref.conv(ref.conv(x, grouped(d), 1, "valid", 2), p),
        first=True,
        dilation_rate=2,
    ),
    transpose("", IMAGE, (3, 3, 4, 3), strides=2),
    transpose("same", IMAGE, (3, 2, 4, 3), strides=2, padding="same"),
    transpose("gaps", IMAGE, (2, 1, 4, 3), strides=3),
    transpose("gaps same", IMAGE, (2, 1, 4, 3), strides=3, padding="same"),
    transpose("end", IMAGE, (3, 2, 4, 3), strides=2, end=1),
    transpose("end same", IMAGE, (3, 4, 4, 3), strides=3, padding="same", end=2),
    transpose("dilation", LINE, (3, 4, 3), dilation=2, padding="same"),
    transpose("one axis", LINE, (4, 5, 3), strides=2, padding="same"),
    transpose("volume", VOLUME, (2, 3, 2, 3, 2), strides=2),
    transpose("volume same", VOLUME, (3, 1, 2, 3, 2), strides=2, padding="same"),
    transpose("channels first", IMAGE, (3, 3, 4, 3), strides=2, padding="same", first=True),
    *(
        case
        for kind in ("max", "average")
        for case in (
            pool(kind, "volume", VOLUME, 2, 2, "same"),
            pool(kind, "volume overlapping", VOLUME, 3, 1, "valid"),
            adaptive(kind, "", IMAGE, (4, 2)),
            adaptive(kind, "more than there is", LINE, 9),
            adaptive(kind, "one axis", LINE, 3),
            adaptive(kind, "volume", VOLUME, (3, 2, 3)),
            adaptive(kind, "channels first", IMAGE, (3, 3), first=True),
        )
    ),
    moved("depth_to_space", "", (2, 3, 2, 8), lambda x: depth_to_space(x, 2), lambda x: ops.depth_to_space(x, 2)),
    moved(
        "depth_to_space",
        "channels first",
        (2, 8, 3, 2),
        lambda x: x.reshape(len(x), 2, 2, 2, 3, 2).transpose(0, 1, 4, 2, 5, 3).reshape(len(x), 2, 6, 4),
        lambda x: ops.depth_to_space(x, 2, "channels_first"),
    ),
    moved(
        "space_to_depth",
        "",
        (2, 4, 6, 3),
        lambda x: np.concatenate([x[:, i::2, j::2] for i in (0, 1) for j in (0, 1)], axis=-1),
        lambda x: ops.space_to_depth(x, 2),
    ),
    moved(
        "space_to_depth",
        "channels first",
        (2, 3, 4, 6),
        lambda x: np.stack([x[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)], axis=2).reshape(len(x), 12, 2, 3),
        lambda x: ops.space_to_depth(x, 2, "channels_first"),
    ),
    moved("unfold", "", (2, 3, 5, 6), lambda x: unfold(x, (2, 3), 1, 0, 1), lambda x: ops.unfold(x, (2, 3))),
    moved(
        "unfold",
        "strides",
        (2, 2, 6, 7),
        lambda x: unfold(x, (3, 2), 2, 1, 2),
        lambda x: ops.unfold(x, (3, 2), dilation=2, padding=1, stride=2),
    ),
    Case(
        "fold",
        (Argument((2, 12, 20)),),
        lambda x: fold(x, (5, 6), (2, 2), 1, 0, 1),
        call=lambda x: ops.fold(x, (5, 6), 2),
    ),
    Case(
        "fold",
        (Argument((2, 18, 8)),),
        lambda x: fold(x, (6, 7), (3, 2), 2, 1, 2),
        call=lambda x: ops.fold(x, (6, 7), (3, 2), dilation=2, padding=1, stride=2),
        note="strides",
    ),
    moved("extract_sequences", "", (2, 9), lambda x: pieces(x, 4, 2), lambda x: ops.extract_sequences(x, 4, 2)),
    moved(
        "extract_sequences",
        "more axes",
        (2, 3, 8),
        lambda x: pieces(x, 3, 3),
        lambda x: ops.extract_sequences(x, 3, 3),
    ),
]
