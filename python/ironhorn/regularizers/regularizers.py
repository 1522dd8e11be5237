"""Regularizers: penalties on weights or activations that are added to the loss."""

from __future__ import annotations

import math
from typing import Any

from ironhorn import ops


class Regularizer:
    """Base class of regularizers: a callable from a tensor to a scalar penalty.

    Example:
        >>> class Square(ironhorn.regularizers.Regularizer):
        ...     def __call__(self, x):
        ...         return 0.1 * ironhorn.ops.sum(x * x)
        ...     def get_config(self):
        ...         return {}
        >>> layer = ironhorn.layers.Dense(2, kernel_regularizer=Square())
    """

    def __call__(self, x: Any) -> Any:
        """Returns the penalty of a tensor."""
        return 0.0

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Regularizer:
        """Makes a regularizer from what `get_config` returned."""
        return cls(**config)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        raise NotImplementedError(
            f"The regularizer class {type(self).__name__} has no `get_config()` method, so it cannot be saved. Add one "
            "that returns the constructor's arguments."
        )


def _factor(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(
            f"`{name}` must be a finite number. Received: {name}={value!r} (of type {type(value).__name__})."
        )
    return float(value)


class L1L2(Regularizer):
    """Penalty `l1 * sum(abs(x)) + l2 * sum(x ** 2)`.

    Args:
        l1: Factor of the absolute values.
        l2: Factor of the squares.
    """

    def __init__(self, l1: float | None = 0.0, l2: float | None = 0.0) -> None:
        self.l1 = _factor("l1", 0.0 if l1 is None else l1)
        self.l2 = _factor("l2", 0.0 if l2 is None else l2)

    def __call__(self, x: Any) -> Any:
        """Returns the penalty of a tensor."""
        penalty = None
        if self.l1 != 0.0:
            penalty = ops.multiply(ops.sum(ops.abs(x)), self.l1)
        if self.l2 != 0.0:
            squares = ops.multiply(ops.sum(ops.square(x)), self.l2)
            penalty = squares if penalty is None else ops.add(penalty, squares)
        return ops.zeros((), dtype=x.dtype) if penalty is None else penalty

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {"l1": self.l1, "l2": self.l2}


class L1(Regularizer):
    """Penalty `l1 * sum(abs(x))`.

    Args:
        l1: Factor of the penalty.
    """

    def __init__(self, l1: float | None = 0.01) -> None:
        self.l1 = _factor("l1", 0.01 if l1 is None else l1)

    def __call__(self, x: Any) -> Any:
        """Returns the penalty of a tensor."""
        return ops.multiply(ops.sum(ops.abs(x)), self.l1)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {"l1": self.l1}


class L2(Regularizer):
    """Penalty `l2 * sum(x ** 2)`.

    Args:
        l2: Factor of the penalty.
    """

    def __init__(self, l2: float | None = 0.01) -> None:
        self.l2 = _factor("l2", 0.01 if l2 is None else l2)

    def __call__(self, x: Any) -> Any:
        """Returns the penalty of a tensor."""
        return ops.multiply(ops.sum(ops.square(x)), self.l2)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {"l2": self.l2}


class OrthogonalRegularizer(Regularizer):
    """Penalty on the mean absolute cosine between different rows (or columns) of a matrix.

    Args:
        factor: Factor of the penalty.
        mode: `"rows"` or `"columns"`: which vectors should become orthogonal.
    """

    def __init__(self, factor: float = 0.01, mode: str = "rows") -> None:
        self.factor = _factor("factor", factor)
        if mode not in ("rows", "columns"):
            raise ValueError(f'`mode` must be "rows" or "columns". Received: mode={mode!r}.')
        self.mode = mode

    def __call__(self, inputs: Any) -> Any:
        """Returns the penalty of a matrix."""
        if len(inputs.shape) != 2:
            raise ValueError(
                f"OrthogonalRegularizer takes a matrix. Received a tensor of shape {tuple(inputs.shape)}; choose "
                "another regularizer for this weight."
            )
        axis = 1 if self.mode == "rows" else 0
        size = inputs.shape[1 - axis]
        length = ops.sqrt(ops.maximum(ops.sum(ops.square(inputs), axis=axis, keepdims=True), 1e-12))
        unit = ops.divide(inputs, length)
        transposed = ops.transpose(unit)
        cosines = ops.matmul(unit, transposed) if axis == 1 else ops.matmul(transposed, unit)
        others = ops.multiply(cosines, 1.0 - ops.eye(size, dtype=inputs.dtype))
        pairs = size * (size - 1.0) / 2.0
        return ops.multiply(ops.sum(ops.abs(others)), self.factor * 0.5 / pairs)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {"factor": self.factor, "mode": self.mode}
