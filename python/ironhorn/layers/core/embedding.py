"""The embedding layer: a table of vectors looked up by integers."""

from __future__ import annotations

import warnings
from typing import Any

from ironhorn import backend, constraints, initializers, ops, regularizers
from ironhorn.layers.core.dense import refuse_adapters
from ironhorn.layers.layer import Layer


class Embedding(Layer):
    """Replaces each integer by its row of a trained table.

    Args:
        input_dim: Number of rows: the largest integer plus one.
        output_dim: Length of a row.
        embeddings_initializer: First value of the table.
        embeddings_regularizer: Penalty on the table.
        embeddings_constraint: Projection of the table after each update.
        mask_zero: Whether 0 is padding. Layers that support masks, such as `LSTM`, then skip it.
        weights: Value of the table, instead of the initializer's.
        lora_rank: Not supported; must be `None`.
        lora_alpha: Not supported; must be `None`.
        quantization_config: Not supported; must be `None`.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Input shape:
        `(batch, ...)` of integers from 0 to `input_dim - 1`.

    Output shape:
        `(batch, ..., output_dim)`.

    Example:
        >>> ironhorn.layers.Embedding(10, 4)(ironhorn.ops.zeros((2, 5), dtype="int32")).shape
        (2, 5, 4)
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        weights: Any = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ) -> None:
        input_length = kwargs.pop("input_length", None)
        for name, size in (("input_dim", input_dim), ("output_dim", output_dim)):
            if isinstance(size, bool) or not isinstance(size, int) or size <= 0:
                raise ValueError(
                    f"`{name}` of an Embedding layer must be a positive integer. Received: {name}={size!r}."
                )
        super().__init__(**kwargs)
        if input_length is not None:
            warnings.warn(
                f"Embedding layer '{self.name}': `input_length` is an argument of older versions of Keras. Remove it; "
                "the length is that of the data.",
                stacklevel=2,
            )
        refuse_adapters(self, lora_rank, lora_alpha, quantization_config)
        self.input_dim = input_dim
        self.output_dim = output_dim
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.embeddings_regularizer = regularizers.get(embeddings_regularizer)
        self.embeddings_constraint = constraints.get(embeddings_constraint)
        self.mask_zero = mask_zero
        self.supports_masking = mask_zero
        # Inputs are integers: they are not cast to the dtype of the table.
        self.autocast = False
        if weights is not None:
            self.build()
            alone = isinstance(weights, list) and len(weights) == 1
            self.set_weights(weights if alone else [weights])

    def build(self, input_shape: Any = None) -> None:
        """Makes the table."""
        if self.built:  # `weights` was given.
            return
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=(self.input_dim, self.output_dim),
            initializer=self.embeddings_initializer,
            regularizer=self.embeddings_regularizer,
            constraint=self.embeddings_constraint,
        )

    def call(self, inputs: Any) -> Any:
        """Looks the vectors up."""
        dtype = backend.standardize_dtype(inputs.dtype)
        if "int" not in dtype:
            inputs = ops.cast(inputs, "int32")
        return ops.take(self.embeddings, inputs, axis=0)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Returns where the integers are not 0, if `mask_zero` is set."""
        return ops.not_equal(inputs, 0) if self.mask_zero else None

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs."""
        return (*input_shape, self.output_dim)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {
            **super().get_config(),
            "input_dim": self.input_dim,
            "output_dim": self.output_dim,
            "embeddings_initializer": initializers.serialize(self.embeddings_initializer),
            "embeddings_regularizer": regularizers.serialize(self.embeddings_regularizer),
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            "embeddings_constraint": constraints.serialize(self.embeddings_constraint),
            "mask_zero": self.mask_zero,
            "quantization_config": None,
        }
