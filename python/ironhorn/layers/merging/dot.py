"""The dot product of two tensors as a layer."""

from __future__ import annotations

from typing import Any

from ironhorn import ops
from ironhorn.layers.layer import Layer
from ironhorn.layers.merging.base_merge import require_list

_LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Dot(Layer):
    """Sums of products of two tensors over one axis of each, for every example.

    Args:
        axes: The axis that is summed over, or a pair of them, one for each tensor. Axis 0 is the batch, which stays.
        normalize: Whether the tensors are first divided by their length along these axes, so that the outputs are
            cosines.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Example:
        >>> a, b = ironhorn.ops.ones((2, 3, 5)), ironhorn.ops.ones((2, 10, 3))
        >>> ironhorn.layers.Dot(axes=(1, 2))([a, b]).shape
        (2, 5, 10)
    """

    def __init__(self, axes: Any, normalize: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(axes, int):
            if not isinstance(axes, list | tuple):
                raise TypeError(f"`axes` of a Dot layer must be an integer or a pair of them. Received: axes={axes!r}.")
            if len(axes) != 2 or not all(isinstance(axis, int) for axis in axes):
                raise ValueError(
                    f"`axes` of a Dot layer must be an integer or a pair of them. Received: axes={axes!r}."
                )
        self.axes = axes
        self.normalize = normalize
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        """Checks the shapes."""
        self.compute_output_shape(input_shape)

    def call(self, inputs: Any) -> Any:
        """Multiplies and sums."""
        left, right = inputs
        first, second = self._resolved(left.shape, right.shape)
        if self.normalize:
            left, right = ops.normalize(left, axis=first), ops.normalize(right, axis=second)
        a = _LETTERS[: len(left.shape)]
        b = a[0] + _LETTERS[len(a) : len(a) + len(right.shape) - 1]
        b = b[:second] + a[first] + b[second + 1 :]
        kept = "".join(label for label in a + b[1:] if label != a[first])
        outputs = ops.einsum(f"{a},{b}->{kept}", left, right)
        return ops.expand_dims(outputs, -1) if len(kept) == 1 else outputs

    def _resolved(self, left: Any, right: Any) -> tuple[int, int]:
        axes = (self.axes, self.axes) if isinstance(self.axes, int) else self.axes
        found = []
        for axis, shape in zip(axes, (left, right), strict=True):
            if not -len(shape) <= axis < len(shape) or axis % len(shape) == 0:
                raise ValueError(
                    f"Dot layer '{self.name}' has axes={self.axes}, which an input of shape {tuple(shape)} cannot be "
                    f"summed over. Choose axes from 1 to {len(shape) - 1}; axis 0 is the batch."
                )
            found.append(axis % len(shape))
        return found[0], found[1]

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs."""
        require_list(self, input_shape)
        if len(input_shape) != 2:
            raise ValueError(f"Dot layer '{self.name}' takes two tensors. Received: {len(input_shape)} of them.")
        left, right = (list(shape) for shape in input_shape)
        first, second = self._resolved(left, right)
        if None not in (left[first], right[second]) and left[first] != right[second]:
            raise ValueError(
                f"Dot layer '{self.name}' sums over axis {first} of an input of shape {tuple(left)} and axis {second} "
                f"of one of shape {tuple(right)}, whose sizes differ: {left[first]} and {right[second]}."
            )
        del left[first]
        del right[second]
        shape = (*left, *right[1:])
        return shape if len(shape) > 1 else (*shape, 1)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Returns `None`: what is summed over cannot be masked afterwards."""
        return None

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "axes": self.axes, "normalize": self.normalize}


def dot(inputs: Any, axes: Any = -1, **kwargs: Any) -> Any:
    """Sums of products of two tensors over one axis of each; short for `Dot(axes, **kwargs)(inputs)`."""
    return Dot(axes=axes, **kwargs)(inputs)
