"""The layer that changes brightness, contrast, saturation and hue of images at random."""

from __future__ import annotations

from typing import Any

from ironhorn import ops
from ironhorn.layers.preprocessing.image.base_image_preprocessing import BaseImagePreprocessingLayer
from ironhorn.layers.preprocessing.image.random_brightness import RandomBrightness
from ironhorn.layers.preprocessing.image.random_contrast import RandomContrast
from ironhorn.layers.preprocessing.image.random_hue import RandomHue
from ironhorn.layers.preprocessing.image.random_saturation import RandomSaturation
from ironhorn.layers.preprocessing.image.ranges import value_range_of

_PARTS = ("random_brightness", "random_contrast", "random_saturation", "random_hue")


class RandomColorJitter(BaseImagePreprocessingLayer):
    """In training, changes brightness, then contrast, saturation and hue of each image, those that have a factor.

    Args:
        value_range: The least and the greatest value that pixels have.
        brightness_factor: As for `RandomBrightness`; `None` to leave brightness as it is.
        contrast_factor: As for `RandomContrast`.
        saturation_factor: As for `RandomSaturation`.
        hue_factor: As for `RandomHue`.
        seed: Integer seed of the random numbers; drawn if not given.
        data_format: `"channels_last"` or `"channels_first"`.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Input shape:
        `(height, width, 3)`, or a batch of such.

    Example:
        >>> layer = ironhorn.layers.RandomColorJitter(brightness_factor=0.1, contrast_factor=0.2)
        >>> layer(ironhorn.ops.ones((2, 4, 4, 3)), training=True).shape
        (2, 4, 4, 3)
    """

    _USE_BASE_FACTOR = False

    def __init__(
        self,
        value_range: Any = (0, 255),
        brightness_factor: Any = None,
        contrast_factor: Any = None,
        saturation_factor: Any = None,
        hue_factor: Any = None,
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.value_range = value_range_of("RandomColorJitter", value_range)
        self.brightness_factor = brightness_factor
        self.contrast_factor = contrast_factor
        self.saturation_factor = saturation_factor
        self.hue_factor = hue_factor
        self._set_seed(seed)
        factors = (brightness_factor, contrast_factor, saturation_factor, hue_factor)
        classes = (RandomBrightness, RandomContrast, RandomSaturation, RandomHue)
        for name, factor, cls in zip(_PARTS, factors, classes, strict=True):
            part = None
            if factor is not None:
                part = cls(factor, value_range=value_range, seed=seed, data_format=data_format, dtype=self.dtype_policy)
            setattr(self, name, part)
        self._build_at_init()

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """Draws for each of the changes."""
        if not training:
            return None
        parts = {name: getattr(self, name) for name in _PARTS}
        return {
            name: part.get_random_transformation(data, seed=self._seed_of(seed))
            for name, part in parts.items()
            if part is not None
        }

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        """Changes the images."""
        images = ops.cast(images, self.compute_dtype)
        if training:
            for name, drawn in transformation.items():
                images = getattr(self, name).transform_images(images, drawn)
        return images

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {
            **super().get_config(),
            "value_range": self.value_range,
            "brightness_factor": self.brightness_factor,
            "contrast_factor": self.contrast_factor,
            "saturation_factor": self.saturation_factor,
            "hue_factor": self.hue_factor,
            "seed": self.seed,
        }
