"""Recurrent networks: whole sequences in one op."""

from typing import Any

from ironhorn.ops._dispatch import op
from ironhorn.ops._values import as_dtype, as_float, handle, tensor

__all__ = ["lstm"]


@op
def lstm(
    sequences: Any,
    initial_hidden: Any,
    initial_cell: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any = None,
    mask: Any = None,
    go_backwards: bool = False,
    zero_output_for_mask: bool = False,
) -> Any:
    """A whole LSTM sequence (Hochreiter and Schmidhuber, 1997): gates i, f, g, o side by side in the kernels.

    Args:
        sequences: `(batch, time, features)`.
        initial_hidden: `(batch, units)`.
        initial_cell: `(batch, units)`.
        kernel: `(features, 4 * units)`.
        recurrent_kernel: `(units, 4 * units)`.
        bias: `(4 * units,)` or None.
        mask: `(batch, time)` or None; a masked step keeps the state.
        go_backwards: whether time runs from the end.
        zero_output_for_mask: whether a masked step's output is 0 instead of the state.

    Returns:
        Outputs `(batch, time, units)` in the order of processing, last hidden state, last cell state.
    """
    x = as_float(sequences)
    others = [initial_hidden, initial_cell, kernel, recurrent_kernel] + ([] if bias is None else [bias])
    inputs = [x, *(as_dtype(tensor(v), x.dtype) for v in others)]
    if mask is not None:
        inputs.append(as_dtype(tensor(mask), "bool"))
    found = handle["lstm"](
        *inputs,
        has_bias=bias is not None,
        has_mask=mask is not None,
        go_backwards=bool(go_backwards),
        zero_output_for_mask=bool(zero_output_for_mask),
    )
    return found[0], found[1], found[2]
