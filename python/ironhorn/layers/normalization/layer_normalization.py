"""The layer normalization layer."""

from __future__ import annotations

import warnings
from typing import Any

from ironhorn import ops
from ironhorn.layers.normalization.base_normalization import BaseNormalization, checked_axis, sizes_of


class LayerNormalization(BaseNormalization):
    """Normalizes every example by the mean and variance of its own features, then scales and shifts them.

        outputs = gamma * (inputs - mean) / sqrt(variance + epsilon) + beta

    Args:
        axis: Axis, or list of axes, that moments are taken over; `gamma` and `beta` have their sizes.
        epsilon: Added to the variance.
        center: Whether to shift by `beta`.
        scale: Whether to scale by `gamma`.
        beta_initializer: First value of `beta`.
        gamma_initializer: First value of `gamma`.
        beta_regularizer: Penalty on `beta`.
        gamma_regularizer: Penalty on `gamma`.
        beta_constraint: Projection of `beta` after each update.
        gamma_constraint: Projection of `gamma` after each update.
        **kwargs: `name`, `dtype`, `trainable` of every layer; `rms_scaling=True`, which Keras has deprecated, divides
            the inputs by their deviation without centering them.

    Reference:
        Ba, Kiros and Hinton, 2016, "Layer normalization".

    Example:
        >>> ironhorn.layers.LayerNormalization()(ironhorn.ops.ones((2, 3))).shape
        (2, 3)
    """

    def __init__(
        self,
        axis: Any = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        rms_scaling = kwargs.pop("rms_scaling", False)
        super().__init__(
            axis=checked_axis("LayerNormalization", axis),
            epsilon=epsilon,
            center=center,
            scale=scale,
            beta_initializer=beta_initializer,
            gamma_initializer=gamma_initializer,
            beta_regularizer=beta_regularizer,
            gamma_regularizer=gamma_regularizer,
            beta_constraint=beta_constraint,
            gamma_constraint=gamma_constraint,
            **kwargs,
        )
        self.rms_scaling = rms_scaling
        if rms_scaling:
            warnings.warn(
                f"LayerNormalization layer '{self.name}': rms_scaling=True is deprecated; it divides by the deviation, "
                "not by the root mean square. Use RMSNormalization.",
                stacklevel=2,
            )

    def build(self, input_shape: Any) -> None:
        """Makes scale and shift."""
        self.axis, sizes = sizes_of(self, self.axis, input_shape)
        self._add_scale_and_offset(sizes, self.scale or self.rms_scaling, self.center and not self.rms_scaling)

    def call(self, inputs: Any) -> Any:
        """Normalizes the inputs."""
        options = {"rms_scaling": True} if self.rms_scaling else {}
        outputs = ops.layer_normalization(inputs, self.gamma, self.beta, self.axis, self.epsilon, **options)
        return ops.cast(outputs, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "rms_scaling": self.rms_scaling}
