"""The normalization layer: features of mean zero and variance one, by statistics of data seen before."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from ironhorn import backend, ops
from ironhorn.errors import NotBuiltError
from ironhorn.layers.layer import Layer


class Normalization(Layer):
    """`(inputs - mean) / sqrt(variance)`, with a mean and variance for each place along some axes.

    Args:
        axis: Axis or axes that have statistics of their own; `None` for one mean and one variance of everything.
        mean: The mean, instead of learning it by `adapt`: a number, or an array of the sizes of `axis`.
        variance: The variance; to be given together with `mean`.
        invert: Whether to do the opposite: `inputs * sqrt(variance) + mean`.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Example:
        >>> layer = ironhorn.layers.Normalization(axis=None)
        >>> layer.adapt(np.array([1.0, 3.0], "float32"))
        >>> layer(np.array([[2.0, 4.0]], "float32")).numpy()
        array([[0., 2.]], dtype=float32)
    """

    def __init__(
        self,
        axis: int | Sequence[int] | None = -1,
        mean: Any = None,
        variance: Any = None,
        invert: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.axis = () if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
        if (mean is None) != (variance is None):
            raise ValueError(
                f"`mean` and `variance` go together: give both or neither. Received: mean={mean}, variance={variance}."
            )
        if mean is not None and np.shape(mean) != np.shape(variance):
            raise ValueError(
                f"`mean` and `variance` must have one shape. Received: {np.shape(mean)} and {np.shape(variance)}."
            )
        if mean is not None and np.ndim(mean) > len(self.axis):
            raise ValueError(
                f"`mean` must not have more axes than `axis` names, {len(self.axis)}. Received a mean of shape "
                f"{np.shape(mean)} for axis={self.axis}."
            )
        self.input_mean, self.input_variance = mean, variance
        self.invert = invert
        self.supports_masking = True
        self._build_input_shape: tuple[int | None, ...] | None = None
        self._allow_non_tensor_positional_args = True

    def build(self, input_shape: Any) -> None:
        """Makes the statistics."""
        if input_shape is None:
            return
        rank = len(input_shape)
        if any(not -rank <= axis < rank for axis in self.axis):
            raise ValueError(
                f"Layer '{self.name}' (Normalization): `axis` must lie in {-rank} to {rank - 1} for inputs of shape "
                f"{tuple(input_shape)}. Received: axis={self.axis}."
            )
        kept = tuple(sorted(axis % rank for axis in self.axis))
        for axis in kept:
            if input_shape[axis] is None:
                raise ValueError(
                    f"Layer '{self.name}' (Normalization) keeps statistics for each place of axis {axis}, so its "
                    f"length must be known. Received inputs of shape {tuple(input_shape)}."
                )
        self._build_input_shape = tuple(input_shape)
        self._kept = kept
        self._reduced = tuple(axis for axis in range(rank) if axis not in kept)
        self._spread = tuple(input_shape[axis] if axis in kept else 1 for axis in range(rank))
        if self.input_mean is None:
            shape = tuple(input_shape[axis] for axis in kept)
            self.adapt_mean = self.add_weight(name="mean", shape=shape, initializer="zeros", trainable=False)
            self.adapt_variance = self.add_weight(name="variance", shape=shape, initializer="ones", trainable=False)
            # Not used; files of Keras have it.
            self.count = self.add_weight(name="count", shape=(), dtype="int32", initializer="zeros", trainable=False)

    @property
    def mean(self) -> Any:
        """The mean, in a shape that is broadcast to the inputs; `None` before the layer is built."""
        return self._statistic(self.input_mean, "adapt_mean")

    @property
    def variance(self) -> Any:
        """The variance, in a shape that is broadcast to the inputs; `None` before the layer is built."""
        return self._statistic(self.input_variance, "adapt_variance")

    def _statistic(self, given: Any, weight: str) -> Any:
        if self._build_input_shape is None:
            return None
        if given is None:
            return ops.cast(ops.reshape(getattr(self, weight), self._spread), self.compute_dtype)
        array = np.asarray(given, dtype="float64" if self.compute_dtype == "float64" else "float32")
        shape = [1] * len(self._spread)
        for place in range(1, array.ndim + 1):
            shape[self._kept[-place]] = array.shape[-place]
        return ops.convert_to_tensor(np.broadcast_to(array.reshape(shape), self._spread), dtype=self.compute_dtype)

    def adapt(self, data: Any) -> None:
        """Takes mean and variance from data; what was known before is forgotten.

        Args:
            data: An array, or an iterable of batches (of which the first counts if they are tuples).

        Raises:
            ValueError: If mean and variance were given to the constructor, or shapes do not fit.
        """
        if self.input_mean is not None:
            raise ValueError(
                f"Layer '{self.name}' got mean and variance as arguments and cannot be adapted. Leave them out to "
                "learn them from data."
            )
        mean: Any = 0.0
        variance: Any = 0.0
        count = 0
        for batch in _batches(data):
            array = np.asarray(batch)
            array = array.astype("float64" if self.variable_dtype == "float64" else "float32", copy=False)
            self._fit_in(array.shape)
            number = math.prod(array.shape[axis] for axis in self._reduced)
            if number == 0:
                continue
            # Sums in float64; Chan et al., 1979, for the parts.
            batch_mean = array.mean(self._reduced, dtype="float64")
            batch_variance = array.var(self._reduced, dtype="float64")
            count += number
            share = number / count
            merged = mean * (1.0 - share) + batch_mean * share
            variance = (variance + (mean - merged) ** 2) * (1.0 - share) + (
                batch_variance + (batch_mean - merged) ** 2
            ) * share
            mean = merged
        if count == 0:
            raise ValueError(
                f"`adapt` of layer '{self.name}' received no data. Pass an array or an iterable of batches."
            )
        self.adapt_mean.assign(mean)
        self.adapt_variance.assign(variance)

    def _fit_in(self, shape: tuple[int, ...]) -> None:
        if self._build_input_shape is None:
            self.build(shape)
            return
        known = self._build_input_shape
        if len(shape) != len(known) or any(shape[axis] != known[axis] for axis in self._kept):
            raise ValueError(
                f"Layer '{self.name}' (Normalization) was built for inputs of shape {known}, and `adapt` received data "
                f"of shape {shape}. Axes {self._kept} must have the same lengths."
            )

    def finalize_state(self) -> None:
        """Does nothing: statistics are read from the weights."""

    def call(self, inputs: Any) -> Any:
        """Normalizes the inputs."""
        mean, variance = self.mean, self.variance
        if mean is None:
            raise NotBuiltError(f"Layer '{self.name}' is not built. Call `adapt(data)` or `build(input_shape)` first.")
        inputs = ops.cast(inputs, self.compute_dtype)
        deviation = ops.maximum(ops.sqrt(variance), backend.epsilon())
        if self.invert:
            return ops.add(mean, ops.multiply(inputs, deviation))
        return ops.divide(ops.subtract(inputs, mean), deviation)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs: that of the inputs."""
        return input_shape

    def get_build_config(self) -> dict[str, Any] | None:
        """Returns the shape that the layer was built for."""
        return {"input_shape": self._build_input_shape} if self._build_input_shape else None

    def build_from_config(self, config: dict[str, Any] | None) -> None:
        """Builds the layer for the shape that it was built for."""
        if config:
            self.build(tuple(config["input_shape"]))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {
            **super().get_config(),
            "axis": self.axis,
            "invert": self.invert,
            "mean": np.array(self.input_mean).tolist(),
            "variance": np.array(self.input_variance).tolist(),
        }


def _batches(data: Any) -> Iterator[Any]:
    """Yields the inputs of data: an array is one batch, an iterable has one after another."""
    if hasattr(data, "__array__") and hasattr(data, "shape"):
        yield data
        return
    if not isinstance(data, Iterable):
        raise TypeError(
            f"`adapt` takes an array or an iterable of batches. Received: {data!r} (of type {type(data).__name__})."
        )
    for batch in _in_order(data):
        inputs = batch[0] if isinstance(batch, tuple) else batch
        if not hasattr(inputs, "shape"):
            raise TypeError(
                f"`adapt` takes an array or an iterable of arrays. Received an element of type "
                f"{type(inputs).__name__}; make one array of the data by np.array(data)."
            )
        yield inputs


def _in_order(data: Any) -> Iterator[Any]:
    """Yields batches, which those of a `PyDataset` are by index."""
    if hasattr(data, "__getitem__") and hasattr(data, "__len__") and not isinstance(data, dict | list | tuple):
        return (data[index] for index in range(len(data)))
    return iter(data)
