"""The wrapper that runs a recurrent layer in both directions."""

from __future__ import annotations

from typing import Any

from ironhorn import ops
from ironhorn.layers.layer import Layer

_MODES = ("concat", "sum", "mul", "ave", None)
_ATTRIBUTES = ("go_backwards", "return_sequences", "return_state", "stateful")


class Bidirectional(Layer):
    """Runs a recurrent layer forwards and a copy of it backwards, and merges the outputs.

    Args:
        layer: A recurrent layer, such as `LSTM(32)`. It is copied, without its weights.
        merge_mode: How outputs are merged: `"concat"` along the features, `"sum"`, `"mul"`, `"ave"`, or `None` for both
            as a pair.
        weights: Values for all weights, forward layer first; set when the layer is built.
        backward_layer: The layer for the backward direction, instead of a copy; its `go_backwards` must differ.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Call arguments:
        sequences: `(batch, steps, features)`.
        initial_state: States of the forward layer, then of the backward layer.
        mask: Booleans `(batch, steps)`: which steps count.
        training: Whether dropout acts.

    Example:
        >>> ironhorn.layers.Bidirectional(ironhorn.layers.LSTM(4))(ironhorn.ops.ones((2, 5, 3))).shape
        (2, 8)
    """

    def __init__(
        self,
        layer: Any,
        merge_mode: str | None = "concat",
        weights: Any = None,
        backward_layer: Any = None,
        **kwargs: Any,
    ) -> None:
        for label, value in (("layer", layer), ("backward_layer", backward_layer)):
            if not isinstance(value, Layer) and not (label == "backward_layer" and value is None):
                raise ValueError(
                    f"`{label}` must be a recurrent layer such as LSTM(32). Received: {label}={value!r} (of type "
                    f"{type(value).__name__})."
                )
            if value is not None and not all(hasattr(value, attribute) for attribute in _ATTRIBUTES):
                raise ValueError(
                    f"`{label}` must be a recurrent layer such as LSTM(32), with the attributes "
                    f"{', '.join(_ATTRIBUTES)}. Received: {label}={value!r}."
                )
        if merge_mode not in _MODES:
            raise ValueError(f"`merge_mode` must be one of {_MODES}. Received: merge_mode={merge_mode!r}.")
        super().__init__(**kwargs)
        self.forward_layer = _copy(layer, "forward_")
        self.backward_layer = _copy(layer, "backward_", go_backwards=True) if backward_layer is None else backward_layer
        self._check_layers()
        for inner in (self.forward_layer, self.backward_layer):
            if getattr(inner, "zero_output_for_mask", None) is not None:
                inner.zero_output_for_mask = inner.return_sequences
        self.merge_mode = merge_mode
        self._initial_weights = weights
        self.stateful = layer.stateful
        self.return_sequences = layer.return_sequences
        self.return_state = layer.return_state
        self.supports_masking = True
        self.input_spec = layer.input_spec

    def _check_layers(self) -> None:
        forward, backward = self.forward_layer, self.backward_layer
        if forward.go_backwards == backward.go_backwards:
            raise ValueError(
                f"The layers of '{self.name}' must run in different directions, but both have "
                f"go_backwards={forward.go_backwards}. Set go_backwards=True on the backward layer only."
            )
        for attribute in _ATTRIBUTES[1:]:
            pair = getattr(forward, attribute), getattr(backward, attribute)
            if pair[0] != pair[1]:
                raise ValueError(
                    f"The layers of '{self.name}' must have the same `{attribute}`. Received: forward {pair[0]}, "
                    f"backward {pair[1]}."
                )

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        """Builds both layers."""
        for layer in (self.forward_layer, self.backward_layer):
            if not layer.built:
                layer.build(sequences_shape)
        if self._initial_weights is not None:
            self.set_weights(self._initial_weights)
            self._initial_weights = None

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool | None = None) -> Any:
        """Runs through the sequences in both directions."""
        options: dict[str, Any] = {}
        if self.forward_layer._call_has_training_arg:
            options["training"] = training
        if self.forward_layer._call_has_mask_arg:
            options["mask"] = mask
        forward_state, backward_state = None, None
        if initial_state is not None:
            half = len(initial_state) // 2
            forward_state, backward_state = list(initial_state[:half]), list(initial_state[half:])
        forward = self.forward_layer(sequences, initial_state=forward_state, **options)
        backward = self.backward_layer(sequences, initial_state=backward_state, **options)
        states: tuple[Any, ...] = ()
        if self.return_state:
            states = (*forward[1:], *backward[1:])
            forward, backward = forward[0], backward[0]
        forward, backward = ops.cast(forward, self.compute_dtype), ops.cast(backward, self.compute_dtype)
        if self.return_sequences:
            backward = ops.flip(backward, axis=1)
        if self.merge_mode is None:
            return (forward, backward, *states)
        if self.merge_mode == "concat":
            output = ops.concatenate([forward, backward], axis=-1)
        elif self.merge_mode == "mul":
            output = ops.multiply(forward, backward)
        else:
            output = ops.add(forward, backward)
            if self.merge_mode == "ave":
                output = ops.divide(output, 2.0)
        return (output, *states) if self.return_state else output

    def compute_output_shape(self, sequences_shape: Any, initial_state_shape: Any = None) -> Any:
        """Returns the shape of the outputs."""
        output = self.forward_layer.compute_output_shape(sequences_shape)
        states: tuple[Any, ...] = ()
        if self.return_state:
            output, states = output[0], tuple(output[1:])
        if self.merge_mode is None:
            return (output, output, *states, *states)
        if self.merge_mode == "concat":
            output = (*output[:-1], 2 * output[-1])
        return (output, *states, *states) if self.return_state else output

    def compute_mask(self, sequences: Any, mask: Any) -> Any:
        """Returns the mask of the steps if all outputs are returned; last states, which come after them, have none."""
        mask = mask[0] if isinstance(mask, list | tuple) else mask
        mask = mask if self.return_sequences else None
        return (mask, mask) if self.merge_mode is None else mask

    @property
    def states(self) -> tuple[Any, ...] | None:
        """The states of stateful layers: forward, then backward."""
        if self.forward_layer.states and self.backward_layer.states:
            return (*self.forward_layer.states, *self.backward_layer.states)
        return None

    def reset_state(self) -> None:
        """Sets the states of stateful layers to zero."""
        if not self.stateful:
            raise AttributeError(f"Layer '{self.name}' is not stateful, so it has no state to reset.")
        self.forward_layer.reset_state()
        self.backward_layer.reset_state()

    reset_states = reset_state

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        from ironhorn.saving import registry

        return {
            **super().get_config(),
            "merge_mode": self.merge_mode,
            "layer": registry.serialize_keras_object(self.forward_layer),
            "backward_layer": registry.serialize_keras_object(self.backward_layer),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """Makes a layer from what `get_config` returned."""
        from ironhorn.saving import registry

        config = dict(config)
        for name in ("layer", "backward_layer"):
            if config.get(name) is not None:
                config[name] = registry.deserialize_keras_object(config[name], custom_objects=custom_objects)
        return super().from_config(config)


def _copy(layer: Any, prefix: str, **changes: Any) -> Any:
    """Returns a layer of the same configuration, with a prefix to its name and some arguments changed."""
    from ironhorn.saving import registry

    config = registry.serialize_keras_object(layer)
    config["config"] = {**config["config"], **changes, "name": prefix + layer.name.removeprefix(prefix)}
    # Classes that nobody registered are at hand here.
    known = {type(one).__name__: type(one) for one in (*layer._flatten_layers(), *_cells(getattr(layer, "cell", None)))}
    copied = registry.deserialize_keras_object(config, custom_objects=known)
    if layer.built:
        copied.build_from_config(layer.get_build_config())
    return copied


def _cells(cell: Any) -> list[Any]:
    """Returns a cell and the cells inside, which need not be layers."""
    inner = [found for one in getattr(cell, "cells", ()) for found in _cells(one)]
    return inner if cell is None else [cell, *inner]
