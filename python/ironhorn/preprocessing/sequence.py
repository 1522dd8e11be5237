"""Sequences: `keras.preprocessing.sequence`, a name of `ironhorn.utils`."""

from ironhorn.utils import pad_sequences

__all__ = ["pad_sequences"]
