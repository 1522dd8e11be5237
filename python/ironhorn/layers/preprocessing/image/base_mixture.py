"""What layers that choose among other augmentations share: those others."""

from __future__ import annotations

from typing import Any

from ironhorn.layers.preprocessing.image.auto_contrast import AutoContrast
from ironhorn.layers.preprocessing.image.base_image_preprocessing import BaseImagePreprocessingLayer
from ironhorn.layers.preprocessing.image.color_degeneration import RandomColorDegeneration
from ironhorn.layers.preprocessing.image.equalization import Equalization
from ironhorn.layers.preprocessing.image.random_brightness import RandomBrightness
from ironhorn.layers.preprocessing.image.random_contrast import RandomContrast
from ironhorn.layers.preprocessing.image.random_posterization import RandomPosterization
from ironhorn.layers.preprocessing.image.random_rotation import RandomRotation
from ironhorn.layers.preprocessing.image.random_sharpness import RandomSharpness
from ironhorn.layers.preprocessing.image.random_shear import RandomShear
from ironhorn.layers.preprocessing.image.random_translation import RandomTranslation
from ironhorn.layers.preprocessing.image.solarization import Solarization


class BaseMixture(BaseImagePreprocessingLayer):
    """A layer that applies augmentations which are drawn from a list; each is an attribute of the layer."""

    _USE_BASE_FACTOR = False
    _FACTOR_BOUNDS = (0, 1)

    interpolation: str
    value_range: list[Any]

    def _make_parts(self, names: list[str]) -> None:
        shared: dict[str, Any] = {"seed": self.seed, "data_format": self.data_format, "dtype": self.dtype_policy}
        moving = {**shared, "interpolation": self.interpolation}
        coloured = {**shared, "value_range": self.value_range}
        fixed = {name: value for name, value in coloured.items() if name != "seed"}
        factor = self.factor
        makers: dict[str, Any] = {
            "random_shear": lambda: RandomShear(x_factor=factor, y_factor=factor, **moving),
            "random_translation": lambda: RandomTranslation(height_factor=factor, width_factor=factor, **moving),
            "random_rotation": lambda: RandomRotation(factor=factor, **moving),
            "random_brightness": lambda: RandomBrightness(factor=factor, **coloured),
            "random_color_degeneration": lambda: RandomColorDegeneration(factor=factor, **coloured),
            "random_contrast": lambda: RandomContrast(factor=factor, **coloured),
            "random_sharpness": lambda: RandomSharpness(factor=factor, **coloured),
            "random_posterization": lambda: RandomPosterization(factor=max(1, int(8 * factor[1])), **coloured),
            "solarization": lambda: Solarization(addition_factor=factor, threshold_factor=factor, **coloured),
            "auto_contrast": lambda: AutoContrast(**fixed),
            "equalization": lambda: Equalization(**fixed),
        }
        for name in names:
            setattr(self, name, makers[name]())
