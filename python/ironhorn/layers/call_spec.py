"""The arguments of one layer call: which are tensors, and the shapes that `build` gets of them."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ironhorn import backend, tree

if TYPE_CHECKING:
    import inspect

_signatures: weakref.WeakKeyDictionary[Any, inspect.Signature] = weakref.WeakKeyDictionary()
_bound: weakref.WeakKeyDictionary[Any, inspect.Signature] = weakref.WeakKeyDictionary()


def signature_of(method: Callable[..., Any]) -> inspect.Signature:
    """Returns the signature of a bound method or a function, without `self`."""
    function = getattr(method, "__func__", None)
    if function is None:
        return signature_of_function(method)
    found = _bound.get(function)
    if found is None:
        whole = signature_of_function(function)
        found = _bound[function] = whole.replace(parameters=list(whole.parameters.values())[1:])
    return found


def signature_of_function(function: Callable[..., Any]) -> inspect.Signature:
    """Returns the signature of a function, remembered as long as the function lives."""
    import inspect  # It is slow to import, and nothing is called while the package is imported.

    found = _signatures.get(function)
    if found is None:
        found = _signatures[function] = inspect.signature(function)
    return found


def is_tensor_like(value: Any) -> bool:
    """Whether a value is an eager or traced tensor, or a symbolic `KerasTensor`."""
    return backend.is_tensor(value) or isinstance(value, backend.KerasTensor)


class CallSpec:
    """One call's arguments by name.

    Args:
        signature: Signature of the layer's `call`.
        args: Positional arguments of the call.
        kwargs: Keyword arguments of the call.

    Attributes:
        given: Name -> value of the arguments that the caller passed.
        arguments: Name -> value of all arguments, defaults included.
        tensors: Name -> value of those that are tensors or nests of tensors.
        nested: Names of those that are nests.
        first: The first argument.

    Raises:
        ValueError: If an argument mixes tensors and other values.
    """

    def __init__(self, signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        bound = signature.bind(*args, **kwargs)
        self.given = dict(bound.arguments)
        bound.apply_defaults()
        self.arguments = dict(bound.arguments)
        self.tensors: dict[str, Any] = {}
        self.nested: set[str] = set()
        for name, value in self.arguments.items():
            if is_tensor_like(value):
                self.tensors[name] = value
            elif tree.is_nested(value) and len(value) > 0:
                leaves = tree.flatten(value)
                kinds = [is_tensor_like(leaf) for leaf in leaves]
                if all(kind or leaf is None for kind, leaf in zip(kinds, leaves, strict=True)) and any(kinds):
                    self.tensors[name] = value
                    self.nested.add(name)
                elif any(kinds):
                    raise ValueError(
                        f"The argument `{name}` mixes tensors with other values: {value!r}. Pass tensors only in one "
                        "argument and the other values in another."
                    )
        self.first = next(iter(self.arguments.values()), None)

    def shapes(self) -> dict[str, Any]:
        """Returns `name_shape` -> shape or nest of shapes, of the tensor arguments but masks."""
        shapes: dict[str, Any] = {}
        for name, value in self.tensors.items():
            if name in ("mask", "args", "kwargs"):
                continue
            if name in self.nested:
                shapes[f"{name}_shape"] = tree.map_structure(_shape_or_none, value)
            else:
                shapes[f"{name}_shape"] = tuple(value.shape)
        return shapes


def _shape_or_none(value: Any) -> tuple[int | None, ...] | None:
    return None if value is None else tuple(value.shape)


def shapes_for(method: Callable[..., Any], spec: CallSpec, class_name: str) -> dict[str, Any]:
    """Fits the shapes of a call to the arguments of `build` or `compute_output_shape`.

    A method of one argument gets the first shape, whatever its name. One of several arguments gets `foo_shape` for the
    call's argument `foo`.

    Args:
        method: The bound method.
        spec: The call.
        class_name: Name of the layer's class, for the message.

    Returns:
        Keyword arguments for the method.

    Raises:
        ValueError: If an argument of the method has no counterpart in `call`.
    """
    shapes = spec.shapes()
    names = [
        name
        for name, parameter in signature_of(method).parameters.items()
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    if len(names) == 1:
        return {names[0]: next(iter(shapes.values()), None)}
    fitted = {}
    for name in names:
        argument = name.removesuffix("_shape")
        if not name.endswith("_shape") or argument not in spec.arguments:
            raise ValueError(
                f"`{class_name}.{method.__name__}` has the argument `{name}`. Where that method takes several "
                "arguments, each must be named after an argument of `call` with `_shape` added, e.g. "
                f"`{method.__name__}(self, query_shape, value_shape)` for `call(self, query, value)`; `call` here has "
                f"{list(spec.arguments)}."
            )
        if name in shapes:
            fitted[name] = shapes[name]
    return fitted


def is_shape(value: Any) -> bool:
    """Whether a value is a shape: a list or tuple of integers and `None`."""
    return isinstance(value, list | tuple) and all(size is None or isinstance(size, int) for size in value)


def map_shapes(function: Callable[[tuple[int | None, ...]], Any], shapes: Any) -> Any:
    """Applies a function to every shape in a nest of shapes."""
    if is_shape(shapes):
        return function(tuple(shapes))
    if isinstance(shapes, dict):
        return {key: map_shapes(function, value) for key, value in shapes.items()}
    if isinstance(shapes, tuple):
        return tuple(map_shapes(function, value) for value in shapes)
    if isinstance(shapes, list):
        return [map_shapes(function, value) for value in shapes]
    if shapes is None:
        return None
    raise ValueError(f"Expected a shape or a nest of shapes. Received: {shapes!r}.")
