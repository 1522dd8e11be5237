"""Images of other sizes: sampled anew along height and width, one after the other."""

from typing import Any

import numpy as np

from ironhorn import _core
from ironhorn.backend.dtypes import is_float_dtype, is_int_dtype
from ironhorn.errors import UnsupportedError, ValueRangeError
from ironhorn.ops import numpy as np_ops
from ironhorn.ops._dispatch import op
from ironhorn.ops._values import as_dtype, as_float, axis_of, handle, shape_of, tensor
from ironhorn.ops.image._layout import axes_of_image

__all__ = ["resize", "scale_and_translate"]

_KERNELS = {"bilinear": "linear", "bicubic": "cubic", "lanczos3": "lanczos3", "lanczos5": "lanczos5"}
_METHODS = {**_KERNELS, "linear": "linear", "trilinear": "linear", "cubic": "cubic", "tricubic": "cubic"}


@op
def resize(
    images: Any,
    size: Any,
    interpolation: str = "bilinear",
    antialias: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    fill_mode: str = "constant",
    fill_value: float = 0.0,
    data_format: str | None = None,
) -> Any:
    """Images of another size. The centres of pixels lie at halves, so that corners of images fall on corners.

    Args:
        images: an image or a batch of images; integers are rounded and kept in the range of their type.
        size: `(height, width)` of the result; lengths from `ops.shape` may be symbolic.
        interpolation: "bilinear", "nearest", "bicubic" (Keys, 1981), "lanczos3" or "lanczos5".
        antialias: whether a pixel that stands for several is made of all of them, when images shrink.
        crop_to_aspect_ratio: whether images are first cut, around their centre, to the proportions of `size`.
        pad_to_aspect_ratio: whether images are first padded, around their centre, to the proportions of `size`.
        fill_mode: must be "constant".
        fill_value: what to pad with.
        data_format: "channels_last" or "channels_first".

    Raises:
        ValueRangeError: for a size or name that is none.
        UnsupportedError: if proportions are to be kept of images whose size is not known while tracing.

    Example:
        >>> ops.image.resize(ops.reshape([0.0, 4.0], (1, 2, 1)), (1, 4)).numpy()[0, :, 0].tolist()
        [0.0, 1.0, 3.0, 4.0]
    """
    images = tensor(images)
    size = tuple(size)
    if len(size) != 2 or any(isinstance(length, int) and length <= 0 for length in size):
        raise ValueRangeError(f"ops.image.resize takes a positive height and width as size, got {size}")
    if interpolation != "nearest" and interpolation not in _KERNELS:
        known = ("nearest", *_KERNELS)
        raise ValueRangeError(f"ops.image.resize: interpolation must be one of {known}, got {interpolation!r}")
    if fill_mode != "constant":
        raise ValueRangeError(f"ops.image.resize: fill_mode must be 'constant', got {fill_mode!r}")
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise ValueRangeError("ops.image.resize either crops or pads to the aspect ratio, not both")
    height, width, _ = (axis % images.ndim for axis in axes_of_image(images, data_format))
    if crop_to_aspect_ratio or pad_to_aspect_ratio:
        change = _cropped if crop_to_aspect_ratio else _padded
        images = change(images, (height, width), size, fill_value)
    dtype = images.dtype
    if interpolation == "nearest":
        for axis, length in ((height, size[0]), (width, size[1])):
            images = _nearest(images, axis, length)
        return images
    values = as_float(images)
    for axis, length in ((height, size[0]), (width, size[1])):
        if not (isinstance(length, int) and values.shape[axis] == length):
            values = handle["resample"](
                values, axis=axis, size=[length], interpolation=_KERNELS[interpolation], antialias=bool(antialias)
            )
    return _back_to(values, dtype)


def _back_to(values: Any, dtype: str) -> Any:
    """Floats in the type that the images had."""
    if values.dtype == dtype or is_float_dtype(dtype):
        return as_dtype(values, dtype)
    if not is_int_dtype(dtype):
        return as_dtype(values, dtype)
    limits = np.iinfo(dtype)
    return as_dtype(np_ops.clip(np_ops.round(values), float(limits.min), float(limits.max)), dtype)


def _nearest(images: Any, axis: int, length: Any) -> Any:
    """Every output takes the pixel that its centre falls into."""
    own = shape_of(images)[axis]
    if isinstance(own, int) and isinstance(length, int):
        if own == length:
            return images
        centers = (np.arange(length, dtype="float32") + np.float32(0.5)) * np.float32(own) / np.float32(length)
        return handle["take"](images, _core.tensor(np.floor(centers).astype("int32")), axis=axis)
    places = handle["iota"](shape=[length], axis=0, dtype="float32")
    own, length = (handle["cast"](n, dtype="float32") for n in (own, length))
    centers = handle["divide"](handle["multiply"](handle["add"](places, 0.5), own), length)
    return handle["take"](images, handle["cast"](handle["floor"](centers), dtype="int32"), axis=axis)


def _known(images: Any, axes: tuple[int, int], size: tuple[Any, Any]) -> tuple[int, int, int, int]:
    lengths = (*(images.shape[axis] for axis in axes), *size)
    if not all(isinstance(length, int) for length in lengths):
        raise UnsupportedError(
            "ops.image.resize keeps proportions of images whose height and width are known while tracing, got shape "
            f"{images.shape}. Give the model an input of fixed size, or resize before the model."
        )
    height, width, target_height, target_width = lengths
    return int(height), int(width), int(target_height), int(target_width)


def _cropped(images: Any, axes: tuple[int, int], size: tuple[Any, Any], fill_value: float) -> Any:
    height, width, target_height, target_width = _known(images, axes, size)
    crops = (
        (height, int(float(width * target_height) / target_width)),
        (width, int(float(height * target_width) / target_height)),
    )
    none: list[Any] = [None] * images.ndim
    starts, stops = list(none), list(none)
    for axis, (length, wanted) in zip(axes, crops, strict=True):
        kept = max(min(length, wanted), 1)
        starts[axis] = int(float(length - kept) / 2)
        stops[axis] = starts[axis] + kept
    return handle["slice"](images, starts=starts, stops=stops, steps=[1] * images.ndim)


def _padded(images: Any, axes: tuple[int, int], size: tuple[Any, Any], fill_value: float) -> Any:
    height, width, target_height, target_width = _known(images, axes, size)
    wanted = (int(float(width * target_height) / target_width), int(float(height * target_width) / target_height))
    for axis, length, longer in zip(axes, (height, width), wanted, strict=True):
        border = int(float(longer - length) / 2)
        if border > 0:
            widths = [0] * images.ndim
            widths[axis] = border
            return handle["pad"](images, low=widths, high=widths, value=float(fill_value))
    return images


@op
def scale_and_translate(
    images: Any,
    output_shape: Any,
    scale: Any,
    translation: Any,
    spatial_dims: Any,
    method: str,
    antialias: bool = True,
) -> Any:
    """`images` scaled and moved along some axes, sampled at a new number of places.

    Output place `i` is taken at `(i + 1/2 - translation) / scale - 1/2`; places outside of the image are 0.

    Args:
        images: array of any rank.
        output_shape: the shape of the result.
        scale: for each of `spatial_dims` a positive number.
        translation: for each of them a number of output places.
        spatial_dims: the axes that change.
        method: "linear" ("bilinear", "trilinear"), "cubic" ("bicubic", "tricubic"), "lanczos3" or "lanczos5".
        antialias: whether a place that stands for several is made of all of them.

    Raises:
        ValueRangeError: for an unknown method, or a scale that is not positive.
        UnsupportedError: if scale or translation are traced: they must be numbers.
    """
    if method not in _METHODS:
        known = tuple(_METHODS)
        raise ValueRangeError(f"ops.image.scale_and_translate: method must be one of {known}, got {method!r}")
    images = as_float(images)
    for axis, factor, shift in zip(spatial_dims, _numbers(scale), _numbers(translation), strict=True):
        if factor <= 0:
            raise ValueRangeError(f"ops.image.scale_and_translate: scale must be positive, got {factor}")
        images = handle["resample"](
            images,
            axis=axis_of(int(axis), images.ndim),
            size=[output_shape[int(axis)]],
            interpolation=_METHODS[method],
            scale=factor,
            translation=shift,
            antialias=bool(antialias),
        )
    return images


def _numbers(values: Any) -> list[float]:
    if isinstance(values, _core.Tensor) and values.is_traced:
        raise UnsupportedError(
            "ops.image.scale_and_translate takes numbers for scale and translation, not traced tensors; for "
            "transformations that a model computes use ops.image.affine_transform"
        )
    return [float(value) for value in np.asarray(values).ravel()]
