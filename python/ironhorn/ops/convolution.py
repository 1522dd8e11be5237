"""Convolutions and poolings over one or more spatial axes."""

from typing import Any

from ironhorn.backend.config import standardize_data_format
from ironhorn.errors import ShapeError, ValueRangeError
from ironhorn.ops._dispatch import op
from ironhorn.ops._values import as_dtype, common_dtype, handle, tensor

__all__ = ["average_pool", "conv", "depthwise_conv", "max_pool"]


def _pair(value: Any, count: int, what: str) -> list[int]:
    values = [int(value)] * count if isinstance(value, int) else [int(v) for v in value]
    if len(values) != count:
        raise ValueRangeError(f"{what} must be an integer or {count} integers, got {value!r}")
    return values


def _to_last(x: Any) -> Any:
    return handle["transpose"](x, axes=[0, *range(2, x.ndim), 1])


def _to_first(x: Any) -> Any:
    return handle["transpose"](x, axes=[0, x.ndim - 1, *range(1, x.ndim - 1)])


@op
def conv(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    """Convolution over one or two spatial axes.

    Args:
        inputs: `(batch, spatial.., channels)`, or channels second for "channels_first".
        kernel: `(kernel.., channels / groups, filters)`.
        strides: step along every spatial axis.
        padding: "valid" or "same".
        data_format: "channels_last" or "channels_first".
        dilation_rate: distance between the kernel's taps.

    Raises:
        ShapeError: if ranks or channels do not fit.
    """
    x, w = tensor(inputs), tensor(kernel)
    count = w.ndim - 2
    first = standardize_data_format(data_format) == "channels_first"
    if first:
        x = _to_last(x)
    channels = x.shape[-1]
    if x.ndim != w.ndim:
        raise ShapeError(
            f"conv: an input of shape {inputs.shape} does not fit a kernel of shape {w.shape}: their ranks differ"
        )
    if channels is not None and channels % w.shape[-2]:
        raise ShapeError(
            f"conv: the input has {channels} channels (shape {inputs.shape}), which is not a multiple of the "
            f"{w.shape[-2]} that the kernel of shape {w.shape} takes"
        )
    groups = 1 if channels is None else channels // w.shape[-2]
    dtype = common_dtype(x, w)
    half = dtype in ("float16", "bfloat16")
    if half:
        x, w = as_dtype(x, "float32"), as_dtype(w, "float32")
    y = handle["conv"](
        x,
        w,
        strides=_pair(strides, count, "strides"),
        padding=padding,
        dilation=_pair(dilation_rate, count, "dilation_rate"),
        groups=groups,
    )
    if half:
        y = as_dtype(y, dtype)
    return _to_first(y) if first else y


@op
def depthwise_conv(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    """Convolution of each channel by itself; the kernel is `(kernel.., channels, multiplier)`."""
    w = tensor(kernel)
    *window, channels, multiplier = w.shape
    grouped = handle["reshape"](w, shape=[*window, 1, channels * multiplier])
    return conv(inputs, grouped, strides, padding, data_format, dilation_rate)


def _pool(kind: str, x: Any, pool_size: Any, strides: Any, padding: str, data_format: str | None) -> Any:
    x = tensor(x)
    first = standardize_data_format(data_format) == "channels_first"
    if first:
        x = _to_last(x)
    count = x.ndim - 2
    window = _pair(pool_size, count, "pool_size")
    steps = window if strides is None else _pair(strides, count, "strides")
    y = handle["pool"](x, kind=kind, window=window, strides=steps, padding=padding)
    return _to_first(y) if first else y


@op
def max_pool(
    inputs: Any, pool_size: Any, strides: Any = None, padding: str = "valid", data_format: str | None = None
) -> Any:
    """The largest element of every window."""
    return _pool("max", inputs, pool_size, strides, padding, data_format)


@op
def average_pool(
    inputs: Any, pool_size: Any, strides: Any = None, padding: str = "valid", data_format: str | None = None
) -> Any:
    """The mean of every window; padding does not count."""
    return _pool("average", inputs, pool_size, strides, padding, data_format)
