"""Hashing layers against TensorFlow's numbers."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from ironhorn import layers, models
from ironhorn.errors import UnsupportedError
from ironhorn.testing import assert_raises_text
from layers.hashing_cases import CROSSES, FEATURES, FILE, HASHINGS, INTEGERS, TEXTS, given


@pytest.fixture(scope="module")
def recorded() -> Any:
    return json.loads(FILE.read_text(encoding="utf-8"))


def check_config(layer: Any, theirs: dict[str, Any]) -> None:
    config = json.loads(json.dumps({**layer.get_config(), "name": None}))
    assert config == theirs
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()


@pytest.mark.parametrize("number", range(len(HASHINGS)))
def test_hashing(number: int, recorded: Any) -> None:
    arguments, wanted = HASHINGS[number], recorded["hashing"][number]
    layer = layers.Hashing(**arguments)
    for one, outputs in zip(given(arguments), wanted["outputs"], strict=True):
        found = layer(one)
        np.testing.assert_array_equal(found, outputs)
        assert found.dtype == layer.compute_dtype
        if one.dtype.kind == "U":
            np.testing.assert_array_equal(layer(one.tolist()), outputs)
        else:
            np.testing.assert_array_equal(layer(one.astype("float64")), outputs)
        assert layer.compute_output_shape(one.shape) == found.shape
    check_config(layer, wanted["config"])


@pytest.mark.parametrize("number", range(len(CROSSES)))
def test_crossing(number: int, recorded: Any) -> None:
    layer = layers.HashedCrossing(**CROSSES[number])
    for features, outputs in zip(FEATURES, recorded["crossing"][number]["outputs"], strict=True):
        found = layer(features)
        np.testing.assert_array_equal(found, outputs)
        assert layer.compute_output_shape([feature.shape for feature in features]) == found.shape
    check_config(layer, recorded["crossing"][number]["config"])


def test_integers_within_a_model() -> None:
    first, second = layers.Input((1,), dtype="int64"), layers.Input((1,), dtype="int64")
    bins = layers.Hashing(7)(first)
    crossed = layers.HashedCrossing(7, output_mode="one_hot")([first, second])
    model = models.Model([first, second], [layers.Embedding(7, 2)(bins), crossed])
    other = INTEGERS[::-1].copy()
    embedded, vectors = model.predict([INTEGERS, other], verbose=0)
    np.testing.assert_array_equal(vectors, layers.HashedCrossing(7, output_mode="one_hot")([INTEGERS, other]))
    table = np.asarray(model.weights[0])
    np.testing.assert_array_equal(embedded, table[np.asarray(layers.Hashing(7)(INTEGERS))])


def test_texts_reach_a_model() -> None:
    inputs = layers.Input((1,), dtype="string")
    model = models.Model(inputs, layers.Embedding(11, 3)(layers.Hashing(11)(inputs)))
    outputs = model.predict(TEXTS[:6], verbose=0)
    table = np.asarray(model.weights[0])
    np.testing.assert_array_equal(outputs, table[np.asarray(layers.Hashing(11)(TEXTS[:6]))])


@pytest.mark.parametrize(
    ("call", "error", "texts"),
    [
        (lambda: layers.Hashing(0), ValueError, ["num_bins", "positive", "0"]),
        (lambda: layers.Hashing(3, salt="x"), ValueError, ["salt='x'"]),
        (lambda: layers.Hashing(3, dtype="float32"), ValueError, ["int32", "float32"]),
        (lambda: layers.Hashing(3, output_mode="sum"), ValueError, ["output_mode", "sum"]),
        (lambda: layers.Hashing(3, output_mode="count", sparse=True), UnsupportedError, ["sparse"]),
        (lambda: layers.HashedCrossing(3, output_mode="count"), ValueError, ["output_mode", "count"]),
        (lambda: layers.HashedCrossing(3)([np.array([1])]), ValueError, ["two features"]),
        (lambda: layers.HashedCrossing(3)([np.array([1]), np.array([1, 2])]), ValueError, ["one shape", "(2,)"]),
        (lambda: layers.HashedCrossing(3)([np.array([1.5]), np.array([1])]), ValueError, ["integers", "float64"]),
    ],
)
def test_errors(call: Any, error: type[Exception], texts: list[str]) -> None:
    assert_raises_text(error, texts, call)
