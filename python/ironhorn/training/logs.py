"""Logs: from what a step returned to plain Python numbers, only when somebody looks."""

from __future__ import annotations

from typing import Any


def pythonify_logs(logs: Any) -> dict[str, Any]:
    """Flattens logs and turns their values into Python floats.

    Args:
        logs: A dict of scalars (tensors, arrays, numbers), or of such dicts; `None` for none.

    Returns:
        A flat dict, sorted by name; values that are no scalar are kept as they are.
    """
    result: dict[str, Any] = {}
    for name, value in sorted((logs or {}).items()):
        if isinstance(value, dict):
            result.update(pythonify_logs(value))
            continue
        try:
            result[name] = float(value)
        except (TypeError, ValueError):
            result[name] = value
    return result
