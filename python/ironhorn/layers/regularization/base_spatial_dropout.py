"""Base of the layers that drop whole feature maps."""

from __future__ import annotations

from typing import Any

from ironhorn import random
from ironhorn.layers.convolutional.geometry import data_format_of
from ironhorn.layers.input_spec import InputSpec
from ironhorn.layers.regularization.dropout import Dropout


class BaseSpatialDropout(Dropout):
    """Drops features or channels: all positions of one together.

    Args:
        rate: Share of channels that are dropped, from 0 to 1.
        spatial_rank: Number of spatial axes.
        data_format: Where the channels are; `None` for the configured format.
        seed: Integer seed of the random numbers; drawn if not given.
        **kwargs: `name`, `dtype`, `trainable` of every layer.
    """

    def __init__(
        self, rate: float, spatial_rank: int, data_format: str | None = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(rate, seed=seed, **kwargs)
        self.data_format = data_format_of(data_format)
        self.input_spec = InputSpec(ndim=spatial_rank + 2)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Drops channels in training; returns the inputs as they are otherwise."""
        if not training or self.rate == 0:
            return inputs
        ones = (1,) * (len(inputs.shape) - 2)
        shape = (None, *ones, None) if self.data_format == "channels_last" else (None, None, *ones)
        return random.dropout(inputs, self.rate, noise_shape=shape, seed=self.seed_generator)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {
            "rate": self.rate,
            "seed": self.seed,
            "name": self.name,
            "dtype": self.dtype,
            "data_format": self.data_format,
        }
