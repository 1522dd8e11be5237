"""RMSprop, the default optimizer of `compile`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ironhorn.optimizers.rule_optimizer import Rule, RuleOptimizer


class RMSprop(RuleOptimizer):
    """Divides the gradient by the root of a running mean of its square (Hinton, 2012).

    Args:
        learning_rate: See `Optimizer`.
        rho: Decay of the running mean.
        momentum: Momentum of the step.
        epsilon: Added under the root.
        centered: Whether to subtract the squared running mean of the gradient (an estimate of its variance).
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
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
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
        self.rho = rho
        self.momentum = momentum
        self.epsilon = epsilon
        self.centered = centered
        self._velocities: list[Any] = []
        self._momentums: list[Any] = []
        self._average_gradients: list[Any] = []

    def build(self, variables: Sequence[Any]) -> None:
        """Makes the running means per variable."""
        if self.built:
            return
        super().build(variables)
        self._velocities = self.add_optimizer_variables(variables, "velocity")
        if self.momentum > 0:
            self._momentums = self.add_optimizer_variables(variables, "momentum")
        if self.centered:
            self._average_gradients = self.add_optimizer_variables(variables, "average_gradient")

    def _rule(self) -> Rule:
        name, slots, options = "rmsprop", [self._velocities], {"rho": self.rho, "epsilon": self.epsilon}
        if self.centered:
            name += "_centered"
        if self.momentum > 0:
            name += "_momentum"
            slots.append(self._momentums)
            options["momentum"] = self.momentum
        if self.centered:
            slots.append(self._average_gradients)
        return Rule(name, slots, options, {})

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal optimizer."""
        return {
            **super().get_config(),
            "rho": self.rho,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "centered": self.centered,
        }
