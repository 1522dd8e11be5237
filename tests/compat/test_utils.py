"""`keras.utils`: results as Keras gives them."""

from __future__ import annotations

import random

import numpy as np
import pytest

import ironhorn
from ironhorn import utils


def test_to_categorical() -> None:
    np.testing.assert_array_equal(utils.to_categorical([0, 2, 1]), np.eye(3)[[0, 2, 1]])
    assert utils.to_categorical(np.array([[1], [0]]), 4).shape == (2, 4)
    assert utils.to_categorical(np.zeros((2, 3), "int64"), 2).shape == (2, 3, 2)
    assert utils.to_categorical(np.zeros((0,), "int64"), 3).shape == (0, 3)
    tensor = utils.to_categorical(ironhorn.ops.convert_to_tensor(np.array([1, 0])), 2)
    np.testing.assert_array_equal(tensor.numpy(), [[0, 1], [1, 0]])


@pytest.mark.parametrize(
    ("labels", "classes", "text"),
    [
        ([0, 3], 3, "from 0 to 2 .* run from 0 to 3"),
        ([-1, 0], None, "run from -1 to 0"),
        ([0.5], 2, "whole numbers"),
        (["a"], 2, "Map names to numbers"),
        ([], None, "`num_classes` must be given"),
    ],
)
def test_to_categorical_refuses(labels: list[object], classes: int | None, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        utils.to_categorical(labels, classes)


def test_normalize() -> None:
    values = np.array([[3.0, 4.0], [0.0, 0.0]])
    np.testing.assert_allclose(utils.normalize(values), [[0.6, 0.8], [0, 0]])
    np.testing.assert_allclose(utils.normalize(values, order=1), [[3 / 7, 4 / 7], [0, 0]])
    np.testing.assert_allclose(utils.normalize(values, axis=0), [[1, 1], [0, 0]])
    np.testing.assert_allclose(utils.normalize(ironhorn.ops.convert_to_tensor(values)).numpy(), [[0.6, 0.8], [0, 0]])
    with pytest.raises(ValueError, match="positive"):
        utils.normalize(values, order=0)


def test_pad_sequences() -> None:
    sequences = [[1, 2, 3], [4], []]
    np.testing.assert_array_equal(utils.pad_sequences(sequences), [[1, 2, 3], [0, 0, 4], [0, 0, 0]])
    np.testing.assert_array_equal(
        utils.pad_sequences(sequences, maxlen=2, padding="post", value=-1), [[2, 3], [4, -1], [-1, -1]]
    )
    np.testing.assert_array_equal(utils.pad_sequences(sequences, maxlen=2, truncating="post")[0], [1, 2])
    assert utils.pad_sequences([np.zeros((2, 5)), np.zeros((3, 5))], dtype="float32").shape == (2, 3, 5)
    assert utils.pad_sequences([]).shape == (0, 0)
    assert utils.pad_sequences([["a"], ["b", "c"]], dtype=object, value="").tolist() == [["", "a"], ["b", "c"]]
    for arguments, text in (
        ({"padding": "middle"}, "`padding` must be"),
        ({"value": "x"}, "dtype=object"),
    ):
        with pytest.raises(ValueError, match=text):
            utils.pad_sequences(sequences, **arguments)
    with pytest.raises(ValueError, match="item 1 is 3"):
        utils.pad_sequences([[1], 3])
    with pytest.raises(ValueError, match="one shape"):
        utils.pad_sequences([np.zeros((2, 5)), np.zeros((2, 4))])


def test_set_random_seed() -> None:
    def draw() -> tuple[float, float, np.ndarray]:
        utils.set_random_seed(3)
        return random.random(), float(np.random.uniform()), ironhorn.random.normal((4,)).numpy()

    first, second = draw(), draw()
    assert first[:2] == second[:2]
    np.testing.assert_array_equal(first[2], second[2])
    with pytest.raises(ValueError, match="from 0 to"):
        utils.set_random_seed(-1)


def test_clear_session_restarts_names() -> None:
    utils.clear_session()
    first = ironhorn.layers.Dense(1).name
    utils.clear_session()
    assert ironhorn.layers.Dense(1).name == first
