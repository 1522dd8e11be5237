"""Filters of images, and the similarity that is measured with one."""

from typing import Any

import numpy as np

from ironhorn import _core
from ironhorn.errors import ShapeError
from ironhorn.ops import numpy as np_ops
from ironhorn.ops._dispatch import op
from ironhorn.ops._values import as_dtype, as_float, handle, shape_of, tensor
from ironhorn.ops.convolution import depthwise_conv
from ironhorn.ops.image._layout import as_batch, as_given, axes_of_image

__all__ = ["gaussian_blur", "sobel_edges", "ssim"]


def _bell(size: int, sigma: float) -> np.ndarray:
    places = np.arange(size) - (size - 1) / 2.0
    weights = np.exp(-0.5 * (places / sigma) ** 2)
    return weights / weights.sum()


def _traced_bell(size: int, sigma: Any, dtype: str) -> Any:
    """`_bell` for a width that is not known yet."""
    places = _core.tensor(np.arange(size) - (size - 1) / 2.0, dtype)
    weights = np_ops.exp(-0.5 * np_ops.square(places / as_dtype(sigma, dtype)))
    return weights / np_ops.sum(weights)


def _channels(batch: Any) -> int:
    count = batch.shape[-1]
    if count is None:
        raise ShapeError(
            f"filters of images need a known number of channels, got images of shape {batch.shape} with channels last; "
            "give the model an input with channels, or add the batch axis to a single image"
        )
    return int(count)


def _along(batch: Any, weights: Any, axis: int, padding: str) -> Any:
    """Every channel filtered along height (1) or width (2)."""
    shape = [1, 1, 1, 1]
    shape[axis - 1] = weights.shape[0]
    kernel = handle["reshape"](as_dtype(tensor(weights), batch.dtype), shape=shape)
    wide = handle["broadcast_to"](kernel, shape=[*shape[:2], _channels(batch), 1])
    return depthwise_conv(batch, wide, padding=padding, data_format="channels_last")


@op
def gaussian_blur(
    images: Any, kernel_size: Any = (3, 3), sigma: Any = (1.0, 1.0), data_format: str | None = None
) -> Any:
    """Images with each pixel a mean of its neighbours, weighted by a normal density; zeros lie around the images.

    Args:
        images: an image or a batch of images.
        kernel_size: width and height of the neighbourhood, in this order.
        sigma: standard deviations along width and height, in this order, in pixels; also a tensor of the two.
        data_format: "channels_last" or "channels_first".
    """
    images = as_float(images)
    batch = as_batch(images, data_format)
    widths = (sigma[0], sigma[1]) if isinstance(sigma, _core.Tensor) else sigma
    for axis, size, width in zip((2, 1), kernel_size, widths, strict=True):
        traced = isinstance(width, _core.Tensor) and width.is_traced
        weights = _traced_bell(int(size), width, batch.dtype) if traced else _bell(int(size), float(width))
        batch = _along(batch, weights, axis, "same")
    return as_given(batch, images.ndim, data_format)


@op
def sobel_edges(images: Any, data_format: str | None = None) -> Any:
    """Slopes of images along height and width by Sobel's filters; zeros lie around the images.

    Args:
        images: a batch of images.
        data_format: "channels_last" or "channels_first".

    Returns:
        The shape of `images` and a last axis of 2: slope along height, slope along width.
    """
    images = tensor(images)
    if images.ndim != 4:
        raise ShapeError(f"ops.image.sobel_edges takes a batch of images, 4 axes, got shape {images.shape}")
    batch = as_batch(images, data_format)
    across = np.array([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
    both = _core.tensor(np.stack([across.T, across], axis=-1).reshape(3, 3, 1, 2), batch.dtype)
    kernel = handle["broadcast_to"](both, shape=[3, 3, _channels(batch), 2])
    edges = depthwise_conv(batch, kernel, padding="same", data_format="channels_last")
    edges = handle["reshape"](edges, shape=[*shape_of(batch), 2])
    _, _, channels = axes_of_image(images, data_format)
    return edges if channels == -1 else np_ops.transpose(edges, (0, 3, 1, 2, 4))


@op
def ssim(
    image1: Any,
    image2: Any,
    max_val: float = 1.0,
    filter_size: int = 11,
    filter_sigma: float = 1.5,
    k1: float = 0.01,
    k2: float = 0.03,
    data_format: str | None = None,
) -> Any:
    """Structural similarity: 1 for equal images, less for others (Wang et al., 2004).

    Args:
        image1: an image or a batch of images.
        image2: as many images of the same shape.
        max_val: the distance between the smallest and the largest value that a pixel can have.
        filter_size: size of the windows that are compared.
        filter_sigma: standard deviation of the weights within a window, in pixels.
        k1: share of `max_val` that keeps quotients of means finite.
        k2: share of `max_val` that keeps quotients of variances finite.
        data_format: "channels_last" or "channels_first".

    Returns:
        One number an image.
    """
    first, second = tensor(image1), tensor(image2)
    dtype = first.dtype
    x, y = (as_batch(as_float(images), data_format) for images in (first, second))
    y = as_dtype(y, x.dtype)
    weights = _bell(int(filter_size), float(filter_sigma))

    def mean(batch: Any) -> Any:
        return _along(_along(batch, weights, 1, "valid"), weights, 2, "valid")

    mean_x, mean_y = mean(x), mean(y)
    squared_x, squared_y, product = mean_x * mean_x, mean_y * mean_y, mean_x * mean_y
    variance_x, variance_y = mean(x * x) - squared_x, mean(y * y) - squared_y
    covariance = mean(x * y) - product
    small_mean, small_variance = (k1 * max_val) ** 2, (k2 * max_val) ** 2
    alike = (2.0 * product + small_mean) * (2.0 * covariance + small_variance)
    whole = (squared_x + squared_y + small_mean) * (variance_x + variance_y + small_variance)
    result = np_ops.mean(alike / whole, axis=(1, 2, 3))
    return as_dtype(np_ops.squeeze(result, 0) if first.ndim == 3 else result, dtype)
