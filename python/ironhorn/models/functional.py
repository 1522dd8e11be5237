"""Models made of symbolic inputs and outputs: the layer graph as a model."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ironhorn import backend, ops, tree
from ironhorn.layers.core.input_layer import Input, InputLayer
from ironhorn.layers.input_spec import InputSpec
from ironhorn.layers.layer import Layer
from ironhorn.layers.tracking import no_tracking
from ironhorn.models.graph import Graph, node_of, nodes_between
from ironhorn.models.model import Model, takes_graph
from ironhorn.training.trainer import Trainer

# What `_set_graph` sets.
_GRAPH = (
    "_inputs_struct",
    "_outputs_struct",
    "_inputs",
    "_outputs",
    "_graph",
    "_nodes_by_depth",
    "_operations",
    "_order",
    "_host_nodes",
)


class Functional(Model):
    """The model that `Model(inputs, outputs)` makes.

    Inputs may be tensors that `Input` made, or tensors inside another model; then the new model shares the layers after
    them.

    Args:
        inputs: A symbolic tensor, or a list, tuple or dictionary of them.
        outputs: A symbolic tensor or nest of them, computed from the inputs.
        name: Name of the model.
        **kwargs: `trainable`.

    Raises:
        ValueError: If an output does not depend on the inputs only, or two layers share a name.

    Example:
        >>> a, b = ironhorn.Input((2,), name="a"), ironhorn.Input((3,), name="b")
        >>> model = ironhorn.Model({"a": a, "b": b}, ironhorn.layers.Concatenate()([a, b]))
        >>> model.output_shape
        (None, 5)
    """

    _manual_input_spec: Any

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Makes an empty model, ready to track what `__init__` sets."""
        return Layer.__new__(cls, *args, **kwargs)

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None, **kwargs: Any) -> None:
        trainable = kwargs.pop("trainable", None)
        _check_tensors("inputs", inputs)
        _check_tensors("outputs", outputs)
        if isinstance(inputs, dict):
            for key, tensor in inputs.items():
                if isinstance(tensor, backend.KerasTensor) and tensor.name != key:
                    warnings.warn(
                        f"The input under the key '{key}' is named '{tensor.name}'. Data is matched by key; name the "
                        f"input Input(..., name='{key}') to avoid confusion.",
                        stacklevel=3,
                    )
        if not all(node_of(tensor).is_input for tensor in tree.flatten(inputs)):
            inputs, outputs = clone_graph_nodes(inputs, outputs)
        Trainer.__init__(self)
        Layer.__init__(self, name=name, **kwargs)
        self._set_graph(inputs, outputs)
        for operation in self._operations:
            if isinstance(operation, Layer):
                self._tracker.track(operation)
        if trainable is not None:
            self.trainable = trainable
        self.build(None)
        self._convert_input_args = False
        self._allow_non_tensor_positional_args = True

    def _set_graph(self, inputs: Any, outputs: Any) -> None:
        with no_tracking():
            self._inputs_struct = tree.map_structure(lambda tensor: tensor, inputs)
            self._outputs_struct = tree.map_structure(lambda tensor: tensor, outputs)
            self._inputs = tree.flatten(inputs)
            self._outputs = tree.flatten(outputs)
            graph = Graph(self._inputs, self._outputs)
            self._graph = graph
            self._nodes_by_depth = graph.nodes_by_depth
            self._operations = graph.operations
            self._order = [node for node in graph.nodes if not node.is_input]
            self._host_nodes = _host_nodes(self._inputs, self._order)
            self.output_names = [tensor._keras_history.operation.name for tensor in self._outputs]

    def __getstate__(self) -> dict[str, Any]:
        """Returns what a copy or pickle keeps beside the graph."""
        state = super().__getstate__()
        for name in _GRAPH:
            del state[name]
        return state

    def __reduce__(self) -> Any:
        from ironhorn.models.graph_copy import describe, remake

        return remake, (type(self), describe(self)), self.__getstate__()

    def _lock_state(self) -> None:
        """Does nothing: layers may be attached to a model later."""

    def build(self, input_shape: Any = None) -> None:
        """Does nothing: the layers were built when they were called."""

    @property
    def operations(self) -> list[Any]:
        """The operations of the graph: layers, and ops on symbolic tensors."""
        return list(self._operations)

    @property
    def layers(self) -> list[Any]:
        """The layers of the graph, in the order in which they run."""
        return [operation for operation in self._operations if isinstance(operation, Layer)]

    @layers.setter
    def layers(self, value: Any) -> None:
        raise AttributeError("`layers` lists the layers of a model and cannot be set. Choose another name.")

    @property
    def inputs(self) -> list[Any]:
        """The symbolic inputs, flat."""
        return self._inputs

    @property
    def outputs(self) -> list[Any]:
        """The symbolic outputs, flat."""
        return self._outputs

    @property
    def input(self) -> Any:
        """The symbolic inputs, in the structure given."""
        return self._inputs_struct

    @property
    def output(self) -> Any:
        """The symbolic outputs, in the structure given."""
        return self._outputs_struct

    @property
    def input_names(self) -> list[str]:
        """The names of the inputs."""
        return [tensor.name for tensor in self._inputs]

    @property
    def input_shape(self) -> Any:
        """The shape of the input, or the list of the inputs' shapes."""
        shapes = [tuple(tensor.shape) for tensor in self._inputs]
        return shapes[0] if len(shapes) == 1 else shapes

    @property
    def output_shape(self) -> Any:
        """The shape of the output, or the list of the outputs' shapes."""
        shapes = [tuple(tensor.shape) for tensor in self._outputs]
        return shapes[0] if len(shapes) == 1 else shapes

    @property
    def input_spec(self) -> Any:
        """What the model accepts: one `InputSpec` for each input."""
        if "_manual_input_spec" in self.__dict__:
            return self._manual_input_spec
        struct = self._inputs_struct
        if isinstance(struct, dict):
            if not all(isinstance(tensor, backend.KerasTensor) for tensor in struct.values()):
                return None
            return [_spec_of(struct[key], key) for key in sorted(struct)]
        return [_spec_of(tensor, None) for tensor in self._inputs]

    @input_spec.setter
    def input_spec(self, value: Any) -> None:
        object.__setattr__(self, "_manual_input_spec", value)

    # ---------------------------------------------------------------------------------------------------- calling

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None, **kwargs: Any) -> Any:
        """Computes the outputs.

        Args:
            inputs: Data in the structure of the model's inputs; a dictionary by the inputs' names is understood too.
            training: Whether the model is being trained.
            mask: Masks of the inputs.
            **kwargs: Not supported; must be empty.
        """
        if kwargs:
            raise ValueError(f"Model '{self.name}' does not take the argument(s) {sorted(kwargs)} when it is called.")
        flat = self._standardize_inputs(inputs)
        if mask is not None:
            for tensor, one in zip(flat, tree.flatten(mask), strict=False):
                if one is not None:
                    backend.set_keras_mask(tensor, one)
        outputs = self._run_through_graph(flat, training=training)
        return outputs[0] if isinstance(outputs, list | tuple) and len(outputs) == 1 else outputs

    def _run_through_graph(
        self,
        inputs: list[Any],
        operation_for: Callable[[Any], Any] | None = None,
        call: Callable[..., Any] | None = None,
        training: bool | None = None,
    ) -> Any:
        """Runs the nodes in order.

        Args:
            inputs: Values of the flat inputs.
            operation_for: Gives the operation to call in the place of another.
            call: Calls an operation; `call(operation, *args, **kwargs)`.
            training: Replaces the value of `training` that a node recorded when the layer was called.
        """
        values = {}
        for index, (tensor, value) in enumerate(zip(self._inputs, inputs, strict=True)):
            node = self._host_nodes.get(index)
            if node is not None and backend.is_tensor(value):  # The layer on the host was applied before.
                tensor = node.outputs[0]
            values[id(tensor)] = value

        def fill_in(leaf: Any) -> Any:
            return values.get(id(leaf)) if isinstance(leaf, backend.KerasTensor) else leaf

        for node in self._order:
            if any(id(tensor) not in values for tensor in node.input_tensors):
                continue
            operation = node.operation if operation_for is None else operation_for(node.operation)
            if not node.kwargs and len(node.args) == 1 and isinstance(node.args[0], backend.KerasTensor):
                args, kwargs = (values[id(node.args[0])],), {}
            else:
                args = tuple(tree.map_structure(fill_in, value) for value in node.args)
                kwargs = {name: tree.map_structure(fill_in, value) for name, value in node.kwargs.items()}
            if training is not None and "training" in kwargs:
                kwargs["training"] = training
            outputs = operation(*args, **kwargs) if call is None else call(operation, *args, **kwargs)
            for tensor, value in zip(node.outputs, tree.flatten(outputs), strict=True):
                values[id(tensor)] = value
        return tree.pack_sequence_as(self._outputs_struct, [values[id(tensor)] for tensor in self._outputs])

    def _on_host(self, inputs: Any) -> Any:
        """Returns inputs with texts replaced by what the layers on the host make of them."""
        if not self._host_nodes or not (hasattr(inputs, "shape") or isinstance(inputs, list | tuple | dict)):
            return inputs
        flat = self._match_inputs(inputs)
        prepared = []
        for index, value in enumerate(flat):
            node = self._host_nodes.get(index)
            if node is not None and getattr(getattr(value, "dtype", None), "kind", "O") in "USO":
                value = ops.convert_to_numpy(node.operation(value))
            prepared.append(value)
        return tree.pack_sequence_as(self._inputs_struct, prepared)

    def _standardize_inputs(self, inputs: Any) -> list[Any]:
        """Returns the flat inputs as tensors of the dtypes and ranks that the model has."""
        flat = self._match_inputs(inputs)
        return [self._standardize_input(value, tensor) for value, tensor in zip(flat, self._inputs, strict=True)]

    def _match_inputs(self, inputs: Any) -> list[Any]:
        """Returns the data of each input, in the order of the inputs."""
        struct = self._inputs_struct
        names = [tensor.name for tensor in self._inputs]
        if isinstance(inputs, dict) and not isinstance(struct, dict):
            missing = [name for name in names if name not in inputs]
            if missing:
                raise ValueError(
                    f"Model '{self.name}' takes the inputs {names}. Missing in the dictionary: {missing}; received the "
                    f"keys {list(inputs)}."
                )
            flat = [inputs[name] for name in names]
        elif isinstance(inputs, dict):
            missing = [key for key in struct if key not in inputs]
            if missing:
                raise ValueError(
                    f"Model '{self.name}' takes a dictionary with the keys {list(struct)}. Missing: {missing}; "
                    f"received the keys {list(inputs)}."
                )
            unknown = [key for key in inputs if key not in struct]
            if unknown:
                warnings.warn(
                    f"Model '{self.name}' takes the keys {list(struct)} and ignores {unknown}.",
                    stacklevel=4,
                )
            flat = tree.flatten({key: inputs[key] for key in struct})
        elif len(self._inputs) == 1 and (_is_data(inputs) or inputs is None):
            flat = [inputs]
        else:
            flat = tree.flatten(inputs)
            ordered = not isinstance(struct, dict) or list(struct) == sorted(struct)
            if len(flat) != len(self._inputs) or not ordered:
                keys = f" under the keys {list(struct)}" if isinstance(struct, dict) else f": {names}"
                raise ValueError(
                    f"Model '{self.name}' takes {len(self._inputs)} input(s){keys}. Received {len(flat)}: "
                    f"{[_describe(value) for value in flat]}. Pass one array for each input, in this order or as a "
                    "dictionary."
                )
        return flat

    def _standardize_input(self, value: Any, reference: Any) -> Any:
        layer = reference._keras_history.operation
        if value is None:
            if not getattr(layer, "optional", True):
                raise ValueError(
                    f"Model '{self.name}': the input '{reference.name}' is not optional, but None was passed. Pass "
                    "data, or declare it as Input(..., optional=True)."
                )
            return None
        if reference.dtype == "string":
            if isinstance(value, backend.KerasTensor) or backend.is_tensor(value):
                return value
            array = np.asarray(value, dtype=object)
            return ops.convert_to_tensor(value) if getattr(value, "dtype", array.dtype).kind in "iu" else array
        mask = backend.get_keras_mask(value)
        tensor = value if isinstance(value, backend.KerasTensor) else ops.convert_to_tensor(value)
        if backend.standardize_dtype(tensor.dtype) != reference.dtype:
            tensor = ops.cast(tensor, reference.dtype)
        rank, wanted = len(tensor.shape), len(reference.shape)
        if rank == wanted + 1 and tensor.shape[-1] == 1:
            tensor = ops.squeeze(tensor, axis=-1)
        elif rank == wanted - 1 and reference.shape[-1] == 1:
            tensor = ops.expand_dims(tensor, axis=-1)
        elif rank != wanted:
            raise ValueError(
                f"Model '{self.name}' expects shape {tuple(reference.shape)} for the input '{reference.name}', with "
                f"the batch as first axis. Received shape {tuple(tensor.shape)}. "
                + ("Add the batch axis: x[None]." if rank == wanted - 1 else "Reshape the data, or change the `Input`.")
            )
        if mask is not None and backend.get_keras_mask(tensor) is None:
            backend.set_keras_mask(tensor, mask)
        return tensor

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """Returns nothing: the outputs carry the masks that the layers gave them."""
        return None

    def compute_output_spec(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Returns the outputs as `KerasTensor`s for inputs of given shapes."""
        flat = self._standardize_specs(inputs)
        if all(tuple(tensor.shape) == tuple(own.shape) for tensor, own in zip(flat, self._inputs, strict=True)):
            outputs = tree.map_structure(
                lambda tensor: backend.KerasTensor(tuple(tensor.shape), dtype=tensor.dtype), self._outputs_struct
            )
        else:
            outputs = self._run_through_graph(
                flat, call=lambda operation, *args, **kwargs: operation.compute_output_spec(*args, **kwargs)
            )
        return outputs[0] if isinstance(outputs, list | tuple) and len(outputs) == 1 else outputs

    def _standardize_specs(self, inputs: Any) -> list[Any]:
        if isinstance(inputs, dict) and not isinstance(self._inputs_struct, dict):
            inputs = [inputs[tensor.name] for tensor in self._inputs]
        flat = tree.flatten(inputs)
        if len(flat) != len(self._inputs):
            raise ValueError(f"Model '{self.name}' takes {len(self._inputs)} input(s). Received {len(flat)}.")
        return flat

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shapes of the outputs for shapes of the inputs."""
        from ironhorn.layers.call_spec import map_shapes

        shapes = tree.flatten(map_shapes(lambda shape: backend.KerasTensor(shape), input_shape))
        flat = [
            backend.KerasTensor(tuple(tensor.shape), dtype=own.dtype)
            for tensor, own in zip(shapes, self._inputs, strict=True)
        ]
        outputs = self.compute_output_spec(flat)
        return tree.map_structure(lambda tensor: tuple(tensor.shape), outputs)

    def _check_inputs(self, inputs: Any) -> None:
        """Does nothing: `call` checks the inputs one by one."""
        if "_manual_input_spec" in self.__dict__:
            super()._check_inputs(inputs)

    def add_loss(self, loss: Any) -> None:
        """Refuses: losses of a functional model are added by its layers."""
        raise NotImplementedError(
            f"Model '{self.name}' is functional: add losses inside the `call` of a layer, or write a subclass of Model."
        )

    # -------------------------------------------------------------------------------------------- configuration

    def get_config(self) -> dict[str, Any]:
        """Returns the graph as a dictionary, in Keras' format."""
        if not takes_graph(type(self)):
            return Layer.get_config(self)
        from ironhorn.models.functional_config import graph_config

        return graph_config(self)


# A subclass with a constructor of its own is saved by that constructor's arguments.
Functional.get_config._may_write_arguments = True  # type: ignore[attr-defined]


def _check_tensors(label: str, tensors: Any) -> None:
    flat = tree.flatten(tensors)
    if not flat:
        raise ValueError(f"`{label}` of a model must hold at least one tensor. Received: {tensors!r}.")
    for tensor in flat:
        if not isinstance(tensor, backend.KerasTensor):
            raise ValueError(
                f"`{label}` of a model must be symbolic tensors, as `Input` and layers called on it return them. "
                f"Received: {tensor!r} (of type {type(tensor).__name__})."
            )
        if getattr(tensor, "_keras_history", None) is None:
            raise ValueError(
                f"The tensor {tensor} in `{label}` does not come from an `Input`. Make it with Input(shape)."
            )


def _host_nodes(inputs: list[Any], order: list[Any]) -> dict[int, Any]:
    """Returns the number of each input of texts -> the call of the layer on the host that takes it."""
    found: dict[int, Any] = {}
    for index, tensor in enumerate(inputs):
        readers = [node for node in order if any(source is tensor for source in node.input_tensors)]
        on_host = [node for node in readers if getattr(node.operation, "_runs_on_host", False)]
        if len(readers) == len(on_host) == 1 and len(on_host[0].input_tensors) == 1:
            found[index] = on_host[0]
    return found


def _spec_of(tensor: Any, name: str | None) -> InputSpec:
    operation = tensor._keras_history.operation
    return InputSpec(
        shape=(None, *tensor.shape[1:]) if len(tensor.shape) else (),
        allow_last_axis_squeeze=True,
        name=operation.name if name is None else name,
        optional=isinstance(operation, InputLayer) and operation.optional,
    )


def _is_data(value: Any) -> bool:
    """Whether a value is one array, tensor or list of plain numbers or texts, and not a list of arrays."""
    if hasattr(value, "shape") or isinstance(value, str | bytes | int | float):
        return True
    return isinstance(value, list | tuple) and not any(hasattr(leaf, "shape") for leaf in tree.flatten(value))


def _describe(value: Any) -> str:
    return f"shape {tuple(value.shape)}" if hasattr(value, "shape") else type(value).__name__


def clone_graph_nodes(inputs: Any, outputs: Any) -> tuple[Any, Any]:
    """Makes nodes for a model that starts at tensors inside another one.

    Args:
        inputs: Symbolic tensors; those that `Input` made are kept.
        outputs: Symbolic tensors computed from them.

    Returns:
        New inputs and outputs of the same structures; the layers are shared.
    """
    replaced: dict[int, Any] = {}
    new_inputs = []
    input_operations: set[int] = set()
    for tensor in tree.flatten(inputs):
        if node_of(tensor).is_input:
            new = tensor
        else:
            new = Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=f"{tensor.name}CLONE")
        input_operations.add(id(new._keras_history.operation))
        replaced[id(tensor)] = new
        new_inputs.append(new)

    def swap(leaf: Any) -> Any:
        if not isinstance(leaf, backend.KerasTensor):
            return leaf
        if id(leaf) not in replaced:
            replaced[id(leaf)] = backend.KerasTensor(tuple(leaf.shape), dtype=leaf.dtype, name=f"{leaf.name}_clone")
        return replaced[id(leaf)]

    for node in nodes_between(tree.flatten(inputs), tree.flatten(outputs)):
        if node.is_input:
            for tensor in node.outputs:
                replaced.setdefault(id(tensor), tensor)
            continue
        args = tuple(tree.map_structure(swap, value) for value in node.args)
        kwargs = {name: tree.map_structure(swap, value) for name, value in node.kwargs.items()}
        backend.Node(node.operation, args, kwargs, [swap(tensor) for tensor in node.outputs])
    new_outputs = [swap(tensor) for tensor in tree.flatten(outputs)]
    return tree.pack_sequence_as(inputs, new_inputs), tree.pack_sequence_as(outputs, new_outputs)


def functional_from_config(cls: type, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
    """Makes a functional model from its configuration; see `models.functional_config`."""
    from ironhorn.models.functional_config import model_from_graph_config

    return model_from_graph_config(cls, copy.copy(config), custom_objects=custom_objects)
