"""Gamma, beta, binomial and categorical draws, and shuffling: moments, seeds, threads, eager and traced."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ironhorn import errors, ops, random
from ironhorn.backend import CompiledFunction

COUNT = 60_000

DRAWS: dict[str, Callable[..., Any]] = {
    "gamma": lambda seed: random.gamma((500, 3), [0.2, 1.0, 7.0], seed=seed),
    "beta": lambda seed: random.beta((500, 2), [0.3, 5.0], 2.0, seed=seed),
    "binomial": lambda seed: random.binomial((500, 3), [3, 40, 1000], 0.3, seed=seed),
    "categorical": lambda seed: random.categorical(np.zeros((3, 5), "float32"), 500, seed=seed),
    "shuffle": lambda seed: random.shuffle(np.arange(1000.0), seed=seed),
}


@pytest.mark.parametrize("alpha", [0.05, 0.5, 1.0, 3.0, 40.0])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gamma(alpha: float, dtype: str) -> None:
    values = np.asarray(random.gamma((COUNT,), alpha, dtype=dtype, seed=1))
    assert values.dtype == dtype
    assert values.min() >= 0.0
    error = np.sqrt(alpha / COUNT)
    assert abs(values.mean() - alpha) < 4 * error
    # The variance of a gamma's sample variance.
    assert abs(values.var() - alpha) < 4 * np.sqrt((2 * alpha**2 + 6 * alpha) / COUNT)
    if alpha >= 0.5:
        third = ((values - alpha) ** 3).mean() / alpha**1.5
        assert abs(third - 2 / np.sqrt(alpha)) < 0.15 * (1 + 2 / np.sqrt(alpha))


@pytest.mark.parametrize(("alpha", "beta"), [(2.0, 0.5), (0.1, 0.1), (1.0, 1.0), (30.0, 60.0)])
def test_beta(alpha: float, beta: float) -> None:
    values = np.asarray(random.beta((COUNT,), alpha, beta, dtype="float64", seed=1))
    assert values.min() >= 0.0
    assert values.max() <= 1.0
    total = alpha + beta
    variance = alpha * beta / (total**2 * (total + 1))
    assert abs(values.mean() - alpha / total) < 4 * np.sqrt(variance / COUNT)
    assert abs(values.var() / variance - 1.0) < 0.04


@pytest.mark.parametrize(
    ("counts", "chance"), [(1, 0.3), (8, 0.5), (9, 0.9), (50, 0.1), (2000, 0.7), (30, 0.0), (30, 1.0)]
)
def test_binomial(counts: int, chance: float) -> None:
    values = np.asarray(random.binomial((COUNT,), counts, chance, seed=1))
    np.testing.assert_array_equal(values, np.round(values))
    assert values.min() >= 0
    assert values.max() <= counts
    variance = counts * chance * (1 - chance)
    assert abs(values.mean() - counts * chance) <= 4 * np.sqrt(variance / COUNT)
    assert abs(values.var() - variance) <= 0.04 * variance
    if counts == 9:
        expected = [1e-9, 9 * 0.9 * 1e-8, 36 * 0.81 * 1e-7]
        assert (values < 3).mean() < 1e-3 + sum(expected)
        assert abs((values == 9).mean() - 0.9**9) < 0.01


def test_parameters_are_broadcast() -> None:
    values = np.asarray(random.binomial((20_000, 2), [[10, 100]], [0.5, 0.25], seed=2))
    np.testing.assert_allclose(values.mean(0), [5.0, 25.0], rtol=0.02)
    assert random.gamma((2, 3), np.ones((3,)), dtype="float16", seed=1).dtype == "float16"


def test_categorical() -> None:
    chances = np.array([[0.1, 0.2, 0.7], [0.5, 0.4999, 0.0001]])
    values = random.categorical(np.log(chances), COUNT, seed=1)
    assert values.dtype == "int32"
    assert values.shape == (2, COUNT)
    for row, wanted in zip(np.asarray(values), chances, strict=True):
        np.testing.assert_allclose(np.bincount(row, minlength=3) / COUNT, wanted, atol=0.01)
    assert random.categorical(np.zeros((2, 3)), 4, dtype="int64", seed=1).dtype == "int64"


def test_shuffle() -> None:
    x = np.arange(24.0).reshape(4, 6)
    rows = np.asarray(random.shuffle(x, seed=1))
    assert sorted(rows[:, 0]) == [0, 6, 12, 18]
    np.testing.assert_array_equal(rows - rows[:, :1], np.broadcast_to(np.arange(6.0), (4, 6)))
    columns = np.asarray(random.shuffle(x, axis=1, seed=2))
    assert sorted(columns[0]) == [0, 1, 2, 3, 4, 5]
    first = np.array([np.asarray(random.shuffle(np.arange(4), seed=seed))[0] for seed in range(800)])
    assert np.bincount(first).min() > 150


@pytest.mark.parametrize("name", DRAWS)
def test_a_seed_gives_the_same_numbers(name: str) -> None:
    draw = DRAWS[name]
    np.testing.assert_array_equal(draw(3), draw(3))
    assert not np.array_equal(draw(3), draw(4))
    generator = random.SeedGenerator(3)
    assert not np.array_equal(draw(generator), draw(generator))
    compiled = CompiledFunction(lambda seed: draw(seed), name)
    key = np.array([3, 0], "uint32")
    np.testing.assert_array_equal(compiled(key), draw(ops.convert_to_tensor(key)))


def test_any_number_of_threads_gives_the_same_numbers() -> None:
    script = (
        "import hashlib, sys; sys.path[:0] = [p for p in sys.argv[1].split(chr(58)) if p]\n"
        "import numpy as np\nfrom ops.test_distributions import digest\nprint(digest())"
    )
    paths = os.pathsep.join(path for path in sys.path if path)
    for threads in ("1", "3"):
        environment = {**os.environ, "IRONHORN_NUM_THREADS": threads, "PYTHONPATH": paths}
        command = [sys.executable, "-c", script, paths]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        assert done.stdout.strip() == digest(), done.stderr[-2000:]


def digest() -> str:
    """A hash of draws."""
    found = hashlib.sha256()
    for draw in DRAWS.values():
        found.update(np.asarray(draw(5)).tobytes())
    return found.hexdigest()


def test_errors() -> None:
    with pytest.raises(errors.DTypeError, match="draws floats"):
        random.gamma((2,), 1.0, dtype="int32")
    with pytest.raises(errors.ShapeError, match="batch, categories"):
        random.categorical(np.zeros(3), 2)
    with pytest.raises(errors.ValueRangeError, match="num_samples"):
        random.categorical(np.zeros((1, 3)), -1)
