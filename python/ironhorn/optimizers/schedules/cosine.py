"""Rates that fall along half a cosine."""

from __future__ import annotations

import math
from typing import Any

from ironhorn import backend, ops
from ironhorn.optimizers.schedules.schedule import LearningRateSchedule, positive_steps


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
        self.decay_steps = positive_steps(decay_steps)
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


class CosineDecayRestarts(LearningRateSchedule):
    """Half cosines one after another, each longer and lower than the last (Loshchilov and Hutter, 2017).

    Args:
        initial_learning_rate: The rate at step 0.
        first_decay_steps: Steps of the first half cosine; positive.
        t_mul: How many times as long each is as the last.
        m_mul: How many times as high each starts as the last.
        alpha: The lowest rate as a share of the initial rate.
        name: Name of the schedule.

    Example:
        >>> round(float(CosineDecayRestarts(0.1, 10)(10)), 4)
        0.1
    """

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: int,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str = "SGDRDecay",
    ):
        self.initial_learning_rate = initial_learning_rate
        self.first_decay_steps = positive_steps(first_decay_steps, "first_decay_steps")
        self.t_mul = t_mul
        self.m_mul = m_mul
        self.alpha = alpha
        self.name = name

    def __call__(self, step: Any) -> Any:
        """Returns the learning rate of a step."""
        done = ops.divide(ops.cast(step, backend.floatx()), self.first_decay_steps)
        if self.t_mul == 1.0:
            restarts = ops.floor(done)
            done = ops.subtract(done, restarts)
        else:
            # Geometric series: n half cosines take (1 - t^n) / (1 - t) times the first.
            grown = ops.add(ops.multiply(done, self.t_mul - 1.0), 1.0)
            restarts = ops.floor(ops.divide(ops.log(grown), math.log(self.t_mul)))
            length = ops.power(ops.cast(self.t_mul, done.dtype), restarts)
            before = ops.divide(ops.subtract(1.0, length), 1.0 - self.t_mul)
            done = ops.divide(ops.subtract(done, before), length)
        height = ops.power(ops.cast(self.m_mul, done.dtype), restarts)
        share = ops.multiply(ops.multiply(ops.add(ops.cos(ops.multiply(done, math.pi)), 1.0), height), 0.5)
        share = ops.add(ops.multiply(share, 1 - self.alpha), self.alpha)
        return ops.multiply(share, self.initial_learning_rate)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal schedule."""
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "first_decay_steps": self.first_decay_steps,
            "t_mul": self.t_mul,
            "m_mul": self.m_mul,
            "alpha": self.alpha,
            "name": self.name,
        }
