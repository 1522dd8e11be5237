"""The base class of all initializers: a callable from `(shape, dtype)` to a tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class Initializer:
    """Base class of weight initializers.

    A subclass implements `__call__(self, shape, dtype=None)` and, when its constructor takes arguments,
    `get_config()` that returns them.

    Example:
        >>> class Halves(ironhorn.initializers.Initializer):
        ...     def __call__(self, shape, dtype=None):
        ...         return ironhorn.ops.full(shape, 0.5, dtype=dtype)
        >>> layer = ironhorn.layers.Dense(2, kernel_initializer=Halves())
    """

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Any:
        """Returns a tensor of the given shape and dtype."""
        raise NotImplementedError(
            f"The initializer class {type(self).__name__} has no `__call__(self, shape, dtype=None)` method. "
            "Implement it."
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Initializer:
        """Makes an initializer from what `get_config` returned."""
        return cls(**config)

    def clone(self) -> Initializer:
        """Returns a new initializer with the same configuration."""
        return type(self).from_config(self.get_config())
