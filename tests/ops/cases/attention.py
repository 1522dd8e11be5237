"""Attention and normalisation by an example's own moments."""

from __future__ import annotations

from typing import Any

import numpy as np

from ironhorn import ops
from ops import references as ref
from ops.cases.case import Argument, Case


def attended(query: Any, key: Any, value: Any, bias: Any = None, mask: Any = None, causal: bool = False) -> Any:
    """Attention head by head."""
    groups = query.shape[2] // key.shape[2]
    key, value = np.repeat(key, groups, 2), np.repeat(value, groups, 2)
    scores = np.einsum("btnh,bsnh->bnts", query, key) / np.sqrt(query.shape[3])
    scores = scores if bias is None else scores + bias
    counted = np.ones(scores.shape[-2:], bool) if mask is None else mask
    counted = counted & np.tri(*scores.shape[-2:], dtype=bool) if causal else counted
    return np.einsum("bnts,bsnh->btnh", ref.softmax(np.where(counted, scores, -1e30)), value)


def attention(note: str, heads: int, key_heads: int, extra: tuple[Argument, ...] = (), **options: Any) -> Case:
    """A row of attention; `extra` is a bias, or a mask."""
    name = "mask" if extra and extra[0].values == "mask" else "bias"

    def named(arrays: Any) -> dict[str, Any]:
        return dict(zip([name], arrays, strict=False))

    return Case(
        "dot_product_attention",
        (
            Argument((2, 3, heads, 4), "unit"),
            Argument((2, 5, key_heads, 4), "unit"),
            Argument((2, 5, key_heads, 2), "unit"),
            *extra,
        ),
        lambda q, k, v, *more: attended(q, k, v, causal=options.get("is_causal", False), **named(more)),
        call=lambda q, k, v, *more: ops.dot_product_attention(q, k, v, **named(more), **options),
        note=note,
        tolerance=16.0,
    )


def normalized(x: Any, axis: Any, epsilon: float, centred: bool = True) -> Any:
    """`x` by its moments over axes."""
    mean = x.mean(axis, keepdims=True) if centred else 0.0
    return (x - mean) / np.sqrt(((x - mean) ** 2).mean(axis, keepdims=True) + epsilon)


def layer_norm(note: str, shape: tuple[int, ...], axis: Any, gamma: Any = None, beta: bool = False) -> Case:
    """A row of layer normalisation; `gamma` is the shape of scale and offset in the sum of products."""
    axes = (axis,) if isinstance(axis, int) else axis
    own = tuple(shape[a] for a in axes)
    wide = tuple(n if i in [a % len(shape) for a in axes] else 1 for i, n in enumerate(shape))
    extra = (Argument(own, batch=False),) * (int(bool(gamma)) + int(beta))

    def split(arrays: Any) -> tuple[Any, Any]:
        given = iter(arrays)
        return next(given) if gamma else None, next(given) if beta else None

    def reference(x: Any, *more: Any) -> Any:
        scale, offset = (None if v is None else v.reshape(wide) for v in split(more))
        y = normalized(x, axes, 1e-2)
        y = y if scale is None else y * scale
        return y if offset is None else y + offset

    return Case(
        "layer_normalization",
        (Argument(shape), *extra),
        reference,
        call=lambda x, *more: ops.layer_normalization(x, *split(more), axis=axis, epsilon=1e-2),
        note=note,
        tolerance=16.0,
    )


CASES: list[Case] = [
    attention("", 2, 2),
    attention("grouped", 4, 2),
    attention("causal", 2, 1, is_causal=True),
    attention("bias", 2, 2, (Argument((2, 3, 5), "unit", batch=False),)),
    attention("mask", 2, 2, (Argument((2, 1, 3, 5), "mask", dtype="bool", smooth=False),)),
    layer_norm("", (3, 4), -1, True, True),
    layer_norm("plain", (3, 4), -1),
    layer_norm("offset", (2, 3, 4), -1, False, True),
    layer_norm("two axes", (2, 3, 4), (1, 2), True, True),
    layer_norm("middle", (2, 3, 4), 1, True, False),
    Case(
        "layer_normalization",
        (Argument((70, 130), "wide"), Argument((130,), "unit", batch=False), Argument((130,), "unit", batch=False)),
        lambda x, gamma, beta: normalized(x, -1, 1e-3) * gamma + beta,
        call=lambda x, gamma, beta: ops.layer_normalization(x, gamma, beta, epsilon=1e-3),
        gradient="checked on small arrays",
        note="long",
        tolerance=8.0,
    ),
    Case(
        "rms_normalization",
        (Argument((3, 4)), Argument((4,), batch=False)),
        lambda x, scale: normalized(x, -1, 1e-2, centred=False) * scale,
        call=lambda x, scale: ops.rms_normalization(x, scale, epsilon=1e-2),
        tolerance=8.0,
    ),
    Case(
        "rms_normalization",
        (Argument((2, 3, 4)),),
        lambda x: normalized(x, (1, 2), 1e-2, centred=False),
        call=lambda x: ops.rms_normalization(x, axis=(1, 2), epsilon=1e-2),
        note="axes",
        tolerance=8.0,
    ),
    Case(
        "group_normalization",
        (Argument((2, 3, 4)), Argument((4,), batch=False), Argument((4,), batch=False)),
        lambda x, gamma, beta: normalized(x.reshape(-1, 3, 2, 2), (1, 3), 1e-2).reshape(x.shape) * gamma + beta,
        call=lambda x, gamma, beta: ops.group_normalization(x, 2, -1, gamma, beta, 1e-2),
        tolerance=16.0,
    ),
    Case(
        "group_normalization",
        (Argument((2, 4, 3)),),
        lambda x: normalized(x.reshape(-1, 2, 6), 2, 1e-2).reshape(x.shape),
        call=lambda x: ops.group_normalization(x, 2, 1, epsilon=1e-2),
        note="channels first",
        tolerance=16.0,
    ),
]
