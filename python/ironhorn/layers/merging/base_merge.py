"""What layers share that combine tensors element by element."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ironhorn import backend, ops
from ironhorn.layers.layer import Layer


class Merge(Layer):
    """Combines a list of tensors of shapes that can be broadcast; subclasses say how.

    Tensors of lower rank get axes of size one after the batch axis.

    Args:
        **kwargs: `name`, `dtype`, `trainable` of every layer.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        """Checks the shapes."""
        require_list(self, input_shape)
        self.compute_output_shape(input_shape)

    def call(self, inputs: Any) -> Any:
        """Combines the tensors."""
        rank = max(len(value.shape) for value in inputs)
        aligned = []
        for value in inputs:
            for _ in range(rank - len(value.shape)):
                value = ops.expand_dims(value, axis=1)
            aligned.append(value)
        return self._merge_function(aligned)

    def _merge_function(self, inputs: Sequence[Any]) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not say how tensors are combined.")

    def _where_masked_in(self, inputs: Sequence[Any], function: Callable[[Any, Any], Any]) -> Any:
        """Combines the tensors one after another; where just one of two is masked in, it passes as if it were both."""
        result, known = inputs[0], mask_of(inputs[0])
        for value in inputs[1:]:
            mask = mask_of(value)
            if mask is not None:
                value = ops.where(mask, value, result)
            if known is not None:
                result = ops.where(known, result, value)
            known = None if mask is None or known is None else ops.logical_or(known, mask)
            result = function(result, value)
        return result

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs."""
        batch_sizes = {shape[0] for shape in input_shape} - {None}
        if len(batch_sizes) > 1:
            raise ValueError(
                f"Layer '{self.name}' ({type(self).__name__}) got tensors of different batch sizes: "
                f"{[tuple(shape) for shape in input_shape]}."
            )
        rank = max(len(shape) for shape in input_shape)
        result: list[int | None] = [1] * (rank - 1)
        for shape in input_shape:
            padded = [1] * (rank - len(shape)) + list(shape[1:])
            for axis, size in enumerate(padded):
                if result[axis] == 1:
                    result[axis] = size
                elif size not in (1, None) and result[axis] is not None and size != result[axis]:
                    raise ValueError(
                        f"Layer '{self.name}' ({type(self).__name__}) cannot combine tensors of the shapes "
                        f"{[tuple(shape) for shape in input_shape]}: sizes differ on an axis and none of them is 1. "
                        "Bring them to one shape first, e.g. with a Dense, Conv2D(1) or Reshape layer."
                    )
                elif size is None:
                    result[axis] = None
        return (next(iter(batch_sizes), None), *result)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Returns where some input counts; nothing if an input has no mask."""
        if mask is None or any(one is None for one in mask):
            return None
        merged = mask[0]
        for one in mask[1:]:
            merged = ops.logical_or(merged, one)
        return merged

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return super().get_config()


def mask_of(value: Any) -> Any:
    """The mask of a tensor with an axis for the features, or `None`."""
    mask = backend.get_keras_mask(value)
    return None if mask is None else ops.expand_dims(mask, -1)


def require_list(layer: Layer, input_shape: Any) -> None:
    """Raises an error if a layer was not called on a list of tensors."""
    if not isinstance(input_shape, list | tuple) or not input_shape or not isinstance(input_shape[0], list | tuple):
        raise ValueError(
            f"Layer '{layer.name}' ({type(layer).__name__}) combines a list of tensors: call it as layer([a, b]). "
            f"Received one tensor of shape {input_shape}."
        )
