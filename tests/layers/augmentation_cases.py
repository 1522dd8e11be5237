"""The cases of the augmentation layers' reference: a layer, its images, and the names of what is drawn."""

from __future__ import annotations

import pathlib
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

FILE = pathlib.Path(__file__).with_name("augmentation_reference.npz")
LABELS = np.eye(3)[[0, 2, 1]]


@dataclass(frozen=True)
class Case:
    """One configuration of one layer.

    Args:
        layer: Name of the layer's class.
        make: Makes the layer from a module, `keras` or `ironhorn`.
        note: What tells this case from others of the same layer.
        top: The greatest value of the images' pixels.
        first: Whether channels come first.
        labels: Whether labels are compared too.
        narrow: Whether Keras computes a part in float32 whatever the type.
    """

    layer: str
    make: Callable[[Any], Any]
    note: str = ""
    top: float = 255.0
    first: bool = False
    labels: bool = False
    narrow: bool = False

    @property
    def id(self) -> str:
        """A name for tests and recordings."""
        return f"{self.layer}-{self.note}" if self.note else self.layer

    def images(self) -> np.ndarray:
        """Images of 3 channels."""
        generator = np.random.default_rng(zlib.crc32(self.id.encode()))
        images = generator.uniform(0.0, self.top, (3, 6, 5, 3)).astype("float32").astype("float64")
        return images.transpose(0, 3, 1, 2) if self.first else images


def flat(drawn: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of a transformation, under names that say where they stand."""
    if drawn is None:
        return
    if isinstance(drawn, dict):
        for key, value in drawn.items():
            yield from flat(value, f"{name}/{key}" if name else key)
    elif isinstance(drawn, tuple):
        for key, value in enumerate(drawn):
            yield from flat(value, f"{name}/{key}" if name else str(key))
    else:
        yield name, drawn


CASES = [
    *(
        Case("RandomFlip", lambda k, mode=mode: k.layers.RandomFlip(mode, seed=1), mode)
        for mode in ("horizontal", "vertical", "horizontal_and_vertical")
    ),
    Case("RandomFlip", lambda k: k.layers.RandomFlip("vertical", 3, "channels_first"), "first", first=True),
    *(
        Case(
            "RandomRotation",
            lambda k, fill=fill: k.layers.RandomRotation(0.3, fill_mode=fill, fill_value=7.0, seed=2),
            fill,
            narrow=True,
        )
        for fill in ("reflect", "wrap", "constant", "nearest")
    ),
    Case(
        "RandomRotation",
        lambda k: k.layers.RandomRotation((0.1, 0.2), interpolation="nearest", seed=2, data_format="channels_first"),
        "first",
        first=True,
        narrow=True,
    ),
    Case("RandomTranslation", lambda k: k.layers.RandomTranslation(0.3, (-0.2, 0.4), seed=3), narrow=True),
    Case(
        "RandomTranslation",
        lambda k: k.layers.RandomTranslation(0.5, 0.5, "constant", "nearest", 3, 9.0, "channels_first"),
        "first",
        first=True,
        narrow=True,
    ),
    Case("RandomZoom", lambda k: k.layers.RandomZoom((-0.4, 0.4), seed=4), narrow=True),
    Case("RandomZoom", lambda k: k.layers.RandomZoom(0.3, 0.2, "wrap", seed=4), "both", narrow=True),
    Case("RandomCrop", lambda k: k.layers.RandomCrop(4, 3, seed=5)),
    Case("RandomCrop", lambda k: k.layers.RandomCrop(3, 2, 5, "channels_first"), "first", first=True),
    Case("RandomCrop", lambda k: k.layers.RandomCrop(4, 7, seed=5), "wider", narrow=True),
    Case("RandomCrop", lambda k: k.layers.RandomCrop(9, 4, seed=5), "higher", narrow=True),
    Case("RandomContrast", lambda k: k.layers.RandomContrast(0.5, seed=6)),
    Case("RandomContrast", lambda k: k.layers.RandomContrast((0.7, 0.9), (0, 1), 6), "unit", top=1.0),
    Case("RandomBrightness", lambda k: k.layers.RandomBrightness(0.3, seed=7)),
    Case("RandomBrightness", lambda k: k.layers.RandomBrightness((0.1, 0.6), (0, 1), 7), "unit", top=1.0),
    Case("RandomHue", lambda k: k.layers.RandomHue(0.6, seed=8), narrow=True),
    Case("RandomHue", lambda k: k.layers.RandomHue((0.2, 0.9), (0, 1), "channels_first", 8), "first", 1.0, True),
    Case("RandomSaturation", lambda k: k.layers.RandomSaturation((0.2, 0.8), (0, 1), seed=9), top=1.0),
    Case("RandomSaturation", lambda k: k.layers.RandomSaturation(0.6, (0, 1), "channels_first", 9), "first", 1.0, True),
    Case("RandomSharpness", lambda k: k.layers.RandomSharpness(1.0, seed=10)),
    Case("RandomSharpness", lambda k: k.layers.RandomSharpness(0.9, (0, 1), "channels_first", 10), "first", 1.0, True),
    Case("RandomGrayscale", lambda k: k.layers.RandomGrayscale(0.5)),
    Case("RandomInvert", lambda k: k.layers.RandomInvert(0.7, seed=12)),
    Case("RandomPosterization", lambda k: k.layers.RandomPosterization(5, seed=13)),
    Case("RandomPosterization", lambda k: k.layers.RandomPosterization((3, 3), (0, 1), seed=13), "unit", top=1.0),
    Case("Solarization", lambda k: k.layers.Solarization(0.3, (0.1, 0.8), seed=14)),
    Case("Solarization", lambda k: k.layers.Solarization(0.2, 0.5, (0, 1), 14), "unit", top=1.0),
    Case("Equalization", lambda k: k.layers.Equalization()),
    Case("Equalization", lambda k: k.layers.Equalization((0, 1), 16, "channels_first"), "first", 1.0, True),
    Case("AutoContrast", lambda k: k.layers.AutoContrast()),
    Case("AutoContrast", lambda k: k.layers.AutoContrast((0, 1)), "unit", top=1.0),
    *(
        Case(
            "ContrastLimitedAdaptiveHistogramEqualization",
            lambda k, arguments=arguments: k.layers.ContrastLimitedAdaptiveHistogramEqualization(**arguments),
            note,
            top=arguments.get("value_range", (0, 255.0))[1],
            first="data_format" in arguments,
            narrow=True,
        )
        for note, arguments in (
            ("", {"tile_grid_size": (2, 2)}),
            ("unit", {"tile_grid_size": (3, 2), "value_range": (0, 1.0), "clip_limit": 20.0}),
            ("first", {"tile_grid_size": (2, 5), "clip_limit": 0.0, "data_format": "channels_first"}),
        )
    ),
    Case("RandomColorDegeneration", lambda k: k.layers.RandomColorDegeneration(0.8, seed=15)),
    Case("RandomErasing", lambda k: k.layers.RandomErasing(seed=16)),
    Case("RandomErasing", lambda k: k.layers.RandomErasing(0.9, (0.3, 0.6), 5.0, (0, 1), 16), "filled", top=1.0),
    Case("RandomShear", lambda k: k.layers.RandomShear(0.3, (0.1, 0.4), seed=17), narrow=True),
    Case("RandomPerspective", lambda k: k.layers.RandomPerspective(scale=0.6, seed=18), narrow=True),
    Case(
        "RandomPerspective",
        lambda k: k.layers.RandomPerspective(0.9, 1.0, "nearest", 3.0, 18, "channels_first"),
        "first",
        first=True,
        narrow=True,
    ),
    Case("RandomGaussianBlur", lambda k: k.layers.RandomGaussianBlur(kernel_size=(3, 5), seed=19), narrow=True),
    Case("RandAugment", lambda k: k.layers.RandAugment(num_ops=3, seed=20), narrow=True),
    Case("MixUp", lambda k: k.layers.MixUp(0.5, seed=21), labels=True),
    Case("CutMix", lambda k: k.layers.CutMix(seed=22), labels=True),
]
