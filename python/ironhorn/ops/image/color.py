"""Images in other colours."""

from typing import Any

import numpy as np

from ironhorn import _core
from ironhorn.backend.dtypes import is_float_dtype
from ironhorn.errors import DTypeError, ShapeError
from ironhorn.ops import numpy as np_ops
from ironhorn.ops._dispatch import op
from ironhorn.ops._values import as_dtype, as_float, handle, tensor
from ironhorn.ops.image._layout import axes_of_image

__all__ = ["hsv_to_rgb", "rgb_to_grayscale", "rgb_to_hsv"]

#: Luma of red, green and blue (ITU-R BT.601).
_LUMA = (0.2989, 0.587, 0.114)


@op
def rgb_to_grayscale(images: Any, data_format: str | None = None) -> Any:
    """Images of one channel: `0.2989 red + 0.587 green + 0.114 blue`; images of one channel stay as they are.

    Args:
        images: an image or a batch of images of 3 channels, or 1.
        data_format: "channels_last" or "channels_first".

    Raises:
        ShapeError: for another number of channels.
    """
    images = tensor(images)
    _, _, axis = axes_of_image(images, data_format)
    channels = images.shape[axis]
    if channels == 1:
        return images
    if channels != 3:
        raise ShapeError(f"ops.image.rgb_to_grayscale takes images of 3 channels or 1, got shape {images.shape}")
    values = as_float(images)
    gray = None
    for weight, plane in zip(_LUMA, np_ops.split(values, 3, axis), strict=True):
        part = handle["multiply"](plane, weight)
        gray = part if gray is None else handle["add"](gray, part)
    return as_dtype(gray, images.dtype)


def _planes(name: str, images: Any, data_format: str | None) -> tuple[Any, list[Any], int]:
    images = tensor(images)
    _, _, axis = axes_of_image(images, data_format)
    if not is_float_dtype(images.dtype):
        raise DTypeError(f"ops.image.{name} takes floats, got {images.dtype}; cast the images, and divide by 255")
    if images.shape[axis] != 3:
        raise ShapeError(f"ops.image.{name} takes images of 3 channels, got shape {images.shape}")
    return images, np_ops.split(images, 3, axis), axis


@op
def rgb_to_hsv(images: Any, data_format: str | None = None) -> Any:
    """Hue, saturation and value of red, green and blue, all from 0 to 1 (Smith, 1978).

    Args:
        images: an image or a batch of images of 3 channels, floats from 0 to 1.
        data_format: "channels_last" or "channels_first".

    Raises:
        DTypeError: for integers.
        ShapeError: for another number of channels.
    """
    images, planes, axis = _planes("rgb_to_hsv", images, data_format)
    tiny = float(np.finfo(images.dtype if images.dtype != "bfloat16" else "float32").eps)
    zero = _core.tensor(0.0, images.dtype)
    red, green, blue = (np_ops.where(np_ops.absolute(plane) < tiny, zero, plane) for plane in planes)
    value = np_ops.maximum(np_ops.maximum(red, green), blue)
    spread = value - np_ops.minimum(np_ops.minimum(red, green), blue)
    safe_value = np_ops.where(value > 0, value, 1.0)
    safe_spread = np_ops.where(spread > 0, spread, 1.0)
    saturation = np_ops.where(value > 0, spread / safe_value, zero)
    sixth = 1.0 / (6.0 * safe_spread)
    hue = np_ops.where(value == green, sixth * (blue - red) + 2.0 / 6.0, sixth * (red - green) + 4.0 / 6.0)
    hue = np_ops.where(value == red, sixth * (green - blue), hue)
    hue = np_ops.where(spread > 0, hue, zero) + as_dtype(hue < 0.0, hue.dtype)
    return np_ops.concatenate([hue, saturation, value], axis=axis)


@op
def hsv_to_rgb(images: Any, data_format: str | None = None) -> Any:
    """Red, green and blue of hue, saturation and value, all from 0 to 1 (Smith, 1978).

    Args:
        images: an image or a batch of images of 3 channels, floats from 0 to 1.
        data_format: "channels_last" or "channels_first".

    Raises:
        DTypeError: for integers.
        ShapeError: for another number of channels.
    """
    _, (hue, saturation, value), axis = _planes("hsv_to_rgb", images, data_format)
    turn = np_ops.mod(hue, 1.0) * 6.0
    shares = (
        np_ops.clip(np_ops.absolute(turn - 3.0) - 1.0, 0.0, 1.0),
        np_ops.clip(2.0 - np_ops.absolute(turn - 2.0), 0.0, 1.0),
        np_ops.clip(2.0 - np_ops.absolute(turn - 4.0), 0.0, 1.0),
    )
    white = 1.0 - saturation
    return np_ops.concatenate([value * (white + saturation * share) for share in shares], axis=axis)
