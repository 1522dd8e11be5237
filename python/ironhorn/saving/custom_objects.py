"""Registration of classes and functions that are not built in, so that files and configurations can name them.

A name found in a file leads to an object in two ways only: the caller passes the object (`custom_objects=` or
`custom_object_scope`), or the program registered it. Nothing is ever imported because a file says so.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

_registered_objects: dict[str, Any] = {}
_registered_names: dict[Any, str] = {}


class _Scopes(threading.local):
    """The custom objects of the `with` blocks that this thread is in."""

    def __init__(self) -> None:
        self.stack: list[dict[str, Any]] = []


_scopes = _Scopes()


class CustomObjectScope:
    """Makes objects known by name to everything that reads configurations inside a `with` block.

    Args:
        custom_objects: Names and the classes or functions that they stand for.

    Example:
        >>> with ironhorn.saving.custom_object_scope({"MyLayer": MyLayer}):
        ...     model = ironhorn.saving.load_model("model.keras")
    """

    def __init__(self, custom_objects: dict[str, Any] | None) -> None:
        self.custom_objects = dict(custom_objects or {})

    def __enter__(self) -> CustomObjectScope:
        _scopes.stack.append(self.custom_objects)
        return self

    def __exit__(self, *exception: object) -> None:
        _scopes.stack.pop()


custom_object_scope = CustomObjectScope


def get_custom_objects() -> dict[str, Any]:
    """Returns the dictionary of registered objects itself: what is put into it is registered.

    Returns:
        Names and the classes or functions that they stand for.

    Example:
        >>> ironhorn.saving.get_custom_objects()["MyLayer"] = MyLayer
    """
    return _registered_objects


def register_keras_serializable(package: str = "Custom", name: str | None = None) -> Callable[[T], T]:
    """Registers a class or function under `package>name`, so that files can name it.

    Args:
        package: The part of the name before `>`; keeps libraries apart.
        name: The part of the name after `>`. `None` means the name of the class or function.

    Returns:
        A decorator that registers what it decorates and returns it unchanged.

    Raises:
        ValueError: If a class has no `get_config` method.

    Example:
        >>> @ironhorn.saving.register_keras_serializable(package="excavators")
        ... class Smooth(ironhorn.layers.Layer):
        ...     pass
        >>> ironhorn.saving.get_registered_name(Smooth)
        'excavators>Smooth'
    """
    if not isinstance(package, str):
        raise ValueError(
            "`register_keras_serializable` takes the name of a package: write "
            f"`@register_keras_serializable()` with parentheses. Received: package={package!r}."
        )

    def decorate(thing: T) -> T:
        if isinstance(thing, type) and not hasattr(thing, "get_config"):
            raise ValueError(
                f"The class {thing.__name__} cannot be registered because it has no `get_config()` method. Add one "
                "that returns the constructor's arguments as a dictionary."
            )
        registered_name = f"{package}>{name if name is not None else thing.__name__}"  # type: ignore[attr-defined]
        _registered_objects[registered_name] = thing
        _registered_names[thing] = registered_name
        return thing

    return decorate


def get_registered_name(obj: Any) -> str:
    """Returns the name that a class or function is registered under, or else its Python name.

    Args:
        obj: A class or function.

    Returns:
        For instance `"Custom>MyLayer"`, or `"MyLayer"` if it was never registered.
    """
    try:
        if obj in _registered_names:
            return _registered_names[obj]
    except TypeError:
        pass
    name: str = obj.__name__
    return name


def get_registered_object(
    name: str | None, custom_objects: dict[str, Any] | None = None, module_objects: dict[str, Any] | None = None
) -> Any:
    """Returns the object known by a name, or `None`.

    Args:
        name: The name to look up, as `get_registered_name` gives it.
        custom_objects: Names to look in first.
        module_objects: Names to look in last.

    Returns:
        The class or function; `None` if nothing has that name.
    """
    if name is None:
        return None
    for table in (custom_objects, *reversed(_scopes.stack), _registered_objects, module_objects):
        if table and name in table:
            return table[name]
    return None


def known_names(custom_objects: dict[str, Any] | None = None) -> list[str]:
    """Returns every name that `get_registered_object` would find, for error messages."""
    names = set(custom_objects or {}) | set(_registered_objects)
    for table in _scopes.stack:
        names |= set(table)
    return sorted(names)
