"""Initializers that draw from a random distribution.

Each holds a seed. An integer (or `None`, for which one integer is drawn when the initializer is made) gives the same
values at every call; a `SeedGenerator` gives new ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ironhorn import ops, random
from ironhorn.initializers.constant_initializers import resolve_dtype
from ironhorn.initializers.initializer import Initializer


class RandomInitializer(Initializer):
    """Base class of the random initializers: takes care of the seed.

    Args:
        seed: An integer, a `SeedGenerator`, or `None` for a seed drawn when the initializer is made (which
            `ironhorn.utils.set_random_seed` makes reproducible).
    """

    def __init__(self, seed: Any = None) -> None:
        self._init_seed = seed
        if seed is None:
            from random import randint

            seed = randint(1, 10**9)
        elif isinstance(seed, dict):
            from ironhorn.saving import registry

            seed = registry.deserialize_keras_object(seed)
            self._init_seed = seed
        elif isinstance(seed, bool) or not isinstance(seed, int | random.SeedGenerator):
            raise ValueError(
                f"`seed` must be an integer, a SeedGenerator or None. Received: seed={seed!r} (of type "
                f"{type(seed).__name__})."
            )
        self.seed = seed

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        seed = self._init_seed
        if isinstance(seed, random.SeedGenerator):
            from ironhorn.saving import registry

            seed = registry.serialize_keras_object(seed)
        return {"seed": seed}


class RandomNormal(RandomInitializer):
    """Draws from a normal distribution.

    Args:
        mean: Mean of the distribution.
        stddev: Standard deviation of the distribution.
        seed: An integer, a `SeedGenerator` or `None`.
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: Any = None) -> None:
        self.mean = mean
        self.stddev = stddev
        super().__init__(seed=seed)

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Any:
        """Returns a tensor of draws."""
        return random.normal(
            tuple(shape), mean=self.mean, stddev=self.stddev, dtype=resolve_dtype(dtype), seed=self.seed
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "mean": self.mean, "stddev": self.stddev}


class TruncatedNormal(RandomInitializer):
    """Draws from a normal distribution; draws beyond two standard deviations are drawn again.

    Args:
        mean: Mean of the distribution before truncation.
        stddev: Standard deviation of the distribution before truncation.
        seed: An integer, a `SeedGenerator` or `None`.
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: Any = None) -> None:
        self.mean = mean
        self.stddev = stddev
        super().__init__(seed=seed)

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Any:
        """Returns a tensor of draws."""
        return random.truncated_normal(
            tuple(shape), mean=self.mean, stddev=self.stddev, dtype=resolve_dtype(dtype), seed=self.seed
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "mean": self.mean, "stddev": self.stddev}


class RandomUniform(RandomInitializer):
    """Draws from a uniform distribution.

    Args:
        minval: Lower end of the range (included).
        maxval: Upper end of the range (excluded).
        seed: An integer, a `SeedGenerator` or `None`.
    """

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: Any = None) -> None:
        self.minval = minval
        self.maxval = maxval
        super().__init__(seed=seed)

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Any:
        """Returns a tensor of draws."""
        return random.uniform(
            tuple(shape), minval=self.minval, maxval=self.maxval, dtype=resolve_dtype(dtype), seed=self.seed
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "minval": self.minval, "maxval": self.maxval}


# Standard deviation of a standard normal distribution truncated at two standard deviations.
_TRUNCATED_STANDARD_DEVIATION = 0.87962566103423978


class VarianceScaling(RandomInitializer):
    """Draws with a variance that follows the number of inputs or outputs of the weight.

    The variance is `scale / n`, where `n` is the number of input units (`mode="fan_in"`), of output units
    (`"fan_out"`) or their mean (`"fan_avg"`).

    Args:
        scale: Positive factor of the variance.
        mode: `"fan_in"`, `"fan_out"` or `"fan_avg"`.
        distribution: `"truncated_normal"`, `"untruncated_normal"` or `"uniform"`.
        seed: An integer, a `SeedGenerator` or `None`.
        input_axes: Axes of the weight that count as input; `None` for the usual reading of dense and convolution
            kernels. To be given together with `output_axes`.
        output_axes: Axes of the weight that count as output.

    Raises:
        ValueError: If an argument is not one of those above.
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: Any = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        if scale <= 0.0:
            raise ValueError(f"`scale` must be a positive number. Received: scale={scale}.")
        modes = ("fan_in", "fan_out", "fan_avg")
        if mode not in modes:
            raise ValueError(f"`mode` must be one of {modes}. Received: mode={mode!r}.")
        distribution = distribution.lower()
        if distribution == "normal":
            distribution = "truncated_normal"
        distributions = ("uniform", "truncated_normal", "untruncated_normal")
        if distribution not in distributions:
            raise ValueError(f"`distribution` must be one of {distributions}. Received: distribution={distribution!r}.")
        if (input_axes is None) != (output_axes is None):
            raise ValueError(
                "`input_axes` and `output_axes` go together: give both or neither. "
                f"Received: input_axes={input_axes}, output_axes={output_axes}."
            )
        self.scale = scale
        self.mode = mode
        self.distribution = distribution
        self.input_axes = input_axes
        self.output_axes = output_axes
        super().__init__(seed=seed)

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Any:
        """Returns a tensor of draws."""
        shape = tuple(shape)
        dtype = resolve_dtype(dtype)
        fan_in, fan_out = compute_fans(shape, self.input_axes, self.output_axes)
        units = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2.0}[self.mode]
        variance = self.scale / max(1.0, units)
        if self.distribution == "truncated_normal":
            stddev = math.sqrt(variance) / _TRUNCATED_STANDARD_DEVIATION
            return random.truncated_normal(shape, mean=0.0, stddev=stddev, dtype=dtype, seed=self.seed)
        if self.distribution == "untruncated_normal":
            return random.normal(shape, mean=0.0, stddev=math.sqrt(variance), dtype=dtype, seed=self.seed)
        limit = math.sqrt(3.0 * variance)
        return random.uniform(shape, minval=-limit, maxval=limit, dtype=dtype, seed=self.seed)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {
            **super().get_config(),
            "scale": self.scale,
            "mode": self.mode,
            "distribution": self.distribution,
            "input_axes": self.input_axes,
            "output_axes": self.output_axes,
        }


class _FixedVarianceScaling(VarianceScaling):
    """A variance scaling whose scale, mode and distribution are given by its class."""

    _scale: float
    _mode: str
    _distribution: str

    def __init__(
        self, seed: Any = None, input_axes: Sequence[int] | None = None, output_axes: Sequence[int] | None = None
    ) -> None:
        super().__init__(self._scale, self._mode, self._distribution, seed, input_axes, output_axes)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        config = super().get_config()
        return {key: config[key] for key in ("seed", "input_axes", "output_axes")}


class GlorotUniform(_FixedVarianceScaling):
    """Glorot (Xavier) uniform: range `+-sqrt(6 / (inputs + outputs))`.

    Args:
        seed: An integer, a `SeedGenerator` or `None`.
        input_axes: See `VarianceScaling`.
        output_axes: See `VarianceScaling`.

    Reference:
        Glorot and Bengio, 2010, "Understanding the difficulty of training deep feedforward neural networks".
    """

    _scale, _mode, _distribution = 1.0, "fan_avg", "uniform"


class GlorotNormal(_FixedVarianceScaling):
    """Glorot (Xavier) normal: standard deviation `sqrt(2 / (inputs + outputs))`, truncated.

    Args:
        seed: An integer, a `SeedGenerator` or `None`.
        input_axes: See `VarianceScaling`.
        output_axes: See `VarianceScaling`.
    """

    _scale, _mode, _distribution = 1.0, "fan_avg", "truncated_normal"


class HeUniform(_FixedVarianceScaling):
    """He uniform: range `+-sqrt(6 / inputs)`.

    Args:
        seed: An integer, a `SeedGenerator` or `None`.
        input_axes: See `VarianceScaling`.
        output_axes: See `VarianceScaling`.

    Reference:
        He et al., 2015, "Delving deep into rectifiers".
    """

    _scale, _mode, _distribution = 2.0, "fan_in", "uniform"


class HeNormal(_FixedVarianceScaling):
    """He normal: standard deviation `sqrt(2 / inputs)`, truncated.

    Args:
        seed: An integer, a `SeedGenerator` or `None`.
        input_axes: See `VarianceScaling`.
        output_axes: See `VarianceScaling`.
    """

    _scale, _mode, _distribution = 2.0, "fan_in", "truncated_normal"


class LecunUniform(_FixedVarianceScaling):
    """LeCun uniform: range `+-sqrt(3 / inputs)`.

    Args:
        seed: An integer, a `SeedGenerator` or `None`.
        input_axes: See `VarianceScaling`.
        output_axes: See `VarianceScaling`.
    """

    _scale, _mode, _distribution = 1.0, "fan_in", "uniform"


class LecunNormal(_FixedVarianceScaling):
    """LeCun normal: standard deviation `sqrt(1 / inputs)`, truncated.

    Args:
        seed: An integer, a `SeedGenerator` or `None`.
        input_axes: See `VarianceScaling`.
        output_axes: See `VarianceScaling`.
    """

    _scale, _mode, _distribution = 1.0, "fan_in", "truncated_normal"


class Orthogonal(RandomInitializer):
    """Makes a matrix with orthonormal rows or columns, whichever are fewer, times `gain`.

    A weight of more than two dimensions is read as a matrix whose columns are the last axis.

    Args:
        gain: Factor of the matrix.
        seed: An integer, a `SeedGenerator` or `None`.

    Reference:
        Saxe et al., 2014, "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks".
    """

    def __init__(self, gain: float = 1.0, seed: Any = None) -> None:
        self.gain = gain
        super().__init__(seed=seed)

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Any:
        """Returns the matrix.

        Raises:
            ValueError: If `shape` has fewer than two dimensions.
        """
        import numpy as np

        if len(shape) < 2:
            raise ValueError(
                "The Orthogonal initializer needs a weight of at least two dimensions. "
                f"Received: shape={shape} of rank {len(shape)}."
            )
        shape = tuple(shape)
        dtype = resolve_dtype(dtype)
        columns = shape[-1]
        rows = math.prod(shape[:-1])
        draws = random.normal((max(rows, columns), min(rows, columns)), dtype=dtype, seed=self.seed)
        orthonormal, upper = np.linalg.qr(ops.convert_to_numpy(draws))
        # Signs that make the decomposition unique make the matrix uniformly distributed.
        orthonormal = orthonormal * np.where(np.diagonal(upper) < 0, -1, 1).astype(orthonormal.dtype)
        if rows < columns:
            orthonormal = orthonormal.T
        return ops.convert_to_tensor((self.gain * orthonormal).reshape(shape), dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "gain": self.gain}


def compute_fans(
    shape: Sequence[int], input_axes: Sequence[int] | None = None, output_axes: Sequence[int] | None = None
) -> tuple[int, int]:
    """Returns the numbers of input and output units of a weight.

    Args:
        shape: Shape of the weight: a vector, a matrix `(inputs, outputs)`, or a convolution kernel
            `(*window, inputs, outputs)`.
        input_axes: Axes that count as input instead.
        output_axes: Axes that count as output instead.

    Returns:
        The pair `(inputs, outputs)`.
    """
    shape = tuple(shape)
    if input_axes is not None and output_axes is not None:
        return math.prod(shape[axis] for axis in input_axes), math.prod(shape[axis] for axis in output_axes)
    if not shape:
        return 1, 1
    if len(shape) == 1:
        return shape[0], shape[0]
    window = math.prod(shape[:-2])
    return shape[-2] * window, shape[-1] * window
