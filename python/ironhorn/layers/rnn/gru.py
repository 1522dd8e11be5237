"""The GRU layer and its cell."""

from __future__ import annotations

from typing import Any

from ironhorn import activations, ops
from ironhorn.layers.rnn.base_cell import BaseCell, step_states
from ironhorn.layers.rnn.base_recurrent import BaseRecurrent


class GRUCell(BaseCell):
    """One step of gated recurrent units.

        z, r = split(sigmoid(x @ kernel + h @ recurrent_kernel + biases), 2)    # the first two thirds of the kernels
        c = tanh(x @ kernel + bias + r * (h @ recurrent_kernel + bias))         # the last third; with reset_after
        c = tanh(x @ kernel + bias + (r * h) @ recurrent_kernel)                # without
        h = z * h + (1 - z) * c

    Args:
        units: Number of outputs.
        activation: Activation of the candidate; tanh above.
        recurrent_activation: Activation of the gates; sigmoid above.
        use_bias: Whether to add a bias.
        kernel_initializer: First value of the kernel, of shape `(features, 3 * units)`.
        recurrent_initializer: First value of the recurrent kernel, of shape `(units, 3 * units)`.
        bias_initializer: First value of the bias, of shape `(2, 3 * units)` with `reset_after`, else
            `(3 * units,)`.
        kernel_regularizer: Penalty on the kernel.
        recurrent_regularizer: Penalty on the recurrent kernel.
        bias_regularizer: Penalty on the bias.
        kernel_constraint: Projection of the kernel after each update.
        recurrent_constraint: Projection of the recurrent kernel after each update.
        bias_constraint: Projection of the bias after each update.
        dropout: Share of the inputs that are dropped in training, the same ones at every step.
        recurrent_dropout: Share of the hidden state that is dropped in training, the same at every step.
        reset_after: Whether the reset gate acts on the product with the recurrent kernel, or on the state before it.
        seed: Integer seed of dropout; drawn if not given.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Call arguments:
        inputs: `(batch, features)`.
        states: List of the hidden state, `(batch, units)`.
        training: Whether dropout acts.

    Reference:
        Cho et al., 2014, "Learning phrase representations using RNN encoder-decoder".
    """

    gates = 3

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
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
        reset_after: bool = True,
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
        self.reset_after = reset_after

    def _bias_shape(self) -> tuple[int, ...]:
        return (2, 3 * self.units) if self.reset_after else (3 * self.units,)

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        """Computes one step."""
        (hidden, *_), nested = step_states(states)
        input_masks, hidden_masks = self._masks(inputs, hidden, training)
        input_bias, hidden_bias = self.bias, None
        if self.bias is not None and self.reset_after:
            input_bias, hidden_bias = self.bias[0], self.bias[1]
        x = self._gate_products(inputs, self.kernel, input_masks, input_bias)
        if self.reset_after:
            h = self._gate_products(hidden, self.recurrent_kernel, hidden_masks, hidden_bias)
        else:
            kernels = ops.split(self.recurrent_kernel, 3, axis=-1)
            masks = [None] * 3 if hidden_masks is None else hidden_masks
            dropped = [hidden if mask is None else ops.multiply(hidden, mask) for mask in masks]
            h = [ops.matmul(dropped[gate], kernels[gate]) for gate in range(2)]
        update = self.recurrent_activation(ops.add(x[0], h[0]))
        reset = self.recurrent_activation(ops.add(x[1], h[1]))
        if self.reset_after:
            candidate = ops.add(x[2], ops.multiply(reset, h[2]))
        else:
            candidate = ops.add(x[2], ops.matmul(ops.multiply(reset, dropped[2]), kernels[2]))
        candidate = self.activation(candidate)
        hidden = ops.add(ops.multiply(update, hidden), ops.multiply(ops.subtract(1.0, update), candidate))
        return hidden, [hidden] if nested else hidden

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {
            **super().get_config(),
            "recurrent_activation": activations.serialize(self.recurrent_activation),
            "reset_after": self.reset_after,
        }


class GRU(BaseRecurrent):
    """Gated recurrent units over the time axis; see `GRUCell` for the formula.

    Args:
        units: Number of outputs.
        activation: Activation of the candidate.
        recurrent_activation: Activation of the gates.
        use_bias: Whether to add a bias.
        kernel_initializer: First value of the kernel, of shape `(features, 3 * units)`.
        recurrent_initializer: First value of the recurrent kernel, of shape `(units, 3 * units)`.
        bias_initializer: First value of the bias, of shape `(2, 3 * units)` with `reset_after`, else
            `(3 * units,)`.
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
        reset_after: Whether the reset gate acts on the product with the recurrent kernel, or on the state before it.
        use_cudnn: `"auto"` or `False`; `True` is refused, as there is no cuDNN.
        **kwargs: `name`, `dtype`, `trainable` of every layer, and `zero_output_for_mask` of `RNN`.

    Call arguments:
        sequences: `(batch, steps, features)`.
        initial_state: The hidden state to start with, or a list of it; zeros if not given.
        mask: Booleans `(batch, steps)`: which steps count. At others the state stays.
        training: Whether dropout acts.

    Output shape:
        `(batch, units)`, or `(batch, steps, units)` with `return_sequences`.

    Example:
        >>> ironhorn.layers.GRU(4)(ironhorn.ops.ones((2, 5, 3))).shape
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
        reset_after: bool = True,
        use_cudnn: Any = "auto",
        **kwargs: Any,
    ) -> None:
        cell = GRUCell(
            units,
            activation=activation,
            recurrent_activation=recurrent_activation,
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
            reset_after=reset_after,
            seed=seed,
            implementation=kwargs.pop("implementation", None),
            dtype=kwargs.get("dtype"),
            trainable=kwargs.get("trainable", True),
            name="gru_cell",
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
        return ops.gru(
            sequences,
            states[0],
            cell.kernel,
            cell.recurrent_kernel,
            cell.bias,
            mask=mask,
            reset_after=cell.reset_after,
            go_backwards=self.go_backwards,
            zero_output_for_mask=self.zero_output_for_mask,
        )

    @property
    def recurrent_activation(self) -> Any:
        """Activation of the gates."""
        return self.cell.recurrent_activation

    @property
    def reset_after(self) -> bool:
        """Whether the reset gate acts after the product with the recurrent kernel."""
        return self.cell.reset_after
