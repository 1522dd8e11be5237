"""The graph of a functional model as a dictionary, in Keras 3's format, and back.

    {"name", "trainable",
     "layers": [{"module", "class_name", "config", "registered_name", "build_config",
                 "name", "inbound_nodes": [{"args": [...], "kwargs": {...}}]}],
     "input_layers": nest of [name, node, tensor], "output_layers": the same}

A tensor in `args` is `{"class_name": "__keras_tensor__", "config": {"shape", "dtype", "keras_history": [name, node,
tensor]}}`. Nodes are counted among those that belong to the model; in `output_layers` those of an inner functional
model count from 1.
"""

from __future__ import annotations

import copy
from typing import Any

from ironhorn import backend, tree
from ironhorn.layers.layer import Layer
from ironhorn.models.graph import node_key
from ironhorn.models.operation_config import deserialize_operation, is_operation_config, serialize_operation, split_call


class _NotYetCalled(Exception):
    """A node refers to a call that has not been made again yet."""


def graph_config(model: Any) -> dict[str, Any]:
    """Returns the configuration of a functional model."""
    from ironhorn.saving import registry

    own = model._graph.node_keys
    layers = []
    for operation in model.operations:
        if isinstance(operation, Layer):
            config = registry.serialize_keras_object(operation)
        else:
            config = serialize_operation(operation)
        config["name"] = operation.name
        config["inbound_nodes"] = [
            _serialize_node(node, operation, own)
            for index, node in enumerate(operation._inbound_nodes)
            if node_key(operation, index) in own and node.input_tensors
        ]
        layers.append(config)

    def place(tensor: Any) -> list[Any]:
        operation, node_index, tensor_index = tensor._keras_history
        return [operation.name, _place_in_model(operation, node_index, own, True), tensor_index]

    config = {
        "name": model.name,
        "trainable": model.trainable,
        "layers": layers,
        "input_layers": tree.map_structure(place, model.input),
        "output_layers": tree.map_structure(place, model.output),
    }
    return copy.deepcopy(config)


def _place_in_model(operation: Any, node_index: int, own: set[Any], as_output: bool) -> int:
    """Returns the number of a node among those of its operation that belong to the model."""
    from ironhorn.models.functional import Functional

    before = sum(node_key(operation, index) in own for index in range(node_index))
    return before + (1 if as_output and isinstance(operation, Functional) else 0)


def _serialize_node(node: Any, operation: Any, own: set[Any]) -> dict[str, Any]:
    from ironhorn.saving import registry

    def tensor_config(leaf: Any) -> Any:
        if not isinstance(leaf, backend.KerasTensor):
            return leaf
        source, node_index, tensor_index = leaf._keras_history  # type: ignore[attr-defined]
        return {
            "class_name": "__keras_tensor__",
            "config": {
                "shape": tuple(leaf.shape),
                "dtype": leaf.dtype,
                "keras_history": [source.name, _place_in_model(source, node_index, own, False), tensor_index],
            },
        }

    args, kwargs = node.args, node.kwargs
    if not isinstance(operation, Layer):
        args, kwargs, _ = split_call(operation, node)
    args = [tree.map_structure(tensor_config, value) for value in args]
    kwargs = {name: tree.map_structure(tensor_config, value) for name, value in kwargs.items()}
    return {"args": registry.serialize_keras_object(args), "kwargs": registry.serialize_keras_object(kwargs)}


def model_from_graph_config(cls: type, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
    """Makes a functional model from its configuration.

    Args:
        cls: Class of the model.
        config: The configuration; keys beyond the graph become arguments of the constructor.
        custom_objects: Names of classes and functions that are not built in.

    Raises:
        ValueError: If the graph has loops, or refers to layers that it does not list.
    """
    operations: dict[str, Any] = {}
    waiting: list[tuple[Any, list[Any]]] = []
    layer_configs = config.pop("layers")
    for layer_config in layer_configs:
        operation = _make_operation(layer_config, custom_objects)
        operations[layer_config.get("name") or layer_config["config"]["name"]] = operation
        waiting.append((operation, list(layer_config.get("inbound_nodes", []))))

    while any(nodes for _, nodes in waiting):
        progressed = False
        for operation, nodes in waiting:
            while nodes:
                try:
                    args, kwargs = _deserialize_node(nodes[0], operations, custom_objects)
                except _NotYetCalled:
                    break
                operation(*args, **kwargs)
                nodes.pop(0)
                progressed = True
        if not progressed:
            stuck = [operation.name for operation, nodes in waiting if nodes]
            raise ValueError(
                f"The configuration of the model '{config.get('name')}' has a loop, or nodes that depend on nothing: "
                f"the layers {stuck} cannot be called. The file is damaged, or was edited by hand."
            )

    def tensor_at(name: str, node_index: int, tensor_index: int) -> Any:
        from ironhorn.models.functional import Functional

        operation = _operation_named(name, operations)
        if isinstance(operation, Functional):
            node_index -= 1
        return operation._inbound_nodes[node_index].outputs[tensor_index]

    inputs = _map_places(tensor_at, config.pop("input_layers"))
    outputs = _map_places(tensor_at, config.pop("output_layers"))
    name, trainable = config.pop("name", None), config.pop("trainable", None)
    return cls(inputs=inputs, outputs=outputs, name=name, trainable=trainable, **config)


def _make_operation(config: dict[str, Any], custom_objects: dict[str, Any] | None) -> Any:
    if is_operation_config(config):
        return deserialize_operation(config)
    from ironhorn.saving import registry

    layer = {key: value for key, value in config.items() if key not in ("inbound_nodes", "name")}
    operation = registry.deserialize_keras_object(layer, custom_objects=custom_objects)
    if not isinstance(operation, backend.Operation):
        raise ValueError(
            f"The configuration lists {config.get('class_name')!r} as a layer, but it is a {type(operation).__name__}. "
            "The file is damaged, or a name in `custom_objects` means something else."
        )
    return operation


def _operation_named(name: str, operations: dict[str, Any]) -> Any:
    if name not in operations:
        raise ValueError(
            f"The configuration refers to the layer '{name}', which it does not list. It lists: {sorted(operations)}."
        )
    return operations[name]


def _deserialize_node(
    node: Any, operations: dict[str, Any], custom_objects: dict[str, Any] | None
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Returns the arguments of a call, its tensors being outputs of the calls made so far."""

    def tensor_at(name: str, node_index: int, tensor_index: int) -> Any:
        operation = _operation_named(name, operations)
        if node_index >= len(operation._inbound_nodes):
            raise _NotYetCalled
        return operation._inbound_nodes[node_index].outputs[tensor_index]

    def revive(value: Any) -> Any:
        from ironhorn.saving import registry

        if isinstance(value, dict):
            if value.get("class_name") == "__keras_tensor__":
                history = value["config"].get("keras_history")
                if history is None:
                    raise ValueError("The configuration has a tensor without `keras_history`. The file is damaged.")
                return tensor_at(*history)
            if "class_name" in value and "config" in value:
                return registry.deserialize_keras_object(value, custom_objects=custom_objects)
            return {key: revive(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [revive(inner) for inner in value]
        if isinstance(value, tuple):
            return tuple(revive(inner) for inner in value)
        return value

    if isinstance(node, list):  # The format of older versions of Keras: [[name, node, tensor, kwargs], ...].
        tensors, kwargs = [], {}
        for name, node_index, tensor_index, *rest in node:
            tensors.append(tensor_at(name, node_index, tensor_index))
            if rest:
                kwargs = revive(rest[0])
        return (tensors[0] if len(tensors) == 1 else tensors,), kwargs
    return tuple(revive(value) for value in node["args"]), {key: revive(value) for key, value in node["kwargs"].items()}


def _map_places(tensor_at: Any, places: Any) -> Any:
    """Replaces each `[name, node, tensor]` in a nest by the tensor."""
    if isinstance(places, list | tuple) and len(places) == 3 and isinstance(places[0], str):
        return tensor_at(*places)
    if isinstance(places, dict):
        return {key: _map_places(tensor_at, value) for key, value in places.items()}
    mapped = [_map_places(tensor_at, value) for value in places]
    return tuple(mapped) if isinstance(places, tuple) else mapped
