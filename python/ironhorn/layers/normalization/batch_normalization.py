"""The batch normalization layer."""

from __future__ import annotations

from typing import Any

from ironhorn import backend, constraints, initializers, ops, regularizers
from ironhorn.errors import UnsupportedError
from ironhorn.layers.input_spec import InputSpec
from ironhorn.layers.layer import Layer


class BatchNormalization(Layer):
    """Normalizes each channel by mean and variance, then scales and shifts it.

    In training these are of the batch, over all axes but `axis`, and the moving statistics take a step towards them:

        moving = moving * momentum + batch * (1 - momentum)

    Otherwise they are the moving statistics. The outputs are
    `gamma * (inputs - mean) / sqrt(variance + epsilon) + beta`. A layer with `trainable=False` always uses the moving
    statistics. Steps that a mask rules out do not count.

    Args:
        axis: The axis of the channels.
        momentum: Momentum of the moving statistics.
        epsilon: Added to the variance.
        center: Whether to shift by `beta`.
        scale: Whether to scale by `gamma`.
        beta_initializer: First value of `beta`.
        gamma_initializer: First value of `gamma`.
        moving_mean_initializer: First value of the moving mean.
        moving_variance_initializer: First value of the moving variance.
        beta_regularizer: Penalty on `beta`.
        gamma_regularizer: Penalty on `gamma`.
        beta_constraint: Projection of `beta` after each update.
        gamma_constraint: Projection of `gamma` after each update.
        renorm: Not supported; must be false.
        renorm_clipping: Not supported; must be `None`.
        renorm_momentum: Kept for Keras' signature; without effect as `renorm` is not supported.
        synchronized: Not supported; must be false.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Reference:
        Ioffe and Szegedy, 2015, "Batch normalization".

    Example:
        >>> ironhorn.layers.BatchNormalization()(ironhorn.ops.ones((2, 3))).shape
        (2, 3)
    """

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        renorm: bool = False,
        renorm_clipping: Any = None,
        renorm_momentum: float = 0.99,
        synchronized: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if synchronized:
            raise UnsupportedError(
                f"BatchNormalization layer '{self.name}': synchronized=True averages over several devices, and only "
                "one is used here. Leave it False."
            )
        if renorm or renorm_clipping:
            raise UnsupportedError(
                f"BatchNormalization layer '{self.name}': batch renormalization is not supported. Leave renorm=False "
                "and renorm_clipping=None."
            )
        self.axis = int(axis)
        self.momentum = float(momentum)
        self.epsilon = float(epsilon)
        self.center = center
        self.scale = scale
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)
        self.beta_constraint = constraints.get(beta_constraint)
        self.gamma_constraint = constraints.get(gamma_constraint)
        self.renorm_momentum = renorm_momentum
        self.supports_masking = True
        self.gamma: Any = None
        self.beta: Any = None
        self.moving_mean: Any = None
        self.moving_variance: Any = None

    def build(self, input_shape: Any) -> None:
        """Makes scale, shift and moving statistics."""
        self.compute_output_shape(input_shape)
        channels = input_shape[self.axis]
        if channels is None:
            raise ValueError(
                f"BatchNormalization layer '{self.name}' needs to know the size of axis {self.axis}. Received input "
                f"shape {tuple(input_shape)}. Give it in `Input(shape=...)`."
            )
        shape = (channels,)
        if self.scale:
            self.gamma = self.add_weight(
                name="gamma",
                shape=shape,
                initializer=self.gamma_initializer,
                regularizer=self.gamma_regularizer,
                constraint=self.gamma_constraint,
                autocast=False,
            )
        if self.center:
            self.beta = self.add_weight(
                name="beta",
                shape=shape,
                initializer=self.beta_initializer,
                regularizer=self.beta_regularizer,
                constraint=self.beta_constraint,
                autocast=False,
            )
        self.moving_mean = self.add_weight(
            name="moving_mean",
            shape=shape,
            initializer=self.moving_mean_initializer,
            trainable=False,
            autocast=False,
        )
        self.moving_variance = self.add_weight(
            name="moving_variance",
            shape=shape,
            initializer=self.moving_variance_initializer,
            trainable=False,
            autocast=False,
        )
        self.input_spec = InputSpec(ndim=len(input_shape), axes={self.axis: channels})
        axis = self.axis % len(input_shape)
        self._reduction_axes = tuple(other for other in range(len(input_shape)) if other != axis)

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalizes the inputs."""
        if mask is not None and len(mask.shape) != len(inputs.shape) - 1:
            raise ValueError(
                f"BatchNormalization layer '{self.name}' needs a mask of one axis less than the inputs. Received a "
                f"mask of shape {tuple(mask.shape)} for inputs of shape {tuple(inputs.shape)}."
            )
        if not (training and self.trainable):
            return self._normalize(inputs, self.moving_mean, self.moving_variance)
        if mask is None and self.axis % len(inputs.shape) == len(inputs.shape) - 1:
            channels = self.moving_mean.shape
            scale = ops.ones(channels, dtype=inputs.dtype) if self.gamma is None else self.gamma
            offset = ops.zeros(channels, dtype=inputs.dtype) if self.beta is None else self.beta
            outputs, mean, variance = ops.batch_normalization_train(inputs, scale, offset, epsilon=self.epsilon)
        else:
            mean, variance = self._moments(inputs, mask)
            outputs = self._normalize(inputs, mean, variance)
        self._move(self.moving_mean, ops.stop_gradient(mean))
        self._move(self.moving_variance, ops.stop_gradient(variance))
        return outputs

    def _normalize(self, inputs: Any, mean: Any, variance: Any) -> Any:
        return ops.batch_normalization(
            inputs,
            mean,
            variance,
            axis=self.axis,
            offset=self.beta,
            scale=self.gamma,
            epsilon=self.epsilon,
        )

    def _move(self, moving: Any, batch: Any) -> None:
        """Lets a moving statistic take a step towards that of the batch."""
        moving.assign(ops.add(ops.multiply(moving, self.momentum), ops.multiply(batch, 1.0 - self.momentum)))

    def _moments(self, inputs: Any, mask: Any) -> tuple[Any, Any]:
        """Returns mean and variance of each channel over the steps that count."""
        if mask is None:
            return ops.moments(inputs, axes=self._reduction_axes)
        counted = ops.broadcast_to(ops.cast(ops.expand_dims(mask, axis=-1), "bool"), ops.shape(inputs))
        zeros = ops.zeros_like(inputs)
        axes = self._reduction_axes
        count = ops.sum(ops.cast(counted, inputs.dtype), axis=axes, keepdims=True) + backend.epsilon()
        mean = ops.divide(ops.sum(ops.where(counted, inputs, zeros), axis=axes, keepdims=True), count)
        deviation = ops.where(counted, ops.subtract(inputs, mean), zeros)
        variance = ops.divide(ops.sum(ops.square(deviation), axis=axes, keepdims=True), count)
        return ops.squeeze(mean, axis=axes), ops.squeeze(variance, axis=axes)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs: that of the inputs."""
        rank = len(input_shape)
        if not -rank <= self.axis < rank:
            raise ValueError(
                f"BatchNormalization layer '{self.name}' has axis={self.axis}, but the input of shape "
                f"{tuple(input_shape)} has rank {rank}. Choose an axis from {-rank} to {rank - 1}."
            )
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {
            **super().get_config(),
            "axis": self.axis,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
            "beta_initializer": initializers.serialize(self.beta_initializer),
            "gamma_initializer": initializers.serialize(self.gamma_initializer),
            "moving_mean_initializer": initializers.serialize(self.moving_mean_initializer),
            "moving_variance_initializer": initializers.serialize(self.moving_variance_initializer),
            "beta_regularizer": regularizers.serialize(self.beta_regularizer),
            "gamma_regularizer": regularizers.serialize(self.gamma_regularizer),
            "beta_constraint": constraints.serialize(self.beta_constraint),
            "gamma_constraint": constraints.serialize(self.gamma_constraint),
            "synchronized": False,
            "renorm": False,
            "renorm_clipping": None,
            "renorm_momentum": self.renorm_momentum,
        }
