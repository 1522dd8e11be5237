"""Base of the layers that cut borders off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ironhorn.layers.input_spec import InputSpec
from ironhorn.layers.layer import Layer
from ironhorn.layers.reshaping.borders import spatial_axes


class BaseCropping(Layer):
    """Cuts `before` and `after` positions off each spatial axis.

    Args:
        borders: `(before, after)` for each spatial axis.
        data_format: Where the channels are.
        **kwargs: `name`, `dtype`, `trainable` of every layer.
    """

    def __init__(self, borders: Sequence[tuple[int, int]], data_format: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._borders = tuple(borders)
        self._axes = spatial_axes(len(self._borders), data_format)
        self.input_spec = InputSpec(ndim=len(self._borders) + 2)
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        """Cuts the borders off."""
        self.compute_output_shape(inputs.shape)  # Refuses to cut everything off.
        ranges = [slice(None)] * len(inputs.shape)
        for axis, (before, after) in zip(self._axes, self._borders, strict=True):
            ranges[axis] = slice(before, -after if after else None)
        return inputs[tuple(ranges)]

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs."""
        shape = list(input_shape)
        for axis, (before, after) in zip(self._axes, self._borders, strict=True):
            size = shape[axis]
            if size is None:
                continue
            if before + after >= size:
                raise ValueError(
                    f"Layer '{self.name}' ({type(self).__name__}) would cut {before} + {after} positions off axis "
                    f"{axis}, which has {size} (input shape {tuple(input_shape)}). Use a smaller `cropping`."
                )
            shape[axis] = size - before - after
        return tuple(shape)
