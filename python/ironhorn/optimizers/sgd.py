"""Stochastic gradient descent, plain, with momentum, or with Nesterov momentum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ironhorn.optimizers.rule_optimizer import Rule, RuleOptimizer


class SGD(RuleOptimizer):
    """Gradient descent.

    Without momentum `w = w - learning_rate * g`. With momentum
    `velocity = momentum * velocity - learning_rate * g` and `w = w + velocity`; with `nesterov`
    `w = w + momentum * velocity - learning_rate * g`.

    Args:
        learning_rate: See `Optimizer`.
        momentum: In [0, 1].
        nesterov: Whether to look ahead along the velocity.
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
        learning_rate: Any = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
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
        if not isinstance(momentum, float) or momentum < 0 or momentum > 1:
            raise ValueError(f"`momentum` must be a float between [0, 1]. Received: momentum={momentum!r}")
        self.momentum = momentum
        self.nesterov = nesterov
        self.momentums: list[Any] = []

    def build(self, variables: Sequence[Any]) -> None:
        """Makes one velocity per variable, if there is momentum."""
        if self.built:
            return
        super().build(variables)
        if self.momentum != 0:
            self.momentums = self.add_optimizer_variables(variables, "momentum")

    def _rule(self) -> Rule:
        if self.momentum == 0:
            return Rule("sgd", [], {}, {})
        name = "sgd_nesterov" if self.nesterov else "sgd_momentum"
        return Rule(name, [self.momentums], {"momentum": self.momentum}, {})

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal optimizer."""
        return {**super().get_config(), "momentum": self.momentum, "nesterov": self.nesterov}
