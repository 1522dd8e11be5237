"""The layer that adds normal noise."""

from __future__ import annotations

from typing import Any

from ironhorn import ops, random
from ironhorn.layers.layer import Layer


class GaussianNoise(Layer):
    """In training, adds normal random numbers of mean zero.

    Args:
        stddev: Standard deviation of the noise, from 0 to 1.
        seed: Integer seed of the random numbers; drawn if not given.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Example:
        >>> ironhorn.layers.GaussianNoise(0.1)(ironhorn.ops.ones((2, 2))).numpy()
        array([[1., 1.],
               [1., 1.]], dtype=float32)
    """

    def __init__(self, stddev: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if isinstance(stddev, bool) or not isinstance(stddev, int | float) or not 0 <= stddev <= 1:
            raise ValueError(
                f"`stddev` of a GaussianNoise layer must be a number from 0 to 1. Received: stddev={stddev!r}."
            )
        self.stddev = stddev
        self.seed = seed
        if stddev > 0:
            self.seed_generator = random.SeedGenerator(seed)
        self.supports_masking = True
        self._build_at_init()

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Adds noise in training; returns the inputs as they are otherwise."""
        if not training or self.stddev == 0:
            return inputs
        noise = random.normal(ops.shape(inputs), stddev=self.stddev, dtype=self.compute_dtype, seed=self.seed_generator)
        return ops.add(inputs, noise)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs: that of the inputs."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "stddev": self.stddev, "seed": self.seed}
