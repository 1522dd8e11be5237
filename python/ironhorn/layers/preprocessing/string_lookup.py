"""The string lookup layer: tokens to integers, on the host."""

from __future__ import annotations

from typing import Any

import numpy as np

from ironhorn.errors import UnsupportedError
from ironhorn.layers.preprocessing.index_lookup import IndexLookup


class StringLookup(IndexLookup):
    """Replaces strings by their place in a vocabulary.

    Integers count: the mask token (0, if there is one), unknown tokens (1), then the vocabulary. The layer works on
    Python strings and NumPy arrays, before a program; it takes no traced tensors.

    Args:
        max_tokens: Largest size of the vocabulary, special tokens included; `None` for no limit.
        num_oov_indices: 1 to give unknown tokens an integer, 0 to refuse them.
        mask_token: The token that stands for padding, or `None`.
        oov_token: How unknown tokens are listed in the vocabulary.
        vocabulary: List of tokens, or path of a text file with one on each line.
        idf_weights: With `output_mode="tf_idf"` what each token of `vocabulary` counts.
        invert: Whether integers are replaced by strings instead, in a NumPy array.
        output_mode: `"int"`; `"one_hot"` for a vector with a one for each string; for one vector a row `"multi_hot"`,
            `"count"`, or `"tf_idf"`, counts times the inverse of the share of rows that have the token.
        pad_to_max_tokens: Whether vectors have `max_tokens` places however many tokens there are.
        sparse: Not supported; must be false.
        encoding: How strings are turned into bytes and back.
        name: Name of the layer.
        salt: Not supported; must be `None`.
        **kwargs: `trainable` of every layer.

    Example:
        >>> layer = ironhorn.layers.StringLookup(vocabulary=["a", "b"])
        >>> layer(["a", "x"]).numpy()
        array([1, 0])
        >>> ironhorn.layers.StringLookup(vocabulary=["a", "b"], output_mode="count")([["a", "x", "a"]]).numpy()
        array([[1., 2., 0.]], dtype=float32)
    """

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
        salt: Any = None,
        **kwargs: Any,
    ) -> None:
        kwargs.pop("vocabulary_dtype", None)
        kwargs.pop("oov_method", None)
        object.__setattr__(self, "encoding", encoding)
        if num_oov_indices not in (0, 1) or salt is not None:
            raise UnsupportedError(
                "A StringLookup layer gives unknown strings one integer: hashing them to several is not supported. "
                f"Received: num_oov_indices={num_oov_indices}, salt={salt}; use num_oov_indices 0 or 1."
            )
        super().__init__(
            max_tokens,
            num_oov_indices,
            mask_token,
            oov_token,
            vocabulary=vocabulary,
            idf_weights=idf_weights,
            invert=invert,
            output_mode=output_mode,
            pad_to_max_tokens=pad_to_max_tokens,
            sparse=sparse,
            name=name,
            **kwargs,
        )

    @property
    def compute_dtype(self) -> str:
        """Strings."""
        return "string"

    @property
    def variable_dtype(self) -> str:
        """Strings."""
        return "string"

    def _key(self, token: Any) -> bytes:
        return token if isinstance(token, bytes) else str(token).encode(self.encoding)

    def _token(self, key: bytes) -> str:
        return key.decode(self.encoding, errors="replace")

    def _inverted(self, indices: np.ndarray) -> Any:
        strings = np.array(super()._inverted(indices), dtype=object)
        return strings.reshape(indices.shape)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "encoding": self.encoding, "salt": None, "oov_method": "floormod"}
