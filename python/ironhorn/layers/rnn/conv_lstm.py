"""Long short-term memory whose products are convolutions: the cell and the layer for every rank."""

from __future__ import annotations

from typing import Any

from ironhorn import activations, constraints, initializers, ops, random, regularizers
from ironhorn.layers.convolutional.geometry import as_tuple, data_format_of, padding_of, window_output_shape
from ironhorn.layers.input_spec import InputSpec
from ironhorn.layers.rnn.base_cell import DropoutCell
from ironhorn.layers.rnn.base_recurrent import cell_config
from ironhorn.layers.rnn.rnn import RNN

_GATES = 4


class ConvLSTMCell(DropoutCell):
    """One step of a convolutional LSTM.

        i, f, g, o = split(conv(x, kernel) + bias + conv(h, recurrent_kernel), 4)
        c = sigmoid(f) * c + sigmoid(i) * tanh(g)
        h = sigmoid(o) * tanh(c)

    Args:
        rank: Number of spatial axes.
        filters: Number of output channels.
        kernel_size: Sizes of the window.
        strides: Steps of the window over the inputs; over the hidden state they are 1.
        padding: `"valid"` or `"same"` for the inputs; for the hidden state it is `"same"`.
        data_format: `"channels_last"` or `"channels_first"`; the configured one if not given.
        dilation_rate: Distances of the window's elements, for the inputs.
        activation: Activation of candidate and output; tanh above.
        recurrent_activation: Activation of the gates; sigmoid above.
        use_bias: Whether to add a bias.
        kernel_initializer: First value of the kernel, of shape `(*kernel_size, channels, 4 * filters)`.
        recurrent_initializer: First value of the recurrent kernel, of shape `(*kernel_size, filters, 4 * filters)`.
        bias_initializer: First value of the bias, of shape `(4 * filters,)`.
        unit_forget_bias: Whether the forget gate's bias starts at 1.
        kernel_regularizer: Penalty on the kernel.
        recurrent_regularizer: Penalty on the recurrent kernel.
        bias_regularizer: Penalty on the bias.
        kernel_constraint: Projection of the kernel after each update.
        recurrent_constraint: Projection of the recurrent kernel after each update.
        bias_constraint: Projection of the bias after each update.
        dropout: Share of the inputs that are dropped in training, for each gate, the same ones at every step.
        recurrent_dropout: Share of the hidden state that is dropped in training, for each gate, the same at every step.
        seed: Integer seed of dropout; drawn if not given.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Call arguments:
        inputs: One step, `(batch, spatial..., channels)`.
        states: List of hidden state and cell state.
        training: Whether dropout acts.

    Reference:
        Shi et al., 2015, "Convolutional LSTM network: a machine learning approach for precipitation nowcasting".
    """

    def __init__(
        self,
        rank: int,
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
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        if isinstance(filters, bool) or not isinstance(filters, int) or filters <= 0:
            raise ValueError(f"`filters` of a ConvLSTM must be a positive integer. Received: filters={filters!r}.")
        super().__init__(**kwargs)
        self.rank = rank
        self.filters = filters
        self.kernel_size = as_tuple(kernel_size, rank, "kernel_size")
        self.strides = as_tuple(strides, rank, "strides")
        self.padding = padding_of(padding)
        self.data_format = data_format_of(data_format)
        self.dilation_rate = as_tuple(dilation_rate, rank, "dilation_rate")
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"A ConvLSTM has either strides or a dilation rate other than 1. Received: strides={self.strides}, "
                f"dilation_rate={self.dilation_rate}."
            )
        self.activation = activations.get(activation)
        self.recurrent_activation = activations.get(recurrent_activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.recurrent_initializer = initializers.get(recurrent_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.unit_forget_bias = unit_forget_bias
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.recurrent_regularizer = regularizers.get(recurrent_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.recurrent_constraint = constraints.get(recurrent_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.dropout = min(1.0, max(0.0, dropout))
        self.recurrent_dropout = min(1.0, max(0.0, recurrent_dropout))
        self.seed = seed
        self.seed_generator = random.SeedGenerator(seed)
        # The shape of the states depends on that of the inputs: `get_initial_state` knows it once the cell is built.
        self.state_size = -1
        self.input_spec = InputSpec(ndim=rank + 2)

    @property
    def mask_count(self) -> int:
        """How many masks are drawn: one for each gate."""
        return _GATES

    @property
    def _channel_axis(self) -> int:
        return -1 if self.data_format == "channels_last" else 1

    def build(self, inputs_shape: Any, states_shape: Any = None) -> None:
        """Makes kernels and bias."""
        last = self.data_format == "channels_last"
        spatial = tuple(inputs_shape[1:-1] if last else inputs_shape[2:])
        channels = inputs_shape[self._channel_axis]
        if channels is None or None in spatial:
            raise ValueError(
                f"Layer '{self.name}' needs to know its channels and spatial sizes. Received the shape "
                f"{tuple(inputs_shape)} for one step. Give them in `Input(shape=...)`."
            )
        self._state_shape = window_output_shape(
            (None, *inputs_shape[1:]),
            self.kernel_size,
            self.strides,
            self.padding,
            self.data_format,
            self.dilation_rate,
            self.filters,
            self.name,
        )[1:]
        self.kernel = self.add_weight(
            name="kernel",
            shape=(*self.kernel_size, channels, _GATES * self.filters),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel",
            shape=(*self.kernel_size, self.filters, _GATES * self.filters),
            initializer=self.recurrent_initializer,
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(_GATES * self.filters,),
                initializer=self._forget_bias_initializer if self.unit_forget_bias else self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )

    def _forget_bias_initializer(self, shape: Any, dtype: str | None = None) -> Any:
        ones = ops.ones((self.filters,), dtype=dtype)
        start, rest = self.bias_initializer((self.filters,), dtype=dtype), (2 * self.filters,)
        return ops.concatenate([start, ones, self.bias_initializer(rest, dtype=dtype)], axis=0)

    def _gated_conv(self, value: Any, kernel: Any, masks: Any, **options: Any) -> Any:
        """Returns the convolutions of all gates side by side, each with a dropout mask of its own."""
        if masks is None:
            return ops.conv(value, kernel, data_format=self.data_format, **options)
        parts = [
            ops.conv(ops.multiply(value, mask), part, data_format=self.data_format, **options)
            for mask, part in zip(masks, ops.split(kernel, _GATES, axis=-1), strict=True)
        ]
        return ops.concatenate(parts, axis=self._channel_axis)

    def from_inputs(self, inputs: Any, masks: Any) -> Any:
        """Returns the inputs' share of the gates, side by side.

        Args:
            inputs: Inputs of one step, or of several as one batch.
            masks: Dropout masks, one for each gate, or `None`.
        """
        options = {"strides": self.strides, "padding": self.padding, "dilation_rate": self.dilation_rate}
        gates = self._gated_conv(inputs, self.kernel, masks, **options)
        if self.bias is None:
            return gates
        if self.data_format == "channels_last":
            return ops.add(gates, self.bias)
        return ops.add(gates, ops.reshape(self.bias, (-1, *(1,) * self.rank)))

    def from_gates(self, gates: Any, states: Any, masks: Any) -> Any:
        """Returns output and states after a step, whose inputs' share of the gates is given.

        Args:
            gates: What `from_inputs` returned for the step.
            states: Hidden state and cell state.
            masks: Dropout masks of the hidden state, one for each gate, or `None`.
        """
        hidden, cell = states
        gates = ops.add(gates, self._gated_conv(hidden, self.recurrent_kernel, masks, padding="same"))
        keep_in, forget, candidate, out = ops.split(gates, _GATES, axis=self._channel_axis)
        cell = ops.add(
            ops.multiply(self.recurrent_activation(forget), cell),
            ops.multiply(self.recurrent_activation(keep_in), self.activation(candidate)),
        )
        hidden = ops.multiply(self.recurrent_activation(out), self.activation(cell))
        return hidden, [hidden, cell]

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        """Computes one step."""
        input_masks, hidden_masks = self._masks(inputs, states[0], training)
        return self.from_gates(self.from_inputs(inputs, input_masks), states, hidden_masks)

    def compute_output_shape(self, inputs_shape: Any, states_shape: Any = None) -> Any:
        """Returns the shapes of the output and of the states."""
        shape = window_output_shape(
            inputs_shape,
            self.kernel_size,
            self.strides,
            self.padding,
            self.data_format,
            self.dilation_rate,
            self.filters,
            self.name,
        )
        return shape, [shape, shape]

    def get_initial_state(self, batch_size: Any = None) -> list[Any]:
        """Returns zeros for hidden state and cell state; the cell must have been built.

        Args:
            batch_size: Number of sequences.
        """
        return [ops.zeros((batch_size, *self._state_shape), dtype=self.compute_dtype) for _ in range(2)]

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
            "activation": activations.serialize(self.activation),
            "recurrent_activation": activations.serialize(self.recurrent_activation),
            "use_bias": self.use_bias,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "recurrent_initializer": initializers.serialize(self.recurrent_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "unit_forget_bias": self.unit_forget_bias,
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "recurrent_regularizer": regularizers.serialize(self.recurrent_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "recurrent_constraint": constraints.serialize(self.recurrent_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
            "dropout": self.dropout,
            "recurrent_dropout": self.recurrent_dropout,
            "seed": self.seed,
        }


class ConvLSTM(RNN):
    """What convolutional LSTM layers of every rank share; see `ConvLSTMCell` for the formula.

    The inputs' convolution is one, over all steps; only that of the hidden state goes step by step.

    Args:
        rank: Number of spatial axes.
        filters: Number of output channels.
        kernel_size: Sizes of the window.
        return_sequences: Whether to return the outputs of all steps, or that of the last one.
        return_state: Whether to return hidden state and cell state too.
        go_backwards: Whether to go from the last step to the first.
        stateful: Whether each batch starts with the states at the end of the one before.
        activity_regularizer: Penalty on the outputs.
        cell_options: Further arguments of `ConvLSTMCell`.
        **kwargs: `name`, `dtype`, `trainable` of every layer, `unroll` and `zero_output_for_mask` of `RNN`.
    """

    def __init__(
        self,
        rank: int,
        filters: int,
        kernel_size: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        activity_regularizer: Any = None,
        cell_options: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        options = {"dtype": kwargs.get("dtype"), "name": "conv_lstm_cell", **(cell_options or {})}
        cell = ConvLSTMCell(rank, filters, kernel_size, **options)
        super().__init__(
            cell,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
        self.input_spec = InputSpec(ndim=rank + 3)

    def _states(self) -> list[Any]:
        return [-1, -1]

    def _output_shape(self) -> tuple[int, ...]:
        return tuple(self.cell._state_shape)

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool = False) -> Any:
        """Runs through the sequences."""
        return super().call(sequences, initial_state=initial_state, mask=mask, training=training)

    def inner_loop(
        self, sequences: Any, initial_state: list[Any], mask: Any, training: bool = False
    ) -> tuple[Any, Any, list[Any]]:
        """Runs the convolution of all inputs at once, then the cell step by step."""
        cell = self.cell
        batch, steps, *rest = ops.shape(sequences)
        input_masks, hidden_masks = (None, None)
        if training:
            input_masks, hidden_masks = cell._draw_masks(sequences[:, 0], initial_state[0])
        if input_masks is not None:
            # The same mask for every step: one row of it for each row of the steps' common batch.
            input_masks = [
                ops.reshape(ops.repeat(ops.expand_dims(one, 1), steps, axis=1), (batch * steps, *rest))
                for one in input_masks
            ]
        gates = cell.from_inputs(ops.reshape(sequences, (batch * steps, *rest)), input_masks)
        gates = ops.reshape(gates, (batch, steps, *ops.shape(gates)[1:]))
        return self._loop(lambda x, states: cell.from_gates(x, states, hidden_masks), gates, initial_state, mask)

    def compute_output_shape(self, sequences_shape: Any, initial_state_shape: Any = None) -> Any:
        """Returns the shape of the outputs."""
        batch, steps = sequences_shape[0], sequences_shape[1]
        shape = self.cell.compute_output_shape((batch, *sequences_shape[2:]))[0]
        output = (batch, *((steps,) if self.return_sequences else ()), *shape[1:])
        return (output, shape, shape) if self.return_state else output

    @property
    def filters(self) -> int:
        """Number of output channels."""
        return self.cell.filters

    @property
    def kernel_size(self) -> tuple[int, ...]:
        """Sizes of the window."""
        return self.cell.kernel_size

    @property
    def strides(self) -> tuple[int, ...]:
        """Steps of the window over the inputs."""
        return self.cell.strides

    @property
    def padding(self) -> str:
        """Padding of the inputs."""
        return self.cell.padding

    @property
    def data_format(self) -> str:
        """Where the channels are."""
        return self.cell.data_format

    @property
    def dilation_rate(self) -> tuple[int, ...]:
        """Distances of the window's elements."""
        return self.cell.dilation_rate

    @property
    def activation(self) -> Any:
        """Activation of candidate and output."""
        return self.cell.activation

    @property
    def recurrent_activation(self) -> Any:
        """Activation of the gates."""
        return self.cell.recurrent_activation

    @property
    def use_bias(self) -> bool:
        """Whether a bias is added."""
        return self.cell.use_bias

    @property
    def unit_forget_bias(self) -> bool:
        """Whether the forget gate's bias starts at 1."""
        return self.cell.unit_forget_bias

    @property
    def dropout(self) -> float:
        """Share of the inputs dropped in training."""
        return self.cell.dropout

    @property
    def recurrent_dropout(self) -> float:
        """Share of the hidden state dropped in training."""
        return self.cell.recurrent_dropout

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        config = super().get_config()
        del config["cell"]
        penalty = regularizers.serialize(self.activity_regularizer)
        return {**config, **cell_config(self.cell), "activity_regularizer": penalty}
