"""`RuleOptimizer`, the base of optimizers whose step treats every element alike and is a row of the engine's table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ironhorn import ops
from ironhorn.optimizers.optimizer import Optimizer


class Rule(NamedTuple):
    """Which rule an optimizer follows, and what the rule reads."""

    #: Its name in `src/kernels/cpu/update/rules.rs`.
    name: str
    #: For each of its slots, the variables that hold it for all trainable variables.
    slots: Sequence[Sequence[Any]]
    #: The numbers that stay, by name.
    options: dict[str, float]
    #: What changes from step to step beside the learning rate, by name.
    scalars: dict[str, Any]


class RuleOptimizer(Optimizer):
    """An optimizer whose whole update is one pass of the engine: clipping, weight decay, the rule and averaging.

    A subclass makes its slots in `build` and says in `_rule` which rule they belong to. Where `update_step` is
    overridden further down, that is called for every variable instead, as with any optimizer.
    """

    def _rule(self) -> Rule:
        """The rule of the step that is being made."""
        raise NotImplementedError(f"{self.__class__.__name__} must define _rule(self).")

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Updates one variable."""
        self._apply_rule([gradient], [variable], learning_rate)

    def _apply_rule(self, grads: Sequence[Any], variables: Sequence[Any], learning_rate: Any, **options: Any) -> None:
        rule = self._rule()
        indices = [self._get_variable_index(variable) for variable in variables]
        slots = [[slot[index] for index in indices] for slot in rule.slots]
        ops.update.rule(
            rule.name, list(variables), list(grads), slots, learning_rate, rule.options, rule.scalars, **options
        )

    def _is_fused(self) -> bool:
        return type(self).update_step is RuleOptimizer.update_step

    def _averages_in_pass(self) -> bool:
        # With accumulation the average moves in every step, the weights in some.
        return bool(
            self.use_ema
            and self._is_fused()
            and not self.ema_overwrite_frequency
            and not self.gradient_accumulation_steps
        )

    def _clip_gradients(self, grads: list[Any]) -> list[Any]:
        return grads if self._is_fused() else super()._clip_gradients(grads)

    def _fused_update(
        self, grads: Sequence[Any], variables: Sequence[Any], learning_rate: Any, decays: list[float] | None
    ) -> bool:
        if not self._is_fused():
            return False
        averages = kept = None
        if self._averages_in_pass():
            averages = [self._model_variables_moving_average[self._get_variable_index(v)] for v in variables]
            kept = ops.multiply(ops.cast(ops.not_equal(self.iterations, 0), "float64"), self.ema_momentum)
        self._apply_rule(
            grads,
            variables,
            learning_rate,
            weight_decay=decays,
            clipnorm=self.clipnorm if self.clipnorm and self.clipnorm > 0 else None,
            clipvalue=self.clipvalue if self.clipvalue and self.clipvalue > 0 else None,
            global_clipnorm=self.global_clipnorm if self.global_clipnorm and self.global_clipnorm > 0 else None,
            averages=averages,
            kept_average=kept,
        )
        self._after_update()
        if averages is not None and len(variables) < len(self._trainable_variables):
            updated = {id(variable) for variable in variables}
            super()._update_model_variables_moving_average(
                [variable for variable in self._trainable_variables if id(variable) not in updated]
            )
        return True

    def _update_model_variables_moving_average(self, variables: Sequence[Any] | None = None) -> None:
        if not self._averages_in_pass():
            super()._update_model_variables_moving_average(variables)
