"""The wrapper that bounds how far a layer's kernel stretches its inputs."""

from __future__ import annotations

from typing import Any

from ironhorn import initializers, ops
from ironhorn.layers.core.wrapper import Wrapper
from ironhorn.layers.input_spec import InputSpec


class SpectralNormalization(Wrapper):
    """Divides the kernel of a layer by its largest singular value at every call in training.

    The singular value is estimated by power iteration, which goes on from call to call: the vector that it has reached
    is a weight that is not trained.

    Args:
        layer: A layer with a `kernel` or `embeddings`.
        power_iterations: Steps of the iteration in a call.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Call arguments:
        inputs: Inputs of the layer inside.
        training: Whether to normalize the kernel first.

    Reference:
        Miyato, Kataoka, Koyama and Yoshida, 2018, "Spectral normalization for generative adversarial networks".

    Example:
        >>> layer = ironhorn.layers.SpectralNormalization(ironhorn.layers.Dense(3))
        >>> layer(ironhorn.ops.ones((2, 4)), training=True).shape
        (2, 3)
    """

    def __init__(self, layer: Any, power_iterations: int = 1, **kwargs: Any) -> None:
        super().__init__(layer, **kwargs)
        if isinstance(power_iterations, bool) or not isinstance(power_iterations, int) or power_iterations <= 0:
            raise ValueError(
                "`power_iterations` of a SpectralNormalization layer must be a positive integer. Received: "
                f"power_iterations={power_iterations!r}."
            )
        self.power_iterations = power_iterations

    def build(self, input_shape: Any) -> None:
        """Builds the layer inside and makes the vector of the iteration."""
        super().build(input_shape)
        self.input_spec = InputSpec(min_ndim=1, axes={-1: input_shape[-1]})
        self.kernel: Any = getattr(self.layer, "kernel", None)
        if self.kernel is None:
            self.kernel = getattr(self.layer, "embeddings", None)
        if self.kernel is None:
            raise ValueError(
                f"SpectralNormalization layer '{self.name}' goes around layers that have a `kernel` or `embeddings`, "
                f"which {type(self.layer).__name__} has not."
            )
        self.vector_u = self.add_weight(
            name="vector_u",
            shape=(1, self.kernel.shape[-1]),
            initializer=initializers.TruncatedNormal(stddev=0.02),
            trainable=False,
            dtype=self.kernel.dtype,
        )

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Calls the layer inside, in training after normalizing its kernel."""
        if training:
            kernel, vector = ops.convert_to_tensor(self.kernel), ops.convert_to_tensor(self.vector_u)
            vector, kernel = ops.cond(
                ops.all(ops.equal(kernel, 0)), lambda: (vector, kernel), lambda: self._normalized(kernel, vector)
            )
            self.vector_u.assign(vector)
            self.kernel.assign(kernel)
        return ops.cast(self.layer(inputs), inputs.dtype)

    def _normalized(self, kernel: Any, vector: Any) -> tuple[Any, Any]:
        """Returns the vector after some steps of the iteration, and the kernel over the estimate of its norm."""
        matrix = ops.reshape(kernel, (-1, self.kernel.shape[-1]))
        for _ in range(self.power_iterations):
            left = ops.normalize(ops.einsum("ij,kj->ik", vector, matrix), axis=None)
            vector = ops.normalize(ops.matmul(left, matrix), axis=None)
        vector, left = ops.stop_gradient(vector), ops.stop_gradient(left)
        norm = ops.einsum("ij,jk,lk->", left, matrix, vector)
        return vector, ops.divide(kernel, norm)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs: that of the layer inside."""
        return self.layer.compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "power_iterations": self.power_iterations}
