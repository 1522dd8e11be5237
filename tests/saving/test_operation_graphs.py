"""Every op that a functional model's graph may hold is saved as Keras saves it, and read back."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
from typing import Any

import numpy as np
import pytest

import ironhorn
from ironhorn import ops, tree
from ironhorn.models.operation_classes import CLASSES
from ironhorn.models.operation_config import deserialize_operation
from ironhorn.ops._dispatch import FUNCTIONS
from saving.operation_graphs import CALLS, CALLS_OF_FUNCTIONS, functions_in, models, models_of_rows
from saving.test_real_keras import reference_python

TESTS = pathlib.Path(__file__).resolve().parents[1]
NAMES = json.loads((TESTS / "compat" / "keras_names.json").read_text())["modules"]

HOST = "gives no tensor"
MADE = "makes an array of numbers, never of symbolic tensors"

#: Functions of keras.ops that have no class there, and why.
NO_CLASS = {
    **dict.fromkeys(("bartlett", "blackman", "hamming", "hanning", "kaiser"), MADE),
    **dict.fromkeys(("empty", "eye", "identity", "ones", "tri", "zeros"), MADE),
    **dict.fromkeys(("convert_to_numpy", "dtype", "is_tensor", "shape"), HOST),
    **dict.fromkeys(("custom_gradient", "vectorize"), "makes a function"),
}

#: Functions whose class no graph of Ironhorn holds, and why.
NO_GRAPH = {
    "arange": "how many numbers there are must be known",
    "bincount": "how long the result is depends on the data",
    "nonzero": "how long the result is depends on the data",
    "ndim": HOST,
    "size": HOST,
    "cond": "its branches hold symbolic tensors without naming them",
}

#: Functions that Ironhorn does not have.
ABSENT = {"polar", "view_as_complex", "view_as_real"}


#: Functions whose class Keras itself cannot revive and call, on JAX, and why.
REFUSED = {
    "adaptive_average_pool": "its class adds the size to a tuple, and JSON has lists",
    "adaptive_max_pool": "its class adds the size to a tuple, and JSON has lists",
    "conv_transpose": "its class hands its arguments on in another order",
    "histogram": "its class asks the backend's module for mathematics, which has no histogram",
    "rot90": "its class wants the axes hashable, and JSON has lists",
}

#: Functions whose results are not determined.
OTHER_NUMBERS = {"argpartition", "eig"}


def model_function(name: str, model: Any) -> str:
    """The function that a model is about."""
    return name if name.startswith("call ") else name.partition("-")[0]


def arrays_of(value: Any) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in tree.flatten(value)]


def saved() -> list[tuple[str, Any, list[np.ndarray]]]:
    """All models that are saved here; those of rows that call functions are not."""
    held = set().union(*(functions_in(model) for _, model, _ in models(CALLS_OF_FUNCTIONS)))
    chosen = CLASSES.keys() - held
    return [found for found in [*models_of_rows(), *models(CALLS)] if functions_in(found[1]) <= chosen]


def test_every_function_of_keras_has_an_entry_or_a_reason() -> None:
    names = {name for name in NAMES["ops"] if hasattr(ops, name) and callable(getattr(ops, name))}
    assert sorted(names - CLASSES.keys() - NO_CLASS.keys()) == []
    assert sorted(name for name in NAMES["ops.image"] if name not in CLASSES) == []
    assert sorted(NO_CLASS.keys() & CLASSES.keys()) == [], "listed without a class, but has one"
    assert CLASSES.keys() - FUNCTIONS.keys() == ABSENT | {"arange", "ndim", "size"}


def test_graphs_come_back() -> None:
    seen = set()
    for name, model, arrays in [*saved(), *models(CALLS_OF_FUNCTIONS)]:
        config = json.loads(json.dumps(model.get_config()))
        again = ironhorn.Model.from_config(config)
        for found, wanted in zip(arrays_of(again(arrays)), arrays_of(model(arrays)), strict=True):
            np.testing.assert_array_equal(found, wanted, err_msg=f"{name}: {functions_in(model)}")
        assert json.loads(json.dumps(again.get_config())) == config, name
        seen |= functions_in(model)
    assert sorted(CLASSES.keys() - seen) == sorted(NO_GRAPH.keys() | ABSENT)


def test_classes_that_no_function_makes_are_read() -> None:
    for class_name in ("Abs", "Conj"):
        config = {"module": "keras.src.ops.numpy", "class_name": class_name, "config": {"name": "own"}}
        assert deserialize_operation(config)(np.float32([-1.5])).numpy()[0] in (1.5, -1.5)


def test_unknown_classes_are_named() -> None:
    for class_name in ("Polar", "Nonsense"):
        config = {"module": "keras.src.ops.nn", "class_name": class_name, "config": {"name": "own"}}
        with pytest.raises(ValueError, match=f"uses the op '{class_name}' of keras.src.ops.nn, which is not supported"):
            deserialize_operation(config)


def test_symbolic_constants_stay_in_the_call() -> None:
    x = ironhorn.Input((3,))
    model = ironhorn.Model(x, ops.clip(x, ops.min(x), ops.mean(x)))
    again = ironhorn.Model.from_config(json.loads(json.dumps(model.get_config())))
    data = np.float32([[1.0, 2.0, 9.0]])
    np.testing.assert_array_equal(again(data), [[1.0, 2.0, 4.0]])


def test_layers_of_a_file_keep_their_order() -> None:
    a, b = ironhorn.Input((2,), name="b"), ironhorn.Input((2,), name="a")
    dense = [ironhorn.layers.Dense(2, name=name)(x) for name, x in (("second", a), ("first", b))]
    model = ironhorn.Model([a, b], ops.binary_crossentropy(*dense, from_logits=True))
    again = ironhorn.Model.from_config(json.loads(json.dumps(model.get_config())))
    assert [layer.name for layer in again.layers] == [layer.name for layer in model.layers]
    assert [weight.path for weight in again.weights] == [weight.path for weight in model.weights]


@pytest.mark.peer
def test_the_table_is_what_keras_has() -> None:
    ask = "import json, make_operation_table as m; print(json.dumps(m.table()))"
    environment = dict(os.environ, KERAS_BACKEND="jax", PYTHONPATH=str(TESTS / "ops"))
    result = subprocess.run([reference_python(), "-c", ask], env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert {name: tuple(entry) for name, entry in json.loads(result.stdout).items()} == CLASSES


@pytest.mark.peer
def test_keras_reads_our_graphs(tmp_path: pathlib.Path) -> None:
    """Of every function one model at least."""
    python = reference_python()
    configs, inputs, wanted = {}, {}, {}
    tried = set()
    for name, model, arrays in saved():
        function = model_function(name, model)
        if function in tried:
            continue
        tried.add(function)
        configs[name] = model.get_config()
        inputs |= {f"{name}/{index}": array for index, array in enumerate(arrays)}
        wanted[name] = (functions_in(model), arrays_of(model(arrays)))
    (tmp_path / "models.json").write_text(json.dumps(configs))
    np.savez(tmp_path / "inputs.npz", **inputs)
    script = str(TESTS / "saving" / "load_operations_with_keras.py")
    files = [str(tmp_path / name) for name in ("models.json", "inputs.npz", "answers.npz")]
    environment = dict(os.environ, KERAS_BACKEND="jax")
    result = subprocess.run([python, script, *files], env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    with np.load(files[-1]) as file:
        found = {name: file[name] for name in file.files}
    read, errors, wrong = set(), {}, {}
    for name, (functions, values) in wanted.items():
        if f"{name}/error" in found:
            errors |= dict.fromkeys(functions, f"{name}: {found[f'{name}/error']}")
            continue
        same = all(
            np.allclose(found[f"{name}/{index}"], value, rtol=1e-4, atol=1e-5, equal_nan=True)
            for index, value in enumerate(values)
        )
        read |= functions
        if not same and functions.isdisjoint(OTHER_NUMBERS):
            wrong[name] = [(found[f"{name}/{index}"], value) for index, value in enumerate(values)]
    assert wrong == {}
    unread = (CLASSES.keys() - read) & errors.keys()
    assert unread == REFUSED.keys(), {name: errors[name] for name in unread ^ REFUSED.keys() if name in errors}
