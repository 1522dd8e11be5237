"""Elements of windows and blocks as axes of their own, and back."""

import itertools
from typing import Any

from ironhorn.backend.config import standardize_data_format
from ironhorn.errors import ShapeError, ValueRangeError
from ironhorn.ops._dispatch import op
from ironhorn.ops._spatial import lengths_of
from ironhorn.ops._values import filled, handle, shape_of, tensor
from ironhorn.ops.padding import pad
from ironhorn.ops.shaping import stack

__all__ = ["depth_to_space", "fold", "space_to_depth", "unfold"]


def _image(name: str, x: Any) -> Any:
    x = tensor(x)
    if x.ndim != 4:
        raise ShapeError(f"{name}: takes images of 4 axes, got shape {x.shape}")
    return x


def _divided(name: str, x: Any, axis: int, by: int) -> Any:
    """The length of an axis divided by `by`."""
    length = shape_of(x)[axis]
    if isinstance(length, int) and length % by:
        raise ShapeError(f"{name}: axis {axis} of shape {x.shape} must be a multiple of {by}; pad or crop it first")
    return length // by


@op
def depth_to_space(x: Any, block_size: int, data_format: str = "channels_last") -> Any:
    """Channels as blocks of pixels: `(n, h, w, b * b * c)` becomes `(n, h * b, w * b, c)`.

    With "channels_last" the channels count block rows, block columns, then new channels; with "channels_first" new
    channels, then block rows and columns.

    Args:
        x: images of 4 axes.
        block_size: height and width `b` of a block.
        data_format: "channels_last" or "channels_first".

    Returns:
        Images of `b` times the height and width, and `b * b` times fewer channels.

    Raises:
        ShapeError: if there are not 4 axes, or `b * b` does not divide the channels.

    >>> from ironhorn import ops
    >>> ops.depth_to_space(ops.reshape(ops.arange(4), (1, 1, 1, 4)), 2).numpy()[0, :, :, 0].tolist()
    [[0, 1], [2, 3]]
    """
    x, b = _image("depth_to_space", x), block_size
    if standardize_data_format(data_format) == "channels_last":
        n, h, w, _ = shape_of(x)
        c = _divided("depth_to_space", x, 3, b * b)
        x = handle["reshape"](x, shape=[n, h, w, b, b, c])
        x = handle["transpose"](x, axes=[0, 1, 3, 2, 4, 5])
        return handle["reshape"](x, shape=[n, h * b, w * b, c])
    n, _, h, w = shape_of(x)
    c = _divided("depth_to_space", x, 1, b * b)
    x = handle["reshape"](x, shape=[n, c, b, b, h, w])
    x = handle["transpose"](x, axes=[0, 1, 4, 2, 5, 3])
    return handle["reshape"](x, shape=[n, c, h * b, w * b])


@op
def space_to_depth(x: Any, block_size: int, data_format: str = "channels_last") -> Any:
    """Blocks of pixels as channels: `(n, h * b, w * b, c)` becomes `(n, h, w, b * b * c)`; reverses `depth_to_space`.

    Args:
        x: images of 4 axes.
        block_size: height and width `b` of a block.
        data_format: "channels_last" or "channels_first".

    Returns:
        Images of `b` times less height and width, and `b * b` times the channels.

    Raises:
        ShapeError: if there are not 4 axes, or `b` does not divide height and width.

    >>> from ironhorn import ops
    >>> ops.space_to_depth(ops.reshape(ops.arange(4), (1, 2, 2, 1)), 2).numpy().tolist()
    [[[[0, 1, 2, 3]]]]
    """
    x, b = _image("space_to_depth", x), block_size
    if standardize_data_format(data_format) == "channels_last":
        n, _, _, c = shape_of(x)
        h, w = (_divided("space_to_depth", x, axis, b) for axis in (1, 2))
        x = handle["reshape"](x, shape=[n, h, b, w, b, c])
        x = handle["transpose"](x, axes=[0, 1, 3, 2, 4, 5])
        return handle["reshape"](x, shape=[n, h, w, c * b * b])
    n, c, _, _ = shape_of(x)
    h, w = (_divided("space_to_depth", x, axis, b) for axis in (2, 3))
    x = handle["reshape"](x, shape=[n, c, h, b, w, b])
    x = handle["transpose"](x, axes=[0, 1, 3, 5, 2, 4])
    return handle["reshape"](x, shape=[n, c * b * b, h, w])


def _taps(window: list[int], dilation: list[int], stride: list[int]) -> Any:
    """For each tap of a window, the slice of an image that all windows read through it."""
    for tap in itertools.product(*(range(size) for size in window)):
        starts, stops = [], []
        for at, size, step in zip(tap, window, dilation, strict=True):
            starts.append(at * step)
            stops.append((at - size + 1) * step or None)
        yield tap, {"starts": [None, None, *starts], "stops": [None, None, *stops], "steps": [1, 1, *stride]}


def _window(name: str, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> list[list[int]]:
    known = {"kernel_size": kernel_size, "dilation": dilation, "padding": padding, "stride": stride}
    window = [lengths_of(value, 2, what) for what, value in known.items()]
    if min(map(min, (window[0], window[1], window[3]))) < 1 or min(window[2]) < 0:
        raise ValueRangeError(
            f"{name}: kernel_size, dilation and stride must be at least 1, padding at least 0, got {known}"
        )
    return window


@op
def unfold(x: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """The windows of images as columns (im2col).

    Args:
        x: images, `(n, channels, height, width)`.
        kernel_size: height and width of the window.
        dilation: distance between the window's elements.
        padding: rows and columns of zeros around the image.
        stride: step of the window.

    Returns:
        `(n, channels * kernel height * kernel width, windows)`, windows row by row.

    Raises:
        ShapeError: if there are not 4 axes, or the window does not fit.

    >>> from ironhorn import ops
    >>> ops.unfold(ops.ones((2, 3, 5, 6)), (2, 3)).shape
    (2, 18, 16)
    """
    x = _image("unfold", x)
    window, spread, around, steps = _window("unfold", kernel_size, dilation, padding, stride)
    if any(around):
        x = pad(x, ((0, 0), (0, 0), *((size, size) for size in around)))
    for length, size, step in zip(x.shape[2:], window, spread, strict=True):
        if length is not None and length < (size - 1) * step + 1:
            raise ShapeError(
                f"unfold: a window that reaches over {(size - 1) * step + 1} does not fit an axis of length {length} "
                f"(padded shape {x.shape}); use more padding or a smaller window"
            )
    n, channels, *lengths = shape_of(x)
    down, across = (
        (length - (size - 1) * step - 1) // stride + 1
        for length, size, step, stride in zip(lengths, window, spread, steps, strict=True)
    )
    parts = [handle["slice"](x, **cut) for _, cut in _taps(window, spread, steps)]
    return handle["reshape"](stack(parts, axis=2), shape=[n, channels * len(parts), down * across])


@op
def fold(x: Any, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """Images of which `x` has the windows as columns; where windows overlap, they are added up (col2im).

    Args:
        x: `(n, channels * kernel height * kernel width, windows)`.
        output_size: height and width of the images.
        kernel_size: height and width of the window.
        dilation: distance between the window's elements.
        padding: rows and columns around the image that windows reach into, and that are cut off.
        stride: step of the window.

    Returns:
        `(n, channels, height, width)`

    Raises:
        ShapeError: if the columns are not those of such windows.

    >>> from ironhorn import ops
    >>> ops.fold(ops.ones((1, 4, 4)), (3, 3), 2).numpy()[0, 0].tolist()
    [[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]]
    """
    x = tensor(x)
    size = lengths_of(output_size, 2, "output_size")
    window, spread, around, steps = _window("fold", kernel_size, dilation, padding, stride)
    if x.ndim != 3:
        raise ShapeError(f"fold: takes (n, channels * kernel height * kernel width, windows), got shape {x.shape}")
    padded = [length + 2 * zeros for length, zeros in zip(size, around, strict=True)]
    counts = [
        (length - (extent - 1) * step - 1) // stride + 1
        for length, extent, step, stride in zip(padded, window, spread, steps, strict=True)
    ]
    channels = _divided("fold", x, 1, window[0] * window[1])
    if min(counts) < 1 or x.shape[2] not in (None, counts[0] * counts[1]):
        raise ShapeError(
            f"fold: images of {size} have {counts[0]} x {counts[1]} windows of {window}, but x has shape {x.shape}"
        )
    n = shape_of(x)[0]
    x = handle["reshape"](x, shape=[n, channels, *window, *counts])
    like = filled([n, channels, *padded], 0, x.dtype)
    total = None
    for tap, cut in _taps(window, spread, steps):
        part = handle["slice"](
            x,
            starts=[None, None, *tap],
            stops=[None, None, *(at + 1 for at in tap)],
            steps=[1] * 4,
        )
        part = handle["reshape"](part, shape=[n, channels, *counts])
        # Rows behind the last window are in no tap's slice.
        cut["stops"][2:] = [
            start + (count - 1) * step + 1 for start, count, step in zip(cut["starts"][2:], counts, steps, strict=True)
        ]
        placed = handle["slice_grad"](part, like, **cut)
        total = placed if total is None else handle["add"](total, placed)
    starts, stops = around, [zeros + length for zeros, length in zip(around, size, strict=True)]
    if any(around):
        total = handle["slice"](total, starts=[None, None, *starts], stops=[None, None, *stops], steps=[1] * 4)
    return total
