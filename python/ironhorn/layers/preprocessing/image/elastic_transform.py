"""The layer that bends images at random."""

from __future__ import annotations

from typing import Any

from ironhorn import ops, random
from ironhorn.layers.preprocessing.image.base_image_preprocessing import BaseImagePreprocessingLayer
from ironhorn.layers.preprocessing.image.ranges import range_of, value_range_of
from ironhorn.ops.image.sampling import bent

_FILL_MODES = ("constant", "nearest", "wrap", "mirror", "reflect")
_ORDERS = {"nearest": 0, "bilinear": 1}


class RandomElasticTransform(BaseImagePreprocessingLayer):
    """In training, bends some images: every pixel is read somewhere near (Simard et al., 2003).

    Args:
        factor: The chance that an image is bent: the greatest, from 0 to 1, or the least and the greatest. A chance is
            drawn for each image.
        scale: How strongly the images of a batch are bent: the greatest, from 0 to 1, or the least and the greatest.
        interpolation: `"bilinear"` or `"nearest"`.
        fill_mode: What lies outside: `"reflect"`, `"mirror"`, `"wrap"`, `"constant"` (`fill_value`) or `"nearest"`.
        fill_value: What to fill with.
        value_range: The least and the greatest value that pixels have; results are clipped to them.
        seed: Integer seed of the random numbers; drawn if not given.
        data_format: `"channels_last"` or `"channels_first"`.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Input shape:
        `(height, width, channels)`, or a batch of such; height and width must be known.

    Example:
        >>> ironhorn.layers.RandomElasticTransform()(ironhorn.ops.ones((2, 8, 8, 3)), training=True).shape
        (2, 8, 8, 3)
    """

    _USE_BASE_FACTOR = False
    _FACTOR_BOUNDS = (0, 1)

    def __init__(
        self,
        factor: Any = 1.0,
        scale: Any = 1.0,
        interpolation: str = "bilinear",
        fill_mode: str = "reflect",
        fill_value: float = 0.0,
        value_range: Any = (0, 255),
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self._set_factor(factor)
        self.scale = range_of("RandomElasticTransform", "scale", scale, (0, 1), mirrored=False, overlap=True)
        for name, value, allowed in (
            ("interpolation", interpolation, tuple(_ORDERS)),
            ("fill_mode", fill_mode, _FILL_MODES),
        ):
            if value not in allowed:
                raise NotImplementedError(
                    f"`{name}` of a RandomElasticTransform layer must be one of {allowed}. Received: {name}={value!r}."
                )
        self.interpolation = interpolation
        self.fill_mode = fill_mode
        self.fill_value = fill_value
        self.value_range = value_range_of("RandomElasticTransform", value_range)
        self._set_seed(seed)
        self._build_at_init()

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """Draws which images are bent, how strongly, and the seed of the bends."""
        if not training or self.scale[1] == 0 or self.factor[1] == 0:
            return None
        return {
            "apply_transform": self._chosen(self._count_and_size(data)[0], seed),
            "distortion_factor": self._uniform((), *self.scale, seed),
            "seed": random.draw_seed(self._seed_of(seed)),
        }

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        """Bends the images that were drawn."""
        images = ops.cast(images, self.compute_dtype)
        if not training or transformation is None:
            return images
        lengths = self._known_size(images)
        strength = ops.cast(transformation["distortion_factor"], images.dtype)
        sigma = 0.05 * min(lengths)
        moved = bent(
            images,
            alpha=strength * (0.1 * max(lengths)),
            # A width of 0 smooths nothing.
            sigma=ops.maximum(strength * sigma, 1e-6),
            size=int(6 * sigma * self.scale[1]) | 1,
            order=_ORDERS[self.interpolation],
            fill_mode=self.fill_mode,
            fill_value=self.fill_value,
            seed=transformation["seed"],
            data_format=self.data_format,
        )
        images = ops.where(self._per_image(transformation["apply_transform"]), moved, images)
        return ops.clip(images, *self.value_range)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {
            **super().get_config(),
            "factor": self.factor,
            "scale": self.scale,
            "interpolation": self.interpolation,
            "fill_mode": self.fill_mode,
            "fill_value": self.fill_value,
            "value_range": self.value_range,
            "seed": self.seed,
        }
