"""Names: turning class names into snake case, and saying what a wrong name may have meant."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ironhorn.errors import UnknownObjectError

_WORD_START = re.compile(r"(.)([A-Z][a-z]+)")
_INNER_WORD = re.compile(r"([a-z0-9])([A-Z])")


def to_snake_case(name: str) -> str:
    """Converts a class name to the name Keras gives its instances.

    Args:
        name: A CamelCase name.

    Returns:
        The name in snake case: `"MeanSquaredError"` becomes `"mean_squared_error"`.
    """
    name = _WORD_START.sub(r"\1_\2", re.sub(r"\W+", "", name))
    return _INNER_WORD.sub(r"\1_\2", name).lower()


def object_name(value: Any) -> str:
    """Returns the name under which a metric or loss appears in logs.

    Args:
        value: A metric, a loss, a function or any other callable.

    Returns:
        Its `name` attribute, else its function or class name in snake case.
    """
    name = getattr(value, "name", None) or getattr(value, "__name__", None)
    if isinstance(name, str):
        return name if hasattr(value, "name") else to_snake_case(name)
    return to_snake_case(type(value).__name__)


def compute_dtype(dtype: Any) -> str:
    """Resolves a `dtype=` argument of a loss or metric.

    Args:
        dtype: `None` (the default float type), a dtype name, or a dtype policy.

    Returns:
        The name of the dtype to compute in.
    """
    from ironhorn import backend, dtype_policies

    return dtype_policies.get(dtype or backend.floatx()).compute_dtype


def unknown_name(kind: str, name: Any, known: Iterable[str]) -> UnknownObjectError:
    """Makes the error for a name that no table has.

    Args:
        kind: What was asked for: `"loss"`, `"metric"`, `"optimizer"`.
        name: The name as given.
        known: The names that exist.

    Returns:
        An error that names the closest known name and lists all of them.
    """
    import difflib

    choices = sorted(set(known))
    if not isinstance(name, str):
        return UnknownObjectError(
            f"Could not interpret {kind} identifier {name!r} of type {type(name).__name__}. "
            f"Pass a name (one of {', '.join(choices)}), an instance, or a function."
        )
    by_lower_case = {choice.lower(): choice for choice in choices}
    close = difflib.get_close_matches(name.lower(), by_lower_case, n=5, cutoff=0.6)
    # Swapped letters are the likeliest slip: a name of the same length goes first.
    close.sort(key=lambda choice: abs(len(choice) - len(name)))
    hint = f" Did you mean {by_lower_case[close[0]]!r}?" if close else ""
    return UnknownObjectError(
        f"Unknown {kind} {name!r}.{hint} Known names: {', '.join(choices)}. "
        f"To use your own, pass the function or instance itself."
    )
