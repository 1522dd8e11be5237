"""Calls of ops on symbolic tensors, as Keras 3 writes them in the graph of a functional model.

Keras has a class for each op. Some arguments of the function belong to the class and stand in its configuration
(`axis` of `sum`), the others to the call and stand in the node (`x` of `sum`). Here an op in the graph is an
`OpOperation` whose node holds the whole call; this module splits a call and puts it together again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ironhorn import backend
from ironhorn.layers.call_spec import signature_of_function
from ironhorn.models.operation_classes import CLASSES

if TYPE_CHECKING:
    import inspect
    from collections.abc import Callable, Iterator

# Of functions that share a class the first stands for it: they compute the same.
_FUNCTIONS = {(module, name): function for function, (module, name, _, _) in reversed(CLASSES.items())}
_FUNCTIONS |= {("numpy", "Abs"): "abs", ("numpy", "Conj"): "conj"}  # Classes that no function makes.
_PREFIX = "keras.src.ops."


def is_operation_config(config: dict[str, Any]) -> bool:
    """Whether a configuration in a graph describes an op and not a layer."""
    return str(config.get("module") or "").startswith(_PREFIX)


def split_call(operation: Any, node: Any) -> tuple[tuple[Any, ...], dict[str, Any], dict[str, Any]]:
    """Splits the call that a node records.

    Args:
        operation: An `OpOperation`.
        node: One of its nodes.

    Returns:
        Positional arguments of the call, its keyword arguments, and the arguments of Keras' class. An argument that
        Keras has in the class stays in the call where it holds symbolic tensors, which a class cannot: Ironhorn reads
        such a graph, Keras has none like it.
    """
    if isinstance(operation, RevivedOperation):
        return node.args, node.kwargs, operation.class_arguments
    _, _, call_names, class_names = _entry(operation)
    signature = signature_of_function(operation.function)
    bound = signature.bind(*node.args, **node.kwargs)
    given = set(bound.arguments)
    bound.apply_defaults()
    rest = dict(bound.arguments)
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            given |= rest[parameter.name].keys()
            rest |= rest.pop(parameter.name)
    positional: list[Any] = []
    for name in call_names.split():
        if name.startswith("*"):
            positional.extend(rest.pop(name[1:]))
        else:
            positional.append(rest.pop(name))
    constants = [name for name in class_names.split() if name in rest and not backend.any_symbolic((rest[name],))]
    class_arguments = {name: rest.pop(name) for name in constants}
    if operation.function_name == "extract_patches_3d" and isinstance(class_arguments["size"], int):
        class_arguments["size"] = (class_arguments["size"],) * 3  # The class tells images from volumes by it.
    return tuple(positional), {name: value for name, value in rest.items() if name in given}, class_arguments


def serialize_operation(operation: Any) -> dict[str, Any]:
    """Returns the configuration of an op in Keras' format.

    Raises:
        ValueError: If Keras has no class for the op.
    """
    module, class_name, _, _ = _entry(operation)
    arguments: dict[str, Any] = dict(getattr(operation, "class_arguments", {}))
    for node in operation._inbound_nodes[:1]:
        arguments.update(split_call(operation, node)[2])
    from ironhorn.saving import registry

    return {
        "module": _PREFIX + module,
        "class_name": class_name,
        "config": {"name": operation.name, **registry.serialize_keras_object(arguments)},
        "registered_name": class_name,
    }


def deserialize_operation(config: dict[str, Any]) -> Any:
    """Makes an operation from its configuration in Keras' format.

    Raises:
        ValueError: If the op is not known.
    """
    module, class_name = config["module"].removeprefix(_PREFIX), config["class_name"]
    from ironhorn.ops._dispatch import FUNCTIONS

    function = _FUNCTIONS.get((module, class_name))
    if function not in FUNCTIONS:
        raise ValueError(
            f"The model uses the op '{class_name}' of {config['module']}, which is not supported in the graph of a "
            f"model. Supported are: {', '.join(sorted(CLASSES.keys() & FUNCTIONS))}. Put the computation into a layer "
            "of your own."
        )
    from ironhorn.saving import registry

    arguments = {
        name: registry.deserialize_keras_object(value)
        for name, value in (config.get("config") or {}).items()
        if name != "name"
    }
    return RevivedOperation(function, arguments, name=config["config"].get("name"))


class RevivedOperation(backend.OpOperation):
    """An op read from a file: calls and nodes have the call's arguments only, those of the class are added.

    Args:
        function_name: Name of the function in `ironhorn.ops`.
        class_arguments: Arguments that Keras keeps in the class.
        name: Name of the operation in the graph.
    """

    def __init__(self, function_name: str, class_arguments: dict[str, Any], name: str | None = None) -> None:
        super().__init__(function_name, name=name)
        self.class_arguments = class_arguments

    @property
    def function(self) -> Callable[..., Any]:
        """The function that computes, of the call's arguments."""
        whole = super().function

        def function(*args: Any, **kwargs: Any) -> Any:
            named = {**self.class_arguments, **kwargs}
            call_names = CLASSES[self.function_name][2].split()
            if any(name.startswith("*") for name in call_names):
                # Other positional arguments stand before any number of tensors.
                names = [parameter.name for parameter in _before_many(whole)]
                return whole(*[named.pop(name) for name in names if name in named], *args, **named)
            named |= zip(call_names, args, strict=False)
            if isinstance(named.get("key"), list):  # An index by several slices, from JSON.
                named["key"] = tuple(named["key"])
            return whole(**named)

        return function


def _before_many(function: Callable[..., Any]) -> Iterator[inspect.Parameter]:
    """Parameters of a function that stand before `*args`."""
    for parameter in signature_of_function(function).parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:
            return
        yield parameter


def class_name_of(operation: Any) -> str:
    """Returns the name that Keras has for an operation's class."""
    if not isinstance(operation, backend.OpOperation):
        return type(operation).__name__
    entry = CLASSES.get(operation.function_name)
    return operation.function_name if entry is None else entry[1]


def _entry(operation: Any) -> tuple[str, str, str, str]:
    entry = CLASSES.get(operation.function_name)
    if entry is None:
        raise ValueError(
            f"The op '{operation.function_name}' in the graph of the model cannot be saved in Keras' format. Put the "
            "computation into a layer of your own."
        )
    return entry
