"""Long short-term memory over images of two axes."""

from __future__ import annotations

from typing import Any

from ironhorn.layers.rnn.conv_lstm import ConvLSTM


class ConvLSTM2D(ConvLSTM):
    """An LSTM whose products are convolutions over two axes.

    Args:
        filters: Number of output channels.
        kernel_size: Sizes of the window.
        strides: Steps of the window over the inputs.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"` or `"channels_first"`; the configured one if not given.
        dilation_rate: Distances of the window's elements.
        activation: Activation of candidate and output.
        recurrent_activation: Activation of the gates.
        use_bias: Whether to add a bias.
        kernel_initializer: First value of the kernel, of shape `(*kernel_size, channels, 4 * filters)`.
        recurrent_initializer: First value of the recurrent kernel, of shape `(*kernel_size, filters, 4 * filters)`.
        bias_initializer: First value of the bias, of shape `(4 * filters,)`.
        unit_forget_bias: Whether the forget gate's bias starts at 1.
        kernel_regularizer: Penalty on the kernel.
        recurrent_regularizer: Penalty on the recurrent kernel.
        bias_regularizer: Penalty on the bias.
        activity_regularizer: Penalty on the outputs.
        kernel_constraint: Projection of the kernel after each update.
        recurrent_constraint: Projection of the recurrent kernel after each update.
        bias_constraint: Projection of the bias after each update.
        dropout: Share of the inputs that are dropped in training, for each gate, the same ones at every step.
        recurrent_dropout: Share of the hidden state that is dropped in training, for each gate, the same at every step.
        seed: Integer seed of dropout; drawn if not given.
        return_sequences: Whether to return the outputs of all steps, or that of the last one.
        return_state: Whether to return hidden state and cell state too.
        go_backwards: Whether to go from the last step to the first; outputs are in the order of processing then.
        stateful: Whether each batch starts with the states at the end of the one before.
        **kwargs: `name`, `dtype`, `trainable` of every layer, `unroll` and `zero_output_for_mask` of `RNN`.

    Call arguments:
        sequences: `(batch, steps, rows, columns, channels)`, or channels after the steps.
        initial_state: List of hidden state and cell state to start with; zeros if not given.
        mask: Booleans `(batch, steps)`: which steps count. At others the states stay.
        training: Whether dropout acts.

    Output shape:
        `(batch, rows, columns, filters)`, or with the steps after the batch if `return_sequences`.

    Reference:
        Shi et al., 2015, "Convolutional LSTM network: a machine learning approach for precipitation nowcasting".

    Example:
        >>> ironhorn.layers.ConvLSTM2D(4, 3)(ironhorn.ops.ones((2, 5, 8, 8, 3))).shape
        (2, 6, 6, 4)
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
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
        **kwargs: Any,
    ) -> None:
        cell_options = {
            "strides": strides,
            "padding": padding,
            "data_format": data_format,
            "dilation_rate": dilation_rate,
            "activation": activation,
            "recurrent_activation": recurrent_activation,
            "use_bias": use_bias,
            "kernel_initializer": kernel_initializer,
            "recurrent_initializer": recurrent_initializer,
            "bias_initializer": bias_initializer,
            "unit_forget_bias": unit_forget_bias,
            "kernel_regularizer": kernel_regularizer,
            "recurrent_regularizer": recurrent_regularizer,
            "bias_regularizer": bias_regularizer,
            "kernel_constraint": kernel_constraint,
            "recurrent_constraint": recurrent_constraint,
            "bias_constraint": bias_constraint,
            "dropout": dropout,
            "recurrent_dropout": recurrent_dropout,
            "seed": seed,
        }
        super().__init__(
            2,
            filters,
            kernel_size,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            activity_regularizer=activity_regularizer,
            cell_options=cell_options,
            **kwargs,
        )
