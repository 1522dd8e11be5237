"""`ops.scan` and `ops.cond`: eagerly and traced the same, with gradients through what they read from around them."""

import numpy as np
import pytest

import ironhorn
from ironhorn import ops
from ironhorn.backend import CompiledFunction
from ironhorn.errors import ShapeError, UnsupportedError

RNG = np.random.default_rng(0)


def both(function, *arrays):
    """What the function returns eagerly, after checking that it returns the same when compiled."""
    eager = function(*arrays)
    compiled = CompiledFunction(function, "test")(*arrays)
    for a, b in zip(ironhorn.tree.flatten(eager), ironhorn.tree.flatten(compiled), strict=True):
        if a is None:
            assert b is None
        else:
            assert a.dtype == b.dtype
            np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-5, atol=1e-6)
    return eager


def test_scan_sums():
    x = RNG.normal(size=(5, 3)).astype("float32")
    last, sums = both(lambda x: ops.scan(lambda c, row: (c + row, c + row), ops.zeros(3), x), x)
    np.testing.assert_allclose(np.asarray(sums), np.cumsum(x, 0), rtol=1e-5)
    np.testing.assert_allclose(np.asarray(last), x.sum(0), rtol=1e-5)


def test_scan_in_reverse_leaves_results_where_slices_stood():
    x = np.arange(4, dtype="float32")
    _, sums = both(lambda x: ops.scan(lambda c, row: (c + row, c + row), 0.0, x, reverse=True), x)
    np.testing.assert_allclose(np.asarray(sums), [6, 6, 5, 3])


def test_scan_of_structures_and_without_results():
    x = {"a": RNG.normal(size=(4, 2)).astype("float32"), "b": np.arange(4, dtype="int32")}

    def step(carry, x):
        total, count = carry
        return (total + x["a"], count + x["b"]), {"scaled": x["a"] * 2.0, "nothing": None}

    def run(x):
        return ops.scan(step, (ops.zeros(2), ops.convert_to_tensor(0, dtype="int32")), x)

    (total, count), results = both(run, x)
    np.testing.assert_allclose(np.asarray(total), x["a"].sum(0), rtol=1e-5)
    assert int(count) == 6
    assert results["nothing"] is None
    np.testing.assert_allclose(np.asarray(results["scaled"]), 2 * x["a"], rtol=1e-6)
    _, nothing = both(lambda x: ops.scan(lambda c, _: (c + 1.0, None), x, length=3), np.float32(1))
    assert nothing is None


def test_scan_without_steps():
    empty = np.zeros((0, 2), "float32")
    last, rows = both(lambda x: ops.scan(lambda c, row: (c + row, ops.sum(row)), ops.ones(2), x), empty)
    np.testing.assert_array_equal(np.asarray(last), [1, 1])
    assert rows.shape == (0,)


def test_scan_differentiates_through_variables():
    kernel = ironhorn.Variable(RNG.normal(size=(3, 3)).astype("float32") * 0.5)
    x = RNG.normal(size=(6, 2, 3)).astype("float32")

    def gradient(x, unroll=False):
        with ironhorn.GradientTape() as tape:
            last, ys = ops.scan(lambda h, row: (ops.tanh(row + h @ kernel), ops.sum(h)), x[0], x, unroll=unroll)
            loss = ops.sum(last) + ops.sum(ys * ys)
        return loss, tape.gradient(loss, kernel)

    looped = both(gradient, x)
    unrolled = CompiledFunction(lambda factor: gradient(ops.convert_to_tensor(x) * factor, unroll=True), "unrolled")
    for a, b in zip(looped, unrolled(1.0), strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-4, atol=1e-5)
    with pytest.raises(UnsupportedError, match="unroll=True needs a length"):
        CompiledFunction(lambda x: gradient(x, unroll=True), "symbolic")(x)


def test_one_trace_serves_every_length():
    def run(x):
        return ops.scan(lambda c, row: (c + ops.sum(row), row * 2.0), ops.sum(x) * 0.0, x)

    compiled = CompiledFunction(run, "lengths")
    for length in (3, 7, 1):
        x = RNG.normal(size=(length, 2)).astype("float32")
        last, rows = compiled(x)
        np.testing.assert_allclose(float(last), x.sum(), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(np.asarray(rows), 2 * x, rtol=1e-6)
    assert compiled.trace_count == 1


def test_a_traced_body_may_use_lengths_from_around_it():
    def run(x):
        rows = ops.shape(x)[0]
        return ops.scan(lambda c, _: (c + ops.ones((rows, 2)), None), x, length=3)[0]

    x = RNG.normal(size=(4, 2)).astype("float32")
    np.testing.assert_allclose(np.asarray(both(run, x)), x + 3, rtol=1e-5)


def test_scans_nest_and_derive():
    x = RNG.normal(size=(3, 4)).astype("float32")

    def run(x):
        with ironhorn.GradientTape() as tape:
            tape.watch(x)
            inner = lambda c, row: ops.scan(lambda d, v: (ops.sin(d + v), None), c, row)[0]  # noqa: E731
            y, _ = ops.scan(lambda c, row: (inner(c, row), None), ops.sum(x[0]), x)
        return y, tape.gradient(y, x)

    value, found = both(run, ironhorn.ops.convert_to_tensor(x))
    assert found.shape == (3, 4)

    def reference(x):
        c = x[0].sum()
        for v in x.ravel():
            c = np.sin(c + v)
        return c

    wide, step = x.astype("float64"), 1e-6
    np.testing.assert_allclose(float(value), reference(wide), rtol=1e-5)
    for index in np.ndindex(*x.shape):
        moved = [wide.copy(), wide.copy()]
        moved[0][index] += step
        moved[1][index] -= step
        difference = (reference(moved[0]) - reference(moved[1])) / (2 * step)
        assert abs(float(found[index]) - difference) < 1e-4


def test_writes_in_a_traced_body_are_refused():
    counter = ironhorn.Variable(0.0)

    def run(x):
        def step(c, row):
            counter.assign(c)
            return c + row, None

        return ops.scan(step, ops.sum(x) * 0.0, x)[0]

    with pytest.raises(UnsupportedError, match=r"cannot write variables .* return the new value from the function"):
        CompiledFunction(run, "writes")(np.arange(3, dtype="float32"))
    assert float(run(np.arange(3, dtype="float32"))) == 3.0
    assert float(counter.numpy()) == 1.0


def test_errors_of_scan():
    x = np.zeros((3, 2), "float32")
    with pytest.raises(ValueError, match="needs xs, or length"):
        ops.scan(lambda c, x: (c, x), 0.0)
    with pytest.raises(ShapeError, match=r"lengths \[3, 4\]"):
        ops.scan(lambda c, x: (c, x), 0.0, x, length=4)
    with pytest.raises(UnsupportedError, match="unroll=2 is not supported"):
        ops.scan(lambda c, x: (c, x), 0.0, x, unroll=2)
    with pytest.raises(ValueError, match=r"must return a pair"):
        ops.scan(lambda c, x: c, 0.0, x)
    with pytest.raises(ShapeError, match=r"carry like the one it got"):
        ops.scan(lambda c, x: ((c, c), x), 0.0, x)
    for run in (lambda x: ops.scan(lambda c, row: (row, None), 0.0, x), None):
        function = run or CompiledFunction(lambda x: ops.scan(lambda c, row: (row, None), ops.sum(x), x), "carry")
        with pytest.raises(ShapeError, match="every step must return carries of the same shapes and types"):
            function(x)


def test_cond_runs_one_function():
    scale = ironhorn.Variable(3.0)

    def run(x):
        with ironhorn.GradientTape() as tape:
            y = ops.cond(ops.sum(x) > 0, lambda: {"y": x * scale, "n": None}, lambda: {"y": x * x, "n": None})["y"]
            total = ops.sum(y)
        return y, tape.gradient(total, scale, unconnected_gradients="zero")

    compiled = CompiledFunction(run, "cond")
    for x in (np.array([1.0, 2.0], "float32"), np.array([-1.0, -2.0], "float32")):
        eager, traced = run(x), compiled(x)
        np.testing.assert_allclose(np.asarray(eager[0]), np.asarray(traced[0]))
        np.testing.assert_allclose(float(eager[1]), float(traced[1]))
        assert float(eager[1]) == (3.0 if x[0] > 0 else 0.0)
    assert compiled.trace_count == 1


def test_cond_inside_scan():
    def run(x):
        def step(c, value):
            c = ops.cond(value > 0, lambda: c + value, lambda: c * 0.5)
            return c, c

        return ops.scan(step, ops.sum(x) * 0.0, x)[1]

    x = np.array([1.0, -1.0, 2.0, -3.0], "float32")
    np.testing.assert_allclose(np.asarray(both(run, x)), [1.0, 0.5, 2.5, 1.25])


def test_errors_of_cond():
    with pytest.raises(TypeError, match="two functions"):
        ops.cond(True, 1.0, 2.0)
    x = np.ones(3, "float32")
    cases = [
        (lambda x: ops.cond(ops.sum(x) > 0, lambda: (x, x), lambda: x), "same structure"),
        (lambda x: ops.cond(ops.sum(x) > 0, lambda: x, lambda: ops.sum(x)), "must return the same shapes and types"),
        (lambda x: ops.cond(x > 0, lambda: x, lambda: x), "condition must be a boolean scalar"),
    ]
    for function, text in cases:
        with pytest.raises(ShapeError, match=text):
            CompiledFunction(function, "cond")(x)


def test_while_loop():
    bound = ironhorn.Variable(20.0)

    def run(x):
        return ops.while_loop(lambda x, n: ops.sum(x) < bound, lambda x, n: (x * 2.0, n + 1), (x, 0))

    grown, steps = both(run, np.array([1.0, 2.0], "float32"))
    np.testing.assert_array_equal(np.asarray(grown), [8.0, 16.0])
    assert int(steps) == 3
    single = both(lambda x: ops.while_loop(lambda x: x < 100.0, lambda x: x + 1.0, x, 4), np.float32(0))
    assert float(single) == 4.0


def test_errors_of_while_loop():
    x = np.ones(2, "float32")

    def run(x):
        return ops.while_loop(lambda x: ops.sum(x) < 10.0, lambda x: ops.sum(x), x)

    for function in (run, CompiledFunction(run, "shape")):
        with pytest.raises(ShapeError, match="every step must return"):
            function(x)
    with pytest.raises(ShapeError, match="must return its loop variables"):
        ops.while_loop(lambda a, b: True, lambda a, b: (a,), (x, x))

    def gradient(x):
        with ironhorn.GradientTape() as tape:
            tape.watch(x)
            y = ops.while_loop(lambda x: ops.sum(x) < 10.0, lambda x: x * 2.0, x)
        return tape.gradient(y, x)

    assert gradient(ops.convert_to_tensor(x)).shape == (2,)
    with pytest.raises(UnsupportedError, match="a while_loop has no derivative"):
        CompiledFunction(gradient, "derivative")(x)


def test_symbolic_tensors_get_shapes():
    inputs = ironhorn.Input((4, 3))
    moved = ops.scan(lambda c, row: (c + row, c), ops.zeros((4, 3)), inputs)
    assert moved[0].shape == (4, 3)
    assert moved[1].shape == (None, 4, 3)
