"""Text vectorization and string lookup."""

import json

import numpy as np
import pytest

from ironhorn import layers, ops
from ironhorn.errors import NotBuiltError, UnsupportedError
from ironhorn.testing import assert_raises_text

TEXTS = ["foo bar É", "bar, baz!", "baz bada boom it's"]


def test_vocabulary_is_sorted_by_count_then_by_bytes_from_the_end():
    layer = layers.TextVectorization(max_tokens=8)
    layer.adapt(TEXTS)
    # As Keras 3.15 with TensorFlow 2.21 gives it.
    assert layer.get_vocabulary() == ["", "[UNK]", "baz", "bar", "É", "its", "foo", "boom"]
    assert layer.get_vocabulary(include_special_tokens=False)[0] == "baz"
    assert layer.vocabulary_size() == 8


def test_texts_become_integers():
    layer = layers.TextVectorization(max_tokens=8, output_sequence_length=4)
    layer.adapt(TEXTS)
    expected = [[6, 3, 1, 0], [0, 0, 0, 0], [4, 1, 0, 0]]
    outputs = layer(["foo bar zzz", "", "É é"])
    assert outputs.dtype == "int64"
    np.testing.assert_array_equal(outputs, expected)
    for form in (
        np.array(["foo bar zzz", "", "É é"]),
        np.array([["foo bar zzz"], [""], ["É é"]]),
        [["foo bar zzz"], [""], ["É é"]],
        np.array(["foo bar zzz", "", "É é"], object),
        [b"foo bar zzz", b"", "É é".encode()],
    ):
        np.testing.assert_array_equal(layer(form), expected)
    np.testing.assert_array_equal(layer("foo bar"), [6, 3, 0, 0])
    assert layer(["a b c d e f"]).shape == (1, 4)


def test_length_of_the_longest_text():
    layer = layers.TextVectorization(vocabulary=["a", "b"])
    np.testing.assert_array_equal(layer(["a", "b a x"]), [[2, 0, 0], [3, 2, 1]])


@pytest.mark.parametrize(
    ("options", "text", "tokens"),
    [
        ({}, "  It's\ta\n(TEST), isn't it? ", ["its", "a", "test", "isnt", "it"]),
        ({"standardize": "lower"}, "It's A", ["it's", "a"]),
        ({"standardize": "strip_punctuation"}, "It's A", ["Its", "A"]),
        ({"standardize": None}, "It's A", ["It's", "A"]),
        ({"split": "character"}, "É b", ["É", " ", "b"]),
        ({"split": None}, "A b", ["a b"]),
        ({"ngrams": 2}, "a b c", ["a", "b", "c", "a b", "b c"]),
        ({"ngrams": (2, 3)}, "a b c", ["a b", "b c", "a b c"]),
        ({"standardize": lambda texts: np.char.upper(texts)}, "a b", ["A", "B"]),
        ({"split": lambda texts: [text.split("-") for text in texts], "standardize": None}, "a-b", ["a", "b"]),
        # A space that is not ASCII separates nothing, as with TensorFlow.
        ({}, "a\u00a0b c", ["a\u00a0b", "c"]),
    ],
)
def test_standardize_and_split(options, text, tokens):
    layer = layers.TextVectorization(vocabulary=sorted(set(tokens)), **options)
    names = layer.get_vocabulary()
    assert [names[index] for index in ops.convert_to_numpy(layer([text])).ravel()] == tokens


def test_adapt_takes_batches():
    whole, parts = layers.TextVectorization(), layers.TextVectorization()
    whole.adapt(np.array(TEXTS))
    parts.adapt(TEXTS[start : start + 2] for start in range(0, 4, 2))
    assert whole.get_vocabulary() == parts.get_vocabulary()
    endless = (["x"] for _ in iter(int, 1))
    parts.adapt(endless, steps=2)
    assert parts.get_vocabulary() == ["", "[UNK]", "x"]


def test_configuration():
    layer = layers.TextVectorization(vocabulary=["a", "b"], output_sequence_length=3, ngrams=2)
    config = json.loads(json.dumps(layer.get_config()))
    assert {key: config[key] for key in ("vocabulary", "vocabulary_size", "ngrams", "idf_weights", "encoding")} == {
        "vocabulary": ["a", "b"],
        "vocabulary_size": 4,
        "ngrams": 2,
        "idf_weights": None,
        "encoding": "utf-8",
    }
    again = layers.TextVectorization.from_config(config)
    np.testing.assert_array_equal(again(["b a"]), layer(["b a"]))
    learnt = layers.TextVectorization()
    learnt.adapt(["a"])
    assert learnt.get_config()["vocabulary"] is None


def test_assets(tmp_path):
    layer = layers.TextVectorization()
    layer.adapt(TEXTS)
    layer.save_assets(str(tmp_path))
    lines = (tmp_path / "vocabulary.txt").read_bytes().split(b"\n")
    assert lines[:3] == [b"", b"[UNK]", b"baz"]
    again = layers.TextVectorization.from_config(layer.get_config())
    again.load_assets(str(tmp_path))
    assert again.get_vocabulary() == layer.get_vocabulary()


def test_vocabulary_from_a_file(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("a\nb\n", encoding="utf-8")
    assert layers.TextVectorization(vocabulary=str(path)).get_vocabulary() == ["", "[UNK]", "a", "b"]


def test_string_lookup():
    layer = layers.StringLookup(vocabulary=["a", "b"])
    np.testing.assert_array_equal(layer([["b", "x"], ["a", "a"]]), [[2, 0], [1, 1]])
    assert layer.get_vocabulary() == ["[UNK]", "a", "b"]
    strict = layers.StringLookup(vocabulary=["a", "b"], num_oov_indices=0)
    np.testing.assert_array_equal(strict(["b"]), [1])
    assert_raises_text(ValueError, ["'x'", "num_oov_indices=0"], lambda: strict(["x"]))
    learnt = layers.StringLookup(max_tokens=2)
    learnt.adapt(["z", "y", "y"])
    assert learnt.get_vocabulary() == ["[UNK]", "y"]


@pytest.mark.parametrize(
    ("call", "error", "texts"),
    [
        (lambda: layers.TextVectorization()(["a"]), NotBuiltError, ["no vocabulary", "adapt(data)"]),
        (lambda: layers.TextVectorization(output_mode="sum"), ValueError, ["output_mode", "'sum'"]),
        (lambda: layers.TextVectorization(ragged=True), UnsupportedError, ["ragged", "mask_zero"]),
        (lambda: layers.TextVectorization(standardize="loud"), ValueError, ["standardize", "loud"]),
        (lambda: layers.TextVectorization(vocabulary=["a", "a"]), ValueError, ["more than once", "'a'"]),
        (lambda: layers.TextVectorization(vocabulary=[]), ValueError, ["empty vocabulary"]),
        (
            lambda: layers.TextVectorization(max_tokens=3, vocabulary=["a", "b"]),
            ValueError,
            ["max_tokens=3", "4 tokens"],
        ),
        (lambda: layers.TextVectorization(vocabulary=["a"]).adapt(["b"]), ValueError, ["cannot be adapted"]),
        (lambda: layers.TextVectorization(vocabulary=["a"])([["a", "b"]]), ValueError, ["(batch, 1)", "(1, 2)"]),
        (lambda: layers.TextVectorization(vocabulary=["a"])([1, 2]), ValueError, ["takes strings", "int"]),
    ],
)
def test_errors(call, error, texts):
    assert_raises_text(error, texts, call)
