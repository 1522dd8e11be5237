"""Edges of the NumPy-like functions: special values, lengths unknown while tracing, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ironhorn import ops
from ironhorn.backend import CompiledFunction
from ironhorn.errors import DTypeError, ShapeError, TracedValueError, UnsupportedError, ValueRangeError

INF, NAN = float("inf"), float("nan")


def test_infinities_and_what_is_not_a_number() -> None:
    a = np.asarray([INF, INF, -INF, -INF, NAN, 0.0])
    b = np.asarray([INF, -INF, -INF, 1.0, 1.0, NAN])
    with np.errstate(all="ignore"):
        for name in ("logaddexp", "hypot", "fmax", "fmin", "heaviside"):
            np.testing.assert_array_equal(getattr(ops, name)(a, b), getattr(np, name)(a, b), err_msg=name)
    np.testing.assert_array_equal(ops.nan_to_num(a), np.nan_to_num(a))
    np.testing.assert_array_equal(ops.signbit([0.0, -0.0]), [False, True])
    assert ops.logsumexp([-INF, -INF]).item() == -INF
    assert ops.logsumexp([INF, 0.0]).item() == INF
    empty = np.asarray([[NAN, NAN], [1.0, NAN]])
    np.testing.assert_array_equal(ops.nanargmax(empty, 1), [-1, 0])
    np.testing.assert_array_equal(ops.nanmax(empty, 1), [NAN, 1.0])
    np.testing.assert_array_equal(ops.nanmean(empty, 1), [NAN, 1.0])


def test_numbers_of_any_size() -> None:
    numbers, exponents = np.asarray([1e-300, 3.0, 5e-324, 0.0, 2.0]), np.asarray([2000, -1070, 2090, 5000, 1022])
    np.testing.assert_array_equal(ops.ldexp(numbers, exponents), np.ldexp(numbers, exponents))
    np.testing.assert_array_equal(ops.saturate_cast([300.0, -5.0, INF, 2.7], "uint8"), [255, 0, 255, 2])
    np.testing.assert_array_equal(ops.saturate_cast(np.asarray([-5, 5], "int32"), "uint64"), [0, 5])
    assert ops.saturate_cast(np.asarray(1e39), "float32").item() == np.finfo("float32").max
    large = np.float32(1e30)
    np.testing.assert_allclose(ops.sin(large), np.sin(np.float64(large)), rtol=1e-6)


def test_bits() -> None:
    np.testing.assert_array_equal(ops.view([1.0, -2.0], "uint32"), np.asarray([1.0, -2.0], "float32").view("uint32"))
    np.testing.assert_array_equal(ops.view(np.asarray([1, 0, 2], "uint8"), "bool"), [True, False, True])
    np.testing.assert_array_equal(ops.view(np.asarray([True, False]), "uint8"), [1, 0])
    np.testing.assert_array_equal(ops.bitwise_not(np.asarray([1], "uint64")), ~np.asarray([1], "uint64"))
    ones, places = np.ones(2, "int32"), np.asarray([31, 32], "int32")
    np.testing.assert_array_equal(ops.left_shift(ones, places), [-(2**31), 0])


@pytest.mark.parametrize("batch", [1, 5])
def test_lengths_that_are_not_known(batch: int) -> None:
    def function(x: Any) -> Any:
        length = ops.shape(x)[0]
        return (
            ops.roll(x, 3, 0),
            ops.tri(length, 3, 1),
            ops.eye(length),
            ops.arange(0, length * 3, 2),
            ops.arange(length, 0, -1),
            ops.tril(ops.matmul(x, ops.transpose(x))),
            ops.rot90(x),
            ops.pad(x, ((1, 0), (0, 0)), "edge"),
            ops.rearrange(x, "b (c d) -> (b c) d", c=2),
            ops.ravel(x),
            ops.diag(x[:, 0]),
        )

    def expected(x: np.ndarray) -> list[np.ndarray]:
        n = len(x)
        return [
            np.roll(x, 3, 0),
            np.tri(n, 3, 1),
            np.eye(n),
            np.arange(0, n * 3, 2),
            np.arange(n, 0, -1),
            np.tril(x @ x.T),
            np.rot90(x),
            np.pad(x, ((1, 0), (0, 0)), "edge"),
            x.reshape(2 * n, 2),
            x.ravel(),
            np.diag(x[:, 0]),
        ]

    compiled = CompiledFunction(function, "function")
    compiled(np.ones((3, 4)))
    compiled(np.ones((2, 4)))
    x = np.random.default_rng(0).normal(size=(batch, 4))
    for found, wanted in zip(compiled(x), expected(x), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-12)
    assert compiled.trace_count <= 2


def test_refusals() -> None:
    with pytest.raises(DTypeError, match=r"ops.bitwise_and takes integers and booleans, got float32"):
        ops.bitwise_and([1.0], [2.0])
    with pytest.raises(DTypeError, match=r"ops.ldexp takes integer exponents, got float32"):
        ops.ldexp([1.0], [2.0])
    with pytest.raises(UnsupportedError, match=r"got 'median': pad with numpy.pad"):
        ops.pad([1.0], 1, "median")
    with pytest.raises(ValueRangeError, match="constant_values in mode 'constant' only"):
        ops.pad([1.0], 1, "edge", 2.0)
    with pytest.raises(ShapeError, match="cannot take elements from axis 0"):
        ops.pad(np.zeros((0,)), 1, "edge")
    with pytest.raises(ShapeError, match="must make whole elements of 8 bytes"):
        ops.view(np.ones(3, "float32"), "float64")
    with pytest.raises(ShapeError, match="vectors of 2 or 3 components, got 4"):
        ops.cross(np.ones(4), np.ones(3))
    with pytest.raises(ValueRangeError, match="same names"):
        ops.rearrange(np.ones((2, 3)), "a b -> a c")
    with pytest.raises(ValueRangeError, match="cannot be cut by 2"):
        ops.rearrange(np.ones((2, 3)), "a (b c) -> a b c", b=2)
    with pytest.raises(ValueRangeError, match="both alternatives or neither"):
        ops.where(np.ones(2) > 0, 1.0)
    with pytest.raises(ShapeError, match=r"ops.repeat takes a number"):
        ops.repeat(np.ones(3), [1, 2])
    with pytest.raises(TracedValueError, match=r"ops.where\(condition\) finds is not known while tracing"):
        CompiledFunction(lambda x: ops.where(x > 0), "positions")(np.ones(3))
