"""What layers share that normalize every example by its own moments."""

from __future__ import annotations

from typing import Any

from ironhorn import constraints, initializers, regularizers
from ironhorn.layers.layer import Layer


class BaseNormalization(Layer):
    """Holds scale and offset; subclasses normalize.

    Args:
        axis: Axis or axes that subclasses normalize over or along.
        epsilon: Added to the variance.
        center: Whether to add an offset, `beta`.
        scale: Whether to multiply by a scale, `gamma`.
        beta_initializer: First value of `beta`.
        gamma_initializer: First value of `gamma`.
        beta_regularizer: Penalty on `beta`.
        gamma_regularizer: Penalty on `gamma`.
        beta_constraint: Projection of `beta` after each update.
        gamma_constraint: Projection of `gamma` after each update.
        **kwargs: `name`, `dtype`, `trainable` of every layer.
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
        super().__init__(**kwargs)
        self.axis = axis
        self.epsilon = epsilon
        self.center = center
        self.scale = scale
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)
        self.beta_constraint = constraints.get(beta_constraint)
        self.gamma_constraint = constraints.get(gamma_constraint)
        self.gamma: Any = None
        self.beta: Any = None
        self.supports_masking = True
        # Sums are made in float32 at least, whatever the inputs are.
        self.autocast = False

    def _add_scale_and_offset(self, shape: tuple[int, ...], scale: bool, center: bool) -> None:
        if scale:
            self.gamma = self.add_weight(
                name="gamma",
                shape=shape,
                initializer=self.gamma_initializer,
                regularizer=self.gamma_regularizer,
                constraint=self.gamma_constraint,
                autocast=False,
            )
        if center:
            self.beta = self.add_weight(
                name="beta",
                shape=shape,
                initializer=self.beta_initializer,
                regularizer=self.beta_regularizer,
                constraint=self.beta_constraint,
                autocast=False,
            )

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs: that of the inputs."""
        check_axes(self, self.axis, input_shape)
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {
            **super().get_config(),
            "axis": self.axis,
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
            "beta_initializer": initializers.serialize(self.beta_initializer),
            "gamma_initializer": initializers.serialize(self.gamma_initializer),
            "beta_regularizer": regularizers.serialize(self.beta_regularizer),
            "gamma_regularizer": regularizers.serialize(self.gamma_regularizer),
            "beta_constraint": constraints.serialize(self.beta_constraint),
            "gamma_constraint": constraints.serialize(self.gamma_constraint),
        }


def checked_axis(layer_class: str, axis: Any) -> Any:
    """Returns an axis as it is and several as a list.

    Raises:
        TypeError: If these are not integers.
    """
    if isinstance(axis, int):
        return axis
    if isinstance(axis, list | tuple) and all(isinstance(one, int) for one in axis):
        return list(axis)
    raise TypeError(f"`axis` of a {layer_class} layer must be an integer or a list of them. Received: axis={axis!r}.")


def check_axes(layer: Layer, axis: Any, input_shape: Any) -> None:
    """Raises an error if the inputs do not have an axis."""
    rank = len(input_shape)
    for one in axis if isinstance(axis, list) else [axis]:
        if not -rank <= one < rank:
            raise ValueError(
                f"{type(layer).__name__} layer '{layer.name}' has axis={axis}, but the input of shape "
                f"{tuple(input_shape)} has rank {rank}. Choose axes from {-rank} to {rank - 1}."
            )


def sizes_of(layer: Layer, axis: Any, input_shape: Any) -> tuple[list[int], tuple[int, ...]]:
    """Returns the axes in order and the inputs' sizes on them."""
    check_axes(layer, axis, input_shape)
    axes = sorted(axis) if isinstance(axis, list) else [axis]
    sizes = tuple(input_shape[one] for one in axes)
    if None in sizes:
        raise ValueError(
            f"{type(layer).__name__} layer '{layer.name}' needs to know the sizes of the axes {axes}. Received input "
            f"shape {tuple(input_shape)}. Give them in `Input(shape=...)`."
        )
    return axes, sizes
