"""Recurrent networks: whole sequences in one op."""

from typing import Any

from ironhorn.ops._dispatch import op
from ironhorn.ops._values import as_dtype, as_float, handle, tensor

__all__ = ["gru", "lstm", "simple_rnn"]


def _run(name: str, sequences: Any, others: list[Any], bias: Any, mask: Any, **attributes: Any) -> list[Any]:
    """Outputs of a recurrent op; `others` are states and kernels."""
    x = as_float(sequences)
    inputs = [x, *(as_dtype(tensor(v), x.dtype) for v in others)]
    if bias is not None:
        inputs.append(as_dtype(tensor(bias), x.dtype))
    if mask is not None:
        inputs.append(as_dtype(tensor(mask), "bool"))
    return list(handle[name](*inputs, has_bias=bias is not None, has_mask=mask is not None, **attributes))


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
    made = _run(
        "lstm",
        sequences,
        [initial_hidden, initial_cell, kernel, recurrent_kernel],
        bias,
        mask,
        go_backwards=bool(go_backwards),
        zero_output_for_mask=bool(zero_output_for_mask),
    )
    return tuple(made[:3])


@op
def gru(
    sequences: Any,
    initial_hidden: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any = None,
    mask: Any = None,
    reset_after: bool = True,
    go_backwards: bool = False,
    zero_output_for_mask: bool = False,
) -> Any:
    """A whole sequence of gated recurrent units (Cho et al., 2014): gates z, r, candidate side by side in the kernels.

        z, r = sigmoid(x @ kernel + h @ recurrent_kernel + biases)
        c = tanh(x @ kernel + bias + r * (h @ recurrent_kernel + bias))      # reset_after
        c = tanh(x @ kernel + bias + (r * h) @ recurrent_kernel)             # otherwise
        h = z * h + (1 - z) * c

    Args:
        sequences: `(batch, time, features)`.
        initial_hidden: `(batch, units)`.
        kernel: `(features, 3 * units)`.
        recurrent_kernel: `(units, 3 * units)`.
        bias: None, or `(3 * units,)`, or with `reset_after` `(2, 3 * units)`: one for each kernel.
        mask: `(batch, time)` or None; a masked step keeps the state.
        reset_after: whether the reset gate acts on the product with the recurrent kernel, or on the state before it.
        go_backwards: whether time runs from the end.
        zero_output_for_mask: whether a masked step's output is 0 instead of the state.

    Returns:
        Outputs `(batch, time, units)` in the order of processing, last hidden state.

    Example:
        >>> from ironhorn import ops
        >>> x, h = ops.ones((2, 5, 3)), ops.zeros((2, 4))
        >>> outputs, last = ops.gru(x, h, ops.ones((3, 12)), ops.ones((4, 12)))
        >>> outputs.shape, last.shape
        ((2, 5, 4), (2, 4))
    """
    made = _run(
        "gru",
        sequences,
        [initial_hidden, kernel, recurrent_kernel],
        bias,
        mask,
        reset_after=bool(reset_after),
        go_backwards=bool(go_backwards),
        zero_output_for_mask=bool(zero_output_for_mask),
    )
    return made[0], made[1]


@op
def simple_rnn(
    sequences: Any,
    initial_hidden: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any = None,
    mask: Any = None,
    activation: str = "tanh",
    go_backwards: bool = False,
    zero_output_for_mask: bool = False,
) -> Any:
    """A whole sequence of `h = activation(x @ kernel + h @ recurrent_kernel + bias)` (Elman, 1990).

    Args:
        sequences: `(batch, time, features)`.
        initial_hidden: `(batch, units)`.
        kernel: `(features, units)`.
        recurrent_kernel: `(units, units)`.
        bias: `(units,)` or None.
        mask: `(batch, time)` or None; a masked step keeps the state.
        activation: "tanh" or "relu".
        go_backwards: whether time runs from the end.
        zero_output_for_mask: whether a masked step's output is 0 instead of the state.

    Returns:
        Outputs `(batch, time, units)` in the order of processing, last hidden state.

    Example:
        >>> from ironhorn import ops
        >>> outputs, last = ops.simple_rnn(ops.ones((2, 5, 3)), ops.zeros((2, 4)), ops.ones((3, 4)), ops.eye(4))
        >>> outputs.shape, last.shape
        ((2, 5, 4), (2, 4))
    """
    made = _run(
        "simple_rnn",
        sequences,
        [initial_hidden, kernel, recurrent_kernel],
        bias,
        mask,
        activation=str(activation),
        go_backwards=bool(go_backwards),
        zero_output_for_mask=bool(zero_output_for_mask),
    )
    return made[0], made[1]
