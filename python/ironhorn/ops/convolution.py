"""Convolutions over one to three spatial axes: dense, depthwise, separable, transposed."""

from typing import Any

from ironhorn.backend.config import standardize_data_format
from ironhorn.errors import ShapeError, ValueRangeError
from ironhorn.ops._dispatch import op
from ironhorn.ops._spatial import lengths_of, to_first, to_last
from ironhorn.ops._values import handle, tensor

__all__ = ["conv", "conv_transpose", "depthwise_conv", "separable_conv"]


def _checked(name: str, inputs: Any, kernel: Any, data_format: str | None) -> tuple[Any, Any, bool]:
    """Both as tensors of equal rank, the channels last, and whether they were first."""
    x, w = tensor(inputs), tensor(kernel)
    if x.ndim != w.ndim or x.ndim < 3:
        raise ShapeError(
            f"{name}: an input of shape {x.shape} does not fit a kernel of shape {w.shape}; both have the spatial axes "
            "and two more, batch and channels or input and output channels"
        )
    first = standardize_data_format(data_format) == "channels_first"
    return (to_last(x) if first else x), w, first


def _apply(name: str, x: Any, w: Any, first: bool, **attributes: Any) -> Any:
    """Runs an op on tensors that have the channels last."""
    y = handle[name](x, w, **attributes)
    return to_first(y) if first else y


@op
def conv(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    """Convolution over one, two or three spatial axes.

    Args:
        inputs: `(batch, spatial.., channels)`, or channels second for "channels_first".
        kernel: `(kernel.., channels / groups, filters)`.
        strides: step along every spatial axis.
        padding: "valid" or "same".
        data_format: "channels_last" or "channels_first".
        dilation_rate: distance between the kernel's taps.

    Returns:
        `(batch, windows.., filters)`, or channels second.

    Raises:
        ShapeError: if ranks or channels do not fit.

    >>> from ironhorn import ops
    >>> ops.conv(ops.ones((1, 4, 4, 4, 2)), ops.ones((3, 3, 3, 2, 5))).shape
    (1, 2, 2, 2, 5)
    """
    x, w, first = _checked("conv", inputs, kernel, data_format)
    channels, count = x.shape[-1], w.ndim - 2
    if channels is not None and (w.shape[-2] == 0 or channels % w.shape[-2]) and channels != w.shape[-2]:
        raise ShapeError(
            f"conv: the input has {channels} channels (shape {tensor(inputs).shape}), which is not a multiple of the "
            f"{w.shape[-2]} that the kernel of shape {w.shape} takes"
        )
    groups = 1 if channels is None or w.shape[-2] == 0 else channels // w.shape[-2]
    return _apply(
        "conv",
        x,
        w,
        first,
        strides=lengths_of(strides, count, "strides"),
        padding=padding,
        dilation=lengths_of(dilation_rate, count, "dilation_rate"),
        groups=groups,
    )


@op
def depthwise_conv(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    """Convolution of each channel by itself.

    Args:
        inputs: `(batch, spatial.., channels)`, or channels second for "channels_first".
        kernel: `(kernel.., channels, multiplier)`: every channel makes `multiplier` outputs, which stay neighbours.
        strides: step along every spatial axis.
        padding: "valid" or "same".
        data_format: "channels_last" or "channels_first".
        dilation_rate: distance between the kernel's taps.

    Returns:
        `(batch, windows.., channels * multiplier)`, or channels second.

    Raises:
        ShapeError: if ranks or channels do not fit.

    >>> from ironhorn import ops
    >>> ops.depthwise_conv(ops.ones((1, 5, 3)), ops.ones((2, 3, 4))).shape
    (1, 4, 12)
    """
    x, w, first = _checked("depthwise_conv", inputs, kernel, data_format)
    *window, channels, multiplier = w.shape
    if x.shape[-1] is not None and x.shape[-1] != channels:
        raise ShapeError(
            f"depthwise_conv: the input has {x.shape[-1]} channels (shape {tensor(inputs).shape}), the kernel of shape "
            f"{w.shape} is for {channels}; the kernel's last axis but one is the number of channels"
        )
    y = conv(
        x,
        handle["reshape"](w, shape=[*window, 1, channels * multiplier]),
        strides,
        padding,
        "channels_last",
        dilation_rate,
    )
    return to_first(y) if first else y


@op
def separable_conv(
    inputs: Any,
    depthwise_kernel: Any,
    pointwise_kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    """Depthwise convolution, then a dense one over windows of one element.

    Args:
        inputs: `(batch, spatial.., channels)`, or channels second for "channels_first".
        depthwise_kernel: `(kernel.., channels, multiplier)`.
        pointwise_kernel: `(1, .., channels * multiplier, filters)`.
        strides: step along every spatial axis.
        padding: "valid" or "same".
        data_format: "channels_last" or "channels_first".
        dilation_rate: distance between the taps of the depthwise kernel.

    Returns:
        `(batch, windows.., filters)`, or channels second.

    Raises:
        ShapeError: if ranks or channels do not fit.
    """
    x, w, first = _checked("separable_conv", inputs, depthwise_kernel, data_format)
    y = depthwise_conv(x, w, strides, padding, "channels_last", dilation_rate)
    y = conv(y, pointwise_kernel, 1, "valid", "channels_last")
    return to_first(y) if first else y


@op
def conv_transpose(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    output_padding: Any = None,
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    """Transposed convolution: the gradient of `conv` with respect to its input, as a function of its own.

    An axis of `n` elements becomes `n * stride` long with "same" padding, and `(n - 1) * stride + max(reach, stride)`
    with "valid", where `reach` is `(kernel - 1) * dilation_rate + 1`. With `output_padding` it becomes
    `(n - 1) * stride + reach % 2 + output_padding`, and `(n - 1) * stride + reach + output_padding`.

    Args:
        inputs: `(batch, spatial.., channels)`, or channels second for "channels_first".
        kernel: `(kernel.., filters, channels)`.
        strides: how far apart neighbouring inputs are in the output, for every spatial axis.
        padding: "valid" or "same".
        output_padding: elements at the end of every spatial axis, fewer than its stride; `None` chooses them.
        data_format: "channels_last" or "channels_first".
        dilation_rate: distance between the kernel's taps.

    Returns:
        `(batch, longer.., filters)`, or channels second.

    Raises:
        ShapeError: if ranks or channels do not fit.
        ValueRangeError: if `padding` is unknown, or `output_padding` is not less than the stride.

    >>> from ironhorn import ops
    >>> ops.conv_transpose(ops.ones((1, 4, 4, 3)), ops.ones((3, 3, 8, 3)), strides=2, padding="same").shape
    (1, 8, 8, 8)
    """
    x, w, first = _checked("conv_transpose", inputs, kernel, data_format)
    count = w.ndim - 2
    steps = lengths_of(strides, count, "strides")
    dilation = lengths_of(dilation_rate, count, "dilation_rate")
    ends = [None] * count if output_padding is None else lengths_of(output_padding, count, "output_padding")
    if any(end is not None and not 0 <= end < step for end, step in zip(ends, steps, strict=True)):
        raise ValueRangeError(
            f"conv_transpose: output_padding must be at least 0 and less than the stride on every axis, got "
            f"{output_padding!r} for strides {strides!r}"
        )
    low, high, extra = [], [], []
    for axis, (step, end) in enumerate(zip(steps, ends, strict=True)):
        before, after = _transposed_padding((w.shape[axis] - 1) * dilation[axis] + 1, step, padding, end)
        low.append(before)
        high.append(max(after, 0))
        extra.append(max(-after, 0))
    return _apply(
        "conv_transpose",
        x,
        w,
        first,
        strides=steps,
        pad_low=low,
        pad_high=high,
        extra=extra,
        dilation=dilation,
    )


def _transposed_padding(reach: int, stride: int, padding: str, end: int | None) -> tuple[int, int]:
    """What a window over the output is padded by, before and after; negative where the output goes on after it."""
    if padding == "valid":
        return 0, -(max(stride - reach, 0) if end is None else end)
    if padding != "same":
        raise ValueRangeError(f"conv_transpose: padding must be 'valid' or 'same', got {padding!r}")
    # Zeros around the inputs, `stride` apart, over which a plain convolution makes an output of the wished length.
    around = stride + reach - 2 if end is None else reach + reach % 2 - 2 + end
    before = min((around + 1) // 2, reach - 1)
    return reach - 1 - before, reach - 1 - (around - before)
