"""Constraints and their look-up by name."""

from __future__ import annotations

from typing import Any

from ironhorn.backend import named
from ironhorn.constraints.constraints import Constraint, MaxNorm, MinMaxNorm, NonNeg, UnitNorm

#: Class name -> class; what model files may name.
ALL: dict[str, Any] = {cls.__name__: cls for cls in (Constraint, MaxNorm, MinMaxNorm, NonNeg, UnitNorm)}

max_norm = MaxNorm
min_max_norm = MinMaxNorm
non_neg = NonNeg
unit_norm = UnitNorm

_ALIASES: dict[str, Any] = {
    "max_norm": MaxNorm,
    "min_max_norm": MinMaxNorm,
    "non_neg": NonNeg,
    "unit_norm": UnitNorm,
}


def serialize(constraint: Any) -> Any:
    """Returns the configuration of a constraint as a dictionary."""
    return named.serialize(constraint)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """Makes a constraint from its configuration or its name.

    Args:
        config: A dictionary as `serialize` returns it, or a name such as `"non_neg"`.
        custom_objects: Names of classes that are not built in.

    Returns:
        A constraint.
    """
    return named.deserialize(config, custom_objects, kind="constraint", classes=ALL, aliases=_ALIASES)


def get(identifier: Any) -> Any:
    """Returns the constraint meant by an identifier.

    Args:
        identifier: `None`, a name such as `"non_neg"`, a configuration, a class, or a function from weight to weight.

    Returns:
        A constraint or function; `None` for `None`.

    Raises:
        ValueError: If nothing is known by that identifier.
    """
    return named.get(
        identifier,
        deserialize,
        kind="constraint",
        hint="a name, a configuration, a Constraint or a function",
    )


__all__ = [
    "ALL",
    "Constraint",
    "MaxNorm",
    "MinMaxNorm",
    "NonNeg",
    "UnitNorm",
    "deserialize",
    "get",
    "max_norm",
    "min_max_norm",
    "non_neg",
    "serialize",
    "unit_norm",
]
