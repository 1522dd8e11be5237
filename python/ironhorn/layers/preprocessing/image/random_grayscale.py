"""The layer that takes the colours out of images at random."""

from __future__ import annotations

from typing import Any

from ironhorn import ops
from ironhorn.layers.preprocessing.image.base_image_preprocessing import BaseImagePreprocessingLayer
from ironhorn.layers.preprocessing.image.ranges import is_number


class RandomGrayscale(BaseImagePreprocessingLayer):
    """In training, makes some of the images grey; all channels are then equal. The dtype of the images stays.

    Args:
        factor: The share of images that become grey, from 0 to 1.
        data_format: `"channels_last"` or `"channels_first"`.
        seed: Integer seed of the random numbers; drawn if not given.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Input shape:
        `(height, width, 3)`, or a batch of such.

    Example:
        >>> ironhorn.layers.RandomGrayscale(0.5)(ironhorn.ops.ones((2, 4, 4, 3)), training=True).shape
        (2, 4, 4, 3)
    """

    _USE_BASE_FACTOR = False
    _keeps_dtype = True
    factor: float  # type: ignore[assignment]

    def __init__(
        self, factor: float = 0.5, data_format: str | None = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        if not is_number(factor) or not 0 <= factor <= 1:
            raise ValueError(
                f"`factor` of a RandomGrayscale layer must be a number from 0 to 1. Received: factor={factor!r}."
            )
        self.factor = factor
        self._set_seed(seed)
        self._build_at_init()

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """Draws which images become grey, `(batch, 1, 1, 1)`."""
        if not training:
            return None
        count, _, _ = self._count_and_size(data)
        return ops.less(self._uniform((count, 1, 1, 1), 0.0, 1.0, seed), self.factor)

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        """Makes the images grey that were drawn."""
        if not training or transformation is None:
            return images
        return ops.where(transformation, ops.image.rgb_to_grayscale(images, data_format=self.data_format), images)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary; the seed only where there is one, as Keras has none."""
        seed = {} if self.seed is None else {"seed": self.seed}
        return {**super().get_config(), "factor": self.factor, **seed}
