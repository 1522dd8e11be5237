"""The layer that mixes chains of augmentations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ironhorn import ops, random
from ironhorn.layers.preprocessing.image.base_mixture import BaseMixture
from ironhorn.layers.preprocessing.image.ranges import value_range_of
from ironhorn.layers.preprocessing.image.seed_stream import SeedStream

_PARTS = [
    "random_shear",
    "random_translation",
    "random_rotation",
    "random_posterization",
    "solarization",
    "auto_contrast",
    "equalization",
]
_MORE_PARTS = ["random_brightness", "random_color_degeneration", "random_contrast", "random_sharpness"]


class AugMix(BaseMixture):
    """In training, mixes images with several augmented copies of them (Hendrycks et al., 2020).

    Each copy goes through a chain of augmentations, drawn anew for each batch; a place of the chain may also be left
    out. The augmentations are those of `RandomShear`, `RandomTranslation`, `RandomRotation`, `RandomPosterization`,
    `Solarization`, `AutoContrast`, `Equalization` and, with `all_ops`, `RandomBrightness`, `RandomColorDegeneration`,
    `RandomContrast`, `RandomSharpness`.

    Args:
        value_range: The least and the greatest value that pixels have; results are clipped to them.
        num_chains: Number of copies.
        chain_depth: Number of augmentations of each.
        factor: How strong they are: the greatest factor, from 0 to 1, or the least and the greatest.
        alpha: Parameter of the Dirichlet distribution of the copies' shares, and of the beta distribution of the share
            of the images themselves.
        all_ops: Whether augmentations of colours are among them.
        interpolation: `"bilinear"` or `"nearest"`.
        seed: Integer seed of the random numbers; drawn if not given.
        data_format: `"channels_last"` or `"channels_first"`.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Input shape:
        `(height, width, 3)`, or a batch of such.

    Example:
        >>> ironhorn.layers.AugMix(num_chains=2)(ironhorn.ops.ones((2, 8, 8, 3)), training=True).shape
        (2, 8, 8, 3)
    """

    def __init__(
        self,
        value_range: Any = (0, 255),
        num_chains: int = 3,
        chain_depth: int = 3,
        factor: Any = 0.3,
        alpha: float = 1.0,
        all_ops: bool = True,
        interpolation: str = "bilinear",
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.value_range = value_range_of("AugMix", value_range)
        self.num_chains = num_chains
        self.chain_depth = chain_depth
        self._set_factor(factor)
        self.alpha = alpha
        self.all_ops = all_ops
        self.interpolation = interpolation
        self._set_seed(seed)
        self._names = [*_PARTS, *(_MORE_PARTS if all_ops else [])]
        self._make_parts(self._names)
        self._build_at_init()

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """Draws the shares, which augmentations the chains have, and a seed for each of these."""
        if not training:
            return None
        shares = random.gamma((self.num_chains,), self.alpha, dtype=self._draw_dtype, seed=self._seed_of(seed))
        places = (self.num_chains, self.chain_depth)
        return {
            "chain_mixing_weights": shares / ops.sum(shares),
            "weight_sample": random.beta((), self.alpha, self.alpha, dtype=self._draw_dtype, seed=self._seed_of(seed)),
            # One more than there are augmentations: the place is left out.
            "layer_idxes": random.randint(places, 0, len(self._names) + 1, seed=self._seed_of(seed)),
            "seeds": [[random.draw_seed(self._seed_of(seed)) for _ in range(places[1])] for _ in range(places[0])],
        }

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        """Mixes the images with augmented ones."""
        images = ops.cast(images, self.compute_dtype)
        if not training:
            return images
        shares = ops.cast(transformation["chain_mixing_weights"], images.dtype)
        own = ops.cast(transformation["weight_sample"], images.dtype)
        mixed = ops.zeros_like(images)
        for chain in range(self.num_chains):
            copy = images
            for place in range(self.chain_depth):
                index = transformation["layer_idxes"][chain, place]
                branches = [self._branch(name, transformation["seeds"][chain][place]) for name in self._names]
                copy = ops.switch(index, [*branches, lambda batch: batch], copy)
            mixed = mixed + shares[chain] * copy
        return ops.clip(own * images + (1.0 - own) * mixed, *self.value_range)

    def _branch(self, name: str, seed: Any) -> Callable[[Any], Any]:
        part = getattr(self, name)

        def apply(batch: Any) -> Any:
            return part.transform_images(batch, part.get_random_transformation(batch, seed=SeedStream(seed)))

        return apply

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {
            **super().get_config(),
            "value_range": self.value_range,
            "num_chains": self.num_chains,
            "chain_depth": self.chain_depth,
            "factor": self.factor,
            "alpha": self.alpha,
            "all_ops": self.all_ops,
            "interpolation": self.interpolation,
            "seed": self.seed,
        }
