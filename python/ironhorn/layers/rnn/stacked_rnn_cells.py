"""Several recurrent cells as one, and what may be asked of any cell."""

from __future__ import annotations

from typing import Any

from ironhorn import ops, tree
from ironhorn.layers.layer import Layer


class StackedRNNCells(Layer):
    """Cells on top of each other as one cell: each reads the output of the one before.

    Args:
        cells: List of cells.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Call arguments:
        inputs: `(batch, features)`.
        states: List of the states of every cell.
        training: Whether dropout acts.

    Example:
        >>> from ironhorn import layers, ops
        >>> cell = layers.StackedRNNCells([layers.LSTMCell(4), layers.LSTMCell(6)])
        >>> layers.RNN(cell)(ops.ones((2, 5, 3))).shape
        (2, 6)
    """

    def __init__(self, cells: Any, **kwargs: Any) -> None:
        if not isinstance(cells, list | tuple) or not cells:
            raise ValueError(f"`cells` must be a list of at least one cell. Received: cells={cells!r}.")
        for cell in cells:
            check_cell(cell)
        super().__init__(**kwargs)
        self.cells = list(cells)

    @property
    def state_size(self) -> list[Any]:
        """The state sizes of all cells."""
        return [cell.state_size for cell in self.cells]

    @property
    def output_size(self) -> Any:
        """The output size of the last cell."""
        return output_size(self.cells[-1])

    def build(self, input_shape: Any) -> None:
        """Builds every cell."""
        for cell in self.cells:
            if isinstance(cell, Layer) and not cell.built:
                cell.build(input_shape)
            size = output_size(cell)
            input_shape = (input_shape[0], *((size,) if isinstance(size, int) else size))

    def get_initial_state(self, batch_size: Any = None) -> list[Any]:
        """Returns the states that every cell starts with.

        Args:
            batch_size: Number of sequences.
        """
        return [
            initial_state(cell, batch_size, getattr(cell, "compute_dtype", self.compute_dtype)) for cell in self.cells
        ]

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        """Computes one step of every cell."""
        new_states = []
        for cell, state in zip(self.cells, states, strict=True):
            takes_training = isinstance(cell, Layer) and cell._call_has_training_arg
            options = {"training": training} if takes_training else {}
            given = list(state) if tree.is_nested(state) else [state]
            inputs, after = (cell if callable(cell) else cell.call)(inputs, given, **options)
            new_states.append(tree.pack_sequence_as(state, tree.flatten(after)))
        return inputs, new_states

    def prepare_dropout(self, inputs: Any, states: Any, training: bool) -> None:
        """Draws the masks that all steps of a sequence share, for every cell.

        Args:
            inputs: The inputs of one step.
            states: The states of one step.
            training: Whether dropout acts.
        """
        for cell, state in zip(self.cells, states, strict=True):
            prepare = getattr(cell, "prepare_dropout", None)
            if prepare is not None:
                prepare(inputs, list(state) if tree.is_nested(state) else [state], training)
            size = output_size(cell)
            inputs = ops.zeros(
                (ops.shape(inputs)[0], *((size,) if isinstance(size, int) else size)), dtype=inputs.dtype
            )

    def forget_dropout(self) -> None:
        """Forgets the masks of the last sequence."""
        for cell in self.cells:
            forget = getattr(cell, "forget_dropout", None)
            if forget is not None:
                forget()

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        from ironhorn.saving import registry

        return {**super().get_config(), "cells": [registry.serialize_keras_object(cell) for cell in self.cells]}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """Makes a layer from what `get_config` returned."""
        from ironhorn.saving import registry

        cells = [registry.deserialize_keras_object(cell, custom_objects=custom_objects) for cell in config["cells"]]
        return super().from_config({**config, "cells": cells})


def check_cell(cell: Any) -> None:
    """Raises a `ValueError` if something cannot be a cell."""
    if not callable(getattr(cell, "call", None)):
        raise ValueError(
            f"A cell must have a method `call(inputs, states)`. Received: cell={cell!r} (of type "
            f"{type(cell).__name__})."
        )
    size = getattr(cell, "state_size", None)
    if isinstance(size, bool) or not isinstance(size, int | list | tuple):
        raise ValueError(
            "A cell must have the attribute `state_size`: an integer, or a list of integers, one for each state. "
            f"Received: {type(cell).__name__} with state_size={size!r}."
        )


def output_size(cell: Any) -> Any:
    """Returns the size of a cell's output: its `output_size`, or the size of its first state."""
    size = getattr(cell, "output_size", None)
    return tree.flatten(cell.state_size)[0] if size is None else size


def initial_state(cell: Any, batch_size: Any, dtype: str) -> Any:
    """Returns the states that a cell starts with: what `get_initial_state` says, or zeros by `state_size`."""
    own = getattr(cell, "get_initial_state", None)
    if own is not None:
        return own(batch_size=batch_size)
    return tree.map_structure(lambda size: ops.zeros((batch_size, size), dtype=dtype), cell.state_size)
