"""The rectified linear unit with learnt slopes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ironhorn import constraints, initializers, ops, regularizers
from ironhorn.layers.input_spec import InputSpec
from ironhorn.layers.layer import Layer


class PReLU(Layer):
    """`inputs` where they are positive, `alpha * inputs` elsewhere, with a learnt `alpha` (He et al., 2015).

    Args:
        alpha_initializer: How `alpha` starts.
        alpha_regularizer: Penalty on `alpha`.
        alpha_constraint: Projection of `alpha` after each update.
        shared_axes: Axes, counted with the batch as axis 0, along which one `alpha` serves: `[1, 2]` gives one for
            each channel of images.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Example:
        >>> layer = ironhorn.layers.PReLU("ones", shared_axes=[1])
        >>> layer(ironhorn.ops.convert_to_tensor([[-2.0, 3.0]])).numpy()
        array([[-2.,  3.]], dtype=float32)
    """

    def __init__(
        self,
        alpha_initializer: Any = "Zeros",
        alpha_regularizer: Any = None,
        alpha_constraint: Any = None,
        shared_axes: int | Sequence[int] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.alpha_initializer = initializers.get(alpha_initializer)
        self.alpha_regularizer = regularizers.get(alpha_regularizer)
        self.alpha_constraint = constraints.get(alpha_constraint)
        self.shared_axes = [shared_axes] if isinstance(shared_axes, int) else shared_axes and list(shared_axes)

    def build(self, input_shape: Any) -> None:
        """Makes the slopes."""
        rank = len(input_shape)
        shared = self.shared_axes or []
        for axis in shared:
            if not 1 <= axis < rank:
                raise ValueError(
                    f"Layer '{self.name}': `shared_axes` must lie in 1 to {rank - 1} for inputs of shape "
                    f"{tuple(input_shape)}; the batch is axis 0. Received: shared_axes={shared}."
                )
        shape = [1 if axis in shared else input_shape[axis] for axis in range(1, rank)]
        if None in shape:
            raise ValueError(
                f"Layer '{self.name}' (PReLU) has a slope for each position of an axis whose length is not known "
                f"(input shape {tuple(input_shape)}). Name that axis in `shared_axes`."
            )
        self.alpha = self.add_weight(
            shape=tuple(shape),
            name="alpha",
            initializer=self.alpha_initializer,
            regularizer=self.alpha_regularizer,
            constraint=self.alpha_constraint,
        )
        fixed = {axis: input_shape[axis] for axis in range(1, rank) if axis not in shared} if shared else {}
        self.input_spec = InputSpec(ndim=rank, axes=fixed)

    def call(self, inputs: Any) -> Any:
        """Applies the function."""
        below = ops.multiply(self.alpha, ops.relu(ops.negative(inputs)))
        return ops.subtract(ops.relu(inputs), below)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs: that of the inputs."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {
            **super().get_config(),
            "alpha_initializer": initializers.serialize(self.alpha_initializer),
            "alpha_regularizer": regularizers.serialize(self.alpha_regularizer),
            "alpha_constraint": constraints.serialize(self.alpha_constraint),
            "shared_axes": self.shared_axes,
        }
