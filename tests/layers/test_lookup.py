"""Lookup layers beyond integers: vectors of ones, counts, weights, integers of any size. Numbers are Keras' own."""

import numpy as np
import pytest

import ironhorn
from ironhorn import backend, layers
from ironhorn.testing import assert_raises_text

ROWS = np.array([["a", "z", "c", "c"], ["", "b", "b", "q"]])


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("multi_hot", [[1, 1, 0, 1], [1, 0, 1, 0]]),
        ("count", [[1, 1, 0, 2], [1, 0, 2, 0]]),
        (
            "one_hot",
            [
                [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 1]],
                [[0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0], [1, 0, 0, 0]],
            ],
        ),
    ],
)
def test_vectors_of_strings(mode, expected):
    layer = layers.StringLookup(vocabulary=["a", "b", "c"], mask_token="", output_mode=mode)
    found = layer(ROWS)
    assert found.dtype == "float32"
    np.testing.assert_array_equal(found, expected)
    symbolic = layer(backend.KerasTensor((None, 4), dtype="string"))
    assert symbolic.shape[1:] == tuple(found.shape)[1:]
    again = layers.StringLookup.from_config(layer.get_config())
    np.testing.assert_array_equal(again(ROWS), expected)


def test_weights_of_strings(tmp_path):
    given = layers.StringLookup(vocabulary=["a", "b", "c"], output_mode="tf_idf", idf_weights=[0.5, 0.25, 0.75])
    np.testing.assert_allclose(given(ROWS[:1]), [[0.5, 0.5, 0.0, 1.5]])
    learnt = layers.StringLookup(output_mode="tf_idf")
    learnt.adapt(np.array([["a", "b", "c", "c"], ["b", "b", "b", "q"]]))
    assert learnt.get_vocabulary() == ["[UNK]", "b", "c", "q", "a"]
    expected = [[0.6475667953491211, 0.0, 1.3862943649291992, 0.0, 0.6931471824645996]]
    np.testing.assert_allclose(learnt([["a", "z", "c", "c"]]), expected, rtol=1e-6)


def test_strings_of_integers():
    layer = layers.StringLookup(vocabulary=["a", "b"], invert=True)
    assert layer(np.array([[1, 2], [0, 9]])).tolist() == [["a", "b"], ["[UNK]", "[UNK]"]]


def test_integers():
    layer = layers.IntegerLookup(vocabulary=[12, 36, 1138, 42])
    np.testing.assert_array_equal(layer(np.array([[12, 1138, 42], [42, 1000, 36]])), [[1, 3, 4], [4, 0, 2]])
    assert layer.get_vocabulary() == [-1, 12, 36, 1138, 42]
    several = layers.IntegerLookup(vocabulary=[12, 36, 1138, 42], num_oov_indices=2, mask_token=0)
    np.testing.assert_array_equal(several(np.array([[12, 1138, 0], [37, 1000, 36]])), [[3, 5, 0], [2, 1, 4]])
    back = layers.IntegerLookup(vocabulary=[12, 36, 1138, 42], invert=True)
    np.testing.assert_array_equal(back(np.array([[1, 3, 4], [4, 0, 2]])), [[12, 1138, 42], [42, -1, 36]])
    padded = layers.IntegerLookup(output_mode="multi_hot", max_tokens=6, pad_to_max_tokens=True)
    padded.adapt(np.array([5, 5, 7, 7, 7, 9]))
    assert padded.get_vocabulary() == [-1, 7, 5, 9]
    np.testing.assert_array_equal(padded(np.array([[5, 9], [1, 7]])), [[0, 0, 1, 1, 0, 0], [1, 1, 0, 0, 0, 0]])
    again = layers.deserialize(layers.serialize(layer))
    np.testing.assert_array_equal(again([42, 7]), [4, 0])


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("multi_hot", [[1, 0, 0, 1], [0, 1, 1, 0]]),
        ("count", [[1, 0, 0, 2], [0, 1, 1, 0]]),
        (
            "tf_idf",
            [[0.6323733329772949, 0.0, 0.0, 1.3862943649291992], [0.0, 0.5108256340026855, 0.6931471824645996, 0.0]],
        ),
    ],
)
def test_vectors_of_texts(mode, expected, tmp_path):
    layer = layers.TextVectorization(output_mode=mode)
    layer.adapt(["foo bar bar", "bar qux"])
    assert layer.get_vocabulary() == ["[UNK]", "bar", "qux", "foo"]
    np.testing.assert_allclose(layer(["foo foo zip", "qux bar"]), expected, rtol=1e-6)
    assert tuple(layer("bar bar").shape) == (4,)
    model = ironhorn.Sequential([layers.Input((), dtype="string"), layer, layers.Dense(2)])
    model.save(tmp_path / "model.keras")
    again = ironhorn.models.load_model(tmp_path / "model.keras").layers[0]
    np.testing.assert_allclose(again(["foo foo zip", "qux bar"]), expected, rtol=1e-6)


def test_counts_of_texts_padded_and_of_pairs():
    layer = layers.TextVectorization(output_mode="count", max_tokens=5, pad_to_max_tokens=True, vocabulary=["a", "b"])
    np.testing.assert_array_equal(layer(["a b a"]), [[0, 2, 1, 0, 0]])
    assert layer.compute_output_shape((None,)) == (None, 5)
    pairs = layers.TextVectorization(output_mode="count", ngrams=2, vocabulary=["a", "b", "a b"])
    np.testing.assert_array_equal(pairs(["a b a b", ""]), [[1, 2, 2, 2], [0, 0, 0, 0]])


def test_errors():
    assert_raises_text(
        ValueError, ["idf_weights", "tf_idf"], lambda: layers.StringLookup(vocabulary=["a"], idf_weights=[1.0])
    )
    assert_raises_text(
        ValueError, ["idf_weights", "only there"], lambda: layers.StringLookup(vocabulary=["a"], output_mode="tf_idf")
    )
    assert_raises_text(
        ValueError,
        ["2 tokens", "(1,)"],
        lambda: layers.StringLookup(vocabulary=["a", "b"], output_mode="tf_idf", idf_weights=[1.0]),
    )
    assert_raises_text(ValueError, ["invert"], lambda: layers.IntegerLookup(invert=True, output_mode="count"))
    assert_raises_text(ValueError, ["pad_to_max_tokens"], lambda: layers.IntegerLookup(pad_to_max_tokens=True))
    assert_raises_text(NotImplementedError, ["hashing"], lambda: layers.StringLookup(num_oov_indices=3))
    assert_raises_text(NotImplementedError, ["hashing"], lambda: layers.IntegerLookup(oov_method="farmhash"))
    assert_raises_text(NotImplementedError, ["sparse"], lambda: layers.IntegerLookup(output_mode="count", sparse=True))
    assert_raises_text(ValueError, ["adapt(data)"], lambda: layers.IntegerLookup()([1]))
