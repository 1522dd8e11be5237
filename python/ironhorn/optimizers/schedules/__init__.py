"""Learning-rate schedules: `keras.optimizers.schedules`.

A schedule is called with the step number, a variable that the training step reads, and returns the learning rate in
terms of `ironhorn.ops`; it runs inside the step.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ironhorn import backend, ops


class LearningRateSchedule:
    """Base class of schedules: define `__call__(step)` and `get_config()`.

    Example:
        ```python
        class Halving(LearningRateSchedule):
            def __init__(self, initial, every):
                self.initial, self.every = initial, every

            def __call__(self, step):
                return self.initial * 0.5 ** ops.floor(ops.cast(step, "float32") / self.every)

            def get_config(self):
                return {"initial": self.initial, "every": self.every}
        ```
    """

    def __call__(self, step: Any) -> Any:
        """Returns the learning rate of a step.

        Args:
            step: Number of steps done: an integer, tensor or variable.
        """
        raise NotImplementedError(f"{self.__class__.__name__} must define __call__(self, step).")

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal schedule."""
        raise NotImplementedError(f"{self.__class__.__name__} must define get_config(self) to be saved.")

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> LearningRateSchedule:
        """Makes a schedule from what `get_config` returned."""
        return cls(**config)


class ExponentialDecay(LearningRateSchedule):
    """`initial_learning_rate * decay_rate ** (step / decay_steps)`.

    Args:
        initial_learning_rate: The rate at step 0.
        decay_steps: Steps after which the rate is multiplied by `decay_rate`; positive.
        decay_rate: The factor.
        staircase: Whether to change the rate only every `decay_steps` steps.
        name: Name of the schedule.

    Example:
        >>> round(float(ExponentialDecay(0.1, 10, 0.5)(20)), 4)
        0.025
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
        name: str = "ExponentialDecay",
    ):
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = _positive_steps(decay_steps)
        self.decay_rate = decay_rate
        self.staircase = staircase
        self.name = name

    def __call__(self, step: Any) -> Any:
        """Returns the learning rate of a step."""
        dtype = backend.floatx()
        periods = ops.divide(ops.cast(step, dtype), self.decay_steps)
        if self.staircase:
            periods = ops.floor(periods)
        rate = ops.power(ops.convert_to_tensor(self.decay_rate, dtype=dtype), periods)
        return ops.multiply(rate, self.initial_learning_rate)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal schedule."""
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "decay_rate": self.decay_rate,
            "staircase": self.staircase,
            "name": self.name,
        }


class PiecewiseConstantDecay(LearningRateSchedule):
    """A constant rate per interval of steps: `values[i]` up to and including `boundaries[i]`.

    Args:
        boundaries: Increasing step numbers.
        values: The rates, one more than boundaries.
        name: Name of the schedule.

    Raises:
        ValueError: If the lengths do not match.
    """

    def __init__(self, boundaries: Sequence[int], values: Sequence[float], name: str = "PiecewiseConstant"):
        if len(boundaries) != len(values) - 1:
            raise ValueError(
                "The length of boundaries should be 1 less than the length of values. Received: "
                f"boundaries={boundaries} of length {len(boundaries)}, and values={values} of length {len(values)}."
            )
        self.boundaries = boundaries
        self.values = values
        self.name = name

    def __call__(self, step: Any) -> Any:
        """Returns the learning rate of a step."""
        step = ops.convert_to_tensor(step)
        rate = ops.convert_to_tensor(self.values[0], dtype=backend.floatx())
        for boundary, value in zip(self.boundaries, self.values[1:], strict=True):
            after = ops.greater(step, ops.cast(boundary, step.dtype))
            rate = ops.where(after, ops.convert_to_tensor(value, dtype=rate.dtype), rate)
        return rate

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal schedule."""
        return {"boundaries": self.boundaries, "values": self.values, "name": self.name}


class CosineDecay(LearningRateSchedule):
    """Half a cosine from the initial rate down to `alpha` times it, optionally after a linear warm-up.

    Args:
        initial_learning_rate: The rate at step 0.
        decay_steps: Steps of the cosine; positive.
        alpha: The final rate as a share of the rate at which the cosine starts.
        name: Name of the schedule.
        warmup_target: The rate at the end of the warm-up; `None` for no warm-up.
        warmup_steps: Steps of the warm-up.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        alpha: float = 0.0,
        name: str = "CosineDecay",
        warmup_target: float | None = None,
        warmup_steps: int = 0,
    ):
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = _positive_steps(decay_steps)
        self.alpha = alpha
        self.name = name
        self.warmup_target = warmup_target
        self.warmup_steps = warmup_steps

    def __call__(self, step: Any) -> Any:
        """Returns the learning rate of a step."""
        step = ops.cast(step, backend.floatx())
        if self.warmup_target is None:
            return self._cosine(ops.minimum(step, self.decay_steps), self.initial_learning_rate)
        step = ops.minimum(step, self.decay_steps + self.warmup_steps)
        slope = (self.warmup_target - self.initial_learning_rate) / max(self.warmup_steps, 1)
        warmup = ops.add(ops.multiply(step, slope), self.initial_learning_rate)
        decayed = self._cosine(ops.subtract(step, self.warmup_steps), self.warmup_target)
        return ops.where(ops.less(step, self.warmup_steps), warmup, decayed)

    def _cosine(self, step: Any, start: float) -> Any:
        cosine = ops.cos(ops.multiply(ops.divide(step, self.decay_steps), math.pi))
        share = ops.add(ops.multiply(ops.add(cosine, 1.0), 0.5 * (1 - self.alpha)), self.alpha)
        return ops.multiply(share, start)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal schedule."""
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "alpha": self.alpha,
            "name": self.name,
            "warmup_target": self.warmup_target,
            "warmup_steps": self.warmup_steps,
        }


def _positive_steps(decay_steps: int) -> int:
    if decay_steps <= 0:
        raise ValueError(f"Argument `decay_steps` must be > 0. Received: decay_steps={decay_steps}")
    return decay_steps


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


ALL: dict[str, Any] = {
    cls.__name__: cls for cls in (LearningRateSchedule, ExponentialDecay, PiecewiseConstantDecay, CosineDecay)
}

__all__ = [
    "ALL",
    "CosineDecay",
    "ExponentialDecay",
    "LearningRateSchedule",
    "PiecewiseConstantDecay",
    "deserialize",
    "serialize",
]
