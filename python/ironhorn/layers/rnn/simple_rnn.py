"""The SimpleRNN layer and its cell."""

from __future__ import annotations

from typing import Any

from ironhorn import activations, ops
from ironhorn.layers.rnn.base_cell import BaseCell, step_states
from ironhorn.layers.rnn.base_recurrent import BaseRecurrent


class SimpleRNNCell(BaseCell):
    """One step of `h = activation(x @ kernel + h @ recurrent_kernel + bias)`.

    Args:
        units: Number of outputs.
        activation: Activation of the output.
        use_bias: Whether to add a bias.
        kernel_initializer: First value of the kernel, of shape `(features, units)`.
        recurrent_initializer: First value of the recurrent kernel, of shape `(units, units)`.
        bias_initializer: First value of the bias, of shape `(units,)`.
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
        states: List of the hidden state, `(batch, units)`.
        training: Whether dropout acts.

    Reference:
        Elman, 1990, "Finding structure in time".
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
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

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        """Computes one step."""
        (hidden, *_), nested = step_states(states)
        input_masks, hidden_masks = self._masks(inputs, hidden, training)
        inputs = inputs if input_masks is None else ops.multiply(inputs, input_masks[0])
        hidden = hidden if hidden_masks is None else ops.multiply(hidden, hidden_masks[0])
        total = ops.matmul(inputs, self.kernel)
        total = total if self.bias is None else ops.add(total, self.bias)
        hidden = self.activation(ops.add(total, ops.matmul(hidden, self.recurrent_kernel)))
        return hidden, [hidden] if nested else hidden


class SimpleRNN(BaseRecurrent):
    """A recurrent layer whose output is its next state; see `SimpleRNNCell` for the formula.

    Args:
        units: Number of outputs.
        activation: Activation of the output; tanh and relu are one operation, others go step by step.
        use_bias: Whether to add a bias.
        kernel_initializer: First value of the kernel, of shape `(features, units)`.
        recurrent_initializer: First value of the recurrent kernel, of shape `(units, units)`.
        bias_initializer: First value of the bias, of shape `(units,)`.
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
        return_state: Whether to return the last state too.
        go_backwards: Whether to go from the last step to the first; outputs are in the order of processing then.
        stateful: Whether each batch starts with the state at the end of the one before.
        unroll: Accepted for Keras' signature; the result is the same.
        **kwargs: `name`, `dtype`, `trainable` of every layer, and `zero_output_for_mask` of `RNN`.

    Call arguments:
        sequences: `(batch, steps, features)`.
        initial_state: The hidden state to start with, or a list of it; zeros if not given.
        mask: Booleans `(batch, steps)`: which steps count. At others the state stays.
        training: Whether dropout acts.

    Output shape:
        `(batch, units)`, or `(batch, steps, units)` with `return_sequences`.

    Example:
        >>> ironhorn.layers.SimpleRNN(4)(ironhorn.ops.ones((2, 5, 3))).shape
        (2, 4)
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        cell = SimpleRNNCell(
            units,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
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
            name="simple_rnn_cell",
        )
        super().__init__(
            cell,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            unroll=unroll,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )

    def _is_one_operation(self) -> bool:
        return self.cell.activation in (activations.tanh, activations.relu)

    def _operation(self, sequences: Any, states: list[Any], mask: Any) -> Any:
        cell = self.cell
        return ops.simple_rnn(
            sequences,
            states[0],
            cell.kernel,
            cell.recurrent_kernel,
            cell.bias,
            mask=mask,
            activation="relu" if cell.activation is activations.relu else "tanh",
            go_backwards=self.go_backwards,
            zero_output_for_mask=self.zero_output_for_mask,
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary; the seed, which Keras leaves out, if given."""
        config = super().get_config()
        if config["seed"] is None:
            del config["seed"]
        return config
