"""The string lookup layer: tokens to integers, on the host."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ironhorn import backend, ops
from ironhorn.errors import NotBuiltError, UnsupportedError
from ironhorn.layers.layer import Layer


class StringLookup(Layer):
    """Replaces strings by their place in a vocabulary.

    Integers count: the mask token (0, if there is one), unknown tokens (1), then the vocabulary. The layer works on
    Python strings and NumPy arrays, before a program; it takes no traced tensors.

    Args:
        max_tokens: Largest size of the vocabulary, special tokens included; `None` for no limit.
        num_oov_indices: 1 to give unknown tokens an integer, 0 to refuse them.
        mask_token: The token that stands for padding, or `None`.
        oov_token: How unknown tokens are listed in the vocabulary.
        vocabulary: List of tokens, or path of a text file with one on each line.
        idf_weights: Not supported; must be `None`.
        invert: Not supported; must be false.
        output_mode: `"int"`; other modes are not supported.
        pad_to_max_tokens: Without effect with `output_mode="int"`.
        sparse: Not supported; must be false.
        encoding: How strings are turned into bytes and back.
        name: Name of the layer.
        **kwargs: `trainable` of every layer.

    Example:
        >>> layer = ironhorn.layers.StringLookup(vocabulary=["a", "b"])
        >>> layer(["a", "x"]).numpy()
        array([1, 0])
    """

    _runs_on_host = True

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: str | None = None,
        oov_token: str = "[UNK]",
        vocabulary: Any = None,
        idf_weights: Any = None,
        invert: bool = False,
        output_mode: str = "int",
        pad_to_max_tokens: bool = False,
        sparse: bool = False,
        encoding: str = "utf-8",
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        has_input_vocabulary = kwargs.pop("has_input_vocabulary", vocabulary is not None)
        kwargs.pop("vocabulary_size", None)
        kwargs.pop("vocabulary_dtype", None)
        super().__init__(name=name, **kwargs)
        self._refuse(output_mode=(output_mode, "int"), idf_weights=(idf_weights, None), invert=(invert, False))
        self._refuse(sparse=(sparse, False))
        special = num_oov_indices + (mask_token is not None)
        if num_oov_indices not in (0, 1):
            raise UnsupportedError(
                f"Layer '{self.name}': only one integer for unknown tokens is supported. Received: "
                f"num_oov_indices={num_oov_indices}; use 0 or 1."
            )
        if max_tokens is not None and (not isinstance(max_tokens, int) or max_tokens <= special):
            raise ValueError(
                f"Layer '{self.name}': `max_tokens` must be an integer above {special}, as {special} of the tokens "
                f"are the special ones. Received: max_tokens={max_tokens!r}."
            )
        self.max_tokens = max_tokens
        self.num_oov_indices = num_oov_indices
        self.mask_token = mask_token
        self.oov_token = oov_token
        self.output_mode = output_mode
        self.pad_to_max_tokens = pad_to_max_tokens
        self.sparse = False
        self.encoding = encoding
        self.input_vocabulary = list(vocabulary) if isinstance(vocabulary, tuple | np.ndarray) else vocabulary
        self._has_input_vocabulary = bool(has_input_vocabulary)
        self._convert_input_args = False
        self._allow_non_tensor_positional_args = True
        self._counts: Any = None
        self._tokens: tuple[bytes, ...] | None = None
        self._table: dict[bytes, int]
        object.__setattr__(self, "_table", {})
        if vocabulary is not None:
            self.set_vocabulary(vocabulary)
        self._build_at_init()

    def _refuse(self, **arguments: tuple[Any, Any]) -> None:
        for name, (value, supported) in arguments.items():
            if value != supported and value is not supported:
                raise UnsupportedError(
                    f"Layer '{self.name}' ({type(self).__name__}): {name}={value!r} is not supported. Use "
                    f"{name}={supported!r}."
                )

    @property
    def compute_dtype(self) -> str:
        """Strings."""
        return "string"

    @property
    def variable_dtype(self) -> str:
        """Strings."""
        return "string"

    def _special_tokens(self) -> list[str]:
        mask = [] if self.mask_token is None else [self.mask_token]
        return mask + [self.oov_token] * self.num_oov_indices

    # --------------------------------------------------------------------------------------------- the vocabulary

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Sets the vocabulary.

        Args:
            vocabulary: List of tokens, with or without the special ones at the start, or path of a text file.
            idf_weights: Not supported; must be `None`.

        Raises:
            ValueError: If it is empty, too large, or has a token twice.
        """
        self._refuse(idf_weights=(idf_weights, None))
        if isinstance(vocabulary, str | os.PathLike):
            vocabulary = self._read(vocabulary)
        tokens = [self._encode(token) for token in vocabulary]
        if not tokens:
            raise ValueError(f"Layer '{self.name}' cannot take an empty vocabulary. Pass at least one token.")
        special = [self._encode(token) for token in self._special_tokens()]
        if tokens[: len(special)] == special:
            tokens = tokens[len(special) :]
        repeated = [token for token, count in Counter(tokens).items() if count > 1]
        if repeated:
            raise ValueError(
                f"The vocabulary of layer '{self.name}' has tokens more than once: "
                f"{[self._decode(token) for token in repeated[:10]]}. Remove the repetitions."
            )
        if self.mask_token is not None and self._encode(self.mask_token) in tokens:
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

    def _set_tokens(self, tokens: Sequence[bytes]) -> None:
        first = len(self._special_tokens())
        table = {token: first + index for index, token in enumerate(tokens)}
        if self.mask_token is not None:
            table[self._encode(self.mask_token)] = 0
        object.__setattr__(self, "_tokens", tuple(tokens))
        object.__setattr__(self, "_table", table)

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[str]:
        """Returns the vocabulary.

        Args:
            include_special_tokens: Whether the mask token and the unknown token come first, so that a token's place is
                its integer.
        """
        tokens = [self._decode(token) for token in self._tokens or ()]
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
            self.update_state(batch)
        self.finalize_state()

    def reset_state(self) -> None:
        """Forgets the vocabulary, unless it was given to the constructor."""
        if self._has_input_vocabulary:
            return
        object.__setattr__(self, "_counts", Counter())
        object.__setattr__(self, "_tokens", None)
        object.__setattr__(self, "_table", {})

    def update_state(self, data: Any) -> None:
        """Counts the tokens of a batch.

        Args:
            data: An array or nest of tokens.

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
        self._counts.update(self._encode(token) for token in flat_strings(data))

    def finalize_state(self) -> None:
        """Makes the vocabulary of the tokens counted."""
        counts = self._counts
        if self._has_input_vocabulary or not counts:
            return
        for token in (self.mask_token, self.oov_token):
            if token is not None:
                counts.pop(self._encode(token), None)
        tokens = sorted(counts, key=lambda token: (counts[token], token), reverse=True)
        if self.max_tokens is not None:
            tokens = tokens[: self.max_tokens - len(self._special_tokens())]
        self._set_tokens(tokens)
        object.__setattr__(self, "_counts", None)

    # ------------------------------------------------------------------------------------------------------- call

    def call(self, inputs: Any) -> Any:
        """Looks strings up."""
        array = np.asarray(inputs)
        flat = self.lookup(self._encode(token) for token in array.ravel().tolist())
        return ops.convert_to_tensor(np.fromiter(flat, np.int64, array.size).reshape(array.shape))

    def lookup(self, tokens: Iterable[bytes]) -> Iterable[int]:
        """Returns the integers of tokens given as bytes.

        Raises:
            NotBuiltError: If there is no vocabulary.
        """
        if self._tokens is None:
            raise NotBuiltError(
                f"Layer '{self.name}' has no vocabulary. Call `adapt(data)` or `set_vocabulary(tokens)` before using "
                "it."
            )
        table = self._table
        if self.num_oov_indices == 0:
            return self._known(tokens)
        unknown = len(self._special_tokens()) - 1
        return (table.get(token, unknown) for token in tokens)

    def _known(self, tokens: Iterable[bytes]) -> Iterable[int]:
        for token in tokens:
            index = self._table.get(token)
            if index is None:
                raise ValueError(
                    f"Layer '{self.name}' received {self._decode(token)!r}, which is not in its vocabulary, and has "
                    "num_oov_indices=0. Use num_oov_indices=1 to allow unknown tokens."
                )
            yield index

    def _encode(self, token: Any) -> bytes:
        return token if isinstance(token, bytes) else str(token).encode(self.encoding)

    def _decode(self, token: bytes) -> str:
        return token.decode(self.encoding, errors="replace")

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs: that of the inputs."""
        return tuple(input_shape)

    def compute_output_spec(self, inputs: Any) -> Any:
        """Returns the outputs' specification."""
        return backend.KerasTensor(tuple(inputs.shape), dtype="int64")

    # ------------------------------------------------------------------------------------------------------ saving

    def save_own_variables(self, store: Any) -> None:
        """Saves nothing: the vocabulary is an asset."""

    def load_own_variables(self, store: Any) -> None:
        """Loads nothing: the vocabulary is an asset."""

    def save_assets(self, dir_path: str) -> None:
        """Writes the vocabulary to `vocabulary.txt` in a folder, unless it is part of the configuration."""
        if self._has_input_vocabulary:
            return
        with open(os.path.join(dir_path, "vocabulary.txt"), "w", encoding=self.encoding, newline="\n") as file:
            file.write("\n".join(self.get_vocabulary()))

    def load_assets(self, dir_path: str) -> None:
        """Reads the vocabulary from `vocabulary.txt` in a folder, unless it is part of the configuration."""
        if self._has_input_vocabulary:
            return
        tokens = self._read(os.path.join(dir_path, "vocabulary.txt"))
        if len(tokens) > len(self._special_tokens()):
            self.set_vocabulary(tokens)

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
            "invert": False,
            "max_tokens": self.max_tokens,
            "num_oov_indices": self.num_oov_indices,
            "oov_token": self.oov_token,
            "mask_token": self.mask_token,
            "output_mode": self.output_mode,
            "sparse": self.sparse,
            "pad_to_max_tokens": self.pad_to_max_tokens,
            "vocabulary": self.input_vocabulary,
            "idf_weights": None,
            "vocabulary_dtype": "string",
            "vocabulary_size": self.vocabulary_size(),
            "encoding": self.encoding,
        }


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
