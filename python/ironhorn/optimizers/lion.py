"""Lion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ironhorn.optimizers.rule_optimizer import Rule, RuleOptimizer


class Lion(RuleOptimizer):
    """Steps of one size in the direction of the sign of the momentum (Chen et al., 2023).

    Args:
        learning_rate: See `Optimizer`.
        beta_1: Share of the momentum in the step.
        beta_2: Decay of the momentum.
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

    Raises:
        ValueError: If `beta_1` is not in (0, 1].
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
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
        if beta_1 <= 0 or beta_1 > 1:
            raise ValueError(
                "Argument `beta_1` must be above 0 and at most 1: with 0 only signs of gradients are left. "
                f"Received: beta_1={beta_1}."
            )
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
        self._momentums: list[Any] = []

    def build(self, variables: Sequence[Any]) -> None:
        """Makes the slots of each variable."""
        if self.built:
            return
        super().build(variables)
        self._momentums = self.add_optimizer_variables(variables, "momentum")

    def _rule(self) -> Rule:
        return Rule("lion", [self._momentums], {"beta_1": self.beta_1, "beta_2": self.beta_2}, {})

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal optimizer."""
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
        }
