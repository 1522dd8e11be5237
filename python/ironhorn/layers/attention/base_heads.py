"""What layers share that attend with several heads."""

from __future__ import annotations

from typing import Any

from ironhorn import constraints, initializers, ops, regularizers
from ironhorn.errors import UnsupportedError
from ironhorn.layers.activations.softmax import Softmax
from ironhorn.layers.attention.masks import causal_mask, combined_mask, spread_over_heads, without_masks
from ironhorn.layers.core.einsum_dense import EinsumDense
from ironhorn.layers.layer import Layer
from ironhorn.layers.regularization.dropout import Dropout


class BaseHeads(Layer):
    """Projects queries, keys and values to heads, lets them attend, and projects the result back.

    Subclasses make the projections `_query_dense`, `_key_dense`, `_value_dense`, `_output_dense` and, where they have a
    gate, `_gate_dense`; and `_softmax` and `_dropout_layer`.

    Args:
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
    """

    _query_dense: Any
    _key_dense: Any
    _value_dense: Any
    _output_dense: Any
    _gate_dense: Any
    _softmax: Any
    _dropout_layer: Any
    _attention_axes: Any = (1,)
    # Equations of scores, of (keys, queries), and of results, of (weights, values).
    _dot_product_equation: str
    _combine_equation: str

    def __init__(
        self,
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
        super().__init__(**kwargs)
        if flash_attention:
            raise UnsupportedError(
                f"{type(self).__name__} layer '{self.name}': flash_attention=True is not supported. Leave it None or "
                "False, which computes the same numbers."
            )
        if sliding_window is not None:
            positive_integer(type(self).__name__, "sliding_window", sliding_window)
        self._dropout = dropout
        self._use_bias = use_bias
        self._use_gate = use_gate
        self._sliding_window = sliding_window
        self._kernel_initializer = initializers.get(kernel_initializer)
        self._bias_initializer = initializers.get(bias_initializer)
        self._kernel_regularizer = regularizers.get(kernel_regularizer)
        self._bias_regularizer = regularizers.get(bias_regularizer)
        self._activity_regularizer = regularizers.get(activity_regularizer)
        self._kernel_constraint = constraints.get(kernel_constraint)
        self._bias_constraint = constraints.get(bias_constraint)
        self.seed = seed
        self.supports_masking = True

    def _projection(
        self, name: str, equation: str, sizes: Any, bias_axes: str, input_shape: Any, activation: Any = None
    ) -> EinsumDense:
        """Makes one of the projections."""

        def copied(initializer: Any) -> Any:
            # An initializer of one's own for every kernel, so that they differ.
            return type(initializer).from_config(initializer.get_config())

        layer = EinsumDense(
            equation,
            output_shape=sizes,
            bias_axes=bias_axes if self._use_bias else None,
            activation=activation,
            name=name,
            kernel_initializer=copied(self._kernel_initializer),
            bias_initializer=copied(self._bias_initializer),
            kernel_regularizer=self._kernel_regularizer,
            bias_regularizer=self._bias_regularizer,
            activity_regularizer=self._activity_regularizer,
            kernel_constraint=self._kernel_constraint,
            bias_constraint=self._bias_constraint,
            dtype=self.dtype_policy,
        )
        layer.build(input_shape)
        return layer

    def _build_attention(self) -> None:
        axes = len(self._attention_axes)
        self._softmax = Softmax(axis=-1 if axes == 1 else tuple(range(-axes, 0)), dtype=self.dtype_policy)
        self._dropout_layer = Dropout(rate=self._dropout, dtype=self.dtype_policy, seed=self.seed)

    def call(
        self,
        query: Any,
        value: Any,
        key: Any = None,
        query_mask: Any = None,
        value_mask: Any = None,
        key_mask: Any = None,
        attention_mask: Any = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
        use_causal_mask: bool = False,
    ) -> Any:
        """Attends."""
        key = value if key is None else key
        attention = type(self)._compute_attention
        # Nothing but order hides sources: the op makes that mask itself.
        causal_only = (
            use_causal_mask
            and all(mask is None for mask in (query_mask, value_mask, key_mask, attention_mask, self._sliding_window))
            and attention is BaseHeads._compute_attention
        )
        if not causal_only:
            attention_mask = combined_mask(
                query,
                value,
                query_mask,
                value_mask,
                key_mask,
                attention_mask,
                use_causal_mask,
                self._sliding_window,
            )
        with without_masks(query, value, key):
            gate = self._gate_dense(query) if self._use_gate else None
            queries, keys, values = self._query_dense(query), self._key_dense(key), self._value_dense(value)
        if attention is not BaseHeads._compute_attention:
            keys, values = self._shared(keys, values)
        options = {"use_causal_mask": True} if causal_only else {}
        outputs, scores = self._compute_attention(
            queries,
            keys,
            values,
            attention_mask=attention_mask,
            training=training,
            return_attention_scores=return_attention_scores,
            **options,
        )
        outputs = self._output_dense(outputs if gate is None else ops.multiply(outputs, gate))
        return (outputs, scores) if return_attention_scores else outputs

    def _shared(self, keys: Any, values: Any) -> tuple[Any, Any]:
        """Returns a head of keys and values for every head of queries."""
        return keys, values

    def _compute_attention(
        self,
        query: Any,
        key: Any,
        value: Any,
        attention_mask: Any = None,
        training: bool | None = None,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> tuple[Any, Any]:
        """Returns the averages of the values and, where asked for, the weights; subclasses may override it."""
        axes = len(self._attention_axes)
        if not (self._dropout > 0.0 or return_attention_scores or len(query.shape) != 4):
            if attention_mask is not None:
                attention_mask = spread_over_heads(attention_mask, 4, axes)
            outputs = ops.dot_product_attention(
                query, key, value, mask=attention_mask, scale=self._scale(), is_causal=use_causal_mask
            )
            return outputs, None
        if use_causal_mask:
            earlier = causal_mask(query, value)
            attention_mask = earlier if attention_mask is None else ops.logical_and(attention_mask, earlier)
        key, value = self._shared(key, value)
        scores = ops.einsum(self._dot_product_equation, key, ops.multiply(query, self._scale()))
        if attention_mask is not None:
            attention_mask = spread_over_heads(attention_mask, len(scores.shape), axes)
        scores = self._softmax(scores, mask=attention_mask)
        weights = self._dropout_layer(scores, training=training) if self._dropout > 0.0 else scores
        return ops.einsum(self._combine_equation, weights, value), scores

    def _scale(self) -> float:
        """What scores are multiplied by."""
        raise NotImplementedError(f"{type(self).__name__} does not say how scores are scaled.")

    def _shared_config(self) -> dict[str, Any]:
        return {
            "dropout": self._dropout,
            "use_bias": self._use_bias,
            "use_gate": self._use_gate,
            "sliding_window": self._sliding_window,
            "kernel_initializer": initializers.serialize(self._kernel_initializer),
            "bias_initializer": initializers.serialize(self._bias_initializer),
            "kernel_regularizer": regularizers.serialize(self._kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self._bias_regularizer),
            "activity_regularizer": regularizers.serialize(self._activity_regularizer),
            "kernel_constraint": constraints.serialize(self._kernel_constraint),
            "bias_constraint": constraints.serialize(self._bias_constraint),
            "seed": self.seed,
        }


def positive_integer(layer_class: str, name: str, value: Any) -> None:
    """Raises an error unless a value is a positive integer."""
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise ValueError(f"`{name}` of a {layer_class} layer must be a positive integer. Received: {name}={value!r}.")


def check_lengths(layer: Layer, value_shape: Any, key_shape: Any) -> None:
    """Raises an error unless keys and values agree on all axes but the last."""
    if tuple(value_shape[1:-1]) != tuple(key_shape[1:-1]):
        raise ValueError(
            f"{type(layer).__name__} layer '{layer.name}' needs a key for every value: their shapes must agree but for "
            f"the last axis. Received: value of shape {tuple(value_shape)}, key of shape {tuple(key_shape)}."
        )
