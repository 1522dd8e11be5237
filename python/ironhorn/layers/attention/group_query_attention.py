"""The attention layer whose heads of queries share heads of keys and values."""

from __future__ import annotations

import math
from typing import Any

from ironhorn import backend, ops
from ironhorn.layers.attention.base_heads import BaseHeads, check_lengths, positive_integer


class GroupedQueryAttention(BaseHeads):
    """Multi-head attention in which several heads of queries look at the same keys and values.

    With one head of keys and values this is multi-query attention; with as many as of queries, multi-head attention.

    Args:
        head_dim: Size of a head.
        num_query_heads: Number of heads of queries.
        num_key_value_heads: Number of heads of keys and values, which divides that of queries.
        dropout: Share of the attention weights that are dropped in training.
        use_bias: Whether the projections add a bias.
        sliding_window: From which distance on sources are not seen; `None` for any.
        flash_attention: `None` or false; true is not supported.
        kernel_initializer: First value of the kernels.
        bias_initializer: First value of the biases.
        kernel_regularizer: Penalty on the kernels.
        bias_regularizer: Penalty on the biases.
        activity_regularizer: Penalty on the outputs of the projections.
        kernel_constraint: Projection of the kernels after each update.
        bias_constraint: Projection of the biases after each update.
        use_gate: Whether the result is multiplied by a sigmoid of a projection of the queries.
        seed: Integer seed of dropout; drawn if not given.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Call arguments:
        query: `(batch, steps, features)`.
        value: `(batch, sources, features)`.
        key: `(batch, sources, features)`; `value` if not given.
        query_mask: Booleans `(batch, steps)`; the mask that `query` carries if not given.
        value_mask: Booleans `(batch, sources)`; the mask that `value` carries if not given.
        key_mask: Booleans `(batch, sources)`; the mask that `key` carries if not given.
        attention_mask: Booleans `(batch, steps, sources)`: which sources a step may look at.
        return_attention_scores: Whether to return the attention weights too, `(batch, heads, steps, sources)`.
        training: Whether dropout acts.
        use_causal_mask: Whether a step may only look at sources that are not later.

    Reference:
        Ainslie et al., 2023, "GQA: training generalized multi-query transformer models".

    Example:
        >>> layer = ironhorn.layers.GroupQueryAttention(head_dim=4, num_query_heads=4, num_key_value_heads=2)
        >>> layer(ironhorn.ops.ones((3, 5, 8)), ironhorn.ops.ones((3, 6, 8))).shape
        (3, 5, 8)
    """

    _dot_product_equation = "bkuh,bquh->buqk"
    _combine_equation = "buqk,bkuh->bquh"

    def __init__(
        self,
        head_dim: int,
        num_query_heads: int,
        num_key_value_heads: int,
        dropout: float = 0.0,
        use_bias: bool = True,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        counts = {"head_dim": head_dim, "num_query_heads": num_query_heads, "num_key_value_heads": num_key_value_heads}
        for name, value in counts.items():
            positive_integer("GroupQueryAttention", name, value)
        if num_query_heads % num_key_value_heads:
            raise ValueError(
                "`num_query_heads` of a GroupQueryAttention layer must be a multiple of `num_key_value_heads`. "
                f"Received: num_query_heads={num_query_heads}, num_key_value_heads={num_key_value_heads}."
            )
        super().__init__(
            dropout=dropout,
            use_bias=use_bias,
            sliding_window=sliding_window,
            flash_attention=flash_attention,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
            use_gate=use_gate,
            seed=seed,
            **kwargs,
        )
        self.head_dim = head_dim
        self.num_query_heads = num_query_heads
        self.num_key_value_heads = num_key_value_heads
        self.num_repeats = num_query_heads // num_key_value_heads
        self.dropout = dropout
        self.use_bias = use_bias
        self.use_gate = use_gate
        self.sliding_window = sliding_window

    def build(self, query_shape: Any, value_shape: Any, key_shape: Any = None) -> None:
        """Makes the projections."""
        key_shape = value_shape if key_shape is None else key_shape
        self.feature_dim = query_shape[-1]
        queries = (None, self.num_query_heads, self.head_dim)
        sources = (None, self.num_key_value_heads, self.head_dim)
        self._query_dense = self._projection("query", "bqm,muh->bquh", queries, "uh", query_shape)
        self._key_dense = self._projection("key", "bkm,mvh->bkvh", sources, "vh", key_shape)
        if self.use_gate:
            self._gate_dense = self._projection("gate", "bqm,muh->bquh", queries, "uh", query_shape, "sigmoid")
        self._value_dense = self._projection("value", "bkm,mvh->bkvh", sources, "vh", value_shape)
        self._build_attention()
        self._output_dense = self._projection(
            "attention_output", "bquh,uhm->bqm", (None, self.feature_dim), "m", (None, *queries)
        )

    def _shared(self, keys: Any, values: Any) -> tuple[Any, Any]:
        """Returns a head of keys and values for every head of queries."""
        if keys.shape[2] == self.num_query_heads:
            return keys, values
        return ops.repeat(keys, self.num_repeats, axis=2), ops.repeat(values, self.num_repeats, axis=2)

    def _scale(self) -> float:
        return 1.0 / math.sqrt(self.head_dim)

    def compute_output_shape(self, query_shape: Any, value_shape: Any, key_shape: Any = None) -> Any:
        """Returns the shape of the outputs."""
        check_lengths(self, value_shape, value_shape if key_shape is None else key_shape)
        if query_shape[-1] != value_shape[-1]:
            raise ValueError(
                f"GroupQueryAttention layer '{self.name}' takes queries and values of one size. Received: query of "
                f"shape {tuple(query_shape)}, value of shape {tuple(value_shape)}."
            )
        return tuple(query_shape)

    def compute_output_spec(
        self, query: Any, value: Any, key: Any = None, return_attention_scores: bool = False, **kwargs: Any
    ) -> Any:
        """Returns the outputs as `KerasTensor`s."""
        shape = self.compute_output_shape(query.shape, value.shape, None if key is None else key.shape)
        outputs = backend.KerasTensor(shape, dtype=self.compute_dtype)
        if not return_attention_scores:
            return outputs
        scores = (query.shape[0], self.num_query_heads, query.shape[1], value.shape[1])
        return outputs, backend.KerasTensor(scores, dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {
            **super().get_config(),
            "head_dim": self.head_dim,
            "num_query_heads": self.num_query_heads,
            "num_key_value_heads": self.num_key_value_heads,
            **self._shared_config(),
        }
