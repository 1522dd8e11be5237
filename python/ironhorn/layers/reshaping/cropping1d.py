"""Cropping of sequences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ironhorn.layers.convolutional.geometry import as_tuple
from ironhorn.layers.reshaping.base_cropping import BaseCropping


class Cropping1D(BaseCropping):
    """Cuts steps off the start and the end of sequences.

    Args:
        cropping: Number of steps at each end, or a pair (start, end).
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Input shape:
        `(batch, steps, features)`.

    Output shape:
        `(batch, fewer steps, features)`.

    Example:
        >>> ironhorn.layers.Cropping1D((1, 2))(ironhorn.ops.ones((2, 8, 3))).shape
        (2, 5, 3)
    """

    def __init__(self, cropping: int | Sequence[int] = (1, 1), **kwargs: Any) -> None:
        self.cropping = as_tuple(cropping, 2, "cropping", allow_zero=True)
        super().__init__([(self.cropping[0], self.cropping[1])], "channels_last", **kwargs)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "cropping": self.cropping}
