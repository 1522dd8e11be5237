"""`LearningRateSchedule`, the base of all schedules."""

from __future__ import annotations

from typing import Any


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


def positive_steps(decay_steps: int, name: str = "decay_steps") -> int:
    """Returns the number of steps, or raises `ValueError` unless it is positive."""
    if decay_steps <= 0:
        raise ValueError(f"Argument `{name}` must be > 0. Received: {name}={decay_steps}")
    return decay_steps
