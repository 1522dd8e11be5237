"""The integer lookup layer: integers of any size to places in a vocabulary, on the host."""

from __future__ import annotations

from typing import Any

import numpy as np

from ironhorn import ops
from ironhorn.errors import UnsupportedError
from ironhorn.layers.preprocessing.index_lookup import IndexLookup


class IntegerLookup(IndexLookup):
    """Replaces integers by their place in a vocabulary.

    Places count: the mask token (0, if there is one), unknown integers, then the vocabulary. The layer works on
    NumPy arrays, before a program; it takes no traced tensors.

    Args:
        max_tokens: Largest size of the vocabulary, special tokens included; `None` for no limit.
        num_oov_indices: Number of places for unknown integers, which get one by the remainder of their division by
            it; 0 to refuse them.
        mask_token: The integer that stands for padding, or `None`.
        oov_token: How unknown integers are listed in the vocabulary.
        vocabulary: List of integers, or path of a text file with one on each line.
        vocabulary_dtype: Must be `"int64"`.
        idf_weights: With `output_mode="tf_idf"` what each integer of `vocabulary` counts.
        invert: Whether places are replaced by integers instead.
        output_mode: `"int"`, `"one_hot"`, `"multi_hot"`, `"count"` or `"tf_idf"`, as in `StringLookup`.
        sparse: Not supported; must be false.
        pad_to_max_tokens: Whether vectors have `max_tokens` places however many integers there are.
        oov_method: Must be `"floormod"`.
        salt: Not supported; must be `None`.
        name: Name of the layer.
        **kwargs: `trainable` of every layer.

    Example:
        >>> layer = ironhorn.layers.IntegerLookup(vocabulary=[12, 36, 1138])
        >>> layer([[12, 1138], [7, 36]]).numpy()
        array([[1, 3],
               [0, 2]])
    """

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: int | None = None,
        oov_token: int = -1,
        vocabulary: Any = None,
        vocabulary_dtype: str = "int64",
        idf_weights: Any = None,
        invert: bool = False,
        output_mode: str = "int",
        sparse: bool = False,
        pad_to_max_tokens: bool = False,
        oov_method: str = "floormod",
        salt: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if vocabulary_dtype != "int64":
            raise ValueError(f'`vocabulary_dtype` must be "int64". Received: vocabulary_dtype={vocabulary_dtype!r}.')
        if oov_method != "floormod" or salt is not None:
            raise UnsupportedError(
                "An IntegerLookup layer finds a place for unknown integers by division: hashing is not supported. "
                f"Received: oov_method={oov_method!r}, salt={salt}; leave both out."
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
        """Integers."""
        return "int64"

    @property
    def variable_dtype(self) -> str:
        """Integers."""
        return "int64"

    def _key(self, token: Any) -> int:
        return int(token)

    def _token(self, key: int) -> int:
        return key

    def _unknown(self, key: int) -> int:
        return key % self.num_oov_indices

    def _inverted(self, indices: np.ndarray) -> Any:
        integers = np.array(super()._inverted(indices), dtype=np.int64)
        return ops.convert_to_tensor(integers.reshape(indices.shape))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        config = super().get_config()
        if config["vocabulary"] is not None and not isinstance(config["vocabulary"], str):
            config["vocabulary"] = [int(token) for token in config["vocabulary"]]
        return {**config, "vocabulary_dtype": "int64", "oov_method": "floormod", "salt": None}
