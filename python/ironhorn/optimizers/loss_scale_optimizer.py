"""`LossScaleOptimizer`: scales the loss so that gradients in float16 neither vanish nor overflow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ironhorn import initializers, ops
from ironhorn.optimizers.optimizer import Optimizer

_OF_THE_INNER_OPTIMIZER: dict[str, Any] = {
    "weight_decay": None,
    "clipnorm": None,
    "global_clipnorm": None,
    "clipvalue": None,
    "use_ema": False,
    "ema_momentum": 0.99,
    "ema_overwrite_frequency": None,
    "loss_scale_factor": None,
    "gradient_accumulation_steps": None,
}


class LossScaleOptimizer(Optimizer):
    """Wraps an optimizer and scales the loss by a factor that follows the gradients (Micikevicius et al., 2018).

    Small gradients become zero in float16. The loss is therefore multiplied by a scale before gradients are taken, and
    gradients are divided by it before the inner optimizer sees them. A step whose gradients are not all finite is left
    out and halves the scale; `dynamic_growth_steps` finite steps in a row double it. `compile` wraps the optimizer of a
    model with the policy `mixed_float16` by itself.

    Args:
        inner_optimizer: The optimizer that makes the steps.
        initial_scale: The first scale. Better too large than too small: it falls faster than it grows.
        dynamic_growth_steps: How many finite steps in a row double the scale.
        name: Name of the optimizer.
        **kwargs: Arguments of `Optimizer`; they belong to `inner_optimizer` and must keep their defaults here.

    Raises:
        ValueError: If an argument of the inner optimizer is given here.

    Example:
        >>> optimizer = ironhorn.optimizers.LossScaleOptimizer(ironhorn.optimizers.SGD(0.1), initial_scale=1024.0)
        >>> weight = ironhorn.Variable([1.0])
        >>> optimizer.build([weight])
        >>> optimizer.apply([ironhorn.ops.array([2048.0])], [weight])
        >>> weight.numpy()
        array([0.8], dtype=float32)
    """

    def __init__(
        self,
        inner_optimizer: Any,
        initial_scale: float = 2.0**15,
        dynamic_growth_steps: int = 2000,
        name: str | None = None,
        **kwargs: Any,
    ):
        if not kwargs.pop("dynamic", True):
            raise ValueError(
                "`dynamic=False` is not an option of LossScaleOptimizer. Give the inner optimizer a fixed "
                "`loss_scale_factor` instead, and do not wrap it."
            )
        for argument, default in _OF_THE_INNER_OPTIMIZER.items():
            if kwargs.pop(argument, default) != default:
                raise ValueError(
                    f"`{argument}` belongs to the `inner_optimizer` of a LossScaleOptimizer; give it there."
                )
        if kwargs:
            raise ValueError(f"LossScaleOptimizer has no argument(s) {sorted(kwargs)}.")
        super().__init__(learning_rate=0.0, name=name)
        self.inner_optimizer = inner_optimizer
        self.initial_scale = initial_scale
        self.dynamic_growth_steps = dynamic_growth_steps
        self.inner_optimizer.loss_scale_factor = None

    def build(self, variables: Sequence[Any]) -> None:
        """Makes the scale, the number of finite steps, and the inner optimizer's variables."""
        if self.built:
            return
        self.step_counter = self.add_variable((), initializers.Zeros(), dtype="int32", name="step_counter")
        scale = initializers.Constant(self.initial_scale)
        self.dynamic_scale = self.add_variable((), scale, dtype="float32", name="dynamic_scale")
        self.inner_optimizer.build(variables)
        super().build(variables)

    @property
    def variables(self) -> list[Any]:
        """The scale's variables, then those of the inner optimizer."""
        return self._variables + list(self.inner_optimizer.variables)

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Any] | None = None) -> None:
        """Takes a step with the gradients of the scaled loss, or leaves it out if they are not all finite."""
        if not self.built and trainable_variables is not None:
            self.build(list(trainable_variables))

        def step() -> None:
            # A power of 2, so that the quotients are exact.
            scale = self.dynamic_scale.value
            unscaled = [None if gradient is None else ops.divide(gradient, scale) for gradient in grads]
            self.inner_optimizer.apply(unscaled, trainable_variables)
            counted = ops.add(self.step_counter, 1)
            grows = ops.equal(counted, self.dynamic_growth_steps)
            self.step_counter.assign(ops.where(grows, 0, counted))
            self.dynamic_scale.assign(ops.where(grows, ops.multiply(scale, 2.0), scale))

        def leave_out() -> None:
            self.step_counter.assign(0)
            self.dynamic_scale.assign(ops.multiply(self.dynamic_scale, 0.5))

        ops.cond(self.check_finite(grads), step, leave_out)

    def check_finite(self, grads: Sequence[Any]) -> Any:
        """Returns whether all entries of all gradients are finite, as a boolean scalar."""
        finite: Any = True
        for gradient in grads:
            if gradient is not None:
                finite = ops.logical_and(finite, ops.all(ops.isfinite(gradient)))
        return finite

    def scale_loss(self, loss: Any) -> Any:
        """Multiplies the loss by the scale."""
        return ops.multiply(loss, self.dynamic_scale if self.built else self.initial_scale)

    @property
    def learning_rate(self) -> Any:
        """The inner optimizer's learning rate."""
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate: Any) -> None:
        self.inner_optimizer.learning_rate = learning_rate

    @property
    def iterations(self) -> Any:
        """The number of steps that the inner optimizer has taken."""
        return self.inner_optimizer.iterations

    def finalize_variable_values(self, var_list: Sequence[Any]) -> None:
        """Lets the inner optimizer put averages in the place of the weights, if it keeps them."""
        self.inner_optimizer.finalize_variable_values(var_list)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal optimizer, without its state."""
        from ironhorn.saving.registry import serialize_keras_object

        return {
            "name": self.name,
            "inner_optimizer": serialize_keras_object(self.inner_optimizer),
            "initial_scale": self.initial_scale,
            "dynamic_growth_steps": self.dynamic_growth_steps,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> LossScaleOptimizer:
        """Makes an optimizer from what `get_config` returned."""
        from ironhorn.saving.registry import deserialize_keras_object

        config = dict(config)
        inner = deserialize_keras_object(config.pop("inner_optimizer"), custom_objects=custom_objects)
        return cls(inner, **config)
