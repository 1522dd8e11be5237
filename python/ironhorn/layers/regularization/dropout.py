"""The dropout layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ironhorn import random
from ironhorn.layers.layer import Layer


class Dropout(Layer):
    """In training, sets a random share of the inputs to zero and scales the others up by `1 / (1 - rate)`.

    Args:
        rate: Share of inputs that are dropped, from 0 to 1.
        noise_shape: Shape of the random mask, broadcast to the inputs: sizes of 1 drop whole slices together, `None`
            takes the size of the inputs.
        seed: Integer seed of the random numbers; drawn if not given.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Example:
        >>> layer = ironhorn.layers.Dropout(0.5, seed=1)
        >>> layer(ironhorn.ops.ones((2, 2))).numpy()
        array([[1., 1.],
               [1., 1.]], dtype=float32)
    """

    def __init__(
        self, rate: float, noise_shape: Sequence[int | None] | None = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= 1:
            raise ValueError(f"`rate` of a Dropout layer must be a number from 0 to 1. Received: rate={rate!r}.")
        if noise_shape is not None:
            if isinstance(noise_shape, str | int) or any(
                size is not None and (not isinstance(size, int) or size <= 0) for size in noise_shape
            ):
                raise ValueError(
                    "`noise_shape` must be a tuple of positive integers and None. Received: "
                    f"noise_shape={noise_shape!r}."
                )
            noise_shape = tuple(noise_shape)
        self.rate = rate
        self.seed = seed
        self.noise_shape = noise_shape
        if rate > 0:
            self.seed_generator = random.SeedGenerator(seed)
        self.supports_masking = True
        self._build_at_init()

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Drops inputs in training; returns them as they are otherwise."""
        if training and self.rate > 0:
            return random.dropout(inputs, self.rate, noise_shape=self.noise_shape, seed=self.seed_generator)
        return inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs: that of the inputs."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "rate": self.rate, "seed": self.seed, "noise_shape": self.noise_shape}
