"""Initializers that draw no random numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ironhorn import backend, ops
from ironhorn.initializers.initializer import Initializer


def resolve_dtype(dtype: str | None) -> str:
    """Returns a dtype name, the default float type where none is given."""
    return backend.floatx() if dtype is None else backend.standardize_dtype(dtype)


class Constant(Initializer):
    """Fills the tensor with one value.

    Args:
        value: A number, or an array that can be broadcast to the shape asked for.

    Example:
        >>> ironhorn.initializers.Constant(3.0)(shape=(2,)).numpy()
        array([3., 3.], dtype=float32)
    """

    def __init__(self, value: Any = 0.0) -> None:
        self.value = value

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Any:
        """Returns a tensor of the given shape that holds the value."""
        value = ops.convert_to_tensor(self.value, dtype=resolve_dtype(dtype))
        return ops.broadcast_to(value, tuple(shape))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        from ironhorn.saving import registry

        return {"value": registry.serialize_keras_object(self.value)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Constant:
        """Makes an initializer from what `get_config` returned."""
        from ironhorn.saving import registry

        return cls(registry.deserialize_keras_object(config["value"]))


class Zeros(Initializer):
    """Fills the tensor with zeros."""

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Any:
        """Returns a tensor of zeros."""
        return ops.zeros(tuple(shape), dtype=resolve_dtype(dtype))


class Ones(Initializer):
    """Fills the tensor with ones."""

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Any:
        """Returns a tensor of ones."""
        return ops.ones(tuple(shape), dtype=resolve_dtype(dtype))


class Identity(Initializer):
    """Makes a matrix with `gain` on the diagonal and zeros elsewhere.

    Args:
        gain: The value on the diagonal.

    Example:
        >>> ironhorn.initializers.Identity()(shape=(2, 3)).numpy()
        array([[1., 0., 0.],
               [0., 1., 0.]], dtype=float32)
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Any:
        """Returns the matrix.

        Raises:
            ValueError: If `shape` has another rank than 2.
        """
        if len(shape) != 2:
            raise ValueError(
                "The Identity initializer makes matrices, so `shape` must have two dimensions. Received: "
                f"shape={shape} of rank {len(shape)}. Choose another initializer for this weight."
            )
        dtype = resolve_dtype(dtype)
        return ops.multiply(ops.eye(shape[0], shape[1], dtype=dtype), self.gain)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {"gain": self.gain}
