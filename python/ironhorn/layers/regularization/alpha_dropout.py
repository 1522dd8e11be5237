"""Dropout for networks of scaled exponential linear units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ironhorn import ops, random
from ironhorn.layers.layer import Layer

#: What selu gives far below zero.
_SATURATED = -1.6732632423543772 * 1.0507009873554805


class AlphaDropout(Layer):
    """In training, sets a random share of the inputs to selu's lower bound, and keeps mean and variance.

    Outputs of `selu` have mean zero and variance one; after dropping, a linear map brings them back there
    (Klambauer et al., 2017).

    Args:
        rate: Share of inputs that are dropped, from 0 up to, not including, 1.
        noise_shape: Shape of the random mask, broadcast to the inputs: sizes of 1 drop whole slices together, `None`
            takes the size of the inputs.
        seed: Integer seed of the random numbers; drawn if not given.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Example:
        >>> ironhorn.layers.AlphaDropout(0.5)(ironhorn.ops.ones((2, 2))).numpy()
        array([[1., 1.],
               [1., 1.]], dtype=float32)
    """

    def __init__(
        self, rate: float, noise_shape: Sequence[int | None] | None = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate < 1:
            raise ValueError(
                "`rate` of an AlphaDropout layer must be a number from 0 up to, not including, 1. "
                f"Received: rate={rate!r}."
            )
        self.rate = rate
        self.seed = seed
        self.noise_shape = None if noise_shape is None else tuple(noise_shape)
        if rate > 0:
            self.seed_generator = random.SeedGenerator(seed)
        self.supports_masking = True
        self._build_at_init()

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Drops inputs in training; returns them as they are otherwise."""
        if not training or self.rate == 0:
            return inputs
        lengths = ops.shape(inputs)
        given = self.noise_shape or (None,) * len(lengths)
        shape = [own if size is None else size for own, size in zip(lengths, given, strict=True)]
        kept = ops.greater_equal(random.uniform(shape, seed=self.seed_generator), self.rate)
        scale = ((1 - self.rate) * (1 + self.rate * _SATURATED**2)) ** -0.5
        shift = -scale * _SATURATED * self.rate
        return ops.where(kept, inputs * scale + shift, ops.cast(_SATURATED * scale + shift, inputs.dtype))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs: that of the inputs."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "rate": self.rate, "seed": self.seed, "noise_shape": self.noise_shape}
