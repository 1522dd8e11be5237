"""Rates that fall along a power, a fraction, or steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ironhorn import backend, ops
from ironhorn.optimizers.schedules.schedule import LearningRateSchedule, positive_steps


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
        self.decay_steps = positive_steps(decay_steps)
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


class PolynomialDecay(LearningRateSchedule):
    """From the initial rate to the end rate along a power of the steps that are left.

    `(initial - end) * (1 - step / decay_steps) ** power + end`, and `end` after `decay_steps`.

    Args:
        initial_learning_rate: The rate at step 0.
        decay_steps: Number of steps; positive.
        end_learning_rate: The rate at the end.
        power: The power; 1 is a straight line.
        cycle: Whether to begin anew at the end, with as many times `decay_steps` as steps need.
        name: Name of the schedule.

    Example:
        >>> round(float(PolynomialDecay(0.1, 10, end_learning_rate=0.0)(5)), 4)
        0.05
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str = "PolynomialDecay",
    ):
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = positive_steps(decay_steps)
        self.end_learning_rate = end_learning_rate
        self.power = power
        self.cycle = cycle
        self.name = name

    def __call__(self, step: Any) -> Any:
        """Returns the learning rate of a step."""
        step = ops.cast(step, backend.floatx())
        length: Any = float(self.decay_steps)
        if self.cycle:
            rounds = ops.ceil(ops.divide(step, length))
            length = ops.multiply(ops.maximum(rounds, 1.0), length)
        else:
            step = ops.minimum(step, length)
        left = ops.subtract(1.0, ops.divide(step, length))
        share = ops.power(left, ops.cast(self.power, left.dtype))
        return ops.add(ops.multiply(share, self.initial_learning_rate - self.end_learning_rate), self.end_learning_rate)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal schedule."""
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "end_learning_rate": self.end_learning_rate,
            "power": self.power,
            "cycle": self.cycle,
            "name": self.name,
        }


class InverseTimeDecay(LearningRateSchedule):
    """`initial_learning_rate / (1 + decay_rate * step / decay_steps)`.

    Args:
        initial_learning_rate: The rate at step 0.
        decay_steps: Steps after which the divisor has grown by `decay_rate`; positive.
        decay_rate: That growth.
        staircase: Whether to change the rate only every `decay_steps` steps.
        name: Name of the schedule.

    Example:
        >>> round(float(InverseTimeDecay(0.1, 10, 1.0)(10)), 4)
        0.05
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
        name: str = "InverseTimeDecay",
    ):
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = positive_steps(decay_steps)
        self.decay_rate = decay_rate
        self.staircase = staircase
        self.name = name

    def __call__(self, step: Any) -> Any:
        """Returns the learning rate of a step."""
        periods = ops.divide(ops.cast(step, backend.floatx()), self.decay_steps)
        if self.staircase:
            periods = ops.floor(periods)
        return ops.divide(self.initial_learning_rate, ops.add(ops.multiply(periods, self.decay_rate), 1.0))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal schedule."""
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "decay_rate": self.decay_rate,
            "staircase": self.staircase,
            "name": self.name,
        }
