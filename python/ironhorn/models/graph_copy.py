"""The graph of a functional model as a flat description, for copies and pickles.

A graph is a chain of references from tensor to call to tensor, too deep to follow recursively. The description lists
the operations once and the calls in order, and refers to tensors by number.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ironhorn import backend, tree
from ironhorn.layers.layer import Layer
from ironhorn.models.graph import node_of


class Place:
    """A tensor by the number of its call and its place among the outputs of that call."""

    __slots__ = ("call", "output")

    def __init__(self, call: int, output: int) -> None:
        self.call = call
        self.output = output


class Call(NamedTuple):
    """One call: which one of which operation, on what, and what came out."""

    operation: int
    occurrence: int
    args: Any
    kwargs: Any
    outputs: list[tuple[tuple[int | None, ...], str, str]]


class Description(NamedTuple):
    """A graph: operations (layers, or name and arguments of ops), calls, and the places of inputs and outputs."""

    operations: list[Any]
    calls: list[Call]
    inputs: Any
    outputs: Any


def describe(model: Any) -> Description:
    """Returns the description of a functional model's graph."""
    numbers = {id(operation): number for number, operation in enumerate(model.operations)}
    places: dict[int, Place] = {}
    calls: list[Call] = []

    def place(leaf: Any) -> Any:
        return places[id(leaf)] if isinstance(leaf, backend.KerasTensor) else leaf

    for node in model._graph.nodes:
        args = tuple(tree.map_structure(place, value) for value in node.args)
        kwargs = {name: tree.map_structure(place, value) for name, value in node.kwargs.items()}
        outputs = [(tuple(tensor.shape), tensor.dtype, tensor.name) for tensor in node.outputs]
        for output, tensor in enumerate(node.outputs):
            places[id(tensor)] = Place(len(calls), output)
        occurrence = next(i for i, own in enumerate(node.operation._inbound_nodes) if own is node)
        calls.append(Call(numbers[id(node.operation)], occurrence, args, kwargs, outputs))
    operations = [_portable(operation) for operation in model.operations]
    return Description(
        operations, calls, tree.map_structure(place, model.input), tree.map_structure(place, model.output)
    )


def _portable(operation: Any) -> Any:
    if isinstance(operation, Layer):
        return operation
    return operation.function_name, getattr(operation, "class_arguments", None), operation.name


def _operation_from(portable: Any) -> Any:
    if isinstance(portable, Layer):
        return portable
    function_name, class_arguments, name = portable
    if class_arguments is None:
        return backend.OpOperation(function_name, name=name)
    from ironhorn.models.operation_config import RevivedOperation

    return RevivedOperation(function_name, class_arguments, name=name)


def remake(cls: type, description: Description) -> Any:
    """Makes a model of a description; its other attributes are to be set by `__setstate__`."""
    operations = [_operation_from(portable) for portable in description.operations]
    made: list[list[Any]] = []

    def tensor_at(leaf: Any) -> Any:
        return made[leaf.call][leaf.output] if isinstance(leaf, Place) else leaf

    for call in description.calls:
        operation = operations[call.operation]
        args = tuple(tree.map_structure(tensor_at, value) for value in call.args)
        kwargs = {name: tree.map_structure(tensor_at, value) for name, value in call.kwargs.items()}
        if not any(isinstance(leaf, backend.KerasTensor) for leaf in tree.flatten((args, kwargs))):
            made.append(operation._inbound_nodes[0].outputs)  # An input has made its node itself.
            continue
        outputs = [backend.KerasTensor(shape, dtype=dtype, name=name) for shape, dtype, name in call.outputs]
        backend.Node(operation, args, kwargs, outputs)
        made.append(outputs)
    _restore_order(operations, description.calls, made)
    model = Layer.__new__(cls)
    model._set_graph(
        tree.map_structure(tensor_at, description.inputs), tree.map_structure(tensor_at, description.outputs)
    )
    return model


def _restore_order(operations: list[Any], calls: list[Call], made: list[list[Any]]) -> None:
    """Numbers the calls of each operation as they were: files count them in that order."""
    for number, operation in enumerate(operations):
        own = sorted((call.occurrence, place) for place, call in enumerate(calls) if call.operation == number)
        nodes = [node_of(made[place][0]) for _, place in own]
        operation._inbound_nodes[:] = nodes
        for node_index, node in enumerate(nodes):
            for tensor_index, tensor in enumerate(node.outputs):
                tensor._keras_history = backend.KerasHistory(operation, node_index, tensor_index)
