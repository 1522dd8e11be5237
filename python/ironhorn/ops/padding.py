"""Elements before and after those of an array.

Keras' names and arguments, Keras' rules for types.
"""

from typing import Any

import numpy as np

from ironhorn import _core
from ironhorn.backend.dtypes import is_float_dtype
from ironhorn.errors import ShapeError, UnsupportedError, ValueRangeError
from ironhorn.ops import reduction, shaping
from ironhorn.ops._dispatch import op
from ironhorn.ops._values import as_dtype, handle, shape_of, tensor

__all__ = ["pad"]

_MODES = (
    "constant",
    "edge",
    "empty",
    "linear_ramp",
    "maximum",
    "mean",
    "minimum",
    "reflect",
    "symmetric",
    "wrap",
)


@op
def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = None) -> Any:
    """Puts elements before and after every axis.

    Args:
        x: array.
        pad_width: `(before, after)` for every axis, or one pair (or number) for all.
        mode: "constant"; "edge" repeats the outermost element; "reflect" mirrors at the outermost element and
            "symmetric" behind it; "wrap" goes on at the other end; "linear_ramp" falls evenly to 0 at the far end;
            "maximum", "mean" and "minimum" are those of the axis; "empty" leaves the elements open (they are 0).
        constant_values: the number to pad with in mode "constant", 0 by default.

    Raises:
        ShapeError: if an axis has too few elements to take them from.
        UnsupportedError: for other modes.
        ValueRangeError: for a width below 0, or `constant_values` in another mode.

    >>> from ironhorn import ops
    >>> ops.pad([1, 2, 3], (2, 1), mode="reflect").numpy().tolist()
    [3, 2, 1, 2, 3, 2]
    """
    if mode not in _MODES:
        known = ", ".join(_MODES)
        raise UnsupportedError(f"ops.pad takes mode {known}; got {mode!r}: pad with numpy.pad before the model")
    if constant_values is not None and mode != "constant":
        raise ValueRangeError(f"ops.pad takes constant_values in mode 'constant' only, got mode={mode!r}")
    x = tensor(x)
    width = np.broadcast_to(np.asarray(pad_width), (x.ndim, 2)).tolist()
    if any(places < 0 for pair in width for places in pair):
        raise ValueRangeError(f"ops.pad takes widths of 0 or more, got {pad_width}")
    if mode in ("constant", "empty"):
        low, high = ([pair[side] for pair in width] for side in (0, 1))
        return handle["pad"](x, low=low, high=high, value=float(constant_values or 0))
    for axis, (before, after) in enumerate(width):
        if before or after:
            x = _padded(x, axis, before, after, mode)
    return x


def _padded(x: Any, axis: int, low: int, high: int, mode: Any) -> Any:
    if mode in ("maximum", "mean", "minimum"):
        return _padded_with(x, axis, low, high, mode)
    length = x.shape[axis]
    if length == 0:
        raise ShapeError(f"ops.pad in mode {mode!r} cannot take elements from axis {axis} of shape {x.shape}")
    reach = (low if low > high else high) + (mode == "reflect")
    if mode not in ("edge", "linear_ramp") and length is not None and length < reach:
        # The pattern goes through the axis more than once.
        places = np.pad(np.arange(length, dtype="int32"), (low, high), mode=mode)
        return handle["take"](x, places, axis=axis)

    def part(start: int | None, stop: int | None, backwards: bool = False) -> Any:
        before: list[Any] = [None] * axis
        steps = [1] * (axis + 1)
        cut = handle["slice"](x, starts=[*before, start], stops=[*before, stop], steps=steps)
        return shaping.flip(cut, axis) if backwards else cut

    def repeated(edge: Any, count: int) -> Any:
        shape = shape_of(x)
        shape[axis] = count
        return handle["broadcast_to"](edge, shape=shape)

    if mode == "edge":
        first, last = repeated(part(None, 1), low), repeated(part(-1, None), high)
    elif mode == "linear_ramp":
        first = _ramp(repeated(part(None, 1), low), np.arange(low) / (low or 1), axis)
        last = _ramp(repeated(part(-1, None), high), np.arange(high)[::-1] / (high or 1), axis)
    elif mode == "reflect":
        first, last = part(1, low + 1, True), part(-high - 1, -1, True)
    elif mode == "symmetric":
        first, last = part(None, low, True), part(-high, None, True)
    else:
        first, last = part(-low, None), part(None, high)
    pieces = [piece for piece, count in ((first, low), (x, 1), (last, high)) if count]
    return handle["concatenate"](*pieces, axis=axis)


def _padded_with(x: Any, axis: int, low: int, high: int, mode: str) -> Any:
    """With one number an axis on both sides; the mean of integers is rounded."""
    if mode == "mean":
        value = reduction.mean(x, axis, True)
        value = as_dtype(value if is_float_dtype(x.dtype) else handle["round"](value), x.dtype)
    else:
        value = (reduction.max if mode == "maximum" else reduction.min)(x, axis, True)
    shape = shape_of(x)
    pieces = [x]
    for count, place in ((low, 0), (high, 2)):
        if count:
            lengths = [*shape[:axis], count, *shape[axis + 1 :]]
            pieces.insert(place, handle["broadcast_to"](value, shape=lengths))
    return handle["concatenate"](*pieces, axis=axis)


def _ramp(edge: Any, parts: np.ndarray, axis: int) -> Any:
    """The given parts of an edge along an axis; those of integers are rounded down."""
    along = [1] * edge.ndim
    along[axis] = parts.size
    wide = edge.dtype if is_float_dtype(edge.dtype) else "float64"
    ramp = handle["multiply"](as_dtype(edge, wide), _core.tensor(parts.reshape(along), wide))
    return as_dtype(ramp if wide == edge.dtype else handle["floor"](ramp), edge.dtype)
