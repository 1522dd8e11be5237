"""The layer that applies any recurrent cell step by step."""

from __future__ import annotations

from typing import Any

from ironhorn import backend, ops, tree
from ironhorn.backend import tracing
from ironhorn.layers.layer import Layer
from ironhorn.layers.rnn.stacked_rnn_cells import StackedRNNCells, check_cell, initial_state, output_size
from ironhorn.layers.tracking import no_tracking


class RNN(Layer):
    """Applies a cell along the time axis.

    Args:
        cell: A layer (or object) with `call(inputs, states)` that returns `(output, new_states)`, and the attribute
            `state_size`: an integer, or one for each state, which may be nested. It may have `output_size` (an integer,
            or a tuple where outputs have several axes) and `get_initial_state(batch_size)`, which may return states of
            any shape. A list of cells is stacked.
        return_sequences: Whether to return the outputs of all steps, or that of the last one.
        return_state: Whether to return the last states too.
        go_backwards: Whether to go from the last step to the first; outputs are in the order of processing then.
        stateful: Whether the states at the end of a batch are those that the next batch starts with. The batch size
            must be fixed; `reset_state()` starts anew.
        unroll: Whether every step is written into the traced program, if their number is known then, instead of one
            loop: for few steps with much work, which then use all threads. The result is the same.
        zero_output_for_mask: Whether outputs at masked steps are 0, instead of the output before.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Call arguments:
        sequences: `(batch, steps, ...)`.
        initial_state: List of the states to start with; zeros if not given.
        mask: Booleans `(batch, steps)`: which steps count. At others the states stay.
        training: Whether dropout acts.

    Example:
        >>> from ironhorn import layers, ops
        >>> layer = layers.RNN([layers.GRUCell(4), layers.LSTMCell(6)], return_sequences=True)
        >>> layer(ops.ones((2, 5, 3))).shape
        (2, 5, 6)
    """

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        **kwargs: Any,
    ) -> None:
        cell = StackedRNNCells(list(cell)) if isinstance(cell, list | tuple) else cell
        check_cell(cell)
        super().__init__(**kwargs)
        self.cell = cell
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.go_backwards = go_backwards
        self.stateful = stateful
        self.unroll = unroll
        self.zero_output_for_mask = zero_output_for_mask
        size = cell.state_size
        self.state_size = [size] if isinstance(size, int) else list(size)
        self.supports_masking = True
        self.states: Any = None

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        """Builds the cell, and the states of a stateful layer."""
        if isinstance(self.cell, Layer) and not self.cell.built:
            self.cell.build((sequences_shape[0], *sequences_shape[2:]))
        if not self.stateful:
            return
        if self.states is not None:
            self.reset_state()
            return
        batch_size = sequences_shape[0]
        if batch_size is None:
            raise ValueError(
                f"Layer '{self.name}' is stateful, so its batch size must be fixed. Received input shape "
                f"{tuple(sequences_shape)}. Give it: Input(batch_shape=(32, ...))."
            )

        def variable(value: Any) -> Any:
            value = ops.cast(value, self.variable_dtype)
            return backend.Variable(value, trainable=False, name="rnn_state")

        with no_tracking(), self._scope():
            self.states = tree.map_structure(variable, self.get_initial_state(batch_size))

    def get_initial_state(self, batch_size: Any) -> list[Any]:
        """Returns the states that a sequence starts with: zeros, unless the cell says otherwise.

        Args:
            batch_size: Number of sequences.
        """
        states = initial_state(self.cell, batch_size, getattr(self.cell, "compute_dtype", self.compute_dtype))
        return list(states) if tree.is_nested(states) else [states]

    def reset_state(self) -> None:
        """Sets the states of a stateful layer to zero."""
        for state in tree.flatten(self.states) if self.states is not None else ():
            state.assign(ops.zeros(state.shape, dtype=state.dtype))

    reset_states = reset_state

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool = False) -> Any:
        """Runs through the sequences."""
        states = initial_state
        if states is None:
            states = self.states if self.stateful else self.get_initial_state(ops.shape(sequences)[0])
        states = list(states) if tree.is_nested(states) else [states]
        if len(states) != len(self._states()):
            raise ValueError(
                f"Layer '{self.name}' has {len(self._states())} states of the sizes {self.state_size}. Received an "
                f"initial state of {len(states)} tensors."
            )
        self._check_batch_size(sequences)
        dtype = getattr(self.cell, "compute_dtype", self.compute_dtype)
        states = tree.map_structure(lambda state: ops.cast(ops.convert_to_tensor(state), dtype), states)
        mask = tree.flatten(mask)[0] if tree.is_nested(mask) else mask
        last, outputs, states = self.inner_loop(sequences, states, mask, training=training)
        if self.stateful:
            for kept, state in zip(tree.flatten(self.states), tree.flatten(states), strict=True):
                kept.assign(state)
        output = ops.cast(outputs if self.return_sequences else last, self.compute_dtype)
        if not self.return_state:
            return output
        return (output, *tree.map_structure(lambda state: ops.cast(state, self.compute_dtype), states))

    def _states(self) -> list[Any]:
        """One entry for each state, or nest of states, that the layer takes and returns."""
        return self.state_size

    def _check_batch_size(self, sequences: Any) -> None:
        if not self.stateful:
            return
        expected, received = tree.flatten(self.states)[0].shape[0], sequences.shape[0]
        if received is not None and received != expected:
            raise ValueError(
                f"Layer '{self.name}' is stateful with batch size {expected}. Received a batch of {received} "
                "sequences. Use batches of that size, or make a layer that is not stateful."
            )

    def inner_loop(
        self, sequences: Any, initial_state: list[Any], mask: Any, training: bool = False
    ) -> tuple[Any, Any, list[Any]]:
        """Runs the cell step by step.

        Args:
            sequences: `(batch, steps, features)`.
            initial_state: The states to start with.
            mask: Booleans `(batch, steps)` or `None`.
            training: Whether dropout acts.

        Returns:
            The last output, all outputs in the order of processing, and the last states.
        """
        takes_training = isinstance(self.cell, Layer) and self.cell._call_has_training_arg
        options = {"training": training} if takes_training else {}
        step = self.cell if callable(self.cell) else self.cell.call
        prepare = getattr(self.cell, "prepare_dropout", None)
        if prepare is not None:
            prepare(sequences[:, 0], initial_state, training)
        try:
            return self._loop(lambda x, states: step(x, states, **options), sequences, initial_state, mask)
        finally:
            forget = getattr(self.cell, "forget_dropout", None)
            if forget is not None:
                forget()

    def _loop(self, step: Any, sequences: Any, initial_state: list[Any], mask: Any) -> tuple[Any, Any, list[Any]]:
        """Runs `step(inputs, states)`, which returns an output and the next states."""

        def by_time(value: Any) -> Any:
            value = ops.swapaxes(value, 0, 1)
            return ops.flip(value, axis=0) if self.go_backwards else value

        def plain(states: Any, x: Any) -> tuple[Any, Any]:
            output, after = step(x, list(states))
            # Cells return tuples for lists, or one state alone; the loop needs the structure that it began with.
            return tree.pack_sequence_as(states, tree.flatten(after)), output

        def masked(carry: Any, inputs: Any) -> tuple[Any, Any]:
            states, before = carry
            x, counted = inputs
            after, output = plain(states, x)
            if self.zero_output_for_mask:
                shown = ops.zeros_like(output)
            else:
                shown = self._hidden(states) if before is None else before
            output = _choose(counted, output, shown)
            after = tree.map_structure(lambda new, old: _choose(counted, new, old), after, states)
            return (after, None if before is None else output), output

        unroll = self.unroll and sequences.shape[1] is not None
        steps = by_time(sequences)
        if mask is None:
            states, outputs = ops.scan(plain, initial_state, steps, unroll=unroll)
        else:
            before = None if self.zero_output_for_mask else self._first_output(initial_state, ops.shape(sequences)[0])
            xs = (steps, by_time(ops.cast(mask, "bool")))
            (states, _), outputs = ops.scan(masked, (initial_state, before), xs, unroll=unroll)
        return outputs[-1], ops.swapaxes(outputs, 0, 1), list(states)

    def _first_output(self, initial_state: list[Any], batch_size: Any) -> Any:
        """What a masked first step shows: zeros, or `None` where outputs are states and the initial state is shown."""
        size = self._output_shape()
        state = self._hidden(initial_state)
        if tuple(state.shape[1:]) == size:
            return None
        return ops.zeros((batch_size, *size), dtype=state.dtype)

    def _hidden(self, states: list[Any]) -> Any:
        """The state that is the output: the first one, of the last cell where there are several."""
        return tree.flatten(states[-1] if isinstance(self.cell, StackedRNNCells) else states)[0]

    def _output_shape(self) -> tuple[int, ...]:
        """The shape of a step's output without the batch axis."""
        size = output_size(self.cell)
        return (size,) if isinstance(size, int) else tuple(size)

    def compute_output_shape(self, sequences_shape: Any, initial_state_shape: Any = None) -> Any:
        """Returns the shape of the outputs."""
        batch, steps = sequences_shape[0], sequences_shape[1]
        output = (batch, *((steps,) if self.return_sequences else ()), *self._output_shape())
        if not self.return_state:
            return output
        return (output, *self._state_shapes(batch))

    def _state_shapes(self, batch_size: Any) -> list[Any]:
        """Returns the shapes of the states, nested as they are."""
        # The cell decides; asked for one sequence.
        states = tracing.abstract_call(lambda: self.get_initial_state(1), (), {})
        return list(tree.map_structure(lambda state: (batch_size, *state.shape[1:]), states))

    def compute_mask(self, sequences: Any, mask: Any) -> Any:
        """Returns the mask of the steps if all outputs are returned; states have none."""
        mask = tree.flatten(mask)[0] if tree.is_nested(mask) else mask
        output_mask = mask if self.return_sequences else None
        return [output_mask, *(None for _ in self._states())] if self.return_state else output_mask

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        from ironhorn.saving import registry

        return {
            **super().get_config(),
            "return_sequences": self.return_sequences,
            "return_state": self.return_state,
            "go_backwards": self.go_backwards,
            "stateful": self.stateful,
            "unroll": self.unroll,
            "zero_output_for_mask": self.zero_output_for_mask,
            "cell": registry.serialize_keras_object(self.cell),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """Makes a layer from what `get_config` returned."""
        if "cell" in config:
            from ironhorn.saving import registry

            config = {
                **config,
                "cell": registry.deserialize_keras_object(config["cell"], custom_objects=custom_objects),
            }
        return super().from_config(config)


def _choose(counted: Any, new: Any, old: Any) -> Any:
    """Returns `new` for the sequences that count, of any rank, `old` for the others."""
    for _ in range(len(new.shape) - 1):
        counted = ops.expand_dims(counted, axis=-1)
    return ops.where(counted, new, old)
