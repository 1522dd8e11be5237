"""Zero padding of sequences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ironhorn.layers.convolutional.geometry import as_tuple, data_format_of
from ironhorn.layers.reshaping.base_zero_padding import BaseZeroPadding


class ZeroPadding1D(BaseZeroPadding):
    """Puts steps of zeros at the start and the end of sequences.

    Args:
        padding: Number of steps at each end, or a pair (start, end).
        data_format: `"channels_last"` or `"channels_first"`.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Input shape:
        `(batch, steps, features)`, or with the features after the batch.

    Output shape:
        `(batch, more steps, features)`.

    Example:
        >>> ironhorn.layers.ZeroPadding1D((1, 2))(ironhorn.ops.ones((2, 5, 3))).shape
        (2, 8, 3)
    """

    def __init__(self, padding: int | Sequence[int] = 1, data_format: str | None = None, **kwargs: Any) -> None:
        self.padding = as_tuple(padding, 2, "padding", allow_zero=True)
        super().__init__([(self.padding[0], self.padding[1])], data_format_of(data_format), **kwargs)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "padding": self.padding, "data_format": self.data_format}
