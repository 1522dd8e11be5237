"""The embedding layer that also turns vectors back into scores of the integers."""

from __future__ import annotations

from typing import Any

from ironhorn import backend, ops
from ironhorn.layers.core.embedding import Embedding


class ReversibleEmbedding(Embedding):
    """An `Embedding` that can be called in reverse: vectors times the table, a score for every integer.

    Args:
        input_dim: Number of rows: the largest integer plus one.
        output_dim: Length of a row.
        tie_weights: Whether both directions use one table.
        embeddings_initializer: First value of the table or tables.
        embeddings_regularizer: Penalty on the table.
        embeddings_constraint: Projection of the table after each update.
        mask_zero: Whether 0 is padding.
        reverse_dtype: Dtype that scores are computed in; that of the layer if not given.
        logit_soft_cap: If given, scores are `cap * tanh(scores / cap)`.
        **kwargs: Further arguments of `Embedding`, and `name`, `dtype`, `trainable` of every layer.

    Call arguments:
        inputs: Integers, or vectors `(batch, ..., output_dim)` in reverse.
        reverse: Whether to compute scores.

    Example:
        >>> layer = ironhorn.layers.ReversibleEmbedding(10, 4)
        >>> layer(layer(ironhorn.ops.zeros((2, 5), dtype="int32")), reverse=True).shape
        (2, 5, 10)
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        tie_weights: bool = True,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        reverse_dtype: Any = None,
        logit_soft_cap: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            input_dim,
            output_dim,
            embeddings_initializer=embeddings_initializer,
            embeddings_regularizer=embeddings_regularizer,
            embeddings_constraint=embeddings_constraint,
            mask_zero=mask_zero,
            **kwargs,
        )
        self.tie_weights = tie_weights
        self.reverse_dtype = reverse_dtype
        self.logit_soft_cap = logit_soft_cap

    def build(self, input_shape: Any = None) -> None:
        """Makes the table, and the one of the reverse direction if it is another."""
        super().build(input_shape)
        if not self.tie_weights:
            self.reverse_embeddings = self.add_weight(
                name="reverse_embeddings",
                shape=(self.output_dim, self.input_dim),
                initializer=self.embeddings_initializer,
            )

    def call(self, inputs: Any, reverse: bool = False) -> Any:
        """Looks vectors up, or computes scores."""
        if not reverse:
            vectors = super().call(inputs)
            if self.mask_zero:
                backend.set_keras_mask(vectors, super().compute_mask(inputs))
            return vectors
        table = self.embeddings if self.tie_weights else self.reverse_embeddings
        if self.reverse_dtype is not None:
            inputs, table = ops.cast(inputs, self.reverse_dtype), ops.cast(table, self.reverse_dtype)
        scores = ops.einsum("...i,ji->...j" if self.tie_weights else "...i,ij->...j", inputs, table)
        if self.logit_soft_cap is None:
            return scores
        return ops.multiply(ops.tanh(ops.divide(scores, self.logit_soft_cap)), self.logit_soft_cap)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Returns `None`: the vectors get their mask when they are looked up."""
        return None

    def compute_output_shape(self, input_shape: Any, reverse: bool = False) -> Any:
        """Returns the shape of the outputs."""
        return (*input_shape[:-1], self.input_dim) if reverse else (*input_shape, self.output_dim)

    def compute_output_spec(self, inputs: Any, reverse: bool = False) -> Any:
        """Returns the outputs as `KerasTensor`s."""
        outputs = backend.KerasTensor(self.compute_output_shape(inputs.shape, reverse), dtype=self.compute_dtype)
        if self.mask_zero and not reverse:
            backend.set_keras_mask(outputs, super().compute_mask(inputs))
        return outputs

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {
            **super().get_config(),
            "tie_weights": self.tie_weights,
            "reverse_dtype": self.reverse_dtype,
            "logit_soft_cap": self.logit_soft_cap,
        }
