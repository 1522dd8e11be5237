"""Learning-rate schedules: `keras.optimizers.schedules`.

A schedule is called with the step number, a variable that the training step reads, and returns the learning rate in
terms of `ironhorn.ops`; it runs inside the step.
"""

from __future__ import annotations

from typing import Any

from ironhorn.optimizers.schedules.cosine import CosineDecay, CosineDecayRestarts
from ironhorn.optimizers.schedules.decays import (
    ExponentialDecay,
    InverseTimeDecay,
    PiecewiseConstantDecay,
    PolynomialDecay,
)
from ironhorn.optimizers.schedules.schedule import LearningRateSchedule

ALL: dict[str, Any] = {
    cls.__name__: cls
    for cls in (
        CosineDecay,
        CosineDecayRestarts,
        ExponentialDecay,
        InverseTimeDecay,
        LearningRateSchedule,
        PiecewiseConstantDecay,
        PolynomialDecay,
    )
}

__all__ = [
    "ALL",
    "CosineDecay",
    "CosineDecayRestarts",
    "ExponentialDecay",
    "InverseTimeDecay",
    "LearningRateSchedule",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "deserialize",
    "serialize",
]


def serialize(learning_rate_schedule: LearningRateSchedule) -> Any:
    """Returns the config of a schedule.

    Args:
        learning_rate_schedule: The schedule.

    Returns:
        What `deserialize` turns back into the schedule.
    """
    from ironhorn.saving.registry import serialize_keras_object

    return serialize_keras_object(learning_rate_schedule)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """Makes a schedule from its config.

    Args:
        config: The config.
        custom_objects: Your own schedules by name.

    Returns:
        The schedule.
    """
    from ironhorn.saving.registry import deserialize_keras_object

    return deserialize_keras_object(config, custom_objects=custom_objects)
