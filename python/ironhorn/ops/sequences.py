"""Pieces of sequences."""

from typing import Any

from ironhorn.errors import ShapeError, ValueRangeError
from ironhorn.ops._dispatch import op
from ironhorn.ops._values import handle, shape_of, tensor

__all__ = ["extract_sequences"]


@op
def extract_sequences(x: Any, sequence_length: int, sequence_stride: int) -> Any:
    """Pieces of the last axis, which overlap where the stride is less than their length.

    Args:
        x: `(.., length)`
        sequence_length: length of a piece.
        sequence_stride: distance between the starts of two pieces.

    Returns:
        `(.., pieces, sequence_length)`

    Raises:
        ValueRangeError: if length or stride is not positive.
        ShapeError: if the last axis is shorter than a piece.

    >>> from ironhorn import ops
    >>> ops.extract_sequences([1, 2, 3, 4, 5, 6], 3, 2).numpy().tolist()
    [[1, 2, 3], [3, 4, 5]]
    """
    x = tensor(x)
    if sequence_length < 1 or sequence_stride < 1:
        raise ValueRangeError(
            f"extract_sequences: length and stride must be at least 1, got {sequence_length} and {sequence_stride}"
        )
    if x.ndim == 0 or (x.shape[-1] is not None and x.shape[-1] < sequence_length):
        raise ShapeError(
            f"extract_sequences: pieces of {sequence_length} do not fit shape {x.shape}; pad the last axis"
        )
    pieces = (shape_of(x)[-1] - sequence_length) // sequence_stride + 1
    starts = handle["iota"](shape=[pieces, sequence_length], axis=0, dtype="int32")
    steps = handle["iota"](shape=[pieces, sequence_length], axis=1, dtype="int32")
    places = handle["add"](handle["multiply"](starts, sequence_stride), steps)
    return handle["take"](x, places, axis=-1)
