"""Tracing: what a traced value refuses, symbolic lengths, compiled functions and how often they are traced."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import ironhorn
from ironhorn import KerasTensor, Variable, errors, ops
from ironhorn.backend import ArraySource, CompiledFunction, abstract_call, is_tracing, layer_scope


def traced(function: Any, *arrays: Any) -> Any:
    return CompiledFunction(function, "traced")(*arrays)


X = np.arange(12.0, dtype="float32").reshape(4, 3)


@pytest.mark.parametrize(
    ("use", "word"),
    [
        (bool, r"bool\(\)"),
        (float, r"float\(\)"),
        (int, r"int\(\)"),
        (lambda x: x.numpy(), "the data"),
        (np.asarray, "the data"),
        (lambda x: x.item(), "the value"),
        (lambda x: x.tolist(), "the data"),
        (lambda x: 1 if x > 0 else 2, r"bool\(\)"),
        (lambda x: [1, 2][ops.cast(x, "int32")], "an index"),
    ],
    ids=["bool", "float", "int", "numpy", "array", "item", "tolist", "if", "index"],
)
def test_a_traced_value_has_no_data(use: Any, word: str) -> None:
    def function(x: Any) -> Any:
        with layer_scope("encoder/block"):
            return use(ops.sum(x))

    with pytest.raises(errors.TracedValueError, match=word) as caught:
        traced(function, X)
    text = str(caught.value)
    assert text.startswith("layer 'encoder/block': ")
    for remedy in ("ops.cond", "ops.where", "ops.while_loop", "run_eagerly=True"):
        assert remedy in text
    assert isinstance(caught.value, TypeError)
    assert not is_tracing()


def test_a_traced_value_shows_shape_and_type() -> None:
    seen: list[str] = []

    def function(x: Any) -> Any:
        assert x.is_traced
        assert is_tracing()
        assert x.shape == (None, 3)
        assert x.size is None
        seen.append(repr(x))
        return x

    assert not traced(function, X).is_traced
    assert seen == ["<traced tensor, shape=(None, 3), dtype=float32>"]


def test_a_value_that_left_its_trace() -> None:
    kept: list[Any] = []

    def function(x: Any) -> Any:
        kept.append(x * 2.0)
        return x

    traced(function, X)
    with pytest.raises(errors.TracedValueError):
        kept[0] + 1.0
    with pytest.raises(errors.TracedValueError):
        traced(lambda x: x + kept[0], X)
    with pytest.raises(errors.TracedValueError):
        Variable(X).assign(kept[0])


def test_lengths_are_symbols() -> None:
    def function(x: Any) -> Any:
        rows, columns = ops.shape(x)
        assert columns == 3
        assert not isinstance(rows, int)
        flat = ops.reshape(x, (rows * 3,))
        halves = ops.reshape(x, (2, rows // 2, columns))
        longer = ops.concatenate([x, ops.zeros((rows + 1, 3))], 0)
        shorter = ops.broadcast_to(x[:1], (rows - 1, 3))
        return (
            flat,
            halves,
            longer,
            shorter,
            ops.cast(rows, "float32") * x,
            ops.ones((rows, 2)),
            3 * rows + x,
            ops.arange(rows),
        )

    compiled = CompiledFunction(function)
    for rows in (4, 8, 2):
        x = np.arange(rows * 3.0, dtype="float32").reshape(rows, 3)
        flat, halves, longer, shorter, scaled, ones, added, numbers = compiled(x)
        np.testing.assert_array_equal(np.asarray(flat), x.ravel())
        np.testing.assert_array_equal(np.asarray(halves), x.reshape(2, rows // 2, 3))
        assert longer.shape == (2 * rows + 1, 3)
        assert shorter.shape == (rows - 1, 3)
        np.testing.assert_array_equal(np.asarray(scaled), rows * x)
        assert ones.shape == (rows, 2)
        np.testing.assert_array_equal(np.asarray(added), 3 * rows + x)
        assert np.asarray(numbers).tolist() == list(range(rows))
    assert compiled.trace_count == 1


@pytest.mark.parametrize("use", [int, bool, range, lambda n: [0] * n], ids=["int", "bool", "range", "list"])
def test_a_symbolic_length_is_no_number(use: Any) -> None:
    with pytest.raises(errors.TracedValueError, match=r"ops\.shape.*run_eagerly=True"):
        traced(lambda x: ops.sum(x) if use(ops.shape(x)[0]) else x, X)


def test_len_and_iteration_of_symbolic_axes() -> None:
    with pytest.raises(errors.TracedValueError, match=r"ops\.shape"):
        traced(lambda x: len(x), X)
    with pytest.raises(errors.TracedValueError):
        traced(lambda x: [row * 2 for row in x], X)
    columns = traced(lambda x: list(ops.transpose(x)), X)
    np.testing.assert_array_equal(np.stack([np.asarray(column) for column in columns]), X.T)


def test_one_trace_for_a_hundred_lengths() -> None:
    compiled = CompiledFunction(lambda x: ops.sum(ops.exp(-x), axis=1), dynamic_axes=lambda index, rank: {1})
    generator = np.random.default_rng(0)
    for length in range(1, 101):
        x = generator.uniform(size=(1 + length % 3, length)).astype("float32")
        np.testing.assert_allclose(np.asarray(compiled(x)), np.exp(-x).sum(1), rtol=1e-5)
    assert compiled.trace_count == 1


def test_two_traces_when_a_length_is_found_to_vary() -> None:
    compiled = CompiledFunction(lambda x: ops.softmax(x))
    for length in range(2, 30):
        found = np.asarray(compiled(np.zeros((2, length), "float32")))
        np.testing.assert_allclose(found, np.full((2, length), 1 / length), rtol=1e-6)
    assert compiled.trace_count == 2


def test_a_function_that_insists_on_a_number_gets_one() -> None:
    compiled = CompiledFunction(lambda x: sum(x[:, i] for i in range(x.shape[1])))
    for length in (2, 3, 4, 3, 2):
        assert np.asarray(compiled(np.ones((2, length), "float32"))).tolist() == [length, length]
    assert compiled.trace_count <= 6


def test_traces_by_type_structure_and_rank() -> None:
    compiled = CompiledFunction(lambda x: x["a"] * 2)
    for x in (X, X[:2], X.astype("float64"), X[..., None], X, X.astype("int32")):
        found = compiled({"a": x})
        assert found.dtype == str(x.dtype)
        np.testing.assert_array_equal(np.asarray(found), x * 2)
    assert compiled.trace_count == 4
    compiled.clear()
    compiled({"a": X})
    assert compiled.trace_count == 5


def test_arguments_that_are_no_arrays() -> None:
    def function(x: Any, training: Any, mask: Any, scale: Any) -> Any:
        assert training is True
        return x * scale if mask is None else x * mask

    compiled = CompiledFunction(function)
    np.testing.assert_array_equal(np.asarray(compiled(X, True, None, 2.0)), X * 2)
    np.testing.assert_array_equal(np.asarray(compiled(X, True, None, 3.0)), X * 3)
    assert compiled.trace_count == 1
    np.testing.assert_array_equal(np.asarray(compiled(X, True, X, 3.0)), X * X)
    assert compiled.trace_count == 2


def test_results_that_are_no_tensors() -> None:
    weight = Variable(X)
    found = traced(lambda x: {"x": x, "none": None, "text": "a", "same": [x, x], "weight": weight}, X)
    assert found["none"] is None
    assert found["text"] == "a"
    np.testing.assert_array_equal(np.asarray(found["same"][1]), X)
    np.testing.assert_array_equal(np.asarray(found["weight"]), X)


def test_arrays_that_must_agree_in_rows() -> None:
    compiled = CompiledFunction(lambda x, y: ops.sum(x * y))
    assert float(compiled(X, X)) == float((X * X).sum())
    with pytest.raises(errors.ShapeError) as caught:
        compiled(X, X[:2])
    assert re.search(r"\(4, 3\)|\(2, 3\)|rows|4 and 2", str(caught.value))
    with pytest.raises(errors.ShapeError, match="rows"):
        ArraySource([X, X[:2]])


@pytest.mark.parametrize("shapes", [((5, 3), (1, 3)), ((1, 3), (5, 3)), ((1, 3), (1, 3))], ids=str)
def test_rows_broadcast_as_they_do_eagerly(shapes: Any) -> None:
    def function(a: Any, b: Any) -> Any:
        y = ops.where(a > b, a, b) * (b - a)
        return y, ironhorn.grad(lambda u, v: ops.sum(ops.tanh(u * v)), argnums=(0, 1))(a, b)

    generator = np.random.default_rng(0)
    a, b = (generator.normal(size=shape).astype("float32") for shape in shapes)
    compiled = CompiledFunction(function)
    eager = ironhorn.tree.flatten(function(ops.convert_to_tensor(a), ops.convert_to_tensor(b)))
    for found, wanted in zip(ironhorn.tree.flatten(compiled(a, b)), eager, strict=True):
        assert found.shape == wanted.shape
        np.testing.assert_allclose(np.asarray(found), np.asarray(wanted), rtol=1e-5, atol=1e-6)


def test_rows_that_do_not_broadcast() -> None:
    compiled = CompiledFunction(lambda a, b: a + b)
    with pytest.raises(errors.ShapeError, match=r"\(4, 3\) and \(2, 3\)"):
        compiled(X, X[:2])


def test_python_runs_once() -> None:
    calls: list[int] = []

    def function(x: Any) -> Any:
        calls.append(1)
        return x + 1.0

    compiled = CompiledFunction(function)
    for rows in (4, 3, 2, 1):
        compiled(X[:rows])
    assert len(calls) == compiled.trace_count == 1


def test_variables_are_state() -> None:
    total, count = Variable(np.zeros(3, "float32")), Variable(0)

    def function(x: Any) -> Any:
        before = total.value
        total.assign_add(ops.sum(x, axis=0))
        count.assign_add(1)
        return before, total.value * 1.0, count.value

    compiled = CompiledFunction(function)
    for step in range(1, 4):
        before, after, number = compiled(X)
        np.testing.assert_array_equal(np.asarray(before), X.sum(0) * (step - 1))
        np.testing.assert_array_equal(np.asarray(after), X.sum(0) * step)
        np.testing.assert_array_equal(total.numpy(), X.sum(0) * step)
        assert int(number) == int(count) == step
    total.assign(np.ones(3))
    assert np.asarray(compiled(X)[0]).tolist() == [1.0, 1.0, 1.0]
    assert compiled.trace_count == 1


def test_variables_that_swap() -> None:
    a, b = Variable(np.array([1.0, 2.0])), Variable(np.array([3.0, 4.0]))

    def function(x: Any) -> Any:
        first = a.value
        a.assign(b)
        b.assign(first)
        return x

    compiled = CompiledFunction(function)
    compiled(X)
    assert (a.numpy().tolist(), b.numpy().tolist()) == ([3.0, 4.0], [1.0, 2.0])
    compiled(X)
    assert (a.numpy().tolist(), b.numpy().tolist()) == ([1.0, 2.0], [3.0, 4.0])


def test_an_error_leaves_variables_as_they_were() -> None:
    table, count = Variable(X), Variable(0)

    def function(rows: Any) -> Any:
        count.assign_add(1)
        table.assign(table * 2.0)
        return ops.take(table, rows, 0)

    compiled = CompiledFunction(function)
    compiled(np.array([0, 3]))
    with pytest.raises(errors.IndexRangeError):
        compiled(np.array([0, 7]))
    assert int(count) == 1
    np.testing.assert_array_equal(table.numpy(), X * 2)


def test_an_error_while_tracing_leaves_no_trace() -> None:
    def function(x: Any) -> Any:
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        traced(function, X)
    assert not is_tracing()
    np.testing.assert_array_equal(np.asarray(ops.add(X, 1.0)), X + 1)


def running_mean() -> tuple[Variable, CompiledFunction]:
    state = Variable(np.zeros(3, "float32"))

    def step(x: Any) -> Any:
        state.assign(state * 0.5 + ops.mean(x[0], axis=0) * ops.sum(x[1]))
        return ops.sum(x[0]), state.value

    return state, CompiledFunction(step)


@pytest.mark.parametrize("order", [None, np.random.default_rng(1).permutation(23)], ids=["in order", "shuffled"])
def test_many_steps_in_one_call_equal_one_at_a_time(order: Any) -> None:
    x = np.random.default_rng(0).normal(size=(23, 3)).astype("float32")
    w = np.arange(23, dtype="float32") / 23
    state, compiled = running_mean()
    source = ArraySource([x, w])
    outputs = compiled.run_steps(source, order, 5, 0, 2)
    assert compiled.steps_done == 2
    outputs = compiled.run_steps(source, order, 5, 2, 3)
    assert compiled.steps_done == 3
    together = state.numpy()
    single_state, single = running_mean()
    rows = np.arange(23) if order is None else order
    for start in range(0, 23, 5):
        some = rows[start : start + 5]
        wanted = single([x[some], w[some]])
    np.testing.assert_array_equal(together, single_state.numpy())
    for a, b in zip(outputs, wanted, strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
    assert compiled.trace_count == 1


def test_wrong_orders_are_refused() -> None:
    _, compiled = running_mean()
    source = ArraySource([X, np.ones(4, "float32")])
    for order in (np.array([0, 4, 1, 2]), np.array([0, -1, 1, 2])):
        with pytest.raises(IndexError, match=r"0\.\.4"):
            compiled.run_steps(source, order, 2, 0, 2)


def test_collecting_outputs() -> None:
    x = np.random.default_rng(0).normal(size=(23, 3)).astype("float32")
    compiled = CompiledFunction(lambda x: {"twice": x * 2.0, "sum": ops.sum(x, axis=1)})
    found = compiled.run_collect(ArraySource(x), 5)
    np.testing.assert_array_equal(found["twice"], x * 2)
    np.testing.assert_allclose(found["sum"], x.sum(1), rtol=1e-5, atol=1e-6)
    assert isinstance(found["sum"], np.ndarray)
    found["sum"][0] = 3.0
    assert compiled.trace_count == 1
    empty = compiled.run_collect(ArraySource(x[:0]), 5)
    assert empty["twice"].shape == (0, 3)


def test_collecting_outputs_whose_rows_are_no_batch_rows() -> None:
    x = np.arange(10, dtype="float32").reshape(5, 2)
    compiled = CompiledFunction(lambda x: ops.reshape(x, (-1,)))
    np.testing.assert_array_equal(compiled.run_collect(ArraySource(x), 2), x.ravel())


def test_sources_read_the_arrays_in_place() -> None:
    x = np.zeros((4, 2), "float32")
    source = ArraySource(x)
    x[:] = 5.0
    compiled = CompiledFunction(ops.sum)
    assert float(compiled.run_steps(source, None, 4, 0, 1)) == 40.0
    columns = np.asfortranarray(np.arange(8.0, dtype="float32").reshape(4, 2))
    np.testing.assert_array_equal(CompiledFunction(lambda x: x + 0.0).run_collect(ArraySource(columns), 3), columns)


def test_symbolic_calls_of_whole_functions() -> None:
    a = KerasTensor((None, 3))
    found = abstract_call(lambda x, y: {"sum": x + y, "shape": ops.reshape(x, (-1, 1))}, (a,), {"y": 2.0})
    assert (found["sum"].shape, found["shape"].shape) == ((None, 3), (None, 1))
    assert abstract_call(lambda x: x[0, 1:], (KerasTensor((None, 5), "int32"),), {}).shape == (4,)


def test_operators_of_symbolic_tensors() -> None:
    a = KerasTensor((None, 3))
    for found in (
        a + 1.0,
        1.0 - a,
        a * np.ones(3, "float32"),
        np.ones(3, "float32") * a,
        a / a,
        2.0**a,
        -a,
        abs(a),
        a[:, ::-1],
        a % 2.0,
    ):
        assert isinstance(found, KerasTensor)
        assert (found.shape, found.dtype) == ((None, 3), "float32")
    for found in (a > 0, a <= 1.0, a != 0.0, ops.equal(a, 0.0)):
        assert (found.shape, found.dtype) == ((None, 3), "bool")
    assert (a @ np.ones((3, 2), "float32")).shape == (None, 2)
    assert (np.ones((2, 3), "float32") @ ops.transpose(a)).shape == (2, None)
    for use in (bool, float, np.asarray, list):
        with pytest.raises(TypeError):
            use(a)


def test_programs_can_be_read() -> None:
    compiled = CompiledFunction(
        lambda x: ops.relu(ops.matmul(x, np.ones((3, 2), "float32")) + np.ones(2, "float32")), "layer"
    )
    compiled(X)
    (programs,) = compiled._programs.values()
    text = programs[0].program.text()
    assert programs[0].program.name == "layer"
    assert text.count("= MatMul(") == 1
    assert "Elementwise" not in text, f"bias and relu were not fused:\n{text}"


def test_many_traces_are_said_once_and_do_not_pile_up():
    compiled = CompiledFunction(lambda *x: sum(ops.sum(part) for part in x), "sums")
    with pytest.warns(RuntimeWarning, match=r"'sums' has been traced 16 times.*declare lengths that vary as None"):
        for count in range(1, 90):
            assert float(compiled(*[np.ones(2, "float32")] * count)) == 2.0 * count
    assert sum(len(programs) for programs in compiled._programs.values()) <= 64
    assert float(compiled(np.ones(3, "float32"))) == 3.0
