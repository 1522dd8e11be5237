"""Attention: averages of values, weighted by how well queries and keys go together."""

import math
from typing import Any

from ironhorn import _core
from ironhorn.errors import ShapeError, UnsupportedError
from ironhorn.ops._dispatch import op
from ironhorn.ops._values import as_dtype, common_dtype, handle, shape_of, tensor

__all__ = ["dot_product_attention"]

# What scores that do not count become: far below all others, and still finite in float32.
_EXCLUDED = -0.7 * 3.4028234663852886e38


@op
def dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    bias: Any = None,
    mask: Any = None,
    scale: float | None = None,
    is_causal: bool = False,
    flash_attention: bool | None = None,
    attn_logits_soft_cap: float | None = None,
) -> Any:
    """`softmax(query key^T scale + bias) value` for every head (Vaswani et al., 2017).

    With fewer heads of keys and values than of queries, consecutive queries' heads share one of theirs (Ainslie et al.,
    2023). The softmax is computed in float32 at least.

    Args:
        query: `(batch, steps, heads, width)`.
        key: `(batch, sources, key heads, width)`; the heads of `query` are a multiple of its own.
        value: `(batch, sources, key heads, value width)`.
        bias: added to the scores; broadcasts to `(batch, heads, steps, sources)`.
        mask: booleans that broadcast to `(batch, heads, steps, sources)`: which sources a step may look at.
        scale: what scores are multiplied by, `1 / sqrt(width)` by default.
        is_causal: whether a step may only look at sources that are not later.
        flash_attention: None or False; True is not supported.
        attn_logits_soft_cap: must be None.

    Returns:
        An array of shape `(batch, steps, heads, value width)`.

    Raises:
        ShapeError: for arrays of other ranks, or heads that do not divide.
        UnsupportedError: where flash attention or a cap of the scores is asked for.

    Example:
        >>> from ironhorn import ops
        >>> ops.dot_product_attention(ops.ones((2, 3, 4, 5)), ops.ones((2, 6, 4, 5)), ops.ones((2, 6, 4, 7))).shape
        (2, 3, 4, 7)
    """
    if flash_attention:
        raise UnsupportedError(
            "ops.dot_product_attention: flash_attention=True is not supported; leave it None or False, which computes "
            "the same numbers"
        )
    if attn_logits_soft_cap is not None:
        raise UnsupportedError(
            "ops.dot_product_attention: attn_logits_soft_cap is not supported; leave it None, as on every processor "
            "but a TPU"
        )
    query, key, value = tensor(query), tensor(key), tensor(value)
    if not query.ndim == key.ndim == value.ndim == 4:
        raise ShapeError(
            "ops.dot_product_attention takes arrays of shape (batch, steps, heads, width), got query "
            f"{query.shape}, key {key.shape}, value {value.shape}"
        )
    dtype = common_dtype(query, _core.tensor(0, common_dtype(key, value)))
    compute = "float32" if dtype in ("float16", "bfloat16") else dtype
    query, key, value = (as_dtype(x, compute) for x in (query, key, value))
    batch, steps, heads, width = shape_of(query)
    sources, key_heads = shape_of(key)[1:3]
    if not isinstance(heads, int) or not isinstance(key_heads, int) or heads % key_heads:
        raise ShapeError(
            f"ops.dot_product_attention: {heads} heads of the query are not a multiple of {key_heads} of the key"
        )
    if scale is None:
        if not isinstance(width, int):
            raise ShapeError("ops.dot_product_attention needs `scale` where the width of heads is not known")
        scale = 1.0 / math.sqrt(width)
    groups = heads // key_heads
    # (batch, heads, steps, width); steps of queries whose heads share keys stand one after another, in one matrix.
    rows = handle["transpose"](handle["multiply"](query, scale), axes=[0, 2, 1, 3])
    if groups > 1:
        rows = handle["reshape"](rows, shape=[batch, key_heads, groups * steps, width])
    columns = handle["transpose"](key, axes=[0, 2, 1, 3])
    scores = handle["matmul"](rows, columns, transpose_b=True)
    if groups > 1:
        scores = handle["reshape"](scores, shape=[batch, heads, steps, sources])
    if bias is not None:
        scores = handle["add"](scores, as_dtype(tensor(bias), compute))
    if mask is not None or is_causal:
        counted = None if mask is None else as_dtype(tensor(mask), "bool")
        if is_causal:
            earlier = causal(steps, sources)
            counted = earlier if counted is None else handle["logical_and"](counted, earlier)
        scores = handle["select"](counted, scores, _core.tensor(_EXCLUDED, compute))
    weights = handle["softmax"](scores)
    if groups > 1:
        weights = handle["reshape"](weights, shape=[batch, key_heads, groups * steps, sources])
    result = handle["matmul"](weights, handle["transpose"](value, axes=[0, 2, 1, 3]))
    if groups > 1:
        result = handle["reshape"](result, shape=[batch, heads, steps, shape_of(value)[3]])
    return as_dtype(handle["transpose"](result, axes=[0, 2, 1, 3]), dtype)


def causal(steps: Any, sources: Any) -> Any:
    """Booleans `(steps, sources)`: whether a source is not later than a step."""
    step = handle["iota"](shape=[steps, 1], axis=0, dtype="int32")
    return handle["greater_equal"](step, handle["iota"](shape=[1, sources], axis=1, dtype="int32"))
