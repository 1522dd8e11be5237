"""The layer that applies augmentations drawn from a list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ironhorn import ops, random
from ironhorn.layers.preprocessing.image.base_mixture import BaseMixture
from ironhorn.layers.preprocessing.image.ranges import value_range_of

_PARTS = [
    "random_shear",
    "random_translation",
    "random_rotation",
    "random_brightness",
    "random_color_degeneration",
    "random_contrast",
    "random_sharpness",
    "random_posterization",
    "solarization",
    "auto_contrast",
    "equalization",
]


class RandAugment(BaseMixture):
    """In training, applies a few augmentations one after another, drawn anew for each batch (Cubuk et al., 2019).

    The augmentations are those of `RandomShear`, `RandomTranslation`, `RandomRotation`, `RandomBrightness`,
    `RandomColorDegeneration`, `RandomContrast`, `RandomSharpness`, `RandomPosterization`, `Solarization`,
    `AutoContrast` and `Equalization`. Only those that were drawn are computed.

    Args:
        value_range: The least and the greatest value that pixels have.
        num_ops: Number of augmentations.
        factor: How strong they are: the greatest factor, from 0 to 1, or the least and the greatest.
        interpolation: `"bilinear"` or `"nearest"`.
        seed: Integer seed of the random numbers; drawn if not given.
        data_format: `"channels_last"` or `"channels_first"`.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Input shape:
        `(height, width, 3)`, or a batch of such.

    Example:
        >>> ironhorn.layers.RandAugment(factor=0.3)(ironhorn.ops.ones((2, 8, 8, 3)), training=True).shape
        (2, 8, 8, 3)
    """

    def __init__(
        self,
        value_range: Any = (0, 255),
        num_ops: int = 2,
        factor: Any = 0.5,
        interpolation: str = "bilinear",
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.value_range = value_range_of("RandAugment", value_range)
        self.num_ops = num_ops
        self._set_factor(factor)
        self.interpolation = interpolation
        self._set_seed(seed)
        self._make_parts(_PARTS)
        self._build_at_init()

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """Draws which augmentations are applied, and what is random about each."""
        if not training:
            return None
        indices = random.randint((self.num_ops,), 0, len(_PARTS), seed=self._seed_of(seed))
        drawn = {
            name: getattr(self, name).get_random_transformation(data, training=training, seed=self._seed_of(seed))
            for name in _PARTS
        }
        return {"transforms": drawn, "layer_idxes": indices}

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        """Applies the augmentations that were drawn."""
        images = ops.cast(images, self.compute_dtype)
        if not training:
            return images

        def branch(name: str) -> Callable[[Any], Any]:
            return lambda batch: getattr(self, name).transform_images(batch, transformation["transforms"][name])

        branches = [branch(name) for name in _PARTS]
        for number in range(self.num_ops):
            images = ops.switch(transformation["layer_idxes"][number], branches, images)
        return images

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {
            **super().get_config(),
            "value_range": self.value_range,
            "num_ops": self.num_ops,
            "factor": self.factor,
            "interpolation": self.interpolation,
            "seed": self.seed,
        }
