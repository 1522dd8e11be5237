"""The multi-head attention layer."""

from __future__ import annotations

import math
from typing import Any

from ironhorn import backend
from ironhorn.layers.attention.base_heads import BaseHeads, check_lengths, positive_integer

_LETTERS = "abcdefghijklmnopqrstuvwxyz"


class MultiHeadAttention(BaseHeads):
    """Lets every step of a sequence look at the steps of another, with several heads that look for different things.

    Queries, keys and values are projected to heads; a head's result is the average of the values, weighted by the
    softmax of `query @ key / sqrt(key_dim)`; the heads' results are projected to the outputs.

    Args:
        num_heads: Number of heads.
        key_dim: Size of a head's queries and keys.
        value_dim: Size of a head's values; `key_dim` if not given.
        dropout: Share of the attention weights that are dropped in training.
        use_bias: Whether the projections add a bias.
        output_shape: Sizes of the outputs' last axes; that of the queries if not given.
        attention_axes: Axes that are attended over; all but batch, features and heads if not given.
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
        Vaswani et al., 2017, "Attention is all you need".

    Example:
        >>> layer = ironhorn.layers.MultiHeadAttention(num_heads=2, key_dim=4)
        >>> layer(ironhorn.ops.ones((3, 5, 8)), ironhorn.ops.ones((3, 6, 8))).shape
        (3, 5, 8)
    """

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: Any = None,
        attention_axes: Any = None,
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
        for name, value in (("num_heads", num_heads), ("key_dim", key_dim), ("value_dim", value_dim)):
            if name != "value_dim" or value is not None:
                positive_integer("MultiHeadAttention", name, value)
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
        self._num_heads = num_heads
        self._key_dim = key_dim
        self._value_dim = value_dim or key_dim
        if output_shape is not None and not isinstance(output_shape, int | list | tuple):
            raise ValueError(
                "`output_shape` of a MultiHeadAttention layer must be an integer or a tuple of them. Received: "
                f"output_shape={output_shape!r}."
            )
        self._output_shape = (output_shape,) if isinstance(output_shape, int) else output_shape and tuple(output_shape)
        if attention_axes is not None and not isinstance(attention_axes, int | list | tuple):
            raise ValueError(
                "`attention_axes` of a MultiHeadAttention layer must be an integer or a tuple of them. Received: "
                f"attention_axes={attention_axes!r}."
            )
        self._attention_axes = (attention_axes,) if isinstance(attention_axes, int) else attention_axes

    @property
    def num_heads(self) -> int:
        """Number of heads."""
        return self._num_heads

    @property
    def key_dim(self) -> int:
        """Size of a head's queries and keys."""
        return self._key_dim

    @property
    def value_dim(self) -> int:
        """Size of a head's values."""
        return self._value_dim

    @property
    def dropout(self) -> float:
        """Share of the attention weights that are dropped in training."""
        return self._dropout

    @property
    def use_bias(self) -> bool:
        """Whether the projections add a bias."""
        return self._use_bias

    @property
    def attention_axes(self) -> Any:
        """Axes that are attended over."""
        return self._attention_axes

    @property
    def query_dense(self) -> Any:
        """The projection of the queries."""
        return self._query_dense

    @property
    def key_dense(self) -> Any:
        """The projection of the keys."""
        return self._key_dense

    @property
    def value_dense(self) -> Any:
        """The projection of the values."""
        return self._value_dense

    @property
    def output_dense(self) -> Any:
        """The projection of the result."""
        return self._output_dense

    def build(self, query_shape: Any, value_shape: Any, key_shape: Any = None) -> None:
        """Makes the projections."""
        key_shape = value_shape if key_shape is None else key_shape
        check_lengths(self, value_shape, key_shape)
        heads = (self._num_heads, self._key_dim)
        self._query_dense = self._to_heads("query", query_shape, heads)
        self._key_dense = self._to_heads("key", key_shape, heads)
        results = (self._num_heads, self._value_dim)
        if self._use_gate:
            self._gate_dense = self._to_heads("gate", query_shape, results, activation="sigmoid")
        self._value_dense = self._to_heads("value", value_shape, results)
        rank = len(value_shape) + 1
        if self._attention_axes is None:
            self._attention_axes = tuple(range(1, rank - 2))
        else:
            self._attention_axes = tuple(axis if axis >= 0 else rank - 1 + axis for axis in self._attention_axes)
        self._dot_product_equation, self._combine_equation = _equations(rank, self._attention_axes)
        self._build_attention()
        free = len(query_shape) - 1
        sizes = self._output_shape or (query_shape[-1],)
        lead, features = _LETTERS[:free], _LETTERS[free + 2 : free + 2 + len(sizes)]
        inner = _LETTERS[free : free + 2]
        self._output_dense = self._projection(
            "attention_output",
            f"{lead}{inner},{inner}{features}->{lead}{features}",
            [None] * (free - 1) + list(sizes),
            features,
            (*query_shape[:-1], *results),
        )

    def _to_heads(self, name: str, shape: Any, sizes: tuple[int, int], activation: Any = None) -> Any:
        free = len(shape) - 1
        lead, features, heads = _LETTERS[:free], _LETTERS[free], _LETTERS[free + 1 : free + 3]
        equation = f"{lead}{features},{features}{heads}->{lead}{heads}"
        return self._projection(name, equation, [None] * (free - 1) + list(sizes), heads, shape, activation)

    def _scale(self) -> float:
        return 1.0 / math.sqrt(self._key_dim)

    def compute_output_shape(self, query_shape: Any, value_shape: Any, key_shape: Any = None) -> Any:
        """Returns the shape of the outputs."""
        check_lengths(self, value_shape, value_shape if key_shape is None else key_shape)
        return (*query_shape[:-1], *self._output_shape) if self._output_shape else tuple(query_shape)

    def compute_output_spec(
        self, query: Any, value: Any, key: Any = None, return_attention_scores: bool = False, **kwargs: Any
    ) -> Any:
        """Returns the outputs as `KerasTensor`s."""
        shape = self.compute_output_shape(query.shape, value.shape, None if key is None else key.shape)
        outputs = backend.KerasTensor(shape, dtype=self.compute_dtype)
        if not return_attention_scores:
            return outputs
        axes = self._attention_axes
        others = [size for axis, size in enumerate(query.shape[:-1]) if axis not in axes]
        scores = [
            *others,
            self._num_heads,
            *(query.shape[axis] for axis in axes),
            *(value.shape[axis] for axis in axes),
        ]
        return outputs, backend.KerasTensor(tuple(scores), dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {
            **super().get_config(),
            "num_heads": self._num_heads,
            "key_dim": self._key_dim,
            "value_dim": self._value_dim,
            "output_shape": self._output_shape,
            "attention_axes": self._attention_axes,
            **self._shared_config(),
        }


def _equations(rank: int, axes: tuple[int, ...]) -> tuple[str, str]:
    """Equations of the scores and of the results, for queries of a rank that attend over some axes."""
    queries = _LETTERS[:rank]
    fresh = iter(_LETTERS[rank:])
    sources = "".join(next(fresh) if axis in axes else label for axis, label in enumerate(queries))
    others = "".join(label for axis, label in enumerate(queries[:-1]) if axis not in axes)
    scores = others + "".join(queries[axis] for axis in axes) + "".join(sources[axis] for axis in axes)
    return f"{sources},{queries}->{scores}", f"{scores},{sources}->{queries}"
