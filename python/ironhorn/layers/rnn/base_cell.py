"""What the cells of dense recurrent layers share: weights, dropout masks, configuration."""

from __future__ import annotations

from typing import Any

from ironhorn import activations, constraints, initializers, ops, random, regularizers
from ironhorn.layers.layer import Layer


class DropoutCell(Layer):
    """A cell whose dropout masks are the same at every step of a sequence.

    A subclass sets `dropout`, `recurrent_dropout`, `seed_generator` and `mask_count`, how many masks inputs and hidden
    state have each.
    """

    dropout: float
    recurrent_dropout: float
    seed_generator: Any
    _dropout_masks: Any = None

    @property
    def mask_count(self) -> int:
        """How many masks are drawn: one, or one for each gate."""
        return 1

    def _masks(self, inputs: Any, hidden: Any, training: bool) -> tuple[Any, Any]:
        """Returns the masks of inputs and hidden state for a step, lists or `None`."""
        if self._dropout_masks is not None:
            return tuple(self._dropout_masks)
        return self._draw_masks(inputs, hidden) if training else (None, None)

    def _draw_masks(self, inputs: Any, hidden: Any) -> tuple[Any, Any]:
        def draw(like: Any, rate: float) -> Any:
            if rate == 0.0:
                return None
            ones = ops.ones_like(like)
            return [random.dropout(ones, rate, seed=self.seed_generator) for _ in range(self.mask_count)]

        return draw(inputs, self.dropout), draw(hidden, self.recurrent_dropout)

    def prepare_dropout(self, inputs: Any, states: Any, training: bool) -> None:
        """Draws the masks that all steps of a sequence share.

        Args:
            inputs: The inputs of one step.
            states: The states of one step.
            training: Whether dropout acts.
        """
        drawn = self._draw_masks(inputs, states[0]) if training else (None, None)
        object.__setattr__(self, "_dropout_masks", drawn)

    def forget_dropout(self) -> None:
        """Forgets the masks of the last sequence."""
        object.__setattr__(self, "_dropout_masks", None)


class BaseCell(DropoutCell):
    """A cell with a kernel, a recurrent kernel and a bias, which have its gates side by side.

    Args:
        units: Number of outputs.
        activation: Activation of the output.
        use_bias: Whether to add a bias.
        kernel_initializer: First value of the kernel, of shape `(features, gates * units)`.
        recurrent_initializer: First value of the recurrent kernel, of shape `(units, gates * units)`.
        bias_initializer: First value of the bias.
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
    """

    gates = 1

    def __init__(
        self,
        units: int,
        activation: Any,
        use_bias: bool,
        kernel_initializer: Any,
        recurrent_initializer: Any,
        bias_initializer: Any,
        kernel_regularizer: Any,
        recurrent_regularizer: Any,
        bias_regularizer: Any,
        kernel_constraint: Any,
        recurrent_constraint: Any,
        bias_constraint: Any,
        dropout: float,
        recurrent_dropout: float,
        seed: int | None,
        **kwargs: Any,
    ) -> None:
        if isinstance(units, bool) or not isinstance(units, int) or units <= 0:
            kind = type(self).__name__
            raise ValueError(f"`units` of {kind} must be a positive integer. Received: units={units!r}.")
        # Keras' choice between two ways to compute the same; with recurrent dropout each gate has masks of its own.
        kwargs.pop("implementation", None)
        super().__init__(**kwargs)
        self.units = units
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.recurrent_initializer = initializers.get(recurrent_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
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
        self.state_size: Any = units
        self.output_size = units

    @property
    def mask_count(self) -> int:
        """How many masks are drawn: one for each gate if the hidden state is dropped."""
        return self.gates if self.recurrent_dropout > 0.0 else 1

    def _bias_shape(self) -> tuple[int, ...]:
        return (self.gates * self.units,)

    def _initial_bias(self) -> Any:
        """Returns the bias's initializer."""
        return self.bias_initializer

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
            shape=(features, self.gates * self.units),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel",
            shape=(self.units, self.gates * self.units),
            initializer=self.recurrent_initializer,
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=self._bias_shape(),
                initializer=self._initial_bias(),
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )

    def _gate_products(self, value: Any, kernel: Any, masks: Any, bias: Any = None) -> list[Any]:
        """Returns `value @ kernel + bias` gate by gate, with one dropout mask or one for each gate."""
        if masks is None or len(masks) == 1:
            value = value if masks is None else ops.multiply(value, masks[0])
            product = ops.matmul(value, kernel)
            return list(ops.split(product if bias is None else ops.add(product, bias), self.gates, axis=-1))
        kernels = ops.split(kernel, self.gates, axis=-1)
        products = [ops.matmul(ops.multiply(value, mask), part) for mask, part in zip(masks, kernels, strict=True)]
        if bias is None:
            return products
        return [ops.add(one, part) for one, part in zip(products, ops.split(bias, self.gates, axis=-1), strict=True)]

    def get_initial_state(self, batch_size: Any = None) -> list[Any]:
        """Returns zeros for every state.

        Args:
            batch_size: Number of sequences.
        """
        sizes = self.state_size if isinstance(self.state_size, list) else [self.state_size]
        return [ops.zeros((batch_size, size), dtype=self.compute_dtype) for size in sizes]

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {
            **super().get_config(),
            "units": self.units,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
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


def step_states(states: Any) -> tuple[list[Any], bool]:
    """Returns the states of a step as a list, and whether they were given as one."""
    nested = isinstance(states, list | tuple)
    return list(states) if nested else [states], nested
