"""The layer that multiplies with normal noise."""

from __future__ import annotations

import math
from typing import Any

from ironhorn import ops, random
from ironhorn.layers.layer import Layer


class GaussianDropout(Layer):
    """In training, multiplies with normal random numbers of mean one.

    Their standard deviation is `sqrt(rate / (1 - rate))`, that of the factors of a `Dropout` layer of the same rate
    (Srivastava et al., 2014).

    Args:
        rate: Rate of the dropout that is imitated, from 0 up to, not including, 1.
        seed: Integer seed of the random numbers; drawn if not given.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Example:
        >>> ironhorn.layers.GaussianDropout(0.5)(ironhorn.ops.ones((2, 2))).numpy()
        array([[1., 1.],
               [1., 1.]], dtype=float32)
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate < 1:
            raise ValueError(
                "`rate` of a GaussianDropout layer must be a number from 0 up to, not including, 1. "
                f"Received: rate={rate!r}."
            )
        self.rate = rate
        self.seed = seed
        if rate > 0:
            self.seed_generator = random.SeedGenerator(seed)
        self.supports_masking = True
        self._build_at_init()

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Multiplies with noise in training; returns the inputs as they are otherwise."""
        if not training or self.rate == 0:
            return inputs
        noise = random.normal(
            ops.shape(inputs),
            mean=1.0,
            stddev=math.sqrt(self.rate / (1.0 - self.rate)),
            dtype=self.compute_dtype,
            seed=self.seed_generator,
        )
        return ops.multiply(inputs, noise)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs: that of the inputs."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}
