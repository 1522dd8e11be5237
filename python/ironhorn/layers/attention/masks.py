"""The masks of attention: who may look at whom."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ironhorn import backend, ops


def causal_mask(query: Any, value: Any) -> Any:
    """Returns booleans `(1, steps, sources)`: whether a source is not later than a step."""
    steps, sources = _positions(query, value)
    return ops.greater_equal(steps, sources)


def window_mask(query: Any, value: Any, window: int) -> Any:
    """Returns booleans `(1, steps, sources)`: whether a source is less than `window` away from a step."""
    steps, sources = _positions(query, value)
    return ops.less(ops.absolute(ops.subtract(steps, sources)), window)


def _positions(query: Any, value: Any) -> tuple[Any, Any]:
    steps, sources = ops.shape(query)[1], ops.shape(value)[1]
    return ops.reshape(ops.arange(steps), (1, steps, 1)), ops.reshape(ops.arange(sources), (1, 1, sources))


def combined_mask(
    query: Any,
    value: Any,
    query_mask: Any,
    value_mask: Any,
    key_mask: Any,
    attention_mask: Any,
    use_causal_mask: bool,
    window: int | None,
) -> Any:
    """Returns where all of the masks that are given allow attention, `(batch, steps, sources)`; `None` for no mask.

    Args:
        query: The queries, `(batch, steps, ...)`.
        value: The values, `(batch, sources, ...)`.
        query_mask: Booleans `(batch, steps)`.
        value_mask: Booleans `(batch, sources)`.
        key_mask: Booleans `(batch, sources)`.
        attention_mask: Booleans that broadcast to `(batch, steps, sources)`.
        use_causal_mask: Whether a step may only look at sources that are not later.
        window: From which distance on sources are not seen; `None` for any.
    """
    masks = [] if attention_mask is None else [ops.cast(attention_mask, "bool")]
    if query_mask is not None:
        masks.append(ops.expand_dims(ops.cast(query_mask, "bool"), -1))
    masks += [ops.expand_dims(ops.cast(mask, "bool"), -2) for mask in (value_mask, key_mask) if mask is not None]
    if use_causal_mask:
        masks.append(causal_mask(query, value))
    if window is not None:
        masks.append(window_mask(query, value, window))
    merged = None
    for mask in masks:
        merged = mask if merged is None else ops.logical_and(merged, mask)
    return merged


def spread_over_heads(mask: Any, rank: int, attention_axes: int) -> Any:
    """Returns a mask with axes of length 1 where scores of some rank have heads."""
    for _ in range(rank - len(mask.shape)):
        mask = ops.expand_dims(mask, axis=-2 * attention_axes - 1)
    return mask


@contextmanager
def without_masks(*tensors: Any) -> Iterator[None]:
    """Takes the masks off tensors for a while: attention has read them, and its inner layers need none."""
    masks = [backend.get_keras_mask(tensor) for tensor in tensors]
    for tensor, mask in zip(tensors, masks, strict=True):
        if mask is not None:
            backend.set_keras_mask(tensor, None)
    try:
        yield
    finally:
        for tensor, mask in zip(tensors, masks, strict=True):
            if mask is not None:
                backend.set_keras_mask(tensor, mask)
