"""Rows of the attention layers."""

from layers.rows.row import Row

# On JAX the fused op of Keras computes its softmax in float32 whatever the type: rows that leave it to that op are
# `narrow`. A rate of dropout, which acts in training only, takes the other way.
QUERY, VALUE = [[1, 1, 0], [1, 1, 1]], [[1, 1, 1, 0, 0], [0, 1, 1, 1, 1]]
ALLOWED = [[[1, 0, 1, 1, 0], [1, 1, 1, 1, 1], [0, 0, 1, 0, 1]], [[1, 1, 1, 1, 1], [1, 0, 0, 1, 0], [0, 1, 1, 1, 0]]]
# A number added to all of a query's scores changes nothing.
KEY_BIAS = ("weight3",)
TWO = [(2, 3, 4), (2, 5, 4)]
THREE = [*TWO, (2, 5, 4)]

ROWS = [
    Row(
        "MultiHeadAttention",
        lambda k: k.layers.MultiHeadAttention(2, 3, dropout=0.1, seed=1),
        inputs=TWO,
        spread=True,
        varying=(1,),
        vanishing=KEY_BIAS,
    ),
    Row(
        "MultiHeadAttention",
        lambda k: k.layers.MultiHeadAttention(2, 3),
        inputs=TWO,
        spread=True,
        varying=(1,),
        narrow=True,
        note="fused",
        vanishing=KEY_BIAS,
    ),
    Row(
        "MultiHeadAttention",
        lambda k: k.layers.MultiHeadAttention(2, 3, value_dim=2, output_shape=5, use_bias=False, dropout=0.1, seed=1),
        inputs=[(2, 3, 4), (2, 5, 3), (2, 5, 2)],
        spread=True,
        call={"return_attention_scores": True},
        note="sizes, scores",
    ),
    Row(
        "MultiHeadAttention",
        lambda k: k.layers.MultiHeadAttention(2, 3, dropout=0.1, seed=1),
        inputs=TWO,
        spread=True,
        mask=[QUERY, VALUE],
        carried=True,
        call={"use_causal_mask": True, "attention_mask": ALLOWED},
        note="masks",
        vanishing=KEY_BIAS,
    ),
    Row(
        "MultiHeadAttention",
        lambda k: k.layers.MultiHeadAttention(2, 3),
        inputs=TWO,
        spread=True,
        mask=[None, VALUE],
        carried=True,
        narrow=True,
        note="mask, fused",
        vanishing=KEY_BIAS,
    ),
    Row(
        "MultiHeadAttention",
        lambda k: k.layers.MultiHeadAttention(2, 3),
        inputs=[(2, 4, 4), (2, 4, 4)],
        spread=True,
        call={"use_causal_mask": True},
        varying=(1,),
        narrow=True,
        note="causal",
        vanishing=KEY_BIAS,
    ),
    Row(
        "MultiHeadAttention",
        lambda k: k.layers.MultiHeadAttention(2, 3, sliding_window=2, use_gate=True, dropout=0.1, seed=1),
        inputs=[(2, 4, 4), (2, 4, 4)],
        spread=True,
        note="window, gate",
        vanishing=KEY_BIAS,
    ),
    Row(
        "MultiHeadAttention",
        lambda k: k.layers.MultiHeadAttention(2, 3, attention_axes=(2, 3), output_shape=(2, 2)),
        inputs=[(2, 2, 3, 2, 4), (2, 2, 2, 3, 4)],
        spread=True,
        call={"return_attention_scores": True},
        note="axes",
        vanishing=KEY_BIAS,
    ),
    Row(
        "GroupQueryAttention",
        lambda k: k.layers.GroupQueryAttention(3, 4, 2, dropout=0.1, seed=1),
        inputs=TWO,
        spread=True,
        varying=(1,),
        vanishing=KEY_BIAS,
    ),
    Row(
        "GroupQueryAttention",
        lambda k: k.layers.GroupQueryAttention(3, 4, 1, use_bias=False, use_gate=True),
        inputs=TWO,
        spread=True,
        call={"attention_mask": ALLOWED},
        narrow=True,
        note="fused",
    ),
    Row(
        "GroupQueryAttention",
        lambda k: k.layers.GroupQueryAttention(3, 2, 2, sliding_window=3),
        inputs=TWO,
        spread=True,
        mask=[QUERY, VALUE],
        carried=True,
        call={"use_causal_mask": True, "return_attention_scores": True},
        note="masks",
        vanishing=KEY_BIAS,
    ),
    Row("Attention", lambda k: k.layers.Attention(), inputs=TWO, varying=(1,)),
    Row(
        "Attention",
        lambda k: k.layers.Attention(use_scale=True, dropout=0.2, seed=1),
        inputs=THREE,
        mask=[QUERY, VALUE, None],
        note="scale, mask",
    ),
    Row(
        "Attention",
        lambda k: k.layers.Attention(score_mode="concat", use_scale=True),
        inputs=TWO,
        mask=[None, [[1, 1, 1, 0, 0], [1, 0, 1, 1, 1]]],
        call={"use_causal_mask": True, "return_attention_scores": True},
        note="concat",
    ),
    Row("Attention", lambda k: k.layers.Attention(score_mode="concat"), inputs=THREE, note="concat, key"),
    Row("AdditiveAttention", lambda k: k.layers.AdditiveAttention(), inputs=TWO, varying=(1,)),
    Row(
        "AdditiveAttention",
        lambda k: k.layers.AdditiveAttention(use_scale=False, dropout=0.2, seed=1),
        inputs=THREE,
        mask=[QUERY, VALUE, None],
        note="mask",
    ),
    Row(
        "AdditiveAttention",
        lambda k: k.layers.AdditiveAttention(),
        inputs=TWO,
        call={"use_causal_mask": True, "return_attention_scores": True},
        note="causal",
    ),
]
