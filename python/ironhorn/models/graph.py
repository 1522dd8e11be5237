"""The layer graph of a functional model: which nodes lie between inputs and outputs, and in which order they run.

A node is one call of an operation (a layer, or an op on symbolic tensors). Its depth is the length of the longest path
from it to an output; operations are listed from the largest depth to the smallest, and within one depth in the order in
which a walk back from the outputs meets them. Keras lists them so too, which makes `get_weights` agree.
"""

from __future__ import annotations

from typing import Any


def node_of(tensor: Any) -> Any:
    """Returns the node that made a symbolic tensor."""
    operation, node_index, _ = tensor._keras_history
    return operation._inbound_nodes[node_index]


def node_key(operation: Any, node_index: int) -> tuple[int, int]:
    """Returns what identifies a node."""
    return id(operation), node_index


class Graph:
    """The nodes between inputs and outputs.

    Args:
        inputs: Symbolic tensors.
        outputs: Symbolic tensors computed from them.

    Attributes:
        nodes_by_depth: Depth -> nodes.
        operations: The operations in order.
        nodes: The nodes in the order in which they can run.

    Raises:
        ValueError: If an output does not depend on the inputs only, or two operations share a name.
    """

    def __init__(self, inputs: list[Any], outputs: list[Any]) -> None:
        order, first_seen = _walk(inputs, outputs)
        depths, operation_depths = _depths(order)
        for tensor in inputs:
            operation = tensor._keras_history.operation
            if operation not in operation_depths:
                node = node_of(tensor)
                if node.is_input:  # An input that no output depends on.
                    operation_depths[operation] = 0
                    first_seen[operation] = -1
                    depths[node] = 0
        self.nodes_by_depth: dict[int, list[Any]] = {}
        for node, depth in depths.items():
            self.nodes_by_depth.setdefault(depth, []).append(node)
        self.nodes = [
            node for depth in sorted(self.nodes_by_depth, reverse=True) for node in self.nodes_by_depth[depth]
        ]
        self.operations = sorted(
            operation_depths, key=lambda operation: (-operation_depths[operation], first_seen[operation])
        )
        self._check_connected(inputs, outputs)
        self._check_names()

    @property
    def node_keys(self) -> set[tuple[int, int]]:
        """Keys of the nodes."""
        return {node_key(node.operation, node.operation._inbound_nodes.index(node)) for node in self.nodes}

    def _check_connected(self, inputs: list[Any], outputs: list[Any]) -> None:
        computed = {id(tensor) for tensor in inputs}
        ran: list[str] = []
        for node in self.nodes:
            for tensor in node.input_tensors:
                if id(tensor) not in computed:
                    raise ValueError(
                        f"The model is not connected: '{node.operation.name}' needs {tensor}, which does not depend "
                        f"on the inputs {[given.name for given in inputs]}. Add the `Input` that it comes from to "
                        f"`inputs`. Reached so far: {ran}."
                    )
            ran.append(node.operation.name)
            if not node.is_input or any(tensor in node.outputs for tensor in inputs):
                computed.update(id(tensor) for tensor in node.outputs)
        for tensor in outputs:
            if id(tensor) not in computed:
                raise ValueError(
                    f"The output {tensor} does not depend on the inputs {[given.name for given in inputs]}. Compute "
                    "it from them, or leave it out."
                )

    def _check_names(self) -> None:
        seen: set[str] = set()
        for operation in self.operations:
            if operation.name in seen:
                raise ValueError(
                    f"Two layers of the model are named '{operation.name}'. Give each layer a name of its own: "
                    f"{type(operation).__name__}(..., name=...)."
                )
            seen.add(operation.name)


def nodes_between(inputs: list[Any], outputs: list[Any]) -> list[Any]:
    """Returns the nodes between tensors, each after those that it depends on."""
    return _walk(inputs, outputs)[0]


def _walk(inputs: list[Any], outputs: list[Any]) -> tuple[list[Any], dict[Any, int]]:
    """Walks back from the outputs, depth first.

    Returns:
        The nodes, each after those that it depends on, and the operations with the order in which they were met.
    """
    given = {id(tensor) for tensor in inputs}
    finished: set[int] = set()
    active: set[int] = set()
    order: list[Any] = []
    first_seen: dict[Any, int] = {}
    for output in outputs:
        pending: list[tuple[Any, bool]] = [(output, False)]
        while pending:
            tensor, leave = pending.pop()
            history = getattr(tensor, "_keras_history", None)
            if history is None:  # A tensor of no layer: the check of the connections names it.
                continue
            operation, node = history.operation, node_of(tensor)
            if leave:
                active.discard(id(node))
                if id(node) not in finished:
                    finished.add(id(node))
                    order.append(node)
                continue
            if id(node) in finished:
                continue
            if id(tensor) in given and not node.is_input:  # What lies before an intermediate tensor is not part.
                finished.add(id(node))
                continue
            if id(node) in active:
                raise ValueError(f"The tensor {tensor} of '{operation.name}' depends on itself.")
            active.add(id(node))
            first_seen.setdefault(operation, len(first_seen))
            pending.append((tensor, True))
            if not node.is_input:
                pending.extend((source, False) for source in reversed(node.input_tensors))
    return order, first_seen


def _depths(order: list[Any]) -> tuple[dict[Any, int], dict[Any, int]]:
    """Returns the depth of each node and of each operation."""
    inside = {id(node) for node in order}
    depths: dict[Any, int] = {}
    operation_depths: dict[Any, int] = {}
    for node in reversed(order):
        # A shared operation has the largest depth of its calls.
        depth = max(depths.get(node, 0), operation_depths.get(node.operation, 0))
        depths[node] = operation_depths[node.operation] = depth
        for parent in node.parent_nodes:
            if id(parent) in inside:
                depths[parent] = max(depth + 1, depths.get(parent, 0))
    return depths, operation_depths
