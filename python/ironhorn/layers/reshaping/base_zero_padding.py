"""Base of the layers that add borders of zeros."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ironhorn import ops
from ironhorn.layers.input_spec import InputSpec
from ironhorn.layers.layer import Layer
from ironhorn.layers.reshaping.borders import spatial_axes


class BaseZeroPadding(Layer):
    """Puts `before` and `after` zeros on each spatial axis.

    Args:
        borders: `(before, after)` for each spatial axis.
        data_format: Where the channels are.
        **kwargs: `name`, `dtype`, `trainable` of every layer.
    """

    def __init__(self, borders: Sequence[tuple[int, int]], data_format: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = data_format
        self._borders = tuple(borders)
        self._axes = spatial_axes(len(self._borders), data_format)
        self.input_spec = InputSpec(ndim=len(self._borders) + 2)
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        """Adds the borders."""
        widths = [(0, 0)] * len(inputs.shape)
        for axis, border in zip(self._axes, self._borders, strict=True):
            widths[axis] = border
        return ops.pad(inputs, widths)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs."""
        shape = list(input_shape)
        for axis, border in zip(self._axes, self._borders, strict=True):
            if shape[axis] is not None:
                shape[axis] += sum(border)
        return tuple(shape)
