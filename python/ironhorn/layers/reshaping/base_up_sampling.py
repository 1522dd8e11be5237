"""Base of the layers that make spatial axes longer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ironhorn import ops
from ironhorn.layers.input_spec import InputSpec
from ironhorn.layers.layer import Layer
from ironhorn.layers.reshaping.borders import spatial_axes


class BaseUpSampling(Layer):
    """Repeats every position of the spatial axes.

    Args:
        factors: How often, for each spatial axis.
        data_format: Where the channels are.
        **kwargs: `name`, `dtype`, `trainable` of every layer.
    """

    def __init__(self, factors: Sequence[int], data_format: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._factors = tuple(factors)
        self._axes = spatial_axes(len(self._factors), data_format)
        self.input_spec = InputSpec(ndim=len(self._factors) + 2)
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        """Repeats the positions."""
        for axis, factor in zip(self._axes, self._factors, strict=True):
            inputs = ops.repeat(inputs, factor, axis=axis)
        return inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs."""
        shape = list(input_shape)
        for axis, factor in zip(self._axes, self._factors, strict=True):
            if shape[axis] is not None:
                shape[axis] *= factor
        return tuple(shape)
