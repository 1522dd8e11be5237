"""What functions of images share: where height, width and channels are."""

from typing import Any

from ironhorn.backend.config import standardize_data_format
from ironhorn.errors import ShapeError
from ironhorn.ops import numpy as np_ops


def axes_of_image(images: Any, data_format: str | None) -> tuple[int, int, int]:
    """The axes of height, width and channels, counted from the end.

    Raises:
        ShapeError: if the rank is neither that of an image nor that of a batch.
    """
    if images.ndim not in (3, 4):
        raise ShapeError(
            f"takes an image of 3 axes or a batch of images of 4, got shape {images.shape}; reshape it, or add the "
            "axis of the channels"
        )
    return (-3, -2, -1) if standardize_data_format(data_format) == "channels_last" else (-2, -1, -3)


def as_batch(images: Any, data_format: str | None) -> Any:
    """The images as `(batch, height, width, channels)`."""
    _, _, channels = axes_of_image(images, data_format)
    if images.ndim == 3:
        images = np_ops.expand_dims(images, 0)
    return images if channels == -1 else np_ops.transpose(images, (0, 2, 3, 1))


def as_given(batch: Any, rank: int, data_format: str | None) -> Any:
    """What `as_batch` undid."""
    if standardize_data_format(data_format) == "channels_first":
        batch = np_ops.transpose(batch, (0, 3, 1, 2))
    return np_ops.squeeze(batch, 0) if rank == 3 else batch
