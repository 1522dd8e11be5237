"""The LSTM layer and its cell.

With the usual activations and without recurrent dropout a sequence is one operation of the engine; otherwise the cell
is applied step by step.
"""

from __future__ import annotations

from typing import Any

from ironhorn import activations, constraints, initializers, ops, random, regularizers
from ironhorn.errors import UnsupportedError
from ironhorn.layers.input_spec import InputSpec
from ironhorn.layers.layer import Layer
from ironhorn.layers.rnn.rnn import RNN

_GATES = 4


class LSTMCell(Layer):
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
        if isinstance(units, bool) or not isinstance(units, int) or units <= 0:
            raise ValueError(f"`units` of an LSTM must be a positive integer. Received: units={units!r}.")
        # Keras' choice between two ways to compute the same; with recurrent dropout each gate has masks of its own.
        kwargs.pop("implementation", None)
        super().__init__(**kwargs)
        self.units = units
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
        self.state_size = [units, units]
        self.output_size = units
        self._dropout_masks: Any = None

    def build(self, input_shape: Any) -> None:
        """Makes kernels and bias."""
        features = input_shape[-1]
        if features is None:
            raise ValueError(
                f"Layer '{self.name}' needs to know the number of features, the last axis. Received input shape "
                f"{tuple(input_shape)}. Give it in `Input(shape=...)`."
            )
        self.kernel = self.add_weight(
            name="kernel",
            shape=(features, _GATES * self.units),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel",
            shape=(self.units, _GATES * self.units),
            initializer=self.recurrent_initializer,
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(_GATES * self.units,),
                initializer=self._forget_bias_initializer if self.unit_forget_bias else self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )

    def _forget_bias_initializer(self, shape: Any, dtype: str | None = None) -> Any:
        ones = ops.ones((self.units,), dtype=dtype)
        start, rest = self.bias_initializer((self.units,), dtype=dtype), (2 * self.units,)
        return ops.concatenate([start, ones, self.bias_initializer(rest, dtype=dtype)], axis=0)

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        """Computes one step."""
        hidden, cell = states
        if self._dropout_masks is not None:
            input_masks, hidden_masks = self._dropout_masks
        elif training:
            input_masks, hidden_masks = self._draw_masks(inputs, hidden)
        else:
            input_masks, hidden_masks = None, None
        if hidden_masks is None and (input_masks is None or len(input_masks) == 1):
            if input_masks is not None:
                inputs = ops.multiply(inputs, input_masks[0])
            sums = ops.add(ops.matmul(inputs, self.kernel), ops.matmul(hidden, self.recurrent_kernel))
            gates = ops.split(sums if self.bias is None else ops.add(sums, self.bias), _GATES, axis=-1)
        else:
            gates = self._masked_gates(inputs, hidden, input_masks, hidden_masks)
        keep_in, forget, candidate, out = gates
        cell = ops.add(
            ops.multiply(self.recurrent_activation(forget), cell),
            ops.multiply(self.recurrent_activation(keep_in), self.activation(candidate)),
        )
        hidden = ops.multiply(self.recurrent_activation(out), self.activation(cell))
        return hidden, [hidden, cell]

    def _masked_gates(self, inputs: Any, hidden: Any, input_masks: Any, hidden_masks: Any) -> list[Any]:
        """Returns the four sums, each with dropout masks of its own."""
        kernels = ops.split(self.kernel, _GATES, axis=-1)
        recurrent = ops.split(self.recurrent_kernel, _GATES, axis=-1)
        biases = [None] * _GATES if self.bias is None else ops.split(self.bias, _GATES, axis=-1)
        gates = []
        for index in range(_GATES):
            x = inputs if input_masks is None else ops.multiply(inputs, input_masks[index])
            h = hidden if hidden_masks is None else ops.multiply(hidden, hidden_masks[index])
            gate = ops.add(ops.matmul(x, kernels[index]), ops.matmul(h, recurrent[index]))
            gates.append(gate if biases[index] is None else ops.add(gate, biases[index]))
        return gates

    def _draw_masks(self, inputs: Any, hidden: Any) -> tuple[Any, Any]:
        """Returns dropout masks for a step's inputs and hidden state: one, or one for each gate."""
        count = _GATES if self.recurrent_dropout > 0.0 else 1

        def draw(like: Any, rate: float) -> Any:
            if rate == 0.0:
                return None
            return [random.dropout(ops.ones_like(like), rate, seed=self.seed_generator) for _ in range(count)]

        return draw(inputs, self.dropout), draw(hidden, self.recurrent_dropout)

    def prepare_dropout(self, sequences: Any, states: Any, training: bool) -> None:
        """Draws the masks that all steps of a sequence share."""
        drawn = self._draw_masks(sequences[:, 0], states[0]) if training else (None, None)
        object.__setattr__(self, "_dropout_masks", drawn)

    def forget_dropout(self) -> None:
        """Forgets the masks of the last sequence."""
        object.__setattr__(self, "_dropout_masks", None)

    def get_initial_state(self, batch_size: Any = None) -> list[Any]:
        """Returns zeros for hidden state and cell state."""
        return [ops.zeros((batch_size, size), dtype=self.compute_dtype) for size in self.state_size]

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {
            **super().get_config(),
            "units": self.units,
            "activation": activations.serialize(self.activation),
            "recurrent_activation": activations.serialize(self.recurrent_activation),
            "use_bias": self.use_bias,
            "unit_forget_bias": self.unit_forget_bias,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "recurrent_initializer": initializers.serialize(self.recurrent_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
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


class LSTM(RNN):
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
        if use_cudnn is True:
            raise UnsupportedError("LSTM: use_cudnn=True asks for cuDNN, which is not used here. Leave it 'auto'.")
        if use_cudnn not in ("auto", False):
            raise ValueError(f"`use_cudnn` must be 'auto' or False. Received: use_cudnn={use_cudnn!r}.")
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
            **kwargs,
        )
        self.use_cudnn = use_cudnn
        self.input_spec = InputSpec(ndim=3)

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool = False) -> Any:
        """Runs through the sequences."""
        return super().call(sequences, initial_state=initial_state, mask=mask, training=training)

    def inner_loop(
        self, sequences: Any, initial_state: list[Any], mask: Any, training: bool = False
    ) -> tuple[Any, Any, list[Any]]:
        """Runs a whole sequence as one operation where the configuration allows it."""
        cell = self.cell
        fused = cell.activation is activations.tanh and cell.recurrent_activation is activations.sigmoid
        if not fused or (training and cell.recurrent_dropout > 0.0):
            return super().inner_loop(sequences, initial_state, mask, training=training)
        if training and cell.dropout > 0.0:
            masks, _ = cell._draw_masks(sequences[:, 0], initial_state[0])
            sequences = ops.multiply(sequences, ops.expand_dims(masks[0], axis=1))
        outputs, hidden, memory = ops.lstm(
            sequences,
            initial_state[0],
            initial_state[1],
            cell.kernel,
            cell.recurrent_kernel,
            cell.bias,
            mask=None if mask is None else ops.cast(mask, "bool"),
            go_backwards=self.go_backwards,
            zero_output_for_mask=self.zero_output_for_mask,
        )
        # At a masked last step the hidden state is what the step shows, unless zeros were asked for.
        last = outputs[:, -1] if self.zero_output_for_mask and mask is not None else hidden
        return last, outputs, [hidden, memory]

    @property
    def units(self) -> int:
        """Number of outputs."""
        return self.cell.units

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
        cell = self.cell.get_config()
        own = {key: value for key, value in cell.items() if key not in ("name", "trainable", "dtype")}
        return {**config, **own, "activity_regularizer": regularizers.serialize(self.activity_regularizer)}
