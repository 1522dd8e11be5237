"""Up-sampling of sequences."""

from __future__ import annotations

from typing import Any

from ironhorn.layers.reshaping.base_up_sampling import BaseUpSampling


class UpSampling1D(BaseUpSampling):
    """Repeats every step of sequences.

    Args:
        size: How often.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Input shape:
        `(batch, steps, features)`.

    Output shape:
        `(batch, steps * size, features)`.

    Example:
        >>> ironhorn.layers.UpSampling1D(2)(ironhorn.ops.ones((2, 3, 4))).shape
        (2, 6, 4)
    """

    def __init__(self, size: int = 2, **kwargs: Any) -> None:
        if not isinstance(size, int) or isinstance(size, bool):
            raise TypeError(f"`size` of an UpSampling1D layer must be an integer. Received: size={size!r}.")
        if size <= 0:
            raise ValueError(f"`size` of an UpSampling1D layer must be at least 1. Received: size={size}.")
        super().__init__([size], "channels_last", **kwargs)
        self.size = size

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "size": self.size}
