"""The eager tensor and the variable: operators, types, indexing, conversions."""

from __future__ import annotations

import copy
import json
import operator
import pathlib
import pickle
import weakref
from typing import Any

import numpy as np
import pytest

import ironhorn
from ironhorn import Variable, errors, ops
from ironhorn.backend import Tensor, standardize_dtype

PROMOTION = json.loads((pathlib.Path(__file__).parent / "promotion.json").read_text())["table"]
DTYPES = "bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 float32 float64".split()

MATRIX = np.array([[1.5, -2.0, 3.0], [4.0, 0.5, -6.0]], "float32")
ROW = np.array([2.0, 0.25, -1.0], "float32")

BINARY = [
    operator.add,
    operator.sub,
    operator.mul,
    operator.truediv,
    operator.floordiv,
    operator.mod,
    operator.lt,
    operator.le,
    operator.gt,
    operator.ge,
    operator.eq,
    operator.ne,
]
OTHERS: list[Any] = [ROW, 2.5, 2, np.float32(0.5), [1.0, 2.0, 4.0], np.array([3, 1, 2], "int64")]


def tensor(values: Any, dtype: str | None = None) -> Any:
    return ops.convert_to_tensor(values, dtype)


@pytest.mark.parametrize("function", BINARY, ids=lambda function: function.__name__)
@pytest.mark.parametrize("make", [tensor, Variable], ids=["tensor", "variable"])
@pytest.mark.parametrize("other", OTHERS, ids=["array", "float", "int", "scalar", "list", "int64"])
def test_operators_with_python_and_numpy(function: Any, make: Any, other: Any) -> None:
    left = make(MATRIX)
    narrow = np.asarray(other, "float32")
    for found, wanted in (
        (function(left, other), function(MATRIX, narrow)),
        (function(other, left), function(narrow, MATRIX)),
        (function(left, tensor(narrow)), function(MATRIX, narrow)),
    ):
        assert isinstance(found, Tensor)
        assert found.dtype == str(wanted.dtype)
        np.testing.assert_allclose(np.asarray(found), wanted, rtol=1e-6)


@pytest.mark.parametrize("make", [tensor, Variable], ids=["tensor", "variable"])
def test_powers_products_and_signs(make: Any) -> None:
    x = make(MATRIX)
    np.testing.assert_allclose(np.asarray(x**2), MATRIX**2)
    np.testing.assert_allclose(np.asarray(2.0**x), 2.0**MATRIX, rtol=1e-6)
    np.testing.assert_allclose(np.asarray(x @ MATRIX.T), MATRIX @ MATRIX.T)
    np.testing.assert_allclose(np.asarray(MATRIX.T @ x), MATRIX.T @ MATRIX)
    np.testing.assert_array_equal(np.asarray(-x), -MATRIX)
    np.testing.assert_array_equal(np.asarray(+x), MATRIX)
    np.testing.assert_array_equal(np.asarray(abs(x)), abs(MATRIX))


def test_logic_of_booleans() -> None:
    a, b = tensor([True, True, False, False]), np.array([True, False, True, False])
    assert (a & b).numpy().tolist() == [True, False, False, False]
    assert (b | a).numpy().tolist() == [True, True, True, False]
    assert (a ^ b).numpy().tolist() == [False, True, True, False]
    assert (~a).numpy().tolist() == [False, False, True, True]


def test_operators_refuse_what_is_no_array() -> None:
    x = tensor([1.0])
    with pytest.raises(TypeError):
        x + "text"
    with pytest.raises(TypeError):
        object() * x
    assert (x == None) is False  # noqa: E711
    assert x != "text"
    with pytest.raises(errors.ShapeError, match=r"\(2, 3\) and \(2,\)"):
        tensor(MATRIX) + np.ones(2)


@pytest.mark.parametrize("pair", sorted(PROMOTION), ids=str)
def test_types_promote_as_in_keras(pair: str) -> None:
    left, right = pair.split()
    wanted = PROMOTION[pair]
    if "uint64" in (left, right) and wanted == "uint32":
        # Keras keeps 32 bits here, which loses numbers that both operands can hold.
        wanted = "uint64"
    x = ops.zeros((2,), dtype=left)
    y: Any = {"int": 1, "float": 1.0}.get(right)
    y = ops.zeros((2,), dtype=right) if y is None else y
    assert ops.maximum(x, y).dtype == wanted
    assert ops.maximum(y, x).dtype == wanted
    assert ops.equal(x, y).dtype == "bool"


@pytest.mark.parametrize(
    ("left", "right", "wanted"),
    [
        ("bool", "bool", "bool"),
        ("bool", "uint8", "uint8"),
        ("int8", "int8", "int32"),
        ("int16", "int8", "int16"),
        ("int64", "int32", "int64"),
        ("int32", "float16", "float16"),
        ("bfloat16", "uint8", "bfloat16"),
        ("bfloat16", "float16", "float32"),
        ("float32", "float64", "float64"),
    ],
)
def test_types_of_products(left: str, right: str, wanted: str) -> None:
    x, y = ops.ones((2, 3), dtype=left), ops.ones((3, 2), dtype=right)
    for found in (ops.matmul(x, y), ops.transpose(ops.matmul(ops.transpose(y), ops.transpose(x)))):
        assert found.dtype == wanted
        assert np.asarray(found).astype("float64").tolist() == [[1.0 if wanted == "bool" else 3.0] * 2] * 2


def test_booleans_as_numbers() -> None:
    x = tensor([True, False])
    assert ops.square(x).dtype == "int32"
    assert ops.absolute(x).dtype == ops.abs(x).dtype == "bool"
    assert ops.sum(x).dtype == ops.prod(x).dtype == "int32"
    assert (x + 1).numpy().tolist() == [2, 1]


@pytest.mark.parametrize(("dtype", "number"), [("uint8", 300), ("uint8", -1), ("int8", 128), ("int32", 2**31)])
def test_numbers_that_do_not_fit(dtype: str, number: int) -> None:
    x = ops.zeros((2,), dtype=dtype)
    with pytest.raises(errors.ValueRangeError, match=f"{number} does not fit {dtype}"):
        x + number
    with pytest.raises(errors.ValueRangeError):
        ops.maximum(number, x)
    assert (ops.cast(x, "int64") + number).numpy().tolist() == [number] * 2


def test_types_of_new_tensors() -> None:
    assert tensor(1).dtype == tensor([1, 2]).dtype == "int32"
    assert tensor(1.0).dtype == tensor([1, 2.0]).dtype == "float32"
    assert tensor(True).dtype == "bool"
    assert tensor(2**40).dtype == "int64"
    assert tensor(2**40).item() == 2**40
    assert tensor(np.float64(1.0)).dtype == "float32"
    assert tensor(np.array(1.0)).dtype == "float64"
    assert tensor(1, "float16").dtype == "float16"
    assert tensor([tensor(1.0), tensor(2.0)]).numpy().tolist() == [1.0, 2.0]
    for dtype in DTYPES:
        assert tensor(np.zeros(2, dtype)).dtype == dtype
    for bad in ("text", ["text"], object(), np.array(["a"]), np.array([None])):
        with pytest.raises((TypeError, ValueError)):
            tensor(bad)
    with pytest.raises(errors.DTypeError, match="float12"):
        tensor(1.0, "float12")
    with pytest.raises(TypeError):
        tensor(1j)


def test_big_endian_and_strange_strides() -> None:
    x = np.arange(12.0).reshape(3, 4)
    for array in (x.astype(">f8"), x[::-1, ::2], x.T, np.broadcast_to(x[0], (3, 4)), x[1:1]):
        np.testing.assert_array_equal(tensor(array).numpy(), array)


KEYS: list[Any] = [
    0,
    -1,
    slice(None),
    slice(1, None),
    slice(None, None, -1),
    slice(5, 1, -2),
    slice(-100, 100),
    slice(3, 1),
    (slice(None), 2),
    (slice(None), -1),
    (1, slice(None), 0),
    (..., 0),
    (0, ...),
    (..., None),
    (None, 1),
    (slice(None), None, slice(1, 3)),
    (slice(None, None, 2), ..., slice(None, None, -1)),
    (1, 2, 3),
    np.array([0, 2, 2]),
    [1, 0],
    (slice(None), np.array([[0, 1], [3, -1]])),
    (..., np.array([4, 0])),
    (slice(1, None), np.array([1, 1]), slice(None, None, 2)),
    np.int64(1),
    np.array(1),
]


@pytest.mark.parametrize("key", KEYS, ids=repr)
@pytest.mark.parametrize("dtype", ["float32", "int8", "float64"])
def test_indexing_as_in_numpy(key: Any, dtype: str) -> None:
    x = np.arange(3 * 4 * 5).reshape(3, 4, 5).astype(dtype)
    for made in (tensor(x), Variable(x)):
        found = made[key]
        assert isinstance(found, Tensor)
        assert found.dtype == dtype
        np.testing.assert_array_equal(found.numpy(), x[key])


def test_boolean_masks_select() -> None:
    x = tensor(MATRIX)
    np.testing.assert_array_equal(np.asarray(x[x > 1.0]), MATRIX[MATRIX > 1.0])
    np.testing.assert_array_equal(np.asarray(x[np.array([True, False])]), MATRIX[[True, False]])


def test_wrong_indices() -> None:
    x = tensor(MATRIX)
    for key in (2, -3, (0, 3), (0, 0, 0)):
        with pytest.raises(IndexError):
            x[key]
    with pytest.raises(IndexError):
        x[np.array([0, 2])]
    with pytest.raises((TypeError, errors.IronhornError)):
        x["name"]
    with pytest.raises(TypeError):
        x[0] = 1.0


def test_iteration_length_and_truth() -> None:
    x = tensor(MATRIX)
    assert len(x) == 2
    assert [row.shape for row in x] == [(3,), (3,)]
    first, second = x
    np.testing.assert_array_equal(np.asarray(second), MATRIX[1])
    assert [float(v) for v in first] == [1.5, -2.0, 3.0]
    assert bool(tensor(1.0))
    assert not tensor([[0]])
    with pytest.raises(ValueError, match=r"6 elements .* ops\.any or ops\.all"):
        bool(x)
    with pytest.raises(TypeError, match="scalar"):
        len(tensor(1.0))
    with pytest.raises(TypeError):
        iter(tensor(1.0))


def test_numbers() -> None:
    assert float(tensor(2.5)) == 2.5
    assert int(tensor(7)) == 7
    assert float(tensor([[3]])) == 3.0
    assert [10, 20, 30][tensor(1)] == 20
    assert list(range(10))[tensor(2) : tensor(5)] == [2, 3, 4]
    assert tensor(2**40).item() == 2**40
    assert tensor([[1, 2], [3, 4]]).tolist() == [[1, 2], [3, 4]]
    assert f"{float(tensor(0.5)):.2f}" == "0.50"
    with pytest.raises(TypeError):
        [1][tensor(0.0)]
    with pytest.raises((ValueError, TypeError)):
        float(tensor(MATRIX))


def test_numpy_reads_tensors() -> None:
    x = tensor(MATRIX)
    assert np.asarray(x).dtype == "float32"
    assert np.asarray(x, "float64").dtype == "float64"
    np.testing.assert_array_equal(np.array(x), MATRIX)
    np.testing.assert_allclose(np.mean(x), MATRIX.mean())
    np.testing.assert_array_equal(np.concatenate([x, x]), np.concatenate([MATRIX, MATRIX]))
    own = x.numpy()
    own[0, 0] = 100.0
    assert float(x[0, 0]) == 1.5
    seen = np.asarray(x)
    with pytest.raises(ValueError, match="read-only"):
        seen[0, 0] = 100.0
    copied = np.array(x, copy=True)
    copied[0, 0] = 100.0
    assert float(x[0, 0]) == 1.5
    np.testing.assert_array_equal(ops.convert_to_numpy(x), MATRIX)
    np.testing.assert_array_equal(ops.convert_to_numpy([1, 2]), [1, 2])


def test_memory_outlives_the_tensor() -> None:
    x = tensor(np.arange(1000.0))
    seen = np.asarray(x)
    reference = weakref.ref(x)
    del x
    assert reference() is None
    np.testing.assert_array_equal(seen, np.arange(1000.0))


def test_a_tensor_is_not_its_source() -> None:
    source = MATRIX.copy()
    x = tensor(source)
    source[0, 0] = 100.0
    assert float(x[0, 0]) == 1.5


def test_dlpack() -> None:
    x = tensor(MATRIX)
    assert x.__dlpack_device__() == (1, 0)
    np.testing.assert_array_equal(np.from_dlpack(x), MATRIX)


def test_text() -> None:
    assert repr(tensor([1, 2])) == "<tensor, shape=(2,), dtype=int32, array([1, 2], dtype=int32)>"
    assert "shape=(2, 3), dtype=float32" in repr(tensor(MATRIX))
    assert "path=weight" in repr(Variable(MATRIX, name="weight"))


@pytest.mark.parametrize("dtype", [*DTYPES, "bfloat16"])
def test_pickle_and_copies(dtype: str) -> None:
    x = ops.cast(tensor([[0, 1], [1, 2]]), dtype)
    for twin in (pickle.loads(pickle.dumps(x)), copy.copy(x), copy.deepcopy(x)):
        assert twin.dtype == dtype
        np.testing.assert_array_equal(np.asarray(twin), np.asarray(x))


def test_hash_attributes_and_weak_references() -> None:
    x = tensor(MATRIX)
    assert hash(x) == hash(x)
    assert len({x, tensor(MATRIX)}) == 2
    assert x in {x: 1}
    x._keras_mask = 3
    assert x._keras_mask == 3
    assert weakref.ref(x)() is x


def test_shape_and_size() -> None:
    x = tensor(np.zeros((2, 0, 3)))
    assert x.shape == ops.shape(x) == (2, 0, 3)
    assert x.ndim == ops.ndim(x) == 3
    assert x.size == ops.size(x) == 0
    assert ops.dtype(x) == x.dtype == "float64"
    assert ops.dtype(1.0) == "float32"
    assert ops.shape(MATRIX) == ops.shape(Variable(MATRIX)) == (2, 3)
    assert ops.is_tensor(x)
    assert not ops.is_tensor(MATRIX)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_sixteen_bit_floats(dtype: str) -> None:
    x = ops.cast(tensor(MATRIX), dtype)
    assert x.dtype == dtype
    step = {"float16": 2**-10, "bfloat16": 2**-7}[dtype]
    wide = np.asarray(ops.cast(x, "float32"))
    for found, wanted in (
        (x + x, wide + wide),
        (x * 0.5, wide * 0.5),
        (ops.exp(x), np.exp(wide)),
        (ops.sigmoid(x) * x, wide / (1 + np.exp(-wide))),
        (ops.maximum(x, ROW.astype("float16") if dtype == "float16" else ops.cast(ROW, dtype)), np.maximum(wide, ROW)),
        (ops.where(x > 0, x, 0.0), np.where(wide > 0, wide, 0)),
        (ops.transpose(x)[::-1], wide.T[::-1]),
        (ops.concatenate([x, x], 1), np.concatenate([wide, wide], 1)),
    ):
        assert found.dtype == dtype
        np.testing.assert_allclose(np.asarray(ops.cast(found, "float32")), wanted, rtol=2 * step)
    assert str(np.asarray(x).dtype) == {"float16": "float16", "bfloat16": "float32"}[dtype]
    variable = Variable(MATRIX, dtype=dtype)
    variable.assign_add(x)
    np.testing.assert_allclose(np.asarray(ops.cast(variable.value, "float32")), 2 * wide, rtol=step)
    assert standardize_dtype(dtype) == dtype


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_sums_and_products_of_sixteen_bit_floats(dtype: str) -> None:
    x = ops.cast(tensor(MATRIX), dtype)
    wide = np.asarray(ops.cast(x, "float32"))
    for found, wanted in (
        (ops.sum(x, axis=1), wide.sum(1)),
        (ops.mean(x, axis=0), wide.mean(0)),
        (ops.max(x), wide.max()),
        (ops.matmul(x, ops.transpose(x)), wide @ wide.T),
    ):
        assert found.dtype == dtype
        np.testing.assert_allclose(np.asarray(ops.cast(found, "float32")), wanted, rtol=2**-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_networks_of_sixteen_bit_floats(dtype: str) -> None:
    generator = np.random.default_rng(0)

    def draw(*shape: int) -> Any:
        return ops.cast(generator.uniform(-1, 1, shape), dtype)

    image, window, rows = draw(2, 5, 5, 3), draw(3, 3, 3, 2), draw(4, 3)
    state = [draw(2, 2), draw(2, 2), draw(3, 8), draw(2, 8), draw(8)]
    for function, arguments in (
        (lambda x, w: ops.conv(x, w), (image, window)),
        (lambda x: ops.max_pool(x, 2), (image,)),
        (lambda x: ops.average_pool(x, 2), (image,)),
        (ops.softmax, (rows,)),
        (ops.log_softmax, (rows,)),
        (lambda x, s: ops.batch_normalization_train(x, s, s)[0], (rows, draw(3))),
        (lambda x, *s: ops.lstm(x, *s)[0], (draw(2, 4, 3), *state)),
        (lambda x: ops.sparse_categorical_crossentropy([0, 1, 2, 0], x, from_logits=True), (rows,)),
        (lambda x: ops.take(x, [2, 0], 0), (rows,)),
    ):
        wide = [ops.cast(argument, "float32") for argument in arguments]
        found, wanted = function(*arguments), function(*wide)
        assert (found.dtype, found.shape) == (dtype, wanted.shape)
        tolerance = {"float16": 4e-3, "bfloat16": 3e-2}[dtype]
        np.testing.assert_allclose(
            np.asarray(ops.cast(found, "float32")), np.asarray(wanted), atol=tolerance, rtol=tolerance
        )
        slope = ironhorn.grad(lambda *values, function=function: ops.sum(function(*values)))(*arguments)
        assert slope.dtype == dtype
        assert np.isfinite(np.asarray(ops.cast(slope, "float32"))).all()


def test_casts_of_every_pair() -> None:
    values = np.array([0, 1, 3, 100], "float64")
    for left in [*DTYPES, "bfloat16"]:
        x = ops.cast(values, left)
        for right in [*DTYPES, "bfloat16"]:
            wanted = (values != 0) if "bool" in (left, right) else values
            found = ops.cast(x, right)
            assert found.dtype == right
            np.testing.assert_array_equal(np.asarray(found).astype("float64"), wanted.astype("float64"))


def test_integers_stay_exact() -> None:
    big = 2**53 + 1
    x = tensor(np.array([big, -big], "int64"))
    assert (x + 1).numpy().tolist() == [big + 1, -big + 1]
    assert (x * 3).numpy().tolist() == [3 * big, -3 * big]
    assert ops.sum(x[:1]).item() == big
    assert ops.max(x).item() == big
    assert ops.maximum(x, 0).numpy().tolist() == [big, 0]
    assert (tensor(np.array([-7, 7], "int32")) // 2).numpy().tolist() == [-4, 3]
    assert (tensor(np.array([-7, 7], "int32")) % 3).numpy().tolist() == [2, 1]


def test_variables() -> None:
    variable = Variable(MATRIX, name="weight")
    assert (variable.shape, variable.dtype, variable.ndim) == ((2, 3), "float32", 2)
    before = variable.value
    assert variable.assign(MATRIX * 2).shape == (2, 3)
    np.testing.assert_array_equal(variable.numpy(), MATRIX * 2)
    np.testing.assert_array_equal(np.asarray(before), MATRIX, err_msg="a value read earlier changed")
    variable.assign_add(MATRIX)
    variable.assign_sub(np.float64(1.0) * np.ones((2, 3)))
    np.testing.assert_array_equal(variable.numpy(), MATRIX * 3 - 1)
    with pytest.raises(errors.ShapeError, match=r"'weight' has shape \(2, 3\) .* shape \(3, 2\)"):
        variable.assign(MATRIX.T)
    copied = variable.numpy()
    copied[:] = 0
    assert np.asarray(variable).any()
    twin = copy.deepcopy(variable)
    twin.assign(np.zeros((2, 3)))
    assert np.asarray(variable).any()
    loaded = pickle.loads(pickle.dumps(variable))
    np.testing.assert_array_equal(loaded.numpy(), variable.numpy())
    assert (loaded.name, loaded.path, loaded.trainable) == (variable.name, variable.path, True)
    assert Variable(lambda shape, dtype: np.ones(shape, dtype), shape=(2, 2), dtype="float64").dtype == "float64"
    assert len({variable, twin, loaded}) == 3
    assert float(Variable(2.0)) == 2.0
    with pytest.raises(ValueError, match="shape"):
        Variable(lambda shape, dtype: np.ones(shape, dtype))


def test_errors_name_the_op_and_the_layer() -> None:
    with pytest.raises(errors.ShapeError, match=r"matmul.*\(2, 3\)"):
        ops.matmul(MATRIX, MATRIX)
    with ironhorn.backend.layer_scope("encoder/dense"), pytest.raises(errors.ShapeError, match="layer 'encoder/dense'"):
        ops.matmul(MATRIX, MATRIX)
    with pytest.raises(errors.IndexRangeError, match="axis 2"):
        ops.sum(MATRIX, axis=2)
    with pytest.raises(errors.ShapeError, match=r"\(2, 3\)"):
        ops.reshape(MATRIX, (4, 2))
    with pytest.raises(errors.IndexRangeError):
        ops.take(MATRIX, [7], axis=1)
    with pytest.raises(errors.ShapeError):
        ops.concatenate([MATRIX, MATRIX.T], axis=0)
    with pytest.raises(MemoryError):
        ops.zeros((2**40, 2**20))
    with pytest.raises(MemoryError):
        ops.zeros((2**40,))


def test_sums_of_nothing() -> None:
    empty = np.zeros((0, 3), "float32")
    assert ops.sum(empty, axis=0).numpy().tolist() == [0.0, 0.0, 0.0]
    assert float(ops.sum(empty)) == 0.0
    assert float(ops.prod(empty)) == 1.0
    assert bool(ops.all(empty))
    assert not bool(ops.any(empty))
    assert ops.matmul(np.zeros((2, 0), "float32"), np.zeros((0, 3), "float32")).numpy().tolist() == [[0.0] * 3] * 2
    with pytest.raises(ValueError):
        ops.max(empty, axis=0)
    with pytest.raises(ValueError):
        ops.argmax(empty, axis=0)


def test_options_that_cannot_be_met_are_refused() -> None:
    refused = [
        lambda: ops.convert_to_tensor([1.0], sparse=True),
        lambda: ops.convert_to_tensor([1.0], ragged=True),
        lambda: ops.one_hot([1], 2, sparse=True),
        lambda: ops.moments([1.0, 2.0], 0, synchronized=True),
        lambda: ironhorn.KerasTensor((2,), sparse=True),
        lambda: ironhorn.Variable(1.0, synchronization="on_write"),
    ]
    for call in refused:
        with pytest.raises(ironhorn.errors.UnsupportedError, match=r"dense|pad|replicas"):
            call()
    with pytest.raises(TypeError, match="colour"):
        ironhorn.Variable(1.0, colour="red")


def test_a_variable_without_a_value_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="has no value yet"):
        ops.add(ironhorn._core.VariableStorage(), 1.0)
