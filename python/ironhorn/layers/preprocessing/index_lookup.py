"""What lookup layers share: a vocabulary, learnt or given, and how tokens come out. They work on the host."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ironhorn import backend, ops
from ironhorn.errors import NotBuiltError
from ironhorn.layers.layer import Layer
from ironhorn.layers.preprocessing.encoding import check_mode, encode_on_host, encoded_shape, refuse_sparse

_MODES = ("int", "one_hot", "multi_hot", "count", "tf_idf")


class IndexLookup(Layer):
    """Replaces tokens by their place in a vocabulary; subclasses say what tokens are.

    Args:
        max_tokens: Largest size of the vocabulary, special tokens included; `None` for no limit.
        num_oov_indices: Number of integers for unknown tokens; 0 to refuse them.
        mask_token: The token that stands for padding, or `None`.
        oov_token: How unknown tokens are listed in the vocabulary.
        vocabulary: The tokens, or path of a text file with one on each line.
        idf_weights: What each token of the vocabulary counts with `output_mode="tf_idf"`.
        invert: Whether integers are replaced by tokens instead.
        output_mode: `"int"`, `"one_hot"`, `"multi_hot"`, `"count"` or `"tf_idf"`.
        pad_to_max_tokens: Whether vectors have `max_tokens` places however many tokens there are.
        sparse: Not supported; must be false.
        name: Name of the layer.
        **kwargs: `trainable` of every layer.
    """

    _runs_on_host = True

    def __init__(
        self,
        max_tokens: int | None,
        num_oov_indices: int,
        mask_token: Any,
        oov_token: Any,
        vocabulary: Any = None,
        idf_weights: Any = None,
        invert: bool = False,
        output_mode: str = "int",
        pad_to_max_tokens: bool = False,
        sparse: bool = False,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        has_input_vocabulary = kwargs.pop("has_input_vocabulary", vocabulary is not None)
        saved_size = kwargs.pop("vocabulary_size", None)
        super().__init__(name=name, **kwargs)
        kind = type(self).__name__
        output_mode = {"binary": "multi_hot", "tf-idf": "tf_idf"}.get(output_mode, output_mode)
        check_mode(kind, output_mode, _MODES)
        refuse_sparse(kind, sparse)
        if invert and output_mode != "int":
            raise ValueError(
                f"Layer '{self.name}': invert=True goes with output_mode='int'. Received: {output_mode!r}."
            )
        if idf_weights is not None and output_mode != "tf_idf":
            raise ValueError(
                f"Layer '{self.name}': `idf_weights` go with output_mode='tf_idf'. Received: "
                f"output_mode={output_mode!r}."
            )
        if not isinstance(num_oov_indices, int) or num_oov_indices < 0:
            raise ValueError(
                f"Layer '{self.name}': `num_oov_indices` must be a non-negative integer. Received: {num_oov_indices!r}."
            )
        self.num_oov_indices = num_oov_indices
        self.mask_token = mask_token
        self.oov_token = oov_token
        self.output_mode = output_mode
        self.invert = invert
        special = len(self._special_tokens())
        if max_tokens is not None and (not isinstance(max_tokens, int) or max_tokens <= special):
            raise ValueError(
                f"Layer '{self.name}': `max_tokens` must be an integer above {special}, as {special} of the tokens "
                f"are the special ones. Received: max_tokens={max_tokens!r}."
            )
        if pad_to_max_tokens and max_tokens is None:
            raise ValueError(f"Layer '{self.name}': pad_to_max_tokens=True needs `max_tokens`.")
        self.max_tokens = max_tokens
        self.pad_to_max_tokens = pad_to_max_tokens
        self.sparse = False
        self.input_vocabulary = list(vocabulary) if isinstance(vocabulary, tuple | np.ndarray) else vocabulary
        self.input_idf_weights = None if idf_weights is None else np.asarray(idf_weights, "float64").tolist()
        self._has_input_vocabulary = bool(has_input_vocabulary)
        self._convert_input_args = False
        self._allow_non_tensor_positional_args = True
        # Until the vocabulary of a file is read, vectors have as many places as its configuration says.
        self._saved_size = saved_size
        self.idf_weights: Any = None
        self._counts: Any = None
        self._document_counts: Any = None
        self._documents = 0
        self._tokens: tuple[Any, ...] | None = None
        self._table: dict[Any, int]
        object.__setattr__(self, "_table", {})
        if vocabulary is not None:
            self.set_vocabulary(vocabulary, idf_weights)
        self._build_at_init()

    #: How the text file of the vocabulary is written.
    encoding = "utf-8"

    # ------------------------------------------------------------------------------------- what subclasses say

    def _key(self, token: Any) -> Any:
        """A token as the table has it."""
        raise NotImplementedError

    def _token(self, key: Any) -> Any:
        """A token as the vocabulary lists it."""
        raise NotImplementedError

    def _unknown(self, key: Any) -> int:
        """Which of several integers for unknown tokens one gets."""
        raise NotImplementedError

    def _special_tokens(self) -> list[Any]:
        mask = [] if self.mask_token is None or self.output_mode != "int" else [self.mask_token]
        return mask + [self.oov_token] * self.num_oov_indices

    # --------------------------------------------------------------------------------------------- the vocabulary

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Sets the vocabulary.

        Args:
            vocabulary: List of tokens, with or without the special ones at the start, or path of a text file.
            idf_weights: With `output_mode="tf_idf"`, and only then, what each of `vocabulary` counts.

        Raises:
            ValueError: If it is empty, too large, or has a token twice, or weights do not fit.
        """
        if (idf_weights is None) == (self.output_mode == "tf_idf"):
            raise ValueError(
                f"Layer '{self.name}' has output_mode={self.output_mode!r}: a vocabulary comes with `idf_weights` "
                f"where that is 'tf_idf', and only there. Received: idf_weights={idf_weights}."
            )
        if isinstance(vocabulary, str | os.PathLike):
            vocabulary = self._read(vocabulary)
        tokens = [self._key(token) for token in vocabulary]
        if not tokens:
            raise ValueError(f"Layer '{self.name}' cannot take an empty vocabulary. Pass at least one token.")
        special = [self._key(token) for token in self._special_tokens()]
        weights = None if idf_weights is None else np.asarray(idf_weights, "float64")
        if weights is not None and weights.shape != (len(tokens),):
            raise ValueError(
                f"Layer '{self.name}' got {len(tokens)} tokens and idf_weights of shape {weights.shape}. Give one "
                "weight for each token."
            )
        if tokens[: len(special)] == special:
            tokens = tokens[len(special) :]
        elif weights is not None:
            weights = np.concatenate([np.full(len(special), weights.mean()), weights])
        repeated = [token for token, count in Counter(tokens).items() if count > 1]
        if repeated:
            raise ValueError(
                f"The vocabulary of layer '{self.name}' has tokens more than once: "
                f"{[self._token(token) for token in repeated[:10]]}. Remove the repetitions."
            )
        if self.mask_token is not None and self._key(self.mask_token) in tokens:
            raise ValueError(
                f"The vocabulary of layer '{self.name}' has the mask token {self.mask_token!r} at another place than "
                f"the start. Leave the special tokens {self._special_tokens()} out, or put exactly them first."
            )
        size = len(special) + len(tokens)
        if self.max_tokens is not None and size > self.max_tokens:
            raise ValueError(
                f"The vocabulary of layer '{self.name}' has {size} tokens with the {len(special)} special ones, more "
                f"than max_tokens={self.max_tokens}. Shorten it, or raise `max_tokens`."
            )
        self._set_tokens(tokens)
        if weights is not None:
            self._set_weights(weights)

    def _set_weights(self, weights: np.ndarray) -> None:
        if self.pad_to_max_tokens and self.max_tokens is not None:
            weights = np.pad(weights, (0, self.max_tokens - len(weights)))
        self.idf_weights = weights.astype(backend.floatx())

    def _set_tokens(self, tokens: Sequence[Any]) -> None:
        first = len(self._special_tokens())
        table = {token: first + index for index, token in enumerate(tokens)}
        if self.mask_token is not None:
            table[self._key(self.mask_token)] = 0 if self.output_mode == "int" else -1
        object.__setattr__(self, "_tokens", tuple(tokens))
        object.__setattr__(self, "_table", table)

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[Any]:
        """Returns the vocabulary.

        Args:
            include_special_tokens: Whether the mask token and the unknown token come first, so that a token's place is
                its integer.
        """
        tokens = [self._token(token) for token in self._tokens or ()]
        return self._special_tokens() + tokens if include_special_tokens else tokens

    def vocabulary_size(self) -> int:
        """Returns the size of the vocabulary, special tokens included."""
        return len(self._special_tokens()) + len(self._tokens or ())

    def adapt(self, data: Any, batch_size: int | None = None, steps: int | None = None) -> None:
        """Makes the vocabulary of the tokens in data: the most frequent first, of equals the last in byte order first.

        Args:
            data: An array or list of tokens, or an iterable of batches of them.
            batch_size: Accepted for Keras' signature; without effect on the result.
            steps: Number of batches to take of an iterable.
        """
        self.reset_state()
        for batch in batches_of(data, steps):
            # Tokens by themselves are documents of one.
            self.update_state(np.asarray(batch)[:, None] if np.ndim(batch) == 1 and batch is data else batch)
        self.finalize_state()

    def reset_state(self) -> None:
        """Forgets the vocabulary, unless it was given to the constructor."""
        if self._has_input_vocabulary:
            return
        object.__setattr__(self, "_counts", Counter())
        object.__setattr__(self, "_document_counts", Counter())
        self._documents = 0
        object.__setattr__(self, "_tokens", None)
        object.__setattr__(self, "_table", {})

    def update_state(self, data: Any) -> None:
        """Counts the tokens of a batch.

        Args:
            data: An array or nest of tokens.

        Raises:
            ValueError: If the vocabulary was given to the constructor.
        """
        rows = data if np.ndim(data) > 1 or _is_nested(data) else [data]
        self.update_rows([[self._key(token) for token in flat_strings(row)] for row in rows])

    def update_rows(self, rows: Iterable[Sequence[Any]]) -> None:
        """Counts the tokens of documents, given as keys.

        Args:
            rows: The documents.

        Raises:
            ValueError: If the vocabulary was given to the constructor.
        """
        if self._has_input_vocabulary:
            raise ValueError(
                f"Layer '{self.name}' got its vocabulary as an argument and cannot be adapted. Leave `vocabulary` out "
                "to learn it from data."
            )
        if self._counts is None:
            self.reset_state()
        for row in rows:
            self._counts.update(row)
            if self.output_mode == "tf_idf":
                self._document_counts.update(set(row))
                self._documents += 1

    def finalize_state(self) -> None:
        """Makes the vocabulary of the tokens counted."""
        counts = self._counts
        if self._has_input_vocabulary or not counts:
            return
        for token in (self.mask_token, self.oov_token):
            if token is not None:
                counts.pop(self._key(token), None)
        tokens = sorted(counts, key=lambda token: (counts[token], token), reverse=True)
        if self.max_tokens is not None:
            tokens = tokens[: self.max_tokens - len(self._special_tokens())]
        self._set_tokens(tokens)
        if self.output_mode == "tf_idf":
            weights = [math.log(1 + self._documents / (1 + self._document_counts[token])) for token in tokens]
            self._set_weights(np.array([np.mean(weights)] * len(self._special_tokens()) + weights))
        object.__setattr__(self, "_counts", None)

    # ------------------------------------------------------------------------------------------------------- call

    def call(self, inputs: Any) -> Any:
        """Looks tokens up."""
        array = np.asarray(inputs)
        if self.invert:
            return self._inverted(array)
        flat = self.lookup(self._key(token) for token in array.ravel().tolist())
        return self.encode(np.fromiter(flat, np.int64, array.size).reshape(array.shape))

    def encode(self, indices: np.ndarray) -> Any:
        """Returns what the output mode makes of integers, which come from `lookup`."""
        if self.output_mode == "int":
            return ops.convert_to_tensor(indices)
        mode = "count" if self.output_mode == "tf_idf" else self.output_mode
        return ops.convert_to_tensor(encode_on_host(indices, mode, self._depth(), backend.floatx(), self.idf_weights))

    def _depth(self) -> int:
        if self.pad_to_max_tokens and self.max_tokens:
            return self.max_tokens
        return self._saved_size if self._tokens is None and self._saved_size else self.vocabulary_size()

    def _inverted(self, indices: np.ndarray) -> Any:
        if self._tokens is None:
            raise self._no_vocabulary()
        vocabulary = self.get_vocabulary()
        size = len(vocabulary)
        return [vocabulary[i] if 0 <= i < size else self.oov_token for i in indices.ravel().tolist()]

    def _no_vocabulary(self) -> NotBuiltError:
        return NotBuiltError(
            f"Layer '{self.name}' has no vocabulary. Call `adapt(data)` or `set_vocabulary(tokens)` before using it."
        )

    def lookup(self, tokens: Iterable[Any]) -> Iterable[int]:
        """Returns the integers of tokens given as keys.

        Raises:
            NotBuiltError: If there is no vocabulary.
        """
        if self._tokens is None:
            raise self._no_vocabulary()
        table = self._table
        if self.num_oov_indices == 0:
            return self._known(tokens)
        unknown = len(self._special_tokens()) - self.num_oov_indices
        if self.num_oov_indices == 1:
            return (table.get(token, unknown) for token in tokens)
        return (table[token] if token in table else unknown + self._unknown(token) for token in tokens)

    def _known(self, tokens: Iterable[Any]) -> Iterable[int]:
        for token in tokens:
            index = self._table.get(token)
            if index is None:
                raise ValueError(
                    f"Layer '{self.name}' received {self._token(token)!r}, which is not in its vocabulary, and has "
                    "num_oov_indices=0. Use num_oov_indices=1 to allow unknown tokens."
                )
            yield index

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs."""
        mode = "count" if self.output_mode == "tf_idf" else self.output_mode
        return encoded_shape(input_shape, mode, self._depth())

    def compute_output_spec(self, inputs: Any) -> Any:
        """Returns the outputs' specification."""
        dtype = "int64" if self.output_mode == "int" else backend.floatx()
        return backend.KerasTensor(self.compute_output_shape(inputs.shape), dtype=dtype)

    # ------------------------------------------------------------------------------------------------------ saving

    def save_own_variables(self, store: Any) -> None:
        """Saves the weights of tokens, if there are any; the vocabulary is an asset."""
        if self.output_mode == "tf_idf" and self.idf_weights is not None:
            store["idf_weights"] = self.idf_weights

    def load_own_variables(self, store: Any) -> None:
        """Loads the weights of tokens, if there are any; the vocabulary is an asset."""
        if self.output_mode == "tf_idf" and "idf_weights" in store.keys():
            self.idf_weights = np.asarray(store["idf_weights"])

    def save_assets(self, dir_path: str) -> None:
        """Writes the vocabulary to `vocabulary.txt` in a folder, unless it is part of the configuration."""
        if self._has_input_vocabulary:
            return
        with open(os.path.join(dir_path, "vocabulary.txt"), "w", encoding=self.encoding, newline="\n") as file:
            file.write("\n".join(str(token) for token in self.get_vocabulary()))

    def load_assets(self, dir_path: str) -> None:
        """Reads the vocabulary from `vocabulary.txt` in a folder, unless it is part of the configuration."""
        if self._has_input_vocabulary:
            return
        tokens = self._read(os.path.join(dir_path, "vocabulary.txt"))
        special = len(self._special_tokens())
        if len(tokens) > special:
            self._set_tokens([self._key(token) for token in tokens[special:]])

    def _read(self, path: Any) -> list[str]:
        with open(path, encoding=self.encoding, newline="\n") as file:
            lines = file.read().split("\n")
        return lines[:-1] if len(lines) > 1 and lines[-1] == "" else lines

    def get_build_config(self) -> dict[str, Any]:
        """Returns nothing: there are no weights to make."""
        return {}

    def build_from_config(self, config: dict[str, Any] | None) -> None:
        """Does nothing: there are no weights to make."""

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {
            **super().get_config(),
            "invert": self.invert,
            "max_tokens": self.max_tokens,
            "num_oov_indices": self.num_oov_indices,
            "oov_token": self.oov_token,
            "mask_token": self.mask_token,
            "output_mode": self.output_mode,
            "sparse": self.sparse,
            "pad_to_max_tokens": self.pad_to_max_tokens,
            "vocabulary": self.input_vocabulary,
            "idf_weights": self.input_idf_weights,
            "vocabulary_size": self.vocabulary_size(),
        }


def _is_nested(data: Any) -> bool:
    """Whether data is a list of lists, of whatever lengths."""
    return isinstance(data, list | tuple) and any(isinstance(row, list | tuple | np.ndarray) for row in data)


def batches_of(data: Any, steps: int | None) -> Iterable[Any]:
    """Yields data as batches: an array or list is one, an iterable has one after another.

    Args:
        data: An array, list, string or iterable.
        steps: Number of batches to take of an iterable.
    """
    if isinstance(data, str | bytes | list | tuple | np.ndarray) or hasattr(data, "__array__"):
        yield data
        return
    for index, batch in enumerate(data):
        if steps is not None and index >= steps:
            return
        yield batch


def flat_strings(data: Any) -> Iterable[Any]:
    """Yields the strings of an array or nest, in order."""
    if isinstance(data, str | bytes):
        yield data
    elif isinstance(data, list | tuple):
        for value in data:
            yield from flat_strings(value)
    else:
        yield from np.asarray(data).ravel().tolist()
