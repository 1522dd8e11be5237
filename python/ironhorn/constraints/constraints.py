"""Constraints: projections applied to a weight after each update."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ironhorn import backend, ops


class Constraint:
    """Base class of constraints: a callable from a weight to the projected weight."""

    def __call__(self, w: Any) -> Any:
        """Returns the projected weight."""
        raise NotImplementedError(
            f"The constraint class {type(self).__name__} has no `__call__(self, w)` method. Implement it."
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Constraint:
        """Makes a constraint from what `get_config` returned."""
        return cls(**config)


def _axes(axis: int | Sequence[int]) -> int | tuple[int, ...]:
    return axis if isinstance(axis, int) else tuple(axis)


def _norms(w: Any, axis: int | Sequence[int]) -> Any:
    return ops.sqrt(ops.sum(ops.square(w), axis=_axes(axis), keepdims=True))


class NonNeg(Constraint):
    """Sets negative values to zero."""

    def __call__(self, w: Any) -> Any:
        """Returns the projected weight."""
        w = ops.convert_to_tensor(w)
        return ops.maximum(w, ops.zeros((), dtype=w.dtype))


class MaxNorm(Constraint):
    """Scales weights down so that no norm along `axis` exceeds `max_value`.

    Args:
        max_value: Largest norm allowed.
        axis: Axis or axes along which norms are taken: `0` for the inputs of a dense layer, `[0, 1, 2]` for each
            filter of a 2D convolution.
    """

    def __init__(self, max_value: float = 2, axis: int | Sequence[int] = 0) -> None:
        self.max_value = max_value
        self.axis = axis

    def __call__(self, w: Any) -> Any:
        """Returns the projected weight."""
        w = ops.convert_to_tensor(w)
        norms = _norms(w, self.axis)
        return ops.multiply(w, ops.divide(ops.clip(norms, 0.0, self.max_value), norms + backend.epsilon()))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {"max_value": self.max_value, "axis": self.axis}


class UnitNorm(Constraint):
    """Scales weights so that each norm along `axis` is one.

    Args:
        axis: Axis or axes along which norms are taken.
    """

    def __init__(self, axis: int | Sequence[int] = 0) -> None:
        self.axis = axis

    def __call__(self, w: Any) -> Any:
        """Returns the projected weight."""
        w = ops.convert_to_tensor(w)
        return ops.divide(w, _norms(w, self.axis) + backend.epsilon())

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {"axis": self.axis}


class MinMaxNorm(Constraint):
    """Moves norms along `axis` towards the range from `min_value` to `max_value`.

    Args:
        min_value: Smallest norm aimed at.
        max_value: Largest norm aimed at.
        rate: 1 puts norms into the range at once; less moves them that share of the way at each update.
        axis: Axis or axes along which norms are taken.
    """

    def __init__(
        self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: int | Sequence[int] = 0
    ) -> None:
        self.min_value = min_value
        self.max_value = max_value
        self.rate = rate
        self.axis = axis

    def __call__(self, w: Any) -> Any:
        """Returns the projected weight."""
        w = ops.convert_to_tensor(w)
        norms = _norms(w, self.axis)
        inside = ops.clip(norms, self.min_value, self.max_value)
        desired = self.rate * inside + (1.0 - self.rate) * norms
        return ops.multiply(w, ops.divide(desired, norms + backend.epsilon()))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {"min_value": self.min_value, "max_value": self.max_value, "rate": self.rate, "axis": self.axis}
