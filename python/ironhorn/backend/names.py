"""Names: unique ones for layers, scopes for the paths of variables."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_COUNTS: dict[str, int] = {}
_LOCK = threading.Lock()
_STATE = threading.local()


def to_snake_case(name: str) -> str:
    """`Conv2DTranspose` as `conv2d_transpose`."""
    name = re.sub(r"\W+", "", name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    name = re.sub(r"([a-z])([A-Z])", r"\1_\2", name)
    return name.lower()


def unique_name(prefix: str) -> str:
    """`prefix`, with a number behind it from the second time on."""
    with _LOCK:
        count = _COUNTS.get(prefix, 0)
        _COUNTS[prefix] = count + 1
    return prefix if count == 0 else f"{prefix}_{count}"


def auto_name(prefix: str) -> str:
    """A unique name in snake case."""
    return unique_name(to_snake_case(prefix))


def reset_names() -> None:
    """Lets automatic names count from the beginning again."""
    with _LOCK:
        _COUNTS.clear()


def _scopes() -> list[str]:
    try:
        return _STATE.scopes
    except AttributeError:
        _STATE.scopes = []
        return _STATE.scopes


@contextmanager
def name_scope(name: str) -> Iterator[None]:
    """Puts `name` in front of the paths of variables made inside."""
    if not isinstance(name, str) or not name or "/" in name:
        raise ValueError(f"A scope's name must be a non-empty string without '/', got {name!r}")
    scopes = _scopes()
    scopes.append(name)
    try:
        yield
    finally:
        scopes.pop()


def current_scope_path() -> str:
    """The names of the open scopes, joined by slashes."""
    return "/".join(_scopes())
