"""The layer that solarizes images at random."""

from __future__ import annotations

from typing import Any

from ironhorn import ops
from ironhorn.layers.preprocessing.image.base_image_preprocessing import BaseImagePreprocessingLayer
from ironhorn.layers.preprocessing.image.ranges import range_of, rescaled, value_range_of


class Solarization(BaseImagePreprocessingLayer):
    """In training, adds a number of its own to each image, and inverts the pixels above a threshold.

    Args:
        addition_factor: What is added, as a share of the value range: the greatest, from 0 to 1, or the least and the
            greatest.
        threshold_factor: The threshold, as a share of the value range, likewise.
        value_range: The least and the greatest value that pixels have; sums are clipped to them.
        seed: Integer seed of the random numbers; drawn if not given.
        **kwargs: `data_format`, and `name`, `dtype`, `trainable` of every layer.

    Input shape:
        `(height, width, channels)`, or a batch of such.

    Example:
        >>> ironhorn.layers.Solarization()(ironhorn.ops.ones((1, 1, 1, 1)), training=True).numpy().ravel()
        array([254.], dtype=float32)
    """

    _USE_BASE_FACTOR = False

    def __init__(
        self,
        addition_factor: Any = 0.0,
        threshold_factor: Any = 0.0,
        value_range: Any = (0, 255),
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._set_seed(seed)
        bounds = (0, 1)
        self.addition_factor = range_of("Solarization", "addition_factor", addition_factor, bounds, mirrored=False)
        self.threshold_factor = range_of("Solarization", "threshold_factor", threshold_factor, bounds, mirrored=False)
        self.value_range = value_range_of("Solarization", value_range)
        self._build_at_init()

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """Draws what is added and the threshold, of 255, for each image."""
        if not training:
            return None
        count, _, _ = self._count_and_size(data)
        # As in Keras, only the greatest numbers are shares of 255.
        drawn = [
            self._uniform((count, 1, 1, 1), least, greatest * 255, seed)
            for least, greatest in (self.addition_factor, self.threshold_factor)
        ]
        return {"additions": drawn[0], "thresholds": drawn[1]}

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        """Adds, and inverts what is bright."""
        images = ops.cast(images, self.compute_dtype)
        if not training or transformation is None:
            return images
        additions, thresholds = (ops.cast(transformation[name], images.dtype) for name in ("additions", "thresholds"))
        images = ops.clip(rescaled(images, self.value_range, (0, 255)) + additions, 0, 255)
        return rescaled(ops.where(images < thresholds, images, 255 - images), (0, 255), self.value_range)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {
            **super().get_config(),
            "value_range": self.value_range,
            "addition_factor": self.addition_factor,
            "threshold_factor": self.threshold_factor,
            "seed": self.seed,
        }
