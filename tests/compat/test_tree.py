"""Nested structures, as `keras.tree` has them; live beside Keras where it is installed."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import pytest

from ironhorn import tree

Point = namedtuple("Point", "x y")
STRUCTURES: list[Any] = [
    3,
    [1, [2, 3], (4, None)],
    {"b": [2, {"z": 3}], "a": 1},
    (Point(1, [2]), {"k": Point(3, 4)}),
    [],
]


def tuples(part: Any) -> Any:
    return tuple(part) if isinstance(part, list) else None


def doubled(part: Any) -> Any:
    return tree.MAP_TO_NONE if part == 2 else part * 2 if isinstance(part, int) else None


CALLS = {
    "flatten": lambda t, s: t.flatten(s),
    "flatten_with_path": lambda t, s: t.flatten_with_path(s),
    "map_structure": lambda t, s: t.map_structure(lambda leaf: leaf is None, s),
    "map_structure, None stays": lambda t, s: t.map_structure(lambda leaf: leaf + 1, s, none_is_leaf=False),
    "lists_to_tuples": lambda t, s: t.lists_to_tuples(s),
    "traverse down": lambda t, s: t.traverse(tuples, s),
    "traverse up": lambda t, s: t.traverse(tuples, s, top_down=False),
}


def test_values() -> None:
    nested = {"b": [2, {"z": 3}], "a": 1}
    assert tree.flatten_with_path(nested) == [(("a",), 1), (("b", 0), 2), (("b", 1, "z"), 3)]
    assert tree.flatten_with_path(Point(1, 2)) == [((0,), 1), ((1,), 2)]
    assert tree.traverse(doubled, [1, (2, 3)]) == [2, (None, 6)]
    assert tree.lists_to_tuples([1, [2], {"a": [3]}]) == (1, (2,), {"a": (3,)})
    assert tree.map_structure_up_to({"a": 0, "b": 0}, len, {"a": [1, 2], "b": (3,)}) == {"a": 2, "b": 1}
    assert tree.map_shape_structure(sum, [(1, 2), {"x": (3, 4)}]) == [3, {"x": 7}]
    tree.assert_same_paths([1, (2, 3)], (4, [5, 6]))
    with pytest.raises(ValueError, match="different paths"):
        tree.assert_same_paths([1, 2], [1, [2]])
    with pytest.raises(ValueError, match="structures differ"):
        tree.map_structure_up_to([0, 0], len, [[1]])


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("structure", STRUCTURES, ids=repr)
def test_as_keras(call: str, structure: Any) -> None:
    keras = pytest.importorskip("keras", reason="compares with Keras itself")
    assert CALLS[call](tree, structure) == CALLS[call](keras.tree, structure)
