"""Concatenation of tensors as a layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ironhorn import ops
from ironhorn.layers.layer import Layer
from ironhorn.layers.merging.base_merge import require_list


class Concatenate(Layer):
    """Joins tensors along an axis.

    Args:
        axis: The axis along which tensors are joined; they must agree on the others.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Example:
        >>> ironhorn.layers.Concatenate()([ironhorn.ops.ones((2, 3)), ironhorn.ops.ones((2, 1))]).shape
        (2, 4)
    """

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        """Checks the shapes."""
        require_list(self, input_shape)
        self.compute_output_shape(input_shape)

    def call(self, inputs: Any) -> Any:
        """Joins the tensors."""
        return ops.concatenate(inputs, axis=self.axis)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the output."""
        require_list(self, input_shape)
        shapes = [tuple(shape) for shape in input_shape]
        rank = len(shapes[0])
        if any(len(shape) != rank for shape in shapes) or not -rank <= self.axis < rank:
            raise ValueError(
                f"Layer '{self.name}' (Concatenate, axis={self.axis}) needs tensors of one rank that have that axis. "
                f"Received the shapes {shapes}."
            )
        joined = self.axis % rank
        result: list[int | None] = []
        for axis in range(rank):
            sizes = [shape[axis] for shape in shapes]
            if axis == joined:
                result.append(None if None in sizes else sum(size for size in sizes if size is not None))
                continue
            known = {size for size in sizes if size is not None}
            if len(known) > 1:
                raise ValueError(
                    f"Layer '{self.name}' joins tensors along axis {self.axis}, so they must agree on the other axes. "
                    f"Received the shapes {shapes}, which differ on axis {axis}. Choose another `axis`, or bring them "
                    "to one shape first."
                )
            result.append(next(iter(known), None))
        return tuple(result)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Returns where some joined feature counts; nothing if no input has a mask."""
        if mask is None or all(one is None for one in mask):
            return None
        full = []
        for value, one in zip(inputs, mask, strict=True):
            if one is None:
                full.append(ops.ones_like(value, dtype="bool"))
            elif len(one.shape) < len(value.shape):
                full.append(ops.logical_or(ops.expand_dims(one, axis=-1), ops.zeros_like(value, dtype="bool")))
            else:
                full.append(one)
        return ops.any(ops.concatenate(full, axis=self.axis), axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "axis": self.axis}


def concatenate(inputs: Sequence[Any], axis: int = -1, **kwargs: Any) -> Any:
    """Joins tensors along an axis; short for `Concatenate(axis, **kwargs)(inputs)`."""
    return Concatenate(axis=axis, **kwargs)(inputs)
