"""Draws: their ranges and moments, seeds, dropout, eager and traced."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ironhorn
from ironhorn import KerasTensor, errors, ops, random
from ironhorn.backend import CompiledFunction
from ironhorn.random import SeedGenerator

COUNT = 40_000


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_uniform(dtype: str) -> None:
    x = random.uniform((COUNT,), -1.0, 3.0, dtype=dtype, seed=1)
    assert x.dtype == dtype
    values = np.asarray(ops.cast(x, "float64"))
    assert -1.0 <= values.min() < -0.98
    assert 2.98 < values.max() <= 3.0
    assert abs(values.mean() - 1.0) < 0.03
    assert abs(values.var() - 16 / 12) < 0.04
    if dtype in ("float32", "float64"):
        assert values.max() < 3.0
        assert len(np.unique(values)) > 0.99 * COUNT


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_normal(dtype: str) -> None:
    values = np.asarray(random.normal((COUNT,), 2.0, 0.5, dtype=dtype, seed=1))
    assert values.dtype == dtype
    standard = (values - 2.0) / 0.5
    assert abs(standard.mean()) < 0.02
    assert abs(standard.std() - 1.0) < 0.02
    assert abs((standard**3).mean()) < 0.06
    assert abs((standard**4).mean() - 3.0) < 0.2
    assert 3.5 < np.abs(standard).max() < 6.5
    assert abs(np.corrcoef(standard[:-1], standard[1:])[0, 1]) < 0.02


def test_truncated_normal() -> None:
    values = np.asarray(random.truncated_normal((COUNT,), 1.0, 2.0, seed=1))
    standard = (values - 1.0) / 2.0
    assert np.abs(standard).max() <= 2.0
    assert abs(standard.mean()) < 0.02
    assert abs(standard.std() - 0.8796) < 0.02


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8"])
def test_randint(dtype: str) -> None:
    values = np.asarray(random.randint((COUNT,), 3, 8, dtype=dtype, seed=1))
    assert values.dtype == dtype
    counts = np.bincount(values, minlength=8)
    assert counts[:3].sum() == 0
    assert (np.abs(counts[3:] / COUNT - 0.2) < 0.012).all()
    with pytest.raises(errors.ValueRangeError, match="minval < maxval"):
        random.randint((2,), 5, 5)


@pytest.mark.parametrize("draw", [random.uniform, random.normal, random.truncated_normal], ids=lambda f: f.__name__)
def test_seeds(draw: Any) -> None:
    def values(seed: Any) -> list[float]:
        return np.asarray(draw((4, 5), seed=seed)).ravel().tolist()

    assert values(7) == values(7)
    assert values(7) != values(8)
    generator, twin = SeedGenerator(7), SeedGenerator(7)
    first, second = values(generator), values(generator)
    assert first != second
    assert [values(twin), values(twin)] == [first, second]
    assert values(None) != values(None)
    ironhorn.utils.set_random_seed(3)
    third = values(None)
    ironhorn.utils.set_random_seed(3)
    assert values(None) == third
    with pytest.raises(ValueError, match="SeedGenerator"):
        values("seed")


def test_draws_of_a_shape_begin_like_those_of_a_longer_one_do_not_overlap() -> None:
    generator = SeedGenerator(1)
    draws = np.concatenate([np.asarray(random.uniform((1000,), dtype="float64", seed=generator)) for _ in range(20)])
    assert len(np.unique(draws)) == 20_000


def test_shapes() -> None:
    assert random.uniform(()).shape == ()
    assert random.normal((0, 3)).shape == (0, 3)
    assert random.randint((2, 3), 0, 5).shape == (2, 3)
    compiled = CompiledFunction(lambda x: x + random.uniform(ops.shape(x), seed=1))
    for rows in (3, 5):
        x = np.zeros((rows, 2), "float32")
        np.testing.assert_array_equal(np.asarray(compiled(x)), np.asarray(random.uniform((rows, 2), seed=1)))
    assert compiled.trace_count == 1


@pytest.mark.parametrize("traced", [False, True], ids=["eager", "traced"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dropout(traced: bool, dtype: str) -> None:
    x = np.full((200, 100), 2.0, dtype)

    def function(x: Any) -> Any:
        return random.dropout(x, 0.3, seed=5)

    found = np.asarray(CompiledFunction(function)(x) if traced else function(x))
    assert found.dtype == dtype
    np.testing.assert_allclose(np.unique(found), [0.0, 2.0 / 0.7], rtol=1e-6)
    assert abs((found == 0).mean() - 0.3) < 0.015
    np.testing.assert_array_equal(found, np.asarray(function(x)))


def test_the_gradient_of_dropout_is_its_mask() -> None:
    x = np.random.default_rng(0).normal(size=(6, 7))
    value, gradient = ironhorn.value_and_grad(lambda x: ops.sum(random.dropout(x, 0.4, seed=2)))(x)
    mask = np.asarray(random.dropout(np.ones_like(x), 0.4, seed=2))
    np.testing.assert_allclose(np.asarray(gradient), mask)
    np.testing.assert_allclose(float(value), (x * mask).sum())
    second = ironhorn.grad(lambda x: ops.sum(ironhorn.grad(lambda v: ops.sum(random.dropout(v, 0.4, seed=2) ** 2))(x)))
    np.testing.assert_allclose(np.asarray(second(x)), 2 * mask**2)


def test_rates_of_dropout() -> None:
    x = np.ones((3, 4), "float32")
    np.testing.assert_array_equal(np.asarray(random.dropout(x, 0.0)), x)
    np.testing.assert_array_equal(np.asarray(random.dropout(x, 1.0)), np.zeros_like(x))
    for rate in (-0.1, 1.5):
        with pytest.raises(errors.ValueRangeError, match=r"\[0, 1\]"):
            random.dropout(x, rate)


def test_noise_shapes_share_draws() -> None:
    found = np.asarray(random.dropout(np.ones((50, 40), "float32"), 0.5, noise_shape=(None, 1), seed=1))
    assert (found == found[:, :1]).all()
    assert 0.2 < (found[:, 0] == 0).mean() < 0.8


def test_generators_in_compiled_functions_move_on() -> None:
    generator, twin = SeedGenerator(4), SeedGenerator(4)
    compiled = CompiledFunction(lambda x: x + random.uniform(ops.shape(x), seed=generator))
    x = np.zeros((3, 2), "float32")
    found = [np.asarray(compiled(x)) for _ in range(3)]
    wanted = [np.asarray(random.uniform((3, 2), seed=twin)) for _ in range(3)]
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(generator.state.numpy(), twin.state.numpy())
    assert compiled.trace_count == 1


def test_generators_have_configurations() -> None:
    generator = SeedGenerator(9)
    assert SeedGenerator.from_config(generator.get_config()).seed == 9
    with pytest.raises(ValueError, match="integer"):
        SeedGenerator("nine")


def test_dropout_of_symbols_and_shuffle() -> None:
    assert random.shuffle(np.arange(10), seed=1).numpy().tolist() != list(range(10))
    assert sorted(random.shuffle(np.arange(10), seed=1).numpy().tolist()) == list(range(10))
    traced = CompiledFunction(lambda x: random.shuffle(x, seed=1))(np.arange(10))
    np.testing.assert_array_equal(traced, random.shuffle(np.arange(10), seed=1))
    found = ironhorn.layers.Dropout(0.5)(KerasTensor((None, 3)))
    assert (found.shape, found.dtype) == ((None, 3), "float32")
