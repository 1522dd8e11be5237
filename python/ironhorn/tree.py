"""Nested structures: lists, tuples, named tuples and dicts with leaves in them.

Dicts are walked in the order of their sorted keys. `None` is a leaf.
"""

from collections.abc import Callable, Iterator
from typing import Any

_CONTAINERS = (list, tuple, dict)


def is_nested(structure: Any) -> bool:
    """Whether `structure` is a list, a tuple or a dict."""
    return isinstance(structure, _CONTAINERS)


def _leaves(structure: Any) -> Iterator[Any]:
    if isinstance(structure, dict):
        for key in _sorted(structure):
            yield from _leaves(structure[key])
    elif isinstance(structure, (list, tuple)):
        for item in structure:
            yield from _leaves(item)
    else:
        yield structure


def _sorted(structure: dict[Any, Any]) -> list[Any]:
    try:
        return sorted(structure)
    except TypeError:
        return list(structure)


def flatten(structure: Any) -> list[Any]:
    """The leaves of a structure, left to right.

    Example:
        >>> flatten({"b": [2, 3], "a": 1})
        [1, 2, 3]
    """
    return list(_leaves(structure))


def _rebuild(like: Any, items: list[Any]) -> Any:
    if isinstance(like, dict):
        values = dict(zip(_sorted(like), items, strict=True))
        ordered = {key: values[key] for key in like}
        return ordered if type(like) is dict else type(like)(ordered)
    if isinstance(like, tuple):
        return type(like)(*items) if hasattr(like, "_fields") else tuple(items)
    return list(items)


def _children(structure: Any) -> list[Any]:
    return [structure[key] for key in _sorted(structure)] if isinstance(structure, dict) else list(structure)


def map_structure(function: Callable[..., Any], *structures: Any) -> Any:
    """Applies `function` to corresponding leaves and returns the results in the first structure's form.

    Raises:
        ValueError: if the structures differ.

    Example:
        >>> map_structure(lambda a, b: a + b, [1, {"x": 2}], [10, {"x": 20}])
        [11, {'x': 22}]
    """
    first = structures[0]
    if not is_nested(first):
        return function(*structures)
    for other in structures[1:]:
        _check(first, other)
    children = zip(*(_children(structure) for structure in structures), strict=True)
    return _rebuild(first, [map_structure(function, *items) for items in children])


def pack_sequence_as(structure: Any, flat: list[Any]) -> Any:
    """The leaves in `flat` in the form of `structure`.

    Raises:
        ValueError: if `flat` has too few or too many leaves.
    """
    leaves = iter(flat)

    def build(like: Any) -> Any:
        if is_nested(like):
            return _rebuild(like, [build(child) for child in _children(like)])
        try:
            return next(leaves)
        except StopIteration:
            raise ValueError(f"{len(flat)} leaves are too few for the structure {structure}") from None

    packed = build(structure)
    if next(leaves, leaves) is not leaves:
        raise ValueError(f"{len(flat)} leaves are too many for the structure {structure}")
    return packed


def _check(a: Any, b: Any) -> None:
    same = is_nested(a) == is_nested(b) and (not is_nested(a) or len(a) == len(b))
    if same and isinstance(a, dict) != isinstance(b, dict):
        same = False
    if same and isinstance(a, dict) and set(a) != set(b):
        same = False
    if not same:
        raise ValueError(f"The structures differ: {a} and {b}")


def assert_same_structure(a: Any, b: Any) -> None:
    """Raises `ValueError` unless both structures have the same form."""
    _check(a, b)
    if is_nested(a):
        for left, right in zip(_children(a), _children(b), strict=True):
            assert_same_structure(left, right)
