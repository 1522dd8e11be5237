"""The layer that erases boxes of images at random."""

from __future__ import annotations

from typing import Any

from ironhorn import ops, random
from ironhorn.layers.preprocessing.image.base_image_preprocessing import BaseImagePreprocessingLayer
from ironhorn.layers.preprocessing.image.boxes import bounds, masks
from ironhorn.layers.preprocessing.image.ranges import is_number, range_of, value_range_of


class RandomErasing(BaseImagePreprocessingLayer):
    """In training, fills a random box of some images (Zhong et al., "Random erasing data augmentation", 2017).

    Args:
        factor: The chance that an image loses a box: the greatest, from 0 to 1, or the least and the greatest. A chance
            is drawn for each image.
        scale: The square of a box's share of the height and of the width: the greatest, from 0 to 1, or the least and
            the greatest.
        fill_value: What boxes are filled with: a number, three numbers for the channels, or `None` for noise.
        value_range: The least and the greatest value that pixels have.
        seed: Integer seed of the random numbers; drawn if not given.
        data_format: `"channels_last"` or `"channels_first"`.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Input shape:
        `(height, width, channels)`, or a batch of such.

    Example:
        >>> ironhorn.layers.RandomErasing()(ironhorn.ops.ones((2, 4, 4, 3)), training=True).shape
        (2, 4, 4, 3)
    """

    _USE_BASE_FACTOR = False
    _FACTOR_BOUNDS = (0, 1)

    def __init__(
        self,
        factor: Any = 1.0,
        scale: Any = (0.02, 0.33),
        fill_value: Any = None,
        value_range: Any = (0, 255),
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self._set_factor(factor)
        self.scale = range_of("RandomErasing", "scale", scale, (0, 1), mirrored=False, overlap=True)
        several = isinstance(fill_value, list | tuple) and len(fill_value) == 3 and all(map(is_number, fill_value))
        if fill_value is not None and not is_number(fill_value) and not several:
            raise ValueError(
                "`fill_value` of a RandomErasing layer must be a number, three numbers for the channels, or None for "
                f"noise. Received: fill_value={fill_value!r}."
            )
        self.fill_value = fill_value
        self.value_range = value_range_of("RandomErasing", value_range)
        self._set_seed(seed)
        self._build_at_init()

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """Draws boxes, which images lose theirs, and what boxes are filled with."""
        if not training:
            return None
        count, height, width = self._count_and_size(data)
        share = ops.sqrt(self._uniform((count, 2), *self.scale, seed))

        def uniform(shape: Any) -> Any:
            return self._uniform(shape, 0.0, 1.0, seed)

        x = bounds(uniform, count, width, share[:, 0])
        y = bounds(uniform, count, height, share[:, 1])
        return {
            "apply_erasing": self._chosen(count, seed),
            "batch_masks": masks(height, width, x, y, self.data_format),
            "fill_value": self._fill(self._images_in(data), seed),
        }

    def _fill(self, images: Any, seed: Any) -> Any:
        if self.fill_value is None:
            shape = ops.shape(images)
            noise = random.normal(
                shape if len(shape) == 4 else (1, *shape), dtype=self._draw_dtype, seed=self._seed_of(seed)
            )
            fill = noise * self.value_range[1]
        else:
            fill = ops.convert_to_tensor(self.fill_value, dtype=self._draw_dtype)
            fill = ops.reshape(fill, (1, 1, 1, -1) if self.data_format == "channels_last" else (1, -1, 1, 1))
        return ops.cast(ops.clip(fill, *self.value_range), self.compute_dtype)

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        """Fills the boxes."""
        images = ops.cast(images, self.compute_dtype)
        if not training or transformation is None:
            return images
        erased = ops.logical_and(transformation["batch_masks"], self._per_image(transformation["apply_erasing"]))
        return ops.where(erased, ops.cast(transformation["fill_value"], images.dtype), images)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {
            **super().get_config(),
            "factor": self.factor,
            "scale": self.scale,
            "fill_value": self.fill_value,
            "value_range": self.value_range,
            "seed": self.seed,
        }
