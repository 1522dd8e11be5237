"""Metrics: `keras.metrics`. Their names stand in `__init__.pyi`; modules are imported when first used.

A metric accumulates over batches: `update_state(y_true, y_pred, sample_weight)`, `result()`, `reset_state()`. In
`compile` a name (`"accuracy"`, `"mse"`), a metric, or a function `fn(y_true, y_pred)` will do.
"""

from __future__ import annotations

from typing import Any

from ironhorn.backend.lazy import attach
from ironhorn.training.names import to_snake_case, unknown_name

ALL, __getattr__ = attach(__name__, __file__, globals())
__all__ = sorted([*ALL, "ALL", "deserialize", "get", "serialize"])


def __dir__() -> list[str]:
    return __all__


def _class_named(name: str) -> Any:
    """The metric class of a name in CamelCase, snake_case, or short ("mse"), or `None`."""
    wanted = name if name in ALL and not name.islower() else None
    for known in ALL:
        if wanted is None and not known.islower() and to_snake_case(known) == name:
            wanted = known
    found = ALL.get(wanted or name)
    return found if isinstance(found, type) else None


def serialize(metric: Any) -> Any:
    """Returns the config of a metric instance or function.

    Args:
        metric: A `Metric` or a metric function.

    Returns:
        What `deserialize` turns back into the metric.
    """
    from ironhorn.saving.registry import serialize_keras_object

    return serialize_keras_object(metric)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """Makes a metric from its config.

    Args:
        config: The config (or name).
        custom_objects: Your own classes and functions by name.

    Returns:
        A `Metric` or a metric function.
    """
    if isinstance(config, str):
        known = _class_named(config)
        if known is not None:
            return known()
    from ironhorn.saving.registry import deserialize_keras_object

    return deserialize_keras_object(config, custom_objects=custom_objects)


def get(identifier: Any) -> Any:
    """Returns the metric that `identifier` stands for.

    Args:
        identifier: `None`, a name, a config, a function, or a `Metric`.

    Returns:
        `None`, a function or a `Metric`.

    Raises:
        UnknownObjectError: If no metric has that name; the message names the closest one.
    """
    if identifier is None:
        return None
    metric = identifier
    if isinstance(identifier, dict):
        metric = deserialize(identifier)
    elif isinstance(identifier, str):
        metric = _class_named(identifier)
        if metric is None:
            from ironhorn.saving.registry import get_registered_object

            metric = get_registered_object(identifier)
    if metric is None or not callable(metric):
        known = {to_snake_case(name) if name[:2].istitle() else name for name in ALL} - {"metric"}
        raise unknown_name("metric", identifier, [*known, "accuracy", "acc", "crossentropy", "ce"])
    return metric() if isinstance(metric, type) else metric
