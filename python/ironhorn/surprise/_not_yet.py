"""Clear errors for what Surprise has and Ironhorn does not have yet."""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar


def announce(module: str, absent: Iterable[str], present: Iterable[str]) -> Callable[[str], Any]:
    """Make a module's `__getattr__`.

    Args:
        module: Name of the module.
        absent: Names that Surprise's module has and this one lacks: asking for one raises `ImportError`, whose text
            survives a `from ... import`, as that of an `AttributeError` would not.
        present: Names to list in that text.

    Returns:
        The function to bind to `__getattr__`.
    """
    absent, here = frozenset(absent), ", ".join(sorted(present))

    def __getattr__(name: str) -> Any:
        if name in absent:
            raise ImportError(
                f"'{name}' is part of Surprise, but not of {module} yet. Here: {here}. "
                f"Take {name} from scikit-surprise until it is."
            )
        raise AttributeError(f"module '{module}' has no attribute '{name}'")

    return __getattr__


def absent_text(owner: str, name: str, instead: str) -> str:
    """Say that a method of Surprise's is missing, and what to do."""
    return f"'{owner}.{name}' is part of Surprise, but not of Ironhorn yet. {instead}"


class Announcing(type):
    """Metaclass for classes that lack some of Surprise's class methods.

    A class lists them in `_not_yet`: name to what to do instead.
    """

    _not_yet: ClassVar[dict[str, str]] = {}

    def __getattr__(cls, name: str) -> Any:
        if name in cls._not_yet:
            raise AttributeError(absent_text(cls.__name__, name, cls._not_yet[name]))
        raise AttributeError(f"type object '{cls.__name__}' has no attribute '{name}'")
