"""Images and arrays: `keras.preprocessing.image`, mostly names of `ironhorn.utils`."""

from typing import Any

import numpy as np

from ironhorn.utils import array_to_img, img_to_array, load_img, save_img

__all__ = ["array_to_img", "img_to_array", "load_img", "save_img", "smart_resize"]


def smart_resize(
    x: Any,
    size: tuple[int, int],
    interpolation: str = "bilinear",
    data_format: str = "channels_last",
    backend_module: Any = None,
) -> Any:
    """Resizes images without distortion: the largest part of the wanted proportions is cut out of the middle first.

    Args:
        x: images `(height, width, channels)` or `(batch, height, width, channels)`.
        size: height and width to have.
        interpolation: "bilinear", "nearest", "bicubic", "lanczos3" or "lanczos5".
        data_format: "channels_last" or "channels_first".
        backend_module: taken for compatibility; there is one backend.

    Returns:
        A NumPy array for a NumPy array, else a tensor.

    Raises:
        ValueError: if `size` is not a pair, or `x` has another rank.
    """
    from ironhorn import ops

    if backend_module is not None:
        raise TypeError("smart_resize computes with ironhorn.ops: leave out backend_module")
    if len(size) != 2:
        raise ValueError(f"Expected `size` to be a tuple of 2 integers. Received: size={size}")
    resized = ops.image.resize(
        x, tuple(size), interpolation=interpolation, crop_to_aspect_ratio=True, data_format=data_format
    )
    return np.asarray(resized) if isinstance(x, np.ndarray) else resized
