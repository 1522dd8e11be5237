"""Follow the regularised leader."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ironhorn import initializers
from ironhorn.optimizers.rule_optimizer import Rule, RuleOptimizer


class Ftrl(RuleOptimizer):
    """Follow the regularised leader (McMahan et al., 2013): sparse weights for many rare features.

    Args:
        learning_rate: See `Optimizer`.
        learning_rate_power: How the step falls with the sum of squared gradients; at most 0.
        initial_accumulator_value: What the sums start from; at least 0.
        l1_regularization_strength: Penalty on absolute values; at least 0.
        l2_regularization_strength: Penalty on squares; at least 0.
        l2_shrinkage_regularization_strength: Penalty on squares that acts on the gradient only.
        beta: Added to the root of the sums.
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
        ValueError: If a strength is negative or `learning_rate_power` positive.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        l2_shrinkage_regularization_strength: float = 0.0,
        beta: float = 0.0,
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
        for label, value, wrong in (
            ("initial_accumulator_value", initial_accumulator_value, initial_accumulator_value < 0.0),
            ("l1_regularization_strength", l1_regularization_strength, l1_regularization_strength < 0.0),
            ("l2_regularization_strength", l2_regularization_strength, l2_regularization_strength < 0.0),
            (
                "l2_shrinkage_regularization_strength",
                l2_shrinkage_regularization_strength,
                l2_shrinkage_regularization_strength < 0.0,
            ),
        ):
            if wrong:
                raise ValueError(f"`{label}` needs to be positive or zero. Received: {label}={value}.")
        if learning_rate_power > 0.0:
            raise ValueError(
                "`learning_rate_power` needs to be negative or zero. Received: "
                f"learning_rate_power={learning_rate_power}."
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
        self.learning_rate_power = learning_rate_power
        self.initial_accumulator_value = initial_accumulator_value
        self.l1_regularization_strength = l1_regularization_strength
        self.l2_regularization_strength = l2_regularization_strength
        self.l2_shrinkage_regularization_strength = l2_shrinkage_regularization_strength
        self.beta = beta
        self._accumulators: list[Any] = []
        self._linears: list[Any] = []

    def build(self, variables: Sequence[Any]) -> None:
        """Makes the slots of each variable."""
        if self.built:
            return
        super().build(variables)
        initial = initializers.Constant(self.initial_accumulator_value)
        self._accumulators, self._linears = self.add_optimizer_variables(
            variables, ["accumulator", "linear"], initializer=[initial, "zeros"]
        )

    def _rule(self) -> Rule:
        options = {
            "l1": self.l1_regularization_strength,
            "l2": self.l2_regularization_strength,
            "l2_shrinkage": self.l2_shrinkage_regularization_strength,
            "beta": self.beta,
        }
        slots = [self._accumulators, self._linears]
        if self.learning_rate_power == -0.5:
            return Rule("ftrl", slots, options, {})
        return Rule("ftrl_power", slots, {**options, "power": self.learning_rate_power}, {})

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal optimizer."""
        return {
            **super().get_config(),
            "learning_rate_power": self.learning_rate_power,
            "initial_accumulator_value": self.initial_accumulator_value,
            "l1_regularization_strength": self.l1_regularization_strength,
            "l2_regularization_strength": self.l2_regularization_strength,
            "l2_shrinkage_regularization_strength": self.l2_shrinkage_regularization_strength,
            "beta": self.beta,
        }
