"""Lamb."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ironhorn import ops
from ironhorn.optimizers.optimizer import Optimizer


class Lamb(Optimizer):
    """Adam whose step of each variable has the size of the variable (You et al., 2019), for large batches.

    Args:
        learning_rate: See `Optimizer`.
        beta_1: Decay of the first moment.
        beta_2: Decay of the second moment.
        epsilon: Added to the denominator.
        weight_decay: See `Optimizer`.
        clipnorm: See `Optimizer`.
        clipvalue: See `Optimizer`.
        global_clipnorm: See `Optimizer`.
        use_ema: See `Optimizer`.
        ema_momentum: See `Optimizer`.
        ema_overwrite_frequency: See `Optimizer`.
        loss_scale_factor: See `Optimizer`.
        gradient_accumulation_steps: See `Optimizer`.
        name: Name of the optimizer.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(
            learning_rate=learning_rate,
            name=name,
            weight_decay=weight_decay,
            clipnorm=clipnorm,
            clipvalue=clipvalue,
            global_clipnorm=global_clipnorm,
            use_ema=use_ema,
            ema_momentum=ema_momentum,
            ema_overwrite_frequency=ema_overwrite_frequency,
            loss_scale_factor=loss_scale_factor,
            gradient_accumulation_steps=gradient_accumulation_steps,
            **kwargs,
        )
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self._momentums: list[Any] = []
        self._velocities: list[Any] = []

    def build(self, variables: Sequence[Any]) -> None:
        """Makes the slots of each variable."""
        if self.built:
            return
        super().build(variables)
        self._momentums, self._velocities = self.add_optimizer_variables(variables, ["momentum", "velocity"])

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Updates one variable."""
        index = self._get_variable_index(variable)
        learning_rate = ops.cast(learning_rate, variable.dtype)
        gradient = ops.cast(gradient, variable.dtype)
        dtype = variable.dtype
        momentum, velocity = self._momentums[index], self._velocities[index]
        step = ops.cast(ops.add(self.iterations, 1), dtype)
        corrections = [ops.subtract(1.0, ops.power(ops.cast(beta, dtype), step)) for beta in (self.beta_1, self.beta_2)]
        first = ops.add(momentum.value, ops.multiply(ops.subtract(gradient, momentum.value), 1 - self.beta_1))
        second = ops.add(
            velocity.value, ops.multiply(ops.subtract(ops.square(gradient), velocity.value), 1 - self.beta_2)
        )
        self.assign(momentum, first)
        self.assign(velocity, second)
        below = ops.add(ops.sqrt(ops.divide(second, corrections[1])), self.epsilon)
        update = ops.divide(ops.divide(first, corrections[0]), below)
        norms = ops.cast(ops.sqrt(ops.update.sums_of_squares([variable.value, update])), dtype)
        both = ops.logical_and(ops.greater(norms[0], 0.0), ops.greater(norms[1], 0.0))
        trust = ops.where(both, ops.divide(norms[0], ops.where(both, norms[1], 1.0)), 1.0)
        self.assign_sub(variable, ops.multiply(ops.multiply(trust, learning_rate), update))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal optimizer."""
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
        }
