"""Muon."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from ironhorn import ops
from ironhorn.optimizers.optimizer import Optimizer


class Muon(Optimizer):
    """Momentum whose step of a matrix is made orthogonal (Jordan et al., 2024); Adam for everything else.

    Args:
        learning_rate: See `Optimizer`.
        adam_beta_1: `beta_1` of Adam.
        adam_beta_2: `beta_2` of Adam.
        adam_weight_decay: `weight_decay` of the variables that Adam updates.
        epsilon: Added to Adam's denominator.
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
        exclude_layers: Patterns: a variable whose path matches one is updated by Adam.
        exclude_embeddings: Whether Adam updates embeddings.
        muon_a: First coefficient of the iteration.
        muon_b: Second coefficient of the iteration.
        muon_c: Third coefficient of the iteration.
        adam_lr_ratio: Adam's learning rate over Muon's.
        momentum: Share of the momentum that is kept.
        ns_steps: Number of Newton-Schulz iterations.
        nesterov: Whether momentum looks ahead.
        rms_rate: Steps are scaled to this root mean square, which is that of Adam's; `None` for no scaling.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        adam_beta_1: float = 0.9,
        adam_beta_2: float = 0.999,
        adam_weight_decay: float | None = 0.004,
        epsilon: float = 1e-7,
        weight_decay: float | None = 0.004,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        exclude_layers: Sequence[str] | None = None,
        exclude_embeddings: bool = True,
        muon_a: float = 3.4445,
        muon_b: float = -4.775,
        muon_c: float = 2.0315,
        adam_lr_ratio: float = 1,
        momentum: float = 0.95,
        ns_steps: int = 5,
        nesterov: bool = True,
        rms_rate: float | None = 0.2,
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
        self.adam_beta_1 = adam_beta_1
        self.adam_beta_2 = adam_beta_2
        self.adam_weight_decay = adam_weight_decay
        self.epsilon = epsilon
        self.exclude_layers = list(exclude_layers or ())
        self.exclude_embeddings = exclude_embeddings
        self.muon_a = muon_a
        self.muon_b = muon_b
        self.muon_c = muon_c
        self.adam_lr_ratio = adam_lr_ratio
        self.momentum = momentum
        self.ns_steps = ns_steps
        self.nesterov = nesterov
        self.rms_rate = rms_rate
        self._momentums: list[Any] = []
        self._velocities: list[Any] = []

    def build(self, variables: Sequence[Any]) -> None:
        """Makes the slots of each variable."""
        if self.built:
            return
        super().build(variables)
        for variable in variables:
            self._momentums.append(self.add_variable_from_reference(variable, name="momentum"))
            own = self.add_variable_from_reference(variable, name="velocity") if self._uses_adam(variable) else None
            self._velocities.append(own)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Updates one variable."""
        index = self._get_variable_index(variable)
        learning_rate = ops.cast(learning_rate, variable.dtype)
        gradient = ops.cast(gradient, variable.dtype)
        if self._velocities[index] is not None:
            self._adam_step(index, gradient, variable, ops.multiply(learning_rate, self.adam_lr_ratio))
            return
        momentum = self._momentums[index]
        kept = ops.add(ops.multiply(momentum.value, self.momentum), gradient)
        self.assign(momentum, kept)
        direction = ops.add(gradient, ops.multiply(kept, self.momentum)) if self.nesterov else kept
        step = ops.multiply(learning_rate, self._orthogonal(direction))
        if self.rms_rate is not None:
            step = ops.multiply(step, math.sqrt(max(variable.shape)) * self.rms_rate)
        self.assign_sub(variable, step)

    def _uses_adam(self, variable: Any) -> bool:
        if len(variable.shape) != 2:
            return True
        if self.exclude_embeddings and "embedding" in variable.path.lower():
            return True
        return any(re.search(pattern, variable.path) for pattern in self.exclude_layers)

    def _adam_step(self, index: int, gradient: Any, variable: Any, learning_rate: Any) -> None:
        ops.update.adam(
            [variable],
            [gradient],
            [self._momentums[index]],
            [self._velocities[index]],
            None,
            ops.add(self.iterations, 1),
            learning_rate,
            self.adam_beta_1,
            self.adam_beta_2,
            self.epsilon,
        )

    def _orthogonal(self, matrix: Any) -> Any:
        """The nearest orthogonal matrix, by Newton-Schulz iterations of the fifth order on the smaller side."""
        tall = matrix.shape[0] > matrix.shape[1]
        x = ops.transpose(matrix) if tall else matrix
        x = ops.divide(x, ops.add(ops.sqrt(ops.sum(ops.square(x))), 1e-7))
        for _ in range(self.ns_steps):
            square = ops.matmul(x, ops.transpose(x))
            fourth = ops.matmul(ops.multiply(square, self.muon_c), square)
            factor = ops.add(ops.multiply(square, self.muon_b), fourth)
            x = ops.add(ops.multiply(x, self.muon_a), ops.matmul(factor, x))
        return ops.transpose(x) if tall else x

    def _decay_of(self, variable: Any) -> float | None:
        return self.adam_weight_decay if self._uses_adam(variable) else self.weight_decay

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal optimizer."""
        return {
            **super().get_config(),
            "adam_beta_1": self.adam_beta_1,
            "adam_beta_2": self.adam_beta_2,
            "adam_weight_decay": self.adam_weight_decay,
            "epsilon": self.epsilon,
            "exclude_layers": self.exclude_layers,
            "exclude_embeddings": self.exclude_embeddings,
            "muon_a": self.muon_a,
            "muon_b": self.muon_b,
            "muon_c": self.muon_c,
            "adam_lr_ratio": self.adam_lr_ratio,
            "momentum": self.momentum,
            "ns_steps": self.ns_steps,
            "nesterov": self.nesterov,
            "rms_rate": self.rms_rate,
        }
