"""Poolings: the maximum or mean of windows over one to three spatial axes."""

from typing import Any

from ironhorn.backend.config import standardize_data_format
from ironhorn.errors import ShapeError, ValueRangeError
from ironhorn.ops._dispatch import op
from ironhorn.ops._spatial import lengths_of, to_first, to_last
from ironhorn.ops._values import handle, tensor

__all__ = ["adaptive_average_pool", "adaptive_max_pool", "average_pool", "max_pool"]


def _pool(name: str, inputs: Any, data_format: str | None, windows: Any) -> Any:
    """Pools the windows that `windows` gives for a number of spatial axes."""
    x = tensor(inputs)
    if x.ndim < 3:
        raise ShapeError(f"{name}: takes (batch, spatial.., channels), got shape {x.shape}; add the missing axes")
    first = standardize_data_format(data_format) == "channels_first"
    if first:
        x = to_last(x)
    y = handle["pool"](x, kind="max" if "max" in name else "average", **windows(x.ndim - 2))
    return to_first(y) if first else y


def _sliding(pool_size: Any, strides: Any, padding: str) -> Any:
    def windows(count: int) -> dict[str, Any]:
        window = lengths_of(pool_size, count, "pool_size")
        steps = window if strides is None else lengths_of(strides, count, "strides")
        return {"window": window, "strides": steps, "padding": padding}

    return windows


def _adaptive(name: str, output_size: Any) -> Any:
    def windows(count: int) -> dict[str, Any]:
        outputs = lengths_of(output_size, count, "output_size")
        if min(outputs) < 1:
            raise ValueRangeError(f"{name}: output_size must be at least 1 on every axis, got {output_size!r}")
        return {"outputs": outputs}

    return windows


@op
def max_pool(
    inputs: Any, pool_size: Any, strides: Any = None, padding: str = "valid", data_format: str | None = None
) -> Any:
    """The largest element of every window.

    Args:
        inputs: `(batch, spatial.., channels)` with one to three spatial axes, or channels second for "channels_first".
        pool_size: sizes of the window.
        strides: steps of the window; `pool_size` if not given.
        padding: "valid" or "same"; padding is never the maximum.
        data_format: "channels_last" or "channels_first".

    Returns:
        `(batch, windows.., channels)`, or channels second.

    Raises:
        ShapeError: if the window has another number of axes, or does not fit.
    """
    return _pool("max_pool", inputs, data_format, _sliding(pool_size, strides, padding))


@op
def average_pool(
    inputs: Any, pool_size: Any, strides: Any = None, padding: str = "valid", data_format: str | None = None
) -> Any:
    """The mean of every window; padding does not count.

    Args:
        inputs: `(batch, spatial.., channels)` with one to three spatial axes, or channels second for "channels_first".
        pool_size: sizes of the window.
        strides: steps of the window; `pool_size` if not given.
        padding: "valid" or "same".
        data_format: "channels_last" or "channels_first".

    Returns:
        `(batch, windows.., channels)`, or channels second.

    Raises:
        ShapeError: if the window has another number of axes, or does not fit.
    """
    return _pool("average_pool", inputs, data_format, _sliding(pool_size, strides, padding))


@op
def adaptive_max_pool(inputs: Any, output_size: Any, data_format: str | None = None) -> Any:
    """The largest elements of as many windows as are asked for.

    Window `i` of `n` over an axis covers `floor(i * length / n)` up to `ceil((i + 1) * length / n)`.

    Args:
        inputs: `(batch, spatial.., channels)` with one to three spatial axes, or channels second for "channels_first".
        output_size: number of windows along every spatial axis.
        data_format: "channels_last" or "channels_first".

    Returns:
        `(batch, output_size.., channels)`, or channels second.

    Raises:
        ValueRangeError: if `output_size` is not positive, or has another number of axes.

    >>> from ironhorn import ops
    >>> ops.adaptive_max_pool([[[1.0], [9.0], [3.0], [8.0], [2.0]]], 3).numpy()[0, :, 0].tolist()
    [9.0, 9.0, 8.0]
    """
    return _pool("adaptive_max_pool", inputs, data_format, _adaptive("adaptive_max_pool", output_size))


@op
def adaptive_average_pool(inputs: Any, output_size: Any, data_format: str | None = None) -> Any:
    """The means of as many windows as are asked for.

    Window `i` of `n` over an axis covers `floor(i * length / n)` up to `ceil((i + 1) * length / n)`.

    Args:
        inputs: `(batch, spatial.., channels)` with one to three spatial axes, or channels second for "channels_first".
        output_size: number of windows along every spatial axis.
        data_format: "channels_last" or "channels_first".

    Returns:
        `(batch, output_size.., channels)`, or channels second.

    Raises:
        ValueRangeError: if `output_size` is not positive, or has another number of axes.

    >>> from ironhorn import ops
    >>> ops.adaptive_average_pool([[[1.0], [2.0], [3.0], [4.0]]], 2).numpy()[0, :, 0].tolist()
    [1.5, 3.5]
    """
    return _pool("adaptive_average_pool", inputs, data_format, _adaptive("adaptive_average_pool", output_size))
