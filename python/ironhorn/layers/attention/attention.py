"""The dot-product attention layer."""

from __future__ import annotations

from typing import Any

from ironhorn import backend, ops, random
from ironhorn.layers.attention.masks import causal_mask
from ironhorn.layers.layer import Layer


class Attention(Layer):
    """Averages of values, weighted by the softmax of how well queries and keys go together (Luong's attention).

    Args:
        use_scale: Whether scores are multiplied by a trained number.
        score_mode: `"dot"` for the dot product of query and key, or `"concat"` for the sum of
            `tanh(query + key)`, times a trained number.
        dropout: Share of the attention weights that are dropped in training.
        seed: Integer seed of dropout; drawn if not given.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Call arguments:
        inputs: List of query `(batch, steps, features)`, value `(batch, sources, features)` and, optionally, key of the
            value's shape; the value serves as key if there is none.
        mask: List of masks of query, `(batch, steps)`, and value, `(batch, sources)`; either may be `None`. Outputs of
            steps whose query does not count are 0; values that do not count have no part in the averages.
        training: Whether dropout acts.
        return_attention_scores: Whether to return the attention weights too, `(batch, steps, sources)`.
        use_causal_mask: Whether a step may only look at sources that are not later.

    Reference:
        Luong, Pham and Manning, 2015, "Effective approaches to attention-based neural machine translation".

    Example:
        >>> query, value = ironhorn.ops.ones((2, 3, 4)), ironhorn.ops.ones((2, 5, 4))
        >>> ironhorn.layers.Attention()([query, value]).shape
        (2, 3, 4)
    """

    def __init__(
        self,
        use_scale: bool = False,
        score_mode: str = "dot",
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if score_mode not in ("dot", "concat"):
            raise ValueError(
                f"`score_mode` of an Attention layer must be 'dot' or 'concat'. Received: score_mode={score_mode!r}."
            )
        self.use_scale = use_scale
        self.score_mode = score_mode
        self.dropout = dropout
        self.seed = seed
        if dropout > 0:
            self.seed_generator = random.SeedGenerator(seed)
        self.scale: Any = None
        self.concat_score_weight: Any = None

    def build(self, input_shape: Any) -> None:
        """Makes the trained numbers."""
        self._check_list(input_shape, None)
        if self.use_scale:
            self.scale = self.add_weight(name="scale", shape=(), initializer="ones")
        if self.score_mode == "concat":
            self.concat_score_weight = self.add_weight(name="concat_score_weight", shape=(), initializer="ones")

    def call(
        self,
        inputs: Any,
        mask: Any = None,
        training: bool = False,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        """Attends."""
        self._check_list(inputs, mask)
        query, value = inputs[0], inputs[1]
        key = inputs[2] if len(inputs) > 2 else value
        query_mask, value_mask = (mask[0], mask[1]) if mask else (None, None)
        scores = self._calculate_scores(query, key)
        counted = None if value_mask is None else ops.expand_dims(ops.cast(value_mask, "bool"), -2)
        if use_causal_mask:
            earlier = causal_mask(query, key)
            counted = earlier if counted is None else ops.logical_and(counted, earlier)
        if counted is not None:
            scores = ops.where(counted, scores, ops.subtract(scores, 1e9))
        weights = ops.softmax(scores, axis=-1)
        if training and self.dropout > 0:
            weights = random.dropout(weights, self.dropout, seed=self.seed_generator)
        outputs = ops.matmul(weights, value)
        if query_mask is not None:
            steps = ops.expand_dims(ops.cast(query_mask, "bool"), -1)
            outputs = ops.where(steps, outputs, ops.zeros_like(outputs))
        return (outputs, weights) if return_attention_scores else outputs

    def _calculate_scores(self, query: Any, key: Any) -> Any:
        """Returns how well queries and keys go together, `(batch, steps, sources)`."""
        if self.score_mode == "dot":
            scores = ops.einsum("...ij,...kj->...ik", query, key)
            return scores if self.scale is None else ops.multiply(scores, self.scale)
        pairs = ops.add(ops.expand_dims(query, -2), ops.expand_dims(key, -3))
        if self.scale is not None:
            pairs = ops.multiply(pairs, self.scale)
        return ops.multiply(ops.sum(ops.tanh(pairs), axis=-1), self.concat_score_weight)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Returns the query's mask."""
        self._check_list(inputs, mask)
        return None if mask is None or mask[0] is None else ops.convert_to_tensor(mask[0])

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs."""
        return (*input_shape[0][:-1], input_shape[1][-1])

    def compute_output_spec(
        self, inputs: Any, mask: Any = None, return_attention_scores: bool = False, **kwargs: Any
    ) -> Any:
        """Returns the outputs as `KerasTensor`s."""
        self._check_list(inputs, mask)
        query, value = inputs[0].shape, inputs[1].shape
        outputs = backend.KerasTensor(self.compute_output_shape([query, value]), dtype=self.compute_dtype)
        if not return_attention_scores:
            return outputs
        return outputs, backend.KerasTensor((*query[:-1], value[-2]), dtype=self.compute_dtype)

    def _check_list(self, inputs: Any, mask: Any) -> None:
        for what, given in (("inputs", inputs), ("masks", mask)):
            if given is not None and (not isinstance(given, list) or not 2 <= len(given) <= 3):
                received = f"a list of {len(given)}" if isinstance(given, list) else repr(given)
                raise ValueError(
                    f"{type(self).__name__} layer '{self.name}' takes a list of {what}: [query, value] or "
                    f"[query, value, key]. Received: {received}."
                )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {
            **super().get_config(),
            "use_scale": self.use_scale,
            "score_mode": self.score_mode,
            "dropout": self.dropout,
            "seed": self.seed,
        }
