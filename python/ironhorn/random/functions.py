"""Draws from distributions."""

from typing import Any

from ironhorn import _core
from ironhorn.backend.config import floatx
from ironhorn.backend.dtypes import standardize_dtype
from ironhorn.errors import ValueRangeError
from ironhorn.random.seed_generator import draw_seed


def _draw(name: str, shape: Any, seed: Any, dtype: str, **attributes: Any) -> Any:
    return _core.op(name)(draw_seed(seed), shape=list(shape), dtype=dtype, **attributes)


def uniform(shape: Any, minval: float = 0.0, maxval: float = 1.0, dtype: Any = None, seed: Any = None) -> Any:
    """Uniform numbers in `[minval, maxval)`.

    Args:
        shape: lengths of the axes.
        minval: lower bound, included.
        maxval: upper bound, not included.
        dtype: floating-point type.
        seed: integer (the same numbers every time), SeedGenerator, or None.
    """
    return _draw("random_uniform", shape, seed, standardize_dtype(dtype), low=float(minval), high=float(maxval))


def normal(shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: Any = None) -> Any:
    """Normal numbers. See `uniform` for the arguments in common."""
    return _draw("random_normal", shape, seed, standardize_dtype(dtype), mean=float(mean), stddev=float(stddev))


def truncated_normal(shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: Any = None) -> Any:
    """Normal numbers, those beyond two standard deviations drawn again."""
    return _draw("truncated_normal", shape, seed, standardize_dtype(dtype), mean=float(mean), stddev=float(stddev))


def randint(shape: Any, minval: int, maxval: int, dtype: Any = "int32", seed: Any = None) -> Any:
    """Uniform integers in `[minval, maxval)`."""
    if maxval <= minval:
        raise ValueRangeError(f"randint needs minval < maxval, got {minval} and {maxval}")
    return _draw("random_integers", shape, seed, standardize_dtype(dtype), low=int(minval), high=int(maxval))


def dropout(inputs: Any, rate: float, noise_shape: Any = None, seed: Any = None) -> Any:
    """Sets elements to 0 with probability `rate` and scales the others by `1 / (1 - rate)`.

    Args:
        inputs: array of floats.
        rate: probability, in `[0, 1]`.
        noise_shape: shape of the mask, broadcast to the inputs; None for one draw an element.
        seed: integer, SeedGenerator, or None.

    Raises:
        ValueRangeError: for a rate outside `[0, 1]`.
    """
    if not 0 <= rate <= 1:
        raise ValueRangeError(f"The rate of dropout must lie in [0, 1], got {rate}")
    x = inputs if isinstance(inputs, _core.Tensor) else _core.tensor(inputs)
    if noise_shape is None:
        return _core.op("dropout")(x, draw_seed(seed), rate=float(rate))
    from ironhorn import ops

    lengths = [own if given is None else given for given, own in zip(noise_shape, _core.symbolic_shape(x), strict=True)]
    kept = ops.greater_equal(uniform(lengths, dtype=floatx(), seed=seed), rate)
    return ops.where(kept, x / max(1.0 - rate, 1e-30), ops.cast(0.0, x.dtype))


def shuffle(x: Any, axis: int = 0, seed: Any = None) -> Any:
    """The array with its parts along an axis in random order.

    Args:
        x: array.
        axis: the axis whose parts change places.
        seed: integer, SeedGenerator, or None.
    """
    from ironhorn import ops

    x = x if isinstance(x, _core.Tensor) else _core.tensor(x)
    length = _core.symbolic_shape(x)[axis]
    return ops.take(x, ops.argsort(uniform((length,), dtype="float64", seed=seed)), axis=axis)
