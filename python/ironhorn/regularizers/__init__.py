"""Regularizers and their look-up by name."""

from __future__ import annotations

from typing import Any

from ironhorn.backend import named
from ironhorn.regularizers.regularizers import L1, L1L2, L2, OrthogonalRegularizer, Regularizer

#: Class name -> class; what model files may name.
ALL: dict[str, Any] = {cls.__name__: cls for cls in (Regularizer, L1, L2, L1L2, OrthogonalRegularizer)}

l1 = L1
l2 = L2
l1_l2 = L1L2
orthogonal_regularizer = OrthogonalRegularizer

_ALIASES: dict[str, Any] = {
    "l1": L1,
    "l1_l2": lambda l1=0.01, l2=0.01: L1L2(l1=l1, l2=l2),
    "l2": L2,
    "orthogonal_regularizer": OrthogonalRegularizer,
}


def serialize(regularizer: Any) -> Any:
    """Returns the configuration of a regularizer as a dictionary."""
    return named.serialize(regularizer)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """Makes a regularizer from its configuration or its name.

    Args:
        config: A dictionary as `serialize` returns it, or a name such as `"l2"`.
        custom_objects: Names of classes that are not built in.

    Returns:
        A regularizer.
    """
    return named.deserialize(config, custom_objects, kind="regularizer", classes=ALL, aliases=_ALIASES)


def get(identifier: Any) -> Any:
    """Returns the regularizer meant by an identifier.

    Args:
        identifier: `None`, a name such as `"l2"`, a configuration, a class, or a function from tensor to penalty.

    Returns:
        A regularizer or function; `None` for `None`.

    Raises:
        ValueError: If nothing is known by that identifier.
    """
    return named.get(
        identifier,
        deserialize,
        kind="regularizer",
        hint="a name, a configuration, a Regularizer or a function",
    )


__all__ = [
    "ALL",
    "L1",
    "L1L2",
    "L2",
    "OrthogonalRegularizer",
    "Regularizer",
    "deserialize",
    "get",
    "l1",
    "l1_l2",
    "l2",
    "orthogonal_regularizer",
    "serialize",
]
