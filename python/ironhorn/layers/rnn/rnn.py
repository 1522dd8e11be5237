"""What recurrent layers share: a cell that is applied step by step along axis 1.

state = initial_state
for step in time:                      # backwards if go_backwards
    output, new = cell(inputs[:, step], state)
    state = new where mask[:, step] else state
"""

from __future__ import annotations

from typing import Any

from ironhorn import backend, ops, tree
from ironhorn.layers.layer import Layer
from ironhorn.layers.tracking import no_tracking


class RNN(Layer):
    """Applies a cell along the time axis.

    Args:
        cell: A layer (or object) with `call(inputs, states)` that returns `(output, new_states)`, and the attribute
            `state_size`: an integer, or one for each state.
        return_sequences: Whether to return the outputs of all steps, or that of the last one.
        return_state: Whether to return the last states too.
        go_backwards: Whether to go from the last step to the first; outputs are in the order of processing then.
        stateful: Whether the states at the end of a batch are those that the next batch starts with. The batch size
            must be fixed; `reset_state()` starts anew.
        unroll: Accepted for Keras' signature; steps are run by one loop either way, with the same result.
        zero_output_for_mask: Whether outputs at masked steps are 0, instead of the output before.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Call arguments:
        sequences: `(batch, steps, features)`.
        initial_state: List of the states to start with; zeros if not given.
        mask: Booleans `(batch, steps)`: which steps count.
        training: Whether dropout acts.
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
        if isinstance(cell, list | tuple) or not callable(getattr(cell, "call", None)):
            raise ValueError(
                f"`cell` must have a method `call(inputs, states)`. Received: cell={cell!r}. Stack layers instead of "
                "cells."
            )
        state_size = getattr(cell, "state_size", None)
        sizes = [state_size] if isinstance(state_size, int) else state_size
        if not isinstance(sizes, list | tuple) or not all(isinstance(size, int) for size in sizes):
            raise ValueError(
                "The cell must have the attribute `state_size`: an integer or a list of integers. Received: "
                f"{state_size!r}."
            )
        super().__init__(**kwargs)
        self.cell = cell
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.go_backwards = go_backwards
        self.stateful = stateful
        self.unroll = unroll
        self.zero_output_for_mask = zero_output_for_mask
        self.state_size = list(sizes)
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
        with no_tracking(), self._scope():
            self.states = [
                backend.Variable(
                    ops.zeros((batch_size, size), dtype=self.variable_dtype), trainable=False, name="rnn_state"
                )
                for size in self.state_size
            ]

    def get_initial_state(self, batch_size: Any) -> list[Any]:
        """Returns the states that a sequence starts with: zeros, unless the cell says otherwise.

        Args:
            batch_size: Number of sequences.
        """
        own = getattr(self.cell, "get_initial_state", None)
        if own is None:
            return [ops.zeros((batch_size, size), dtype=self.compute_dtype) for size in self.state_size]
        states = own(batch_size=batch_size)
        return list(states) if tree.is_nested(states) else [states]

    def reset_state(self) -> None:
        """Sets the states of a stateful layer to zero."""
        for state in self.states or ():
            state.assign(ops.zeros(state.shape, dtype=state.dtype))

    reset_states = reset_state

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool = False) -> Any:
        """Runs through the sequences."""
        if initial_state is None:
            initial_state = self.states if self.stateful else self.get_initial_state(ops.shape(sequences)[0])
        initial_state = list(initial_state) if tree.is_nested(initial_state) else [initial_state]
        if len(initial_state) != len(self.state_size):
            raise ValueError(
                f"Layer '{self.name}' has {len(self.state_size)} states of the sizes {self.state_size}. Received an "
                f"initial state of {len(initial_state)} tensors."
            )
        self._check_batch_size(sequences)
        initial_state = [ops.cast(ops.convert_to_tensor(state), self.compute_dtype) for state in initial_state]
        mask = tree.flatten(mask)[0] if tree.is_nested(mask) else mask
        last, outputs, states = self.inner_loop(sequences, initial_state, mask, training=training)
        if self.stateful:
            for variable, state in zip(self.states, states, strict=True):
                variable.assign(state)
        output = outputs if self.return_sequences else last
        return (output, *states) if self.return_state else output

    def _check_batch_size(self, sequences: Any) -> None:
        if not self.stateful:
            return
        expected, received = self.states[0].shape[0], sequences.shape[0]
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
        prepare = getattr(self.cell, "prepare_dropout", None)
        if prepare is not None:
            prepare(sequences, initial_state, training)

        def by_time(value: Any) -> Any:
            value = ops.swapaxes(value, 0, 1)
            return ops.flip(value, axis=0) if self.go_backwards else value

        def step(states: Any, inputs: Any) -> tuple[Any, Any]:
            x, counted = inputs if mask is not None else (inputs, None)
            output, new_states = self.cell(x, list(states), **options)
            new_states = list(new_states) if tree.is_nested(new_states) else [new_states]
            if counted is None:
                return new_states, output
            counted = ops.expand_dims(counted, axis=-1)
            hidden = ops.zeros_like(output) if self.zero_output_for_mask else states[0]
            output = ops.where(counted, output, hidden)
            return [ops.where(counted, new, old) for new, old in zip(new_states, states, strict=True)], output

        steps = by_time(sequences)
        xs = steps if mask is None else (steps, by_time(ops.cast(mask, "bool")))
        try:
            states, outputs = ops.scan(step, initial_state, xs)
        finally:
            forget = getattr(self.cell, "forget_dropout", None)
            if forget is not None:
                forget()
        outputs = ops.swapaxes(outputs, 0, 1)
        return outputs[:, -1], outputs, list(states)

    def compute_output_shape(self, sequences_shape: Any, initial_state_shape: Any = None) -> Any:
        """Returns the shape of the outputs."""
        batch, steps = sequences_shape[0], sequences_shape[1]
        size = getattr(self.cell, "output_size", None) or self.state_size[0]
        output = (batch, steps, size) if self.return_sequences else (batch, size)
        if self.return_state:
            return (output, *((batch, state) for state in self.state_size))
        return output

    def compute_mask(self, sequences: Any, mask: Any) -> Any:
        """Returns the mask of the steps if all outputs are returned; states have none."""
        mask = tree.flatten(mask)[0] if tree.is_nested(mask) else mask
        output_mask = mask if self.return_sequences else None
        return [output_mask, *(None for _ in self.state_size)] if self.return_state else output_mask

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
