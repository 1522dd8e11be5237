"""Images between files, Pillow and NumPy: `load_img`, `save_img`, `img_to_array`, `array_to_img`.

Pillow is imported when one of them needs it.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from ironhorn import backend

_MODES = {"grayscale": ("L", ("L", "I;16", "I")), "rgb": ("RGB", ("RGB",)), "rgba": ("RGBA", ("RGBA",))}
_METHODS = ("nearest", "bilinear", "bicubic", "hamming", "box", "lanczos")


def pillow(purpose: str) -> Any:
    """Returns the module `PIL.Image`.

    Args:
        purpose: What it is for, to be named if it is not installed.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(f"{purpose} needs Pillow: pip install pillow.") from error
    return Image


def checked_data_format(data_format: str | None) -> str:
    """Returns `"channels_last"` or `"channels_first"`; the default of the process for `None`."""
    data_format = data_format or backend.image_data_format()
    if data_format not in ("channels_first", "channels_last"):
        raise ValueError(
            f"`data_format` must be 'channels_first' or 'channels_last'. Received: data_format={data_format!r}"
        )
    return data_format


def array_to_img(x: Any, data_format: str | None = None, scale: bool = True, dtype: Any = None) -> Any:
    """Makes a Pillow image of an array.

    Args:
        x: Array of shape `(height, width, channels)` with 1, 3 or 4 channels (channels first with that format).
        data_format: `"channels_last"` or `"channels_first"`; `None` means the default.
        scale: Whether to stretch the values to 0 .. 255.
        dtype: Type to compute in; the default float type when `None`.

    Returns:
        A `PIL.Image.Image`.

    Raises:
        ValueError: If the shape is not that of an image.

    Example:
        >>> image = ironhorn.utils.array_to_img(np.zeros((2, 2, 3)))
    """
    image = pillow("array_to_img")
    data_format = checked_data_format(data_format)
    array = np.array(x, dtype=dtype or backend.floatx())
    if array.ndim != 3:
        raise ValueError(f"An image has 3 axes (height, width, channels). Received an array of shape {array.shape}")
    if data_format == "channels_first":
        array = array.transpose(1, 2, 0)
    if scale:
        array = array - array.min()
        highest = array.max()
        if highest != 0:
            array = array / highest
        array = array * 255
    channels = array.shape[2]
    if channels == 1:
        if array.max() > 255:
            return image.fromarray(array[:, :, 0].astype("int32"), "I")
        return image.fromarray(array[:, :, 0].astype("uint8"), "L")
    if channels in (3, 4):
        return image.fromarray(array.astype("uint8"), "RGB" if channels == 3 else "RGBA")
    raise ValueError(f"An image has 1, 3 or 4 channels. Received an array of shape {array.shape}")


def img_to_array(img: Any, data_format: str | None = None, dtype: Any = None) -> np.ndarray:
    """Makes an array of a Pillow image.

    Args:
        img: A `PIL.Image.Image`.
        data_format: `"channels_last"` or `"channels_first"`; `None` means the default.
        dtype: Type of the array; the default float type when `None`.

    Returns:
        An array with 3 axes.

    Example:
        >>> array = ironhorn.utils.img_to_array(image)
    """
    data_format = checked_data_format(data_format)
    array = np.asarray(img, dtype=dtype or backend.floatx())
    if array.ndim == 2:
        array = array[:, :, None]
    elif array.ndim != 3:
        raise ValueError(f"An image has 2 or 3 axes. Received: shape {array.shape}")
    return array.transpose(2, 0, 1) if data_format == "channels_first" else array


def save_img(
    path: Any, x: Any, data_format: str | None = None, file_format: str | None = None, scale: bool = True, **kwargs: Any
) -> None:
    """Writes an array as an image file.

    Args:
        path: A path or a file object.
        x: Array of shape `(height, width, channels)`.
        data_format: `"channels_last"` or `"channels_first"`; `None` means the default.
        file_format: Format of the file; `None` takes it from the path's suffix.
        scale: Whether to stretch the values to 0 .. 255.
        **kwargs: Options of `PIL.Image.Image.save`.
    """
    image = array_to_img(x, data_format=data_format, scale=scale)
    if file_format is None and isinstance(path, (str, os.PathLike)):
        file_format = os.path.splitext(os.fspath(path))[1][1:].lower()
    if file_format and file_format.lower() == "jpg":
        file_format = "jpeg"
    if image.mode == "RGBA" and file_format == "jpeg":
        import warnings

        warnings.warn("JPEG has no alpha channel: the image is written as RGB.", stacklevel=2)
        image = image.convert("RGB")
    image.save(path, format=file_format, **kwargs)


def load_img(
    path: Any,
    color_mode: str = "rgb",
    target_size: Any = None,
    interpolation: str = "nearest",
    keep_aspect_ratio: bool = False,
) -> Any:
    """Reads an image file.

    Args:
        path: A path, or an `io.BytesIO`.
        color_mode: `"rgb"`, `"rgba"` or `"grayscale"`.
        target_size: `(height, width)` to resize to; `None` keeps the size.
        interpolation: `"nearest"`, `"bilinear"`, `"bicubic"`, `"hamming"`, `"box"` or `"lanczos"`.
        keep_aspect_ratio: Whether to cut out the middle first, in the shape of `target_size`.

    Returns:
        A `PIL.Image.Image`.

    Raises:
        ValueError: If an option is unknown.
    """
    import io

    image = pillow("load_img")
    if isinstance(path, (str, bytes, os.PathLike)):
        with open(path, "rb") as file:
            path = io.BytesIO(file.read())
    elif not isinstance(path, io.BytesIO):
        raise TypeError(f"`path` must be a path or an io.BytesIO. Received: {type(path).__name__}")
    img = image.open(path)
    if color_mode not in _MODES:
        raise ValueError(f"`color_mode` must be 'grayscale', 'rgb' or 'rgba'. Received: color_mode={color_mode!r}")
    mode, kept = _MODES[color_mode]
    if img.mode not in kept:
        img = img.convert(mode)
    if target_size is None or img.size == (target_size[1], target_size[0]):
        return img
    if interpolation not in _METHODS:
        raise ValueError(
            f"`interpolation` must be one of {', '.join(_METHODS)}. Received: interpolation={interpolation!r}"
        )
    height, width = target_size
    box = None
    if keep_aspect_ratio:
        old_width, old_height = img.size
        crop_height = min(old_height, old_width * height // width)
        crop_width = min(old_width, old_height * width // height)
        left, top = (old_width - crop_width) // 2, (old_height - crop_height) // 2
        box = (left, top, left + crop_width, top + crop_height)
    return img.resize((width, height), getattr(image, interpolation.upper()), box=box)
