"""Arithmetic of sliding windows: arguments as tuples, and shapes of outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ironhorn import backend, ops


def as_tuple(value: Any, rank: int, name: str, allow_zero: bool = False) -> tuple[int, ...]:
    """Returns `rank` integers, of one integer or a sequence.

    Args:
        value: An integer for all axes, or one for each.
        rank: Number of spatial axes.
        name: Name of the argument, for the message.
        allow_zero: Whether 0 is allowed.

    Raises:
        ValueError: If it is something else.
    """
    values = (value,) * rank if isinstance(value, int) else value
    smallest = 0 if allow_zero else 1
    if (
        not isinstance(values, list | tuple)
        or len(values) != rank
        or any(isinstance(size, bool) or not isinstance(size, int) or size < smallest for size in values)
    ):
        sign = "non-negative" if allow_zero else "positive"
        raise ValueError(f"`{name}` must be a {sign} integer or a tuple of {rank} of them. Received: {name}={value!r}.")
    return tuple(values)


def data_format_of(value: str | None) -> str:
    """Returns a data format, the default one if none is given.

    Raises:
        ValueError: If it is neither `"channels_last"` nor `"channels_first"`.
    """
    value = backend.image_data_format() if value is None else str(value).lower()
    if value not in ("channels_last", "channels_first"):
        raise ValueError(f'`data_format` must be "channels_last" or "channels_first". Received: data_format={value!r}.')
    return value


def padding_of(value: str, allow_causal: bool = False) -> str:
    """Returns a padding name in lower case.

    Raises:
        ValueError: If it is none of `"valid"`, `"same"` and, where allowed, `"causal"`.
    """
    allowed = ("valid", "same", "causal") if allow_causal else ("valid", "same")
    lowered = value.lower() if isinstance(value, str) else value
    if lowered not in allowed:
        hint = ' ("causal" is for Conv1D)' if lowered == "causal" else ""
        raise ValueError(f"`padding` must be one of {allowed}{hint}. Received: padding={value!r}.")
    return lowered


def count_of(value: int, name: str) -> int:
    """Returns a number of channels.

    Raises:
        ValueError: If it is not a positive integer.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise ValueError(f"`{name}` must be a positive integer. Received: {name}={value!r}.")
    return value


def channels_of(layer: Any, input_shape: Sequence[int | None]) -> tuple[int, int]:
    """Returns the axis of the channels and how many there are.

    Raises:
        ValueError: If their number is not known.
    """
    axis = -1 if layer.data_format == "channels_last" else 1
    channels = input_shape[axis]
    if channels is None:
        raise ValueError(
            f"Layer '{layer.name}' ({type(layer).__name__}) needs to know the number of channels, axis {axis} with "
            f"{layer.data_format}. Received input shape {tuple(input_shape)}. Give it in `Input(shape=...)`."
        )
    return axis, channels


def add_bias(outputs: Any, bias: Any, data_format: str) -> Any:
    """Adds one number to each channel."""
    if data_format == "channels_first":
        bias = ops.reshape(bias, (1, bias.shape[0], *(1,) * (len(outputs.shape) - 2)))
    return ops.add(outputs, bias)


def transposed_output_shape(
    input_shape: Sequence[int | None],
    window: Sequence[int],
    strides: Sequence[int],
    padding: str,
    output_padding: Sequence[int] | None,
    data_format: str,
    dilation: Sequence[int],
    channels: int,
    layer: str = "",
) -> tuple[int | None, ...]:
    """Returns the shape after a transposed convolution.

    Args:
        input_shape: Shape of the input with batch and channels.
        window: Sizes of the window.
        strides: Distances of neighbouring inputs in the output.
        padding: `"valid"` or `"same"`.
        output_padding: Elements at the end of every spatial axis; chosen if not given.
        data_format: Where the channels are.
        dilation: Distances of the window's elements.
        channels: Number of output channels.
        layer: Name of the layer, for the message.

    Raises:
        ValueError: If the input has another number of axes.
    """
    last = data_format == "channels_last"
    spatial = input_shape[1:-1] if last else input_shape[2:]
    if len(spatial) != len(window):
        raise ValueError(
            f"Layer '{layer}' slides a window over {len(window)} axes, so it takes tensors of rank {len(window) + 2}. "
            f"Received input shape {tuple(input_shape)}; add the missing batch or channel axis."
        )
    sizes: list[int | None] = []
    for axis, size in enumerate(spatial):
        reach, stride = (window[axis] - 1) * dilation[axis] + 1, strides[axis]
        end = None if output_padding is None else output_padding[axis]
        if size is None:
            sizes.append(None)
        elif padding == "same":
            sizes.append(size * stride if end is None else (size - 1) * stride + reach % 2 + end)
        else:
            sizes.append((size - 1) * stride + (max(reach, stride) if end is None else reach + end))
    return (input_shape[0], *sizes, channels) if last else (input_shape[0], channels, *sizes)


def window_output_shape(
    input_shape: Sequence[int | None],
    window: Sequence[int],
    strides: Sequence[int],
    padding: str,
    data_format: str,
    dilation: Sequence[int] | None = None,
    channels: int | None = None,
    layer: str = "",
) -> tuple[int | None, ...]:
    """Returns the shape after a window slid over the spatial axes.

    Args:
        input_shape: Shape of the input with batch and channels.
        window: Sizes of the window.
        strides: Steps of the window.
        padding: `"valid"`, `"same"` or `"causal"`.
        data_format: Where the channels are.
        dilation: Distances of the window's elements.
        channels: Number of output channels; that of the input if not given.
        layer: Name of the layer, for the message.

    Raises:
        ValueError: If the window is larger than the input.
    """
    last = data_format == "channels_last"
    spatial = input_shape[1:-1] if last else input_shape[2:]
    if channels is None:
        channels = input_shape[-1] if last else input_shape[1]
    if len(spatial) != len(window):
        raise ValueError(
            f"Layer '{layer}' slides a window over {len(window)} axes, so it takes tensors of rank {len(window) + 2}. "
            f"Received input shape {tuple(input_shape)}; add the missing batch or channel axis."
        )
    sizes: list[int | None] = []
    for axis, size in enumerate(spatial):
        if size is None:
            sizes.append(None)
            continue
        reach = (window[axis] - 1) * (1 if dilation is None else dilation[axis]) + 1
        out = (size - reach) // strides[axis] + 1 if padding == "valid" else -(-size // strides[axis])
        if out <= 0:
            raise ValueError(
                f"Layer '{layer}' would make an empty output: its window spans {reach} positions on spatial axis "
                f"{axis}, but the input has {size} (input shape {tuple(input_shape)}, padding '{padding}'). Use "
                "padding='same', a smaller window, or fewer layers that shrink the input."
            )
        sizes.append(out)
    return (input_shape[0], *sizes, channels) if last else (input_shape[0], channels, *sizes)
