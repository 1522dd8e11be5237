"""`get_source_inputs`: which inputs a symbolic tensor is computed from."""

from __future__ import annotations

from typing import Any


def get_source_inputs(tensor: Any) -> Any:
    """Returns the input tensors from which a symbolic tensor is computed.

    Args:
        tensor: A symbolic tensor.

    Returns:
        A list of the tensors that `Input` made, in the order in which they are met; the argument itself if it is not
        symbolic.
    """
    if not hasattr(tensor, "_keras_history"):
        return tensor
    found: dict[int, Any] = {}
    seen: set[int] = set()
    pending = [tensor]
    while pending:
        current = pending.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        operation, node_index, _ = current._keras_history
        if operation is None or not operation._inbound_nodes:
            found[id(current)] = current
            continue
        node = operation._inbound_nodes[node_index]
        if not node.input_tensors:
            found.update((id(output), output) for output in node.outputs)
        pending.extend(reversed(node.input_tensors))
    return list(found.values())
