"""The additive attention layer."""

from __future__ import annotations

from typing import Any

from ironhorn import ops
from ironhorn.layers.attention.attention import Attention


class AdditiveAttention(Attention):
    """Averages of values, weighted by the softmax of `sum(scale * tanh(query + key))` (Bahdanau's attention).

    Args:
        use_scale: Whether the features of the sum have trained weights.
        dropout: Share of the attention weights that are dropped in training.
        **kwargs: `seed` of dropout, and `name`, `dtype`, `trainable` of every layer.

    Call arguments:
        inputs: List of query `(batch, steps, features)`, value `(batch, sources, features)` and, optionally, key of the
            value's shape; the value serves as key if there is none.
        mask: List of masks of query, `(batch, steps)`, and value, `(batch, sources)`; either may be `None`. Outputs of
            steps whose query does not count are 0; values that do not count have no part in the averages.
        training: Whether dropout acts.
        return_attention_scores: Whether to return the attention weights too, `(batch, steps, sources)`.
        use_causal_mask: Whether a step may only look at sources that are not later.

    Reference:
        Bahdanau, Cho and Bengio, 2014, "Neural machine translation by jointly learning to align and translate".

    Example:
        >>> query, value = ironhorn.ops.ones((2, 3, 4)), ironhorn.ops.ones((2, 5, 4))
        >>> ironhorn.layers.AdditiveAttention()([query, value]).shape
        (2, 3, 4)
    """

    def __init__(self, use_scale: bool = True, dropout: float = 0.0, **kwargs: Any) -> None:
        super().__init__(use_scale=use_scale, dropout=dropout, **kwargs)

    def build(self, input_shape: Any) -> None:
        """Makes the weights of the features."""
        self._check_list(input_shape, None)
        if self.use_scale:
            self.scale = self.add_weight(name="scale", shape=(input_shape[0][-1],), initializer="glorot_uniform")

    def _calculate_scores(self, query: Any, key: Any) -> Any:
        """Returns how well queries and keys go together, `(batch, steps, sources)`."""
        pairs = ops.tanh(ops.add(ops.expand_dims(query, -2), ops.expand_dims(key, -3)))
        return ops.sum(pairs if self.scale is None else ops.multiply(pairs, self.scale), axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        config = super().get_config()
        del config["score_mode"]
        return config
