"""Adafactor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ironhorn import backend, ops
from ironhorn.optimizers.optimizer import Optimizer


class Adafactor(Optimizer):
    """Adam whose second moment of a matrix is kept as row and column means (Shazeer and Stern, 2018).

    Args:
        learning_rate: See `Optimizer`.
        beta_2_decay: Exponent of the decay of the second moment.
        epsilon_1: Added to squared gradients.
        epsilon_2: The least size of a variable that steps are relative to.
        clip_threshold: The largest root mean square of a step.
        relative_step: Whether the learning rate is at most `1 / sqrt(step)`.
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
        beta_2_decay: float = -0.8,
        epsilon_1: float = 1e-30,
        epsilon_2: float = 1e-3,
        clip_threshold: float = 1.0,
        relative_step: bool = True,
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
        self.beta_2_decay = beta_2_decay
        self.epsilon_1 = epsilon_1
        self.epsilon_2 = epsilon_2
        self.clip_threshold = clip_threshold
        self.relative_step = relative_step
        self._rows: list[Any] = []
        self._columns: list[Any] = []
        self._velocities: list[Any] = []

    def build(self, variables: Sequence[Any]) -> None:
        """Makes the slots of each variable."""
        if self.built:
            return
        super().build(variables)
        for variable in variables:
            shape = tuple(variable.shape)
            if len(shape) < 2:
                # Keras keeps a place for means that are never used.
                self._rows.append(backend.Variable(0.0, name=variable.name, trainable=False))
                self._columns.append(backend.Variable(0.0, name=variable.name, trainable=False))
            else:
                self._rows.append(self.add_variable(shape[:-1], dtype=variable.dtype, name=variable.name))
                columns = (*shape[:-2], shape[-1])
                self._columns.append(self.add_variable(columns, dtype=variable.dtype, name=variable.name))
            self._velocities.append(self.add_variable_from_reference(variable, name="velocity"))

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Updates one variable."""
        index = self._get_variable_index(variable)
        learning_rate = ops.cast(learning_rate, variable.dtype)
        gradient = ops.cast(gradient, variable.dtype)
        dtype = variable.dtype
        step = ops.cast(ops.add(self.iterations, 1), dtype)
        limit = ops.rsqrt(step)
        if self.relative_step and not callable(self._learning_rate):
            learning_rate = ops.minimum(learning_rate, limit)
        rate = ops.multiply(
            ops.maximum(_root_mean_square(variable.value), self.epsilon_2), ops.minimum(learning_rate, limit)
        )
        squares = ops.add(ops.square(gradient), self.epsilon_1)
        decay = ops.subtract(1.0, ops.power(step, self.beta_2_decay))

        def running(slot: Any, value: Any) -> Any:
            new = ops.add(ops.multiply(decay, slot.value), ops.multiply(ops.subtract(1.0, decay), value))
            self.assign(slot, new)
            return new

        velocity = self._velocities[index]
        if len(variable.shape) >= 2:
            rows = running(self._rows[index], ops.mean(squares, axis=-1))
            columns = running(self._columns[index], ops.mean(squares, axis=-2))
            shares = ops.divide(rows, ops.mean(rows, axis=-1, keepdims=True))
            second = ops.multiply(ops.expand_dims(shares, -1), ops.expand_dims(columns, -2))
            self.assign(velocity, second)
        else:
            second = running(velocity, squares)
        update = ops.divide(gradient, ops.sqrt(second))
        too_large = ops.maximum(ops.divide(_root_mean_square(update), self.clip_threshold), 1.0)
        self.assign_sub(variable, ops.multiply(rate, ops.divide(update, too_large)))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal optimizer."""
        return {
            **super().get_config(),
            "beta_2_decay": self.beta_2_decay,
            "epsilon_1": self.epsilon_1,
            "epsilon_2": self.epsilon_2,
            "clip_threshold": self.clip_threshold,
            "relative_step": self.relative_step,
        }


def _root_mean_square(values: Any) -> Any:
    squares = ops.update.sums_of_squares([values])[0]
    return ops.cast(ops.sqrt(ops.divide(squares, max(math.prod(values.shape), 1))), values.dtype)
