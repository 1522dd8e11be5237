"""The group normalization layer."""

from __future__ import annotations

from typing import Any

from ironhorn import ops
from ironhorn.layers.input_spec import InputSpec
from ironhorn.layers.normalization.base_normalization import BaseNormalization, sizes_of


class GroupNormalization(BaseNormalization):
    """Normalizes every example's channels, in groups, by the groups' mean and variance, then scales and shifts them.

    Args:
        groups: Number of groups, which divides the number of channels. 1 is layer normalization over all axes but the
            batch; -1, or the number of channels, is instance normalization.
        axis: The axis of the channels.
        epsilon: Added to the variance.
        center: Whether to shift by `beta`.
        scale: Whether to scale by `gamma`.
        beta_initializer: First value of `beta`.
        gamma_initializer: First value of `gamma`.
        beta_regularizer: Penalty on `beta`.
        gamma_regularizer: Penalty on `gamma`.
        beta_constraint: Projection of `beta` after each update.
        gamma_constraint: Projection of `gamma` after each update.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Reference:
        Wu and He, 2018, "Group normalization".

    Example:
        >>> ironhorn.layers.GroupNormalization(groups=2)(ironhorn.ops.ones((2, 5, 4))).shape
        (2, 5, 4)
    """

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
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
        if isinstance(groups, bool) or not isinstance(groups, int) or (groups <= 0 and groups != -1):
            raise ValueError(
                "`groups` of a GroupNormalization layer must be a positive integer, or -1 for a group a channel. "
                f"Received: groups={groups!r}."
            )
        super().__init__(
            axis=axis,
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
        self.groups = groups

    def build(self, input_shape: Any) -> None:
        """Makes scale and shift."""
        _, (channels,) = sizes_of(self, self.axis, input_shape)
        if self.groups == -1:
            self.groups = channels
        if channels % self.groups:
            raise ValueError(
                f"GroupNormalization layer '{self.name}' has groups={self.groups}, which does not divide the "
                f"{channels} channels on axis {self.axis} of an input of shape {tuple(input_shape)}. Choose a divisor."
            )
        self.input_spec = InputSpec(ndim=len(input_shape), axes={self.axis: channels})
        self._add_scale_and_offset((channels,), self.scale, self.center)

    def call(self, inputs: Any) -> Any:
        """Normalizes the inputs."""
        outputs = ops.group_normalization(inputs, self.groups, self.axis, self.gamma, self.beta, self.epsilon)
        return ops.cast(outputs, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "groups": self.groups}
