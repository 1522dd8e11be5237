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


def map_structure(function: Callable[..., Any], *structures: Any, none_is_leaf: bool = True) -> Any:
    """Applies `function` to corresponding leaves and returns the results in the first structure's form.

    Args:
        function: function of as many leaves as there are structures.
        *structures: structures of one form.
        none_is_leaf: whether `function` is called with `None`; otherwise a `None` of the first structure stays.

    Raises:
        ValueError: if the structures differ.

    Example:
        >>> map_structure(lambda a, b: a + b, [1, {"x": 2}], [10, {"x": 20}])
        [11, {'x': 22}]
    """
    first = structures[0]
    if not is_nested(first):
        return None if first is None and not none_is_leaf else function(*structures)
    for other in structures[1:]:
        _check(first, other)
    children = zip(*(_children(structure) for structure in structures), strict=True)
    mapped = [map_structure(function, *items, none_is_leaf=none_is_leaf) for items in children]
    return _rebuild(first, mapped)


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


class MAP_TO_NONE:
    """What a function given to `traverse` returns to put `None` in the place of a part."""


def traverse(func: Callable[[Any], Any], structure: Any, top_down: bool = True) -> Any:
    """Calls `func` on every part of a structure, containers included, and puts what it returns in its place.

    Args:
        func: function of a part; `None` leaves the part as it is and goes into it, `MAP_TO_NONE` makes it `None`.
        structure: the structure.
        top_down: whether a container comes before what it holds.

    Example:
        >>> traverse(lambda part: tuple(part) if isinstance(part, list) else None, [1, [2, 3]])
        (1, [2, 3])
    """

    def replaced(value: Any, part: Any) -> Any:
        return part if value is None else None if value is MAP_TO_NONE else value

    if top_down:
        found = func(structure)
        if found is not None or not is_nested(structure):
            return replaced(found, structure)
        return _rebuild(structure, [traverse(func, child, top_down) for child in _children(structure)])
    if is_nested(structure):
        structure = _rebuild(structure, [traverse(func, child, top_down) for child in _children(structure)])
    return replaced(func(structure), structure)


def flatten_with_path(structure: Any) -> list[tuple[tuple[Any, ...], Any]]:
    """The leaves with their paths: keys of dicts, and positions.

    Example:
        >>> flatten_with_path({"a": [5, 6]})
        [(('a', 0), 5), (('a', 1), 6)]
    """
    if not is_nested(structure):
        return [((), structure)]
    keys: Any = _sorted(structure) if isinstance(structure, dict) else range(len(structure))
    found = zip(keys, _children(structure), strict=True)
    return [((key, *path), leaf) for key, child in found for path, leaf in flatten_with_path(child)]


def assert_same_paths(a: Any, b: Any) -> None:
    """Raises `ValueError` unless the leaves of both structures have the same paths; lists may stand for tuples."""
    paths = [{path for path, _ in flatten_with_path(structure)} for structure in (a, b)]
    if paths[0] != paths[1]:
        only = [sorted(map(str, paths[i] - paths[1 - i])) for i in (0, 1)]
        raise ValueError(
            f"The structures have different paths: only the first has {only[0]}, only the second {only[1]}"
        )


def map_structure_up_to(shallow_structure: Any, func: Callable[..., Any], *structures: Any) -> Any:
    """Applies `func` to the parts of structures that stand where `shallow_structure` has its leaves.

    Example:
        >>> map_structure_up_to([0, 0], sum, [[1, 2], [3, 4]])
        [3, 7]
    """
    if not is_nested(shallow_structure):
        return func(*structures)
    for other in structures:
        _check(shallow_structure, other)
    children = zip(_children(shallow_structure), *(_children(other) for other in structures), strict=True)
    return _rebuild(shallow_structure, [map_structure_up_to(shallow, func, *items) for shallow, *items in children])


def lists_to_tuples(structure: Any) -> Any:
    """The structure with a tuple in the place of every list."""
    if not is_nested(structure):
        return structure
    children = [lists_to_tuples(child) for child in _children(structure)]
    return tuple(children) if isinstance(structure, list) else _rebuild(structure, children)


def map_shape_structure(func: Callable[[Any], Any], structure: Any) -> Any:
    """Applies `func` to the shapes in a structure: tuples and lists that hold nothing but integers and `None`.

    Example:
        >>> map_shape_structure(len, {"x": (None, 3)})
        {'x': 2}
    """
    if isinstance(structure, (list, tuple)) and all(size is None or isinstance(size, int) for size in structure):
        return func(tuple(structure))
    if isinstance(structure, dict):
        return _rebuild(structure, [map_shape_structure(func, child) for child in _children(structure)])
    if isinstance(structure, (list, tuple)):
        return _rebuild(structure, [map_shape_structure(func, child) for child in structure])
    raise ValueError(f"Expected shapes, dicts, lists and tuples. Received: {structure!r}")
