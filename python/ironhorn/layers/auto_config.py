"""Configurations of layers that do not write one themselves: the arguments of the constructor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ironhorn import tree
from ironhorn.layers.call_spec import signature_of_function

if TYPE_CHECKING:
    import inspect


def arguments_as_config(cls: type, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any] | None:
    """Returns a constructor's arguments by name if they can be saved as they are, else `None`."""
    try:
        signature = signature_of_constructor(cls)
        bound = signature.bind(None, *args, **kwargs)
    except (TypeError, ValueError):
        return None
    bound.apply_defaults()
    config: dict[str, Any] = {}
    for index, (name, value) in enumerate(bound.arguments.items()):
        parameter = signature.parameters[name]
        kind = parameter.kind
        if index == 0 or name == "name":
            continue
        if kind is parameter.POSITIONAL_ONLY:
            return None
        if kind is parameter.VAR_POSITIONAL:
            if value:
                return None
        elif kind is parameter.VAR_KEYWORD:
            config.update({key: inner for key, inner in value.items() if key != "name"})
        else:
            config[name] = value
    config = {
        name: value for name, value in config.items() if name not in ("trainable", "dtype", "activity_regularizer")
    }
    plain = str | int | float | bool | None
    if all(isinstance(leaf, plain) for leaf in tree.flatten(config)):
        return {name: tree.map_structure(lambda leaf: leaf, value) for name, value in config.items()}
    return None


def signature_of_constructor(cls: type) -> inspect.Signature:
    """Returns the signature of `cls.__init__`, with `self`."""
    return signature_of_function(cls.__init__)  # type: ignore[misc]
