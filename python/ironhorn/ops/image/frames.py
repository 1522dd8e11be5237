"""Parts of images: cutting, padding, and patches."""

from typing import Any

from ironhorn.backend.config import standardize_data_format
from ironhorn.errors import ShapeError, UnsupportedError, ValueRangeError
from ironhorn.ops import numpy as np_ops
from ironhorn.ops._dispatch import op
from ironhorn.ops._values import handle, tensor
from ironhorn.ops.image._layout import axes_of_image

__all__ = ["crop_images", "extract_patches", "extract_patches_3d", "pad_images"]


def _borders(name: str, axis: str, length: Any, before: Any, after: Any, target: Any, grows: bool) -> tuple[Any, Any]:
    """Both borders, of two of: the one before, the one after, and the length that is wanted.

    Raises:
        ValueRangeError: if not just two are given, or a border would be negative.
    """
    first, last = ("top", "bottom") if axis == "height" else ("left", "right")
    kind = "padding" if grows else "cropping"
    if (before, after, target).count(None) != 1:
        raise ValueRangeError(
            f"ops.image.{name} takes exactly two of {first}_{kind}, {last}_{kind} and target_{axis}; got {before}, "
            f"{after} and {target}"
        )
    if target is not None:
        missing = (target - length if grows else length - target) - (after if before is None else before)
        before, after = (missing, after) if before is None else (before, missing)
    for border, side in ((before, first), (after, last)):
        if isinstance(border, int) and border < 0:
            raise ValueRangeError(f"ops.image.{name}: {side}_{kind} would be {border}; it must not be negative")
    return before, after


@op
def pad_images(
    images: Any,
    top_padding: int | None = None,
    left_padding: int | None = None,
    bottom_padding: int | None = None,
    right_padding: int | None = None,
    target_height: int | None = None,
    target_width: int | None = None,
    data_format: str | None = None,
) -> Any:
    """Images with borders of zeros.

    Args:
        images: an image or a batch of images.
        top_padding: rows added at the top.
        left_padding: columns added at the left.
        bottom_padding: rows added at the bottom.
        right_padding: columns added at the right.
        target_height: height of the result; for each axis two of the three numbers are given.
        target_width: width of the result.
        data_format: "channels_last" or "channels_first".

    Raises:
        ValueRangeError: if not two numbers an axis are given, or a border would be negative.
        UnsupportedError: for a target length while the length of the images is not known.
    """
    images = tensor(images)
    low, high = [0] * images.ndim, [0] * images.ndim
    height, width, _ = axes_of_image(images, data_format)
    given = (
        (height, "height", top_padding, bottom_padding, target_height),
        (width, "width", left_padding, right_padding, target_width),
    )
    for axis, name, before, after, target in given:
        length = images.shape[axis]
        if length is None and target is not None:
            raise UnsupportedError(
                f"ops.image.pad_images: target_{name} needs images whose {name} is known while tracing, got shape "
                f"{images.shape}; give both borders instead"
            )
        low[axis], high[axis] = _borders("pad_images", name, length, before, after, target, True)
    return handle["pad"](images, low=low, high=high, value=0.0)


@op
def crop_images(
    images: Any,
    top_cropping: int | None = None,
    left_cropping: int | None = None,
    bottom_cropping: int | None = None,
    right_cropping: int | None = None,
    target_height: int | None = None,
    target_width: int | None = None,
    data_format: str | None = None,
) -> Any:
    """Images without their borders.

    Args:
        images: an image or a batch of images.
        top_cropping: rows cut off the top.
        left_cropping: columns cut off the left.
        bottom_cropping: rows cut off the bottom.
        right_cropping: columns cut off the right.
        target_height: height of the result; for each axis two of the three numbers are given.
        target_width: width of the result.
        data_format: "channels_last" or "channels_first".

    Raises:
        ValueRangeError: if not two numbers an axis are given, or a border would be negative.
        UnsupportedError: for a target length and the border behind it, while the length of the images is not known.
    """
    images = tensor(images)
    starts: list[Any] = [None] * images.ndim
    stops: list[Any] = [None] * images.ndim
    height, width, _ = axes_of_image(images, data_format)
    given = (
        (height, "height", top_cropping, bottom_cropping, target_height),
        (width, "width", left_cropping, right_cropping, target_width),
    )
    for axis, name, before, after, target in given:
        length = images.shape[axis]
        if length is None and target is not None:
            if before is None or after is not None:
                raise UnsupportedError(
                    f"ops.image.crop_images: target_{name} with the border behind it needs images whose {name} is "
                    f"known while tracing, got shape {images.shape}; give both borders instead"
                )
            starts[axis], stops[axis] = before, before + target
            continue
        before, after = _borders("crop_images", name, length, before, after, target, False)
        if length is not None and before + after > length:
            raise ValueRangeError(
                f"ops.image.crop_images: target_{name} would be {length - before - after}; it must not be negative"
            )
        starts[axis], stops[axis] = before, -after if after else None
    return handle["slice"](images, starts=starts, stops=stops, steps=[1] * images.ndim)


def _tuple(value: Any, rank: int, name: str) -> tuple[int, ...]:
    values = (value,) * rank if isinstance(value, int) else tuple(value)
    if len(values) != rank or any(not isinstance(v, int) or v < 1 for v in values):
        raise ValueRangeError(f"{name} must be a positive integer or {rank} of them, got {value!r}")
    return values


def _patches(
    images: Any, size: Any, strides: Any, dilation_rate: Any, padding: str, data_format: str | None, rank: int
) -> Any:
    images = tensor(images)
    if images.ndim not in (rank + 1, rank + 2):
        raise ShapeError(f"patches of {rank} axes are cut from {rank + 1} or {rank + 2} axes, got shape {images.shape}")
    if padding not in ("valid", "same"):
        raise ValueRangeError(f"padding of patches must be 'valid' or 'same', got {padding!r}")
    size = _tuple(size, rank, "size of patches")
    steps = size if not strides else _tuple(strides, rank, "strides of patches")
    dilation = _tuple(dilation_rate, rank, "dilation_rate of patches")
    single = images.ndim == rank + 1
    if single:
        images = np_ops.expand_dims(images, 0)
    first = standardize_data_format(data_format) == "channels_first"
    if first:
        images = np_ops.moveaxis(images, 1, -1)
    reach = [(n - 1) * d + 1 for n, d in zip(size, dilation, strict=True)]
    if padding == "same":
        low, high = [0] * (rank + 2), [0] * (rank + 2)
        for axis in range(rank):
            length = images.shape[axis + 1]
            if length is None and steps[axis] > 1:
                raise UnsupportedError(
                    "patches with padding='same' and strides need images whose size is known while tracing, got shape "
                    f"{images.shape}; use padding='valid'"
                )
            left = 0 if length is None else (-(-length // steps[axis]) - 1) * steps[axis] - length + 1
            total = max(left + reach[axis] - 1, 0)
            low[axis + 1], high[axis + 1] = total // 2, total - total // 2
        images = handle["pad"](images, low=low, high=high, value=0.0)
    places: list[tuple[int, ...]] = [()]
    for axis in range(rank):
        places = [(*place, n * dilation[axis]) for place in places for n in range(size[axis])]
    parts = []
    for place in places:
        stops = [(start - reach[axis] + 1) or None for axis, start in enumerate(place)]
        parts.append(handle["slice"](images, starts=[None, *place], stops=[None, *stops], steps=[1, *steps]))
    patches = np_ops.concatenate(parts, axis=-1)
    if first:
        patches = np_ops.moveaxis(patches, -1, 1)
    return np_ops.squeeze(patches, 0) if single else patches


@op
def extract_patches(
    images: Any,
    size: Any,
    strides: Any = None,
    dilation_rate: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
) -> Any:
    """Windows of images, each as one vector in place of the channels.

    Args:
        images: an image or a batch of images; volumes if `size` has three numbers.
        size: height and width of a patch, or one number for both.
        strides: distance of neighbouring patches; `size` by default.
        dilation_rate: distance of neighbouring pixels in a patch.
        padding: "valid" or "same".
        data_format: "channels_last" or "channels_first".

    Returns:
        `(batch, rows, columns, height * width * channels)`, a patch row by row with the channels innermost.

    Example:
        >>> ops.image.extract_patches(ops.ones((2, 6, 6, 3)), 2).shape
        (2, 3, 3, 12)
    """
    rank = 3 if not isinstance(size, int) and len(size) == 3 else 2
    return _patches(images, size, strides, dilation_rate, padding, data_format, rank)


@op
def extract_patches_3d(
    volumes: Any,
    size: Any,
    strides: Any = None,
    dilation_rate: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
) -> Any:
    """Windows of volumes, each as one vector in place of the channels; see `extract_patches`."""
    return _patches(volumes, size, strides, dilation_rate, padding, data_format, 3)
