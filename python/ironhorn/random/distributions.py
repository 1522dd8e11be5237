"""Draws from distributions that are made of uniform and normal numbers.

Draws that are refused are drawn again in a loop until every element has one; each round has a stream of its own,
derived from the seed, so that results depend on the seed alone.
"""

from typing import Any

from ironhorn import _core
from ironhorn.backend.config import floatx
from ironhorn.backend.dtypes import is_float_dtype, standardize_dtype
from ironhorn.errors import DTypeError, ShapeError, ValueRangeError
from ironhorn.random.functions import normal, uniform
from ironhorn.random.seed_generator import draw_seed

#: Rounds after which a draw is taken as it is: the chance of one so late is below 1e-100.
_MOST_ROUNDS = 128
#: Odd, so that different rounds have different keys.
_STEP = 0x9E3779B9


def _stream(seed: Any, number: Any) -> Any:
    """The seed of another stream: `number` is an integer or an int32 scalar."""
    from ironhorn import ops

    if isinstance(number, int):
        return seed + _core.tensor([(number * _STEP) & 0xFFFFFFFF, 0], "uint32")
    step = ops.cast(number, "uint32") * _core.tensor(_STEP, "uint32")
    return seed + ops.stack([step, _core.tensor(0, "uint32")])


def _dtypes(name: str, dtype: Any) -> tuple[str, str]:
    """The type of the result, and the one to compute in."""
    wanted = standardize_dtype(dtype) if dtype is not None else floatx()
    if not is_float_dtype(wanted):
        raise DTypeError(f"random.{name} draws floats, got dtype {wanted}; cast the result")
    return wanted, wanted if wanted in ("float32", "float64") else "float32"


def _spread(value: Any, shape: list[Any], dtype: str) -> Any:
    from ironhorn import ops

    return ops.broadcast_to(ops.cast(ops.convert_to_tensor(value), dtype), shape)


def _log_of_gamma(seed: Any, alpha: Any, dtype: str) -> Any:
    """The logarithms of gamma numbers (Marsaglia and Tsang, 2000), which are finite for small `alpha` too."""
    from ironhorn import ops

    shape = ops.shape(alpha)
    center = alpha + (1.0 - 1.0 / 3.0)
    width = 1.0 / ops.sqrt(9.0 * center)

    def again(round_: Any, _: Any, accepted: Any) -> Any:
        return ops.logical_and(ops.less(round_, _MOST_ROUNDS), ops.logical_not(ops.all(accepted)))

    def draw(round_: Any, result: Any, accepted: Any) -> Any:
        x = normal(shape, dtype=dtype, seed=_stream(seed, 2 * round_ + 2))
        u = 1.0 - uniform(shape, dtype=dtype, seed=_stream(seed, 2 * round_ + 3))
        root = 1.0 + width * x
        inside = ops.greater(root, 0.0)
        log_v = 3.0 * ops.log(ops.where(inside, root, 1.0))
        bound = 0.5 * x * x + center * (1.0 - ops.exp(log_v) + log_v)
        good = ops.logical_and(inside, ops.less(ops.log(u), bound))
        fresh = ops.logical_and(good, ops.logical_not(accepted))
        return round_ + 1, ops.where(fresh, log_v, result), ops.logical_or(accepted, good)

    start = (_core.tensor(0, "int32"), ops.zeros(shape, dtype), ops.zeros(shape, "bool"))
    _, log_v, _ = ops.while_loop(again, draw, start)
    # For alpha + 1; a uniform number to the power of 1 / alpha brings it down to alpha (Stuart, 1962).
    u = 1.0 - uniform(shape, dtype=dtype, seed=_stream(seed, 1))
    return ops.log(center) + log_v + ops.log(u) / alpha


def gamma(shape: Any, alpha: Any, dtype: Any = None, seed: Any = None) -> Any:
    """Gamma numbers of scale 1: mean and variance `alpha`. No gradient reaches `alpha`.

    Args:
        shape: lengths of the axes.
        alpha: positive numbers, broadcast to the shape.
        dtype: floating-point type.
        seed: integer (the same numbers every time), SeedGenerator, or None.
    """
    from ironhorn import ops

    wanted, inner = _dtypes("gamma", dtype)
    with_alpha = ops.stop_gradient(_spread(alpha, list(shape), inner))
    return ops.cast(ops.exp(_log_of_gamma(draw_seed(seed), with_alpha, inner)), wanted)


def _beta(seed: Any, alpha: Any, beta: Any, dtype: str) -> Any:
    from ironhorn import ops

    return ops.sigmoid(
        _log_of_gamma(_stream(seed, 1001), alpha, dtype) - _log_of_gamma(_stream(seed, 2003), beta, dtype)
    )


def beta(shape: Any, alpha: Any, beta: Any, dtype: Any = None, seed: Any = None) -> Any:
    """Beta numbers, from 0 to 1: mean `alpha / (alpha + beta)`. No gradient reaches `alpha` and `beta`.

    Args:
        shape: lengths of the axes.
        alpha: positive numbers, broadcast to the shape.
        beta: positive numbers, broadcast to the shape.
        dtype: floating-point type.
        seed: integer (the same numbers every time), SeedGenerator, or None.
    """
    from ironhorn import ops

    wanted, inner = _dtypes("beta", dtype)
    first, second = (ops.stop_gradient(_spread(value, list(shape), inner)) for value in (alpha, beta))
    return ops.cast(_beta(draw_seed(seed), first, second, inner), wanted)


#: Trials that are drawn one by one.
_FEW = 8


def binomial(shape: Any, counts: Any, probabilities: Any, dtype: Any = None, seed: Any = None) -> Any:
    """Binomial numbers: how many of `counts` trials succeed.

    The trials are halved until few are left: one of the ordered uniform numbers behind them is drawn from its beta
    distribution, and says on which side of it the rest is decided (Devroye, 1986, X.4).

    Args:
        shape: lengths of the axes.
        counts: numbers of trials, broadcast to the shape.
        probabilities: chances of a success, broadcast to the shape.
        dtype: floating-point type.
        seed: integer (the same numbers every time), SeedGenerator, or None.
    """
    from ironhorn import ops

    wanted, inner = _dtypes("binomial", dtype)
    seed = draw_seed(seed)
    lengths = list(shape)
    trials = ops.floor(ops.stop_gradient(_spread(counts, lengths, inner)))
    chance = ops.stop_gradient(_spread(probabilities, lengths, inner))

    def again(_: Any, trials: Any, *rest: Any) -> Any:
        return ops.any(ops.greater(trials, _FEW))

    def halve(round_: Any, trials: Any, chance: Any, successes: Any) -> Any:
        many = ops.greater(trials, _FEW)
        middle = ops.where(many, 1.0 + ops.floor(0.5 * trials), 1.0)
        place = _beta(_stream(seed, 17 * round_ + 5), middle, ops.where(many, trials + 1.0 - middle, 1.0), inner)
        low = ops.less_equal(place, chance)
        up = ops.logical_and(many, low)
        down = ops.logical_and(many, ops.logical_not(low))
        above = ops.where(up, (chance - place) / ops.maximum(1.0 - place, 1e-30), chance)
        return (
            round_ + 1,
            ops.where(up, trials - middle, ops.where(down, middle - 1.0, trials)),
            ops.where(down, chance / ops.maximum(place, 1e-30), above),
            ops.where(up, successes + middle, successes),
        )

    start = (_core.tensor(0, "int32"), trials, chance, ops.zeros(lengths, inner))
    _, trials, chance, successes = ops.while_loop(again, halve, start)
    for trial in range(_FEW):
        u = uniform(lengths, dtype=inner, seed=_stream(seed, 101 + trial))
        hit = ops.logical_and(ops.less(u, chance), ops.greater(trials, float(trial)))
        successes = successes + ops.cast(hit, inner)
    return ops.cast(successes, wanted)


def categorical(logits: Any, num_samples: int, dtype: Any = "int32", seed: Any = None) -> Any:
    """Categories, each with the chance that the softmax of its logits gives (by Gumbel's maximum).

    Args:
        logits: `(batch, categories)`.
        num_samples: number of draws for each row.
        dtype: integer type.
        seed: integer (the same numbers every time), SeedGenerator, or None.

    Returns:
        `(batch, num_samples)`.

    Raises:
        ShapeError: for logits that are no matrix.
        ValueRangeError: for a negative number of draws.
    """
    from ironhorn import ops

    logits = ops.convert_to_tensor(logits)
    if logits.ndim != 2:
        raise ShapeError(f"random.categorical takes logits of shape (batch, categories), got shape {logits.shape}")
    if num_samples < 0:
        raise ValueRangeError(f"random.categorical: num_samples must not be negative, got {num_samples}")
    _, inner = _dtypes("categorical", logits.dtype if is_float_dtype(logits.dtype) else None)
    batch, categories = ops.shape(logits)
    u = uniform((batch, num_samples, categories), dtype=inner, seed=seed)
    scores = ops.expand_dims(ops.cast(logits, inner), 1) - ops.log(-ops.log(u))
    return ops.cast(ops.argmax(scores, axis=-1), standardize_dtype(dtype))
