"""A model's variables as nested dictionaries by path, as `get_state_tree` gives and `set_state_tree` takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def state_tree(groups: dict[str, list[Any]], value_format: str) -> dict[str, Any]:
    """Makes a tree of the values of variables.

    Args:
        groups: Variables of each kind.
        value_format: `"backend_tensor"` or `"numpy_array"`.

    Returns:
        For each kind nested dictionaries, whose keys are the parts of the variables' paths.

    Raises:
        ValueError: If the format is unknown, or two variables have one path.
    """
    if value_format not in ("backend_tensor", "numpy_array"):
        raise ValueError(
            f"`value_format` must be 'backend_tensor' or 'numpy_array'. Received: value_format={value_format!r}"
        )
    return {kind: _nested(variables, value_format) for kind, variables in groups.items()}


def assign_state_tree(groups: dict[str, list[Any]], tree: dict[str, Any]) -> None:
    """Assigns the values of a tree to variables; those that it does not name stay.

    Args:
        groups: Variables of each kind.
        tree: What `state_tree` returned.

    Raises:
        ValueError: If the tree has a kind or a path that there is not.
    """
    for kind, nested in tree.items():
        if kind not in groups:
            raise ValueError(f"A state tree has the keys {', '.join(groups)}. Received: {kind!r}")
        by_path = {variable.path: variable for variable in groups[kind]}
        for path, value in _leaves(nested):
            if path not in by_path:
                raise ValueError(f"The model has no variable {path!r} among its {kind}: it has {sorted(by_path)}.")
            by_path[path].assign(value)


def _nested(variables: list[Any], value_format: str) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for variable in variables:
        *parents, name = variable.path.split("/")
        place = nested
        for parent in parents:
            place = place.setdefault(parent, {})
        if name in place:
            raise ValueError(
                f"Two variables of the model have the path {variable.path!r}. A state tree needs paths that differ: "
                "give the layers different names."
            )
        place[name] = variable.value if value_format == "backend_tensor" else variable.numpy()
    return nested


def _leaves(nested: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in nested.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}/")
        else:
            yield f"{prefix}{key}", value
