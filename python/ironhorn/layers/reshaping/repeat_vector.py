"""The layer that makes a sequence of copies of a vector."""

from __future__ import annotations

from typing import Any

from ironhorn import ops
from ironhorn.layers.input_spec import InputSpec
from ironhorn.layers.layer import Layer


class RepeatVector(Layer):
    """Makes sequences of `n` equal steps of vectors.

    Args:
        n: Number of steps.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Input shape:
        `(batch, features)`.

    Output shape:
        `(batch, n, features)`.

    Example:
        >>> ironhorn.layers.RepeatVector(3)(ironhorn.ops.ones((2, 4))).shape
        (2, 3, 4)
    """

    def __init__(self, n: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(n, int) or isinstance(n, bool):
            raise TypeError(f"`n` of a RepeatVector layer must be an integer. Received: n={n!r}.")
        if n <= 0:
            raise ValueError(f"`n` of a RepeatVector layer must be at least 1. Received: n={n}.")
        self.n = n
        self.input_spec = InputSpec(ndim=2)
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        """Repeats the vectors."""
        return ops.repeat(ops.expand_dims(inputs, 1), self.n, axis=1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs."""
        return (input_shape[0], self.n, input_shape[1])

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "n": self.n}
