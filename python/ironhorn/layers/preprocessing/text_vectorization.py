"""The text vectorization layer: texts to sequences of integers, on the host.

Texts are handled as UTF-8 bytes: only ASCII letters are lowered, ASCII punctuation is stripped, and ASCII whitespace
separates words.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Any

import numpy as np

from ironhorn import backend, ops
from ironhorn.errors import UnsupportedError
from ironhorn.layers.layer import Layer
from ironhorn.layers.preprocessing.encoding import check_mode
from ironhorn.layers.preprocessing.index_lookup import batches_of
from ironhorn.layers.preprocessing.string_lookup import StringLookup

_PUNCTUATION = string.punctuation.encode()
_STANDARDIZE = ("lower_and_strip_punctuation", "lower", "strip_punctuation")
_SPLIT = ("whitespace", "character")


class TextVectorization(Layer):
    """Turns texts into sequences of integers: standardizes, splits, looks tokens up, pads with 0.

    0 is padding, 1 an unknown token; the vocabulary follows. The layer works on Python strings and NumPy arrays; put it
    before a model, or call it on the data before `fit`.

    Args:
        max_tokens: Largest size of the vocabulary, padding and unknown token included; `None` for no limit.
        standardize: `"lower_and_strip_punctuation"`, `"lower"`, `"strip_punctuation"`, `None`, or a function from an
            array of texts to one of texts.
        split: `"whitespace"`, `"character"`, `None` to take each text as one token, or a function from an array of
            texts to a list of lists of tokens.
        ngrams: `None` for single tokens; an integer `n` for all runs of 1 to `n` tokens; a tuple for runs of these
            lengths. Tokens of a run are joined by a space.
        output_mode: `"int"` for sequences of integers, or one vector a text: `"multi_hot"` with a one for each of its
            tokens, `"count"` with how often each occurs, `"tf_idf"` with that times the inverse of the share of texts
            that have the token.
        output_sequence_length: Length that sequences are padded or cut to; `None` for the longest of the batch.
        pad_to_max_tokens: Whether vectors have `max_tokens` places however many tokens there are.
        vocabulary: List of tokens, or path of a text file with one on each line; to be learnt by `adapt` if not given.
        idf_weights: With `output_mode="tf_idf"` what each token of `vocabulary` counts.
        sparse: Not supported; must be false.
        ragged: Not supported; must be false.
        encoding: How strings are turned into bytes.
        name: Name of the layer.
        **kwargs: `trainable` of every layer.

    Input shape:
        `(batch,)` or `(batch, 1)` of strings, or one string.

    Output shape:
        `(batch, length)` of int64.

    Example:
        >>> layer = ironhorn.layers.TextVectorization(output_sequence_length=4)
        >>> layer.adapt(["foo bar", "bar baz"])
        >>> layer.get_vocabulary()
        ['', '[UNK]', 'bar', 'foo', 'baz']
        >>> layer(["Foo, qux bar!"]).numpy()
        array([[3, 1, 2, 0]])
    """

    _runs_on_host = True

    def __init__(
        self,
        max_tokens: int | None = None,
        standardize: Any = "lower_and_strip_punctuation",
        split: Any = "whitespace",
        ngrams: int | Sequence[int] | None = None,
        output_mode: str = "int",
        output_sequence_length: int | None = None,
        pad_to_max_tokens: bool = False,
        vocabulary: Any = None,
        idf_weights: Any = None,
        sparse: bool = False,
        ragged: bool = False,
        encoding: str = "utf-8",
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        has_input_vocabulary = kwargs.pop("has_input_vocabulary", vocabulary is not None)
        saved_size = kwargs.pop("vocabulary_size", None)
        super().__init__(name=name, **kwargs)
        if ragged:
            raise UnsupportedError(
                f"Layer '{self.name}': ragged=True is not supported. Sequences come padded with 0; use "
                "Embedding(mask_zero=True) after it."
            )
        output_mode = {"binary": "multi_hot", "tf-idf": "tf_idf"}.get(output_mode, output_mode)
        check_mode("TextVectorization", output_mode, ("int", "multi_hot", "count", "tf_idf"))
        if output_mode != "int" and output_sequence_length is not None:
            raise ValueError(
                f"Layer '{self.name}': `output_sequence_length` goes with output_mode='int'. Received: "
                f"output_mode={output_mode!r}."
            )
        for label, value, names in (("standardize", standardize, _STANDARDIZE), ("split", split, _SPLIT)):
            if value is not None and value not in names and not callable(value):
                raise ValueError(f"`{label}` must be one of {names}, None or a function. Received: {label}={value!r}.")
        widths = tuple(range(1, ngrams + 1)) if isinstance(ngrams, int) else ngrams
        if widths is not None and (not widths or any(not isinstance(width, int) or width < 1 for width in widths)):
            raise ValueError(
                f"`ngrams` must be None, a positive integer or a tuple of them. Received: ngrams={ngrams!r}."
            )
        if widths is not None and split is None:
            raise ValueError("`ngrams` needs tokens: it does not go with split=None.")
        if output_sequence_length is not None and (
            not isinstance(output_sequence_length, int) or output_sequence_length <= 0
        ):
            raise ValueError(
                "`output_sequence_length` must be a positive integer or None. "
                f"Received: output_sequence_length={output_sequence_length!r}."
            )
        self._standardize = standardize
        self._split = split
        self._ngrams_argument = ngrams
        self._ngrams = None if widths is None else tuple(widths)
        self._output_mode = output_mode
        self._output_sequence_length = output_sequence_length
        self._encoding = encoding
        self._lookup_layer = StringLookup(
            max_tokens=max_tokens,
            vocabulary=vocabulary,
            idf_weights=idf_weights,
            pad_to_max_tokens=pad_to_max_tokens,
            mask_token="",
            output_mode=output_mode,
            sparse=sparse,
            encoding=encoding,
            has_input_vocabulary=has_input_vocabulary,
            vocabulary_size=saved_size,
        )
        self._convert_input_args = False
        self._allow_non_tensor_positional_args = True

    @property
    def compute_dtype(self) -> str:
        """Strings."""
        return "string"

    @property
    def variable_dtype(self) -> str:
        """Strings."""
        return "string"

    def build(self, input_shape: Any = None) -> None:
        """Does nothing: there are no weights."""

    # --------------------------------------------------------------------------------------------- the vocabulary

    def adapt(self, data: Any, batch_size: int | None = None, steps: int | None = None) -> None:
        """Makes the vocabulary of texts: the most frequent tokens first.

        Args:
            data: A list or array of texts, or an iterable of batches of them.
            batch_size: Accepted for Keras' signature; without effect on the result.
            steps: Number of batches to take of an iterable.

        Raises:
            ValueError: If the vocabulary was given to the constructor.
        """
        self.reset_state()
        for batch in batches_of(data, steps):
            self.update_state(batch)
        self.finalize_state()

    def update_state(self, data: Any) -> None:
        """Counts the tokens of a batch of texts."""
        _, rows = self._tokenize(data)
        self._lookup_layer.update_rows(rows)

    def finalize_state(self) -> None:
        """Makes the vocabulary of the tokens counted."""
        self._lookup_layer.finalize_state()

    def reset_state(self) -> None:
        """Forgets the vocabulary, unless it was given to the constructor."""
        self._lookup_layer.reset_state()

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[str]:
        """Returns the vocabulary.

        Args:
            include_special_tokens: Whether padding and the unknown token come first, so that a token's place is its
                integer.
        """
        return self._lookup_layer.get_vocabulary(include_special_tokens)

    def vocabulary_size(self) -> int:
        """Returns the size of the vocabulary, padding and unknown token included."""
        return self._lookup_layer.vocabulary_size()

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Sets the vocabulary.

        Args:
            vocabulary: List of tokens, with or without the special ones at the start, or path of a text file.
            idf_weights: With `output_mode="tf_idf"`, and only then, what each of `vocabulary` counts.
        """
        self._lookup_layer.set_vocabulary(vocabulary, idf_weights=idf_weights)

    # ------------------------------------------------------------------------------------------------------- call

    def call(self, inputs: Any) -> Any:
        """Turns texts into integers."""
        shape, rows = self._tokenize(inputs)
        indices = [list(self._lookup_layer.lookup(row)) for row in rows]
        if self._output_mode != "int":
            return self._encoded(shape, indices)
        if self._split is None:
            array = np.asarray([row[0] for row in indices], np.int64).reshape(shape)
            length = self._output_sequence_length
            if length is not None and array.ndim > 0:
                array = array[..., :length]
                array = np.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, length - array.shape[-1])])
            return ops.convert_to_tensor(array)
        length = self._output_sequence_length
        if length is None:
            length = max((len(row) for row in indices), default=0)
        array = np.zeros((len(indices), length), np.int64)
        for target, row in zip(array, indices, strict=True):
            kept = row[:length]
            target[: len(kept)] = kept
        return ops.convert_to_tensor(array.reshape((*shape, length)))

    def _encoded(self, shape: tuple[int, ...], indices: list[list[int]]) -> Any:
        if self._split is None:
            return self._lookup_layer.encode(np.array([row[0] for row in indices], np.int64).reshape(shape))
        length = max((len(row) for row in indices), default=0)
        # -1 leaves no trace.
        array = np.full((len(indices), length), -1, np.int64)
        for target, row in zip(array, indices, strict=True):
            target[: len(row)] = row
        encoded = self._lookup_layer.encode(array)
        return encoded if shape else ops.squeeze(encoded, 0)

    def _tokenize(self, inputs: Any) -> tuple[tuple[int, ...], list[list[bytes]]]:
        """Returns the shape of the batch of texts, and for each text its tokens."""
        array = np.asarray(inputs, dtype=object)
        if any(not isinstance(text, str | bytes) for text in array.ravel()[:1]):
            raise ValueError(
                f"Layer '{self.name}' (TextVectorization) takes strings. Received {type(inputs).__name__} with "
                f"elements of type {type(array.ravel()[0]).__name__}. Pass a list or array of str."
            )
        if callable(self._standardize):
            strings = np.array([self._text(text) for text in array.ravel()], dtype=np.str_).reshape(array.shape)
            array = np.asarray(self._standardize(strings), dtype=object)
        if self._split is not None and array.ndim > 1:
            if array.ndim > 2 or array.shape[-1] != 1:
                raise ValueError(
                    f"Layer '{self.name}' (TextVectorization) takes texts of shape (batch,) or (batch, 1). Received "
                    f"shape {array.shape}. Vectorize each column by itself, or join the columns to one text."
                )
            array = array[..., 0]
        texts = [self._bytes(text) for text in array.ravel()]
        if self._standardize in ("lower", "lower_and_strip_punctuation"):
            texts = [text.lower() for text in texts]
        if self._standardize in ("strip_punctuation", "lower_and_strip_punctuation"):
            texts = [text.translate(None, _PUNCTUATION) for text in texts]
        return array.shape, self._rows(texts)

    def _rows(self, texts: list[bytes]) -> list[list[bytes]]:
        if self._split is None:
            return [[text] for text in texts]
        if self._split == "whitespace":
            rows = [text.split() for text in texts]
        elif self._split == "character":
            rows = [[character.encode(self._encoding) for character in self._text(text)] for text in texts]
        else:
            given = self._split(np.array([self._text(text) for text in texts], dtype=np.str_))
            rows = [[self._bytes(token) for token in row] for row in given]
        if self._ngrams is None:
            return rows
        return [
            [b" ".join(row[start : start + width]) for width in self._ngrams for start in range(len(row) - width + 1)]
            for row in rows
        ]

    def _bytes(self, text: Any) -> bytes:
        return text if isinstance(text, bytes) else str(text).encode(self._encoding)

    def _text(self, text: Any) -> str:
        return text.decode(self._encoding, errors="replace") if isinstance(text, bytes) else str(text)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs."""
        if self._output_mode != "int":
            return (*tuple(input_shape)[:1], self._lookup_layer._depth())
        return (input_shape[0], self._output_sequence_length)

    def compute_output_spec(self, inputs: Any) -> Any:
        """Returns the outputs' specification."""
        dtype = "int64" if self._output_mode == "int" else backend.floatx()
        return backend.KerasTensor(self.compute_output_shape(inputs.shape), dtype=dtype)

    # ------------------------------------------------------------------------------------------------------ saving

    def save_own_variables(self, store: Any) -> None:
        """Saves the weights of tokens, if there are any; the vocabulary is an asset."""
        self._lookup_layer.save_own_variables(store)

    def load_own_variables(self, store: Any) -> None:
        """Loads the weights of tokens, if there are any; the vocabulary is an asset."""
        self._lookup_layer.load_own_variables(store)

    def save_assets(self, dir_path: str) -> None:
        """Writes the vocabulary to `vocabulary.txt` in a folder, unless it is part of the configuration."""
        self._lookup_layer.save_assets(dir_path)

    def load_assets(self, dir_path: str) -> None:
        """Reads the vocabulary from `vocabulary.txt` in a folder, unless it is part of the configuration."""
        self._lookup_layer.load_assets(dir_path)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        from ironhorn.saving import registry

        lookup = self._lookup_layer
        return {
            **super().get_config(),
            "max_tokens": lookup.max_tokens,
            "standardize": _function_or_name(self._standardize, registry),
            "split": _function_or_name(self._split, registry),
            "ngrams": self._ngrams_argument,
            "output_mode": self._output_mode,
            "output_sequence_length": self._output_sequence_length,
            "pad_to_max_tokens": lookup.pad_to_max_tokens,
            "sparse": False,
            "ragged": False,
            "vocabulary": lookup.input_vocabulary,
            "idf_weights": lookup.input_idf_weights,
            "encoding": self._encoding,
            "vocabulary_size": self.vocabulary_size(),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Makes a layer from what `get_config` returned."""
        from ironhorn.saving import registry

        config = dict(config)
        for name in ("standardize", "split"):
            if isinstance(config.get(name), dict):
                config[name] = registry.deserialize_keras_object(config[name])
        if isinstance(config.get("ngrams"), list):
            config["ngrams"] = tuple(config["ngrams"])
        return super().from_config(config)


def _function_or_name(value: Any, registry: Any) -> Any:
    return registry.serialize_keras_object(value) if callable(value) else value
