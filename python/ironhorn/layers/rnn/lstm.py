"""The LSTM layer and its cell."""

from __future__ import annotations

from typing import Any

from ironhorn import activations, ops
from ironhorn.layers.rnn.base_cell import BaseCell
from ironhorn.layers.rnn.base_recurrent import BaseRecurrent


class LSTMCell(BaseCell):
    """One step of an LSTM.

        i, f, g, o = split(x @ kernel + h @ recurrent_kernel + bias, 4)
        c = sigmoid(f) * c + sigmoid(i) * tanh(g)
        h = sigmoid(o) * tanh(c)

    Args:
        units: Number of outputs.
        activation: Activation of candidate and output; tanh above.
        recurrent_activation: Activation of the gates; sigmoid above.
        use_bias: Whether to add a bias.
        kernel_initializer: First value of the kernel, of shape `(features, 4 * units)`.
        recurrent_initializer: First value of the recurrent kernel, of shape `(units, 4 * units)`.
        bias_initializer: First value of the bias, of shape `(4 * units,)`.
        unit_forget_bias: Whether the forget gate's bias starts at 1.
        kernel_regularizer: Penalty on the kernel.
        recurrent_regularizer: Penalty on the recurrent kernel.
        bias_regularizer: Penalty on the bias.
        kernel_constraint: Projection of the kernel after each update.
        recurrent_constraint: Projection of the recurrent kernel after each update.
        bias_constraint: Projection of the bias after each update.
        dropout: Share of the inputs that are dropped in training, the same ones at every step.
        recurrent_dropout: Share of the hidden state that is dropped in training, the same at every step.
        seed: Integer seed of dropout; drawn if not given.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Call arguments:
        inputs: `(batch, features)`.
        states: List of hidden state and cell state, each `(batch, units)`.
        training: Whether dropout acts.

    Reference:
        Hochreiter and Schmidhuber, 1997, "Long short-term memory".
    """

    gates = 4

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            units,
            activation,
            use_bias,
            kernel_initializer,
            recurrent_initializer,
            bias_initializer,
            kernel_regularizer,
            recurrent_regularizer,
            bias_regularizer,
            kernel_constraint,
            recurrent_constraint,
            bias_constraint,
            dropout,
            recurrent_dropout,
            seed,
            **kwargs,
        )
        self.recurrent_activation = activations.get(recurrent_activation)
        self.unit_forget_bias = unit_forget_bias
        self.state_size = [units, units]

    def _initial_bias(self) -> Any:
        return self._forget_bias_initializer if self.unit_forget_bias else self.bias_initializer

    def _forget_bias_initializer(self, shape: Any, dtype: str | None = None) -> Any:
        ones = ops.ones((self.units,), dtype=dtype)
        start, rest = self.bias_initializer((self.units,), dtype=dtype), (2 * self.units,)
        return ops.concatenate([start, ones, self.bias_initializer(rest, dtype=dtype)], axis=0)

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        """Computes one step."""
        hidden, cell = states
        input_masks, hidden_masks = self._masks(inputs, hidden, training)
        if hidden_masks is None and (input_masks is None or len(input_masks) == 1):
            if input_masks is not None:
                inputs = ops.multiply(inputs, input_masks[0])
            sums = ops.add(ops.matmul(inputs, self.kernel), ops.matmul(hidden, self.recurrent_kernel))
            gates = ops.split(sums if self.bias is None else ops.add(sums, self.bias), self.gates, axis=-1)
        else:
            from_inputs = self._gate_products(inputs, self.kernel, input_masks, self.bias)
            from_hidden = self._gate_products(hidden, self.recurrent_kernel, hidden_masks)
            gates = [ops.add(a, b) for a, b in zip(from_inputs, from_hidden, strict=True)]
        keep_in, forget, candidate, out = gates
        cell = ops.add(
            ops.multiply(self.recurrent_activation(forget), cell),
            ops.multiply(self.recurrent_activation(keep_in), self.activation(candidate)),
        )
        hidden = ops.multiply(self.recurrent_activation(out), self.activation(cell))
        return hidden, [hidden, cell]

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {
            **super().get_config(),
            "recurrent_activation": activations.serialize(self.recurrent_activation),
            "unit_forget_bias": self.unit_forget_bias,
        }


class LSTM(BaseRecurrent):
    """Long short-term memory over the time axis; see `LSTMCell` for the formula.

    Args:
        units: Number of outputs.
        activation: Activation of candidate and output.
        recurrent_activation: Activation of the gates.
        use_bias: Whether to add a bias.
        kernel_initializer: First value of the kernel, of shape `(features, 4 * units)`.
        recurrent_initializer: First value of the recurrent kernel, of shape `(units, 4 * units)`.
        bias_initializer: First value of the bias, of shape `(4 * units,)`.
        unit_forget_bias: Whether the forget gate's bias starts at 1.
        kernel_regularizer: Penalty on the kernel.
        recurrent_regularizer: Penalty on the recurrent kernel.
        bias_regularizer: Penalty on the bias.
        activity_regularizer: Penalty on the outputs.
        kernel_constraint: Projection of the kernel after each update.
        recurrent_constraint: Projection of the recurrent kernel after each update.
        bias_constraint: Projection of the bias after each update.
        dropout: Share of the inputs that are dropped in training, the same ones at every step.
        recurrent_dropout: Share of the hidden state that is dropped in training; computes step by step.
        seed: Integer seed of dropout; drawn if not given.
        return_sequences: Whether to return the outputs of all steps, or that of the last one.
        return_state: Whether to return hidden state and cell state too.
        go_backwards: Whether to go from the last step to the first; outputs are in the order of processing then.
        stateful: Whether each batch starts with the states at the end of the one before.
        unroll: Accepted for Keras' signature; the result is the same.
        use_cudnn: `"auto"` or `False`; `True` is refused, as there is no cuDNN.
        **kwargs: `name`, `dtype`, `trainable` of every layer, and `zero_output_for_mask` of `RNN`.

    Call arguments:
        sequences: `(batch, steps, features)`.
        initial_state: List of hidden state and cell state to start with; zeros if not given.
        mask: Booleans `(batch, steps)`: which steps count. At others the states stay.
        training: Whether dropout acts.

    Output shape:
        `(batch, units)`, or `(batch, steps, units)` with `return_sequences`.

    Example:
        >>> ironhorn.layers.LSTM(4)(ironhorn.ops.ones((2, 5, 3))).shape
        (2, 4)
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        use_cudnn: Any = "auto",
        **kwargs: Any,
    ) -> None:
        cell = LSTMCell(
            units,
            activation=activation,
            recurrent_activation=recurrent_activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            unit_forget_bias=unit_forget_bias,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            seed=seed,
            implementation=kwargs.pop("implementation", None),
            dtype=kwargs.get("dtype"),
            trainable=kwargs.get("trainable", True),
            name="lstm_cell",
        )
        super().__init__(
            cell,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            unroll=unroll,
            activity_regularizer=activity_regularizer,
            use_cudnn=use_cudnn,
            **kwargs,
        )

    def _is_one_operation(self) -> bool:
        cell = self.cell
        return cell.activation is activations.tanh and cell.recurrent_activation is activations.sigmoid

    def _operation(self, sequences: Any, states: list[Any], mask: Any) -> Any:
        cell = self.cell
        return ops.lstm(
            sequences,
            states[0],
            states[1],
            cell.kernel,
            cell.recurrent_kernel,
            cell.bias,
            mask=mask,
            go_backwards=self.go_backwards,
            zero_output_for_mask=self.zero_output_for_mask,
        )

    @property
    def recurrent_activation(self) -> Any:
        """Activation of the gates."""
        return self.cell.recurrent_activation

    @property
    def unit_forget_bias(self) -> bool:
        """Whether the forget gate's bias starts at 1."""
        return self.cell.unit_forget_bias
