"""Nadam."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ironhorn import backend, ops
from ironhorn.optimizers.rule_optimizer import Rule, RuleOptimizer


class Nadam(RuleOptimizer):
    """Adam with Nesterov momentum (Dozat, 2016).

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
        self._momentum_product: Any = None

    def build(self, variables: Sequence[Any]) -> None:
        """Makes the slots of each variable."""
        if self.built:
            return
        super().build(variables)
        self._momentums, self._velocities = self.add_optimizer_variables(variables, ["momentum", "velocity"])
        dtype = variables[0].dtype if variables else backend.floatx()
        self._momentum_product = backend.Variable(1.0, dtype=dtype, trainable=False)

    def _rule(self) -> Rule:
        options = {"beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon}
        scalars = {"step": ops.add(self.iterations, 1), "product": self._next_product()}
        return Rule("nadam", [self._momentums, self._velocities], options, scalars)

    def _next_product(self) -> Any:
        """The product of the momenta of all steps and this one: `beta_1 (1 - 0.96^step / 2)` each."""
        dtype = self._momentum_product.dtype
        step = ops.cast(ops.add(self.iterations, 1), dtype)
        shrunk = ops.subtract(1.0, ops.multiply(ops.power(ops.cast(0.96, dtype), step), 0.5))
        return ops.multiply(self._momentum_product.value, ops.multiply(shrunk, self.beta_1))

    def _after_update(self) -> None:
        self.assign(self._momentum_product, self._next_product())

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal optimizer."""
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
        }
