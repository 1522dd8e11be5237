"""Joining, cutting, turning and naming axes.

Keras' names and arguments, Keras' rules for types.
"""

from typing import Any

from ironhorn import _core
from ironhorn.errors import ShapeError, ValueRangeError
from ironhorn.ops import shaping
from ironhorn.ops._dispatch import op
from ironhorn.ops._values import as_dtype, axes_of, axis_of, flattened, handle, product_of_lengths, shape_of, tensor

__all__ = [
    "append",
    "array_split",
    "copy",
    "dsplit",
    "dstack",
    "fliplr",
    "flipud",
    "hsplit",
    "hstack",
    "meshgrid",
    "rearrange",
    "roll",
    "rot90",
    "vsplit",
    "vstack",
]


@op
def copy(x: Any) -> Any:
    """The same elements. Tensors never change, so that they need no memory of their own."""
    return tensor(x)


@op
def append(x1: Any, x2: Any, axis: int | None = None) -> Any:
    """`x2` behind `x1` along an axis; both flattened when axis is None."""
    a, b = tensor(x1), tensor(x2)
    if axis is None:
        a, b, axis = flattened(a), flattened(b), 0
    return shaping.concatenate([a, b], axis)


@op
def array_split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Cuts an array along an axis: into a number of parts whose lengths differ by 1 at most, or at the given positions.

    Raises:
        ValueRangeError: for an axis of unknown length, or no parts.
    """
    x = tensor(x)
    if not isinstance(indices_or_sections, int):
        return shaping.split(x, indices_or_sections, axis)
    length, count = x.shape[axis_of(axis, x.ndim)], indices_or_sections
    if length is None or count < 1:
        raise ValueRangeError(f"ops.array_split cannot cut axis {axis} of shape {x.shape} into {count} parts")
    small, more = divmod(length, count)
    edges = [i * small + (i if i < more else more) for i in range(1, count)]
    return shaping.split(x, edges, axis)


@op
def hstack(xs: Any) -> Any:
    """Joins arrays along their second axis, vectors along their only one."""
    items = [_raised(x, 1) for x in xs]
    return shaping.concatenate(items, 0 if items[0].ndim == 1 else 1)


@op
def vstack(xs: Any) -> Any:
    """Joins arrays along their first axis; vectors are rows."""
    return shaping.concatenate([_raised(x, 2) for x in xs], 0)


@op
def dstack(xs: Any) -> Any:
    """Joins arrays along their third axis; vectors and matrices are one layer deep."""
    return shaping.concatenate([_raised(x, 3) for x in xs], 2)


def _raised(x: Any, rank: int) -> Any:
    """With as many axes at least."""
    x = tensor(x)
    if x.ndim == 0:
        x = handle["reshape"](x, shape=[1])
    if rank >= 2 and x.ndim == 1:
        x = shaping.expand_dims(x, 0)
    return shaping.expand_dims(x, 2) if rank == 3 and x.ndim == 2 else x


def _cut(name: str, x: Any, parts: Any, axis: int, rank: int) -> list[Any]:
    x = tensor(x)
    if x.ndim < rank:
        raise ShapeError(f"ops.{name} takes arrays of {rank} axes at least, got shape {x.shape}")
    return shaping.split(x, parts, axis)


@op
def hsplit(x: Any, indices_or_sections: Any) -> list[Any]:
    """Cuts an array along its second axis, a vector along its only one; as `split` does."""
    return _cut("hsplit", x, indices_or_sections, 0 if tensor(x).ndim == 1 else 1, 1)


@op
def vsplit(x: Any, indices_or_sections: Any) -> list[Any]:
    """Cuts an array along its first axis, as `split` does."""
    return _cut("vsplit", x, indices_or_sections, 0, 2)


@op
def dsplit(x: Any, indices_or_sections: Any) -> list[Any]:
    """Cuts an array along its third axis, as `split` does."""
    return _cut("dsplit", x, indices_or_sections, 2, 3)


@op
def fliplr(x: Any) -> Any:
    """Reverses the order along the second axis."""
    return shaping.flip(x, 1)


@op
def flipud(x: Any) -> Any:
    """Reverses the order along the first axis."""
    return shaping.flip(x, 0)


@op
def rot90(array: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    """Turns an array by quarters of a circle, from the first of two axes towards the second.

    Args:
        array: array of two axes at least.
        k: how many quarters.
        axes: the two axes of the plane.

    Raises:
        ShapeError: if the array has fewer than two axes.
        ValueRangeError: if the axes are not two different ones.
    """
    x = tensor(array)
    if x.ndim < 2:
        raise ShapeError(f"ops.rot90 takes arrays of two axes at least, got shape {x.shape}")
    if len(axes) != 2 or axis_of(axes[0], x.ndim) == axis_of(axes[1], x.ndim):
        raise ValueRangeError(f"ops.rot90 takes two different axes, got {axes}")
    a, b = (axis_of(axis, x.ndim) for axis in axes)
    turns = k % 4
    if turns == 0:
        return x
    if turns == 2:
        return shaping.flip(x, (a, b))
    return shaping.swapaxes(shaping.flip(x, b), a, b) if turns == 1 else shaping.flip(shaping.swapaxes(x, a, b), b)


@op
def roll(x: Any, shift: Any, axis: Any = None) -> Any:
    """Moves elements along axes; those that leave at one end come in at the other.

    Args:
        x: array.
        shift: by how many places, a number or one for every axis; towards the end if positive.
        axis: axis or tuple of axes; of the flattened array when None.
    """
    x = tensor(x)
    if axis is None:
        return handle["reshape"](roll(flattened(x), shift, 0), shape=shape_of(x))
    axes = axes_of(axis, x.ndim)
    shifts = list(shift) if isinstance(shift, (list, tuple)) else [shift] * len(axes)
    if len(axes) == 1 and len(shifts) > 1:
        axes = axes * len(shifts)
    if len(axes) != len(shifts):
        raise ValueRangeError(f"ops.roll takes a shift for every axis, got {len(shifts)} shifts for axes {axis}")
    for one, places in zip(axes, shifts, strict=True):
        x = _rolled(x, places, one)
    return x


def _rolled(x: Any, places: Any, axis: int) -> Any:
    length = x.shape[axis]
    if length is None or isinstance(places, _core.Tensor):
        total = shape_of(x)[axis]
        order = handle["subtract"](handle["iota"](shape=[total], axis=0, dtype="int32"), places)
        # An empty axis has no places to find.
        return handle["take"](x, handle["mod"](as_dtype(order, "int32"), total), axis=axis)
    if length == 0 or places % length == 0:
        return x
    edge = length - places % length
    before: list[Any] = [None] * axis
    steps = [1] * (axis + 1)
    tail = handle["slice"](x, starts=[*before, edge], stops=[*before, None], steps=steps)
    head = handle["slice"](x, starts=[*before, None], stops=[*before, edge], steps=steps)
    return handle["concatenate"](tail, head, axis=axis)


@op
def meshgrid(*x: Any, indexing: str = "xy") -> list[Any]:
    """The coordinates of a grid's points: an array for every vector, all of one shape.

    Args:
        *x: the vectors along the axes.
        indexing: "xy" has the second vector along the first axis and the first along the second, "ij" all in order.

    Raises:
        ValueRangeError: for another `indexing`.
    """
    if indexing not in ("xy", "ij"):
        raise ValueRangeError(f"ops.meshgrid takes indexing 'xy' or 'ij', got {indexing!r}")
    vectors = [flattened(tensor(v)) for v in x]
    order = list(range(len(vectors)))
    if indexing == "xy" and len(vectors) > 1:
        order[0], order[1] = 1, 0
    lengths: list[Any] = [None] * len(vectors)
    for vector, place in zip(vectors, order, strict=True):
        lengths[place] = shape_of(vector)[0]
    grids = []
    for vector, place in zip(vectors, order, strict=True):
        thin: list[Any] = [1] * len(vectors)
        thin[place] = lengths[place]
        grids.append(handle["broadcast_to"](handle["reshape"](vector, shape=thin), shape=lengths))
    return grids


def _groups(side: str, pattern: str) -> list[list[str]]:
    """The names of a pattern's axes, those in parentheses together."""
    groups: list[list[str]] = []
    inside = False
    for word in side.replace("(", " ( ").replace(")", " ) ").split():
        if word in "()":
            if inside == (word == "("):
                raise ValueRangeError(f"ops.rearrange: parentheses do not match in pattern {pattern!r}")
            inside = word == "("
            if inside:
                groups.append([])
        elif not word.isidentifier() and word != "1":
            raise ValueRangeError(f"ops.rearrange: {word!r} in pattern {pattern!r} names no axis")
        elif inside:
            groups[-1].append(word)
        else:
            groups.append([word])
    if inside:
        raise ValueRangeError(f"ops.rearrange: parentheses do not match in pattern {pattern!r}")
    return groups


@op
def rearrange(tensor: Any, pattern: str, **axes_lengths: int) -> Any:
    """Reorders, splits and merges axes, as a pattern of names says.

    Args:
        tensor: array.
        pattern: names of the axes before and after an arrow; names in parentheses share one axis, the last varying
            fastest.
        **axes_lengths: lengths of the names in parentheses on the left; one in each parentheses may be left out.

    Raises:
        ValueRangeError: if the pattern does not fit the array.

    >>> from ironhorn import ops
    >>> ops.rearrange(ops.arange(6), "(h w) -> w h", h=2).numpy().tolist()
    [[0, 3], [1, 4], [2, 5]]
    """
    x = tensor if isinstance(tensor, _core.Tensor) else _core.tensor(tensor)
    sides = pattern.split("->")
    if len(sides) != 2:
        raise ValueRangeError(f"ops.rearrange takes a pattern with one arrow, got {pattern!r}")
    source, target = (_groups(side, pattern) for side in sides)
    names = [name for group in source for name in group if name != "1"]
    wanted = [name for group in target for name in group if name != "1"]
    if sorted(names) != sorted(set(wanted)) or len(set(names)) != len(names):
        raise ValueRangeError(f"ops.rearrange: both sides of {pattern!r} must have the same names, each once")
    if len(source) != x.ndim:
        raise ValueRangeError(f"ops.rearrange: pattern {pattern!r} has {len(source)} axes, the array {x.shape}")
    lengths: dict[str, Any] = {"1": 1, **axes_lengths}
    for group, length in zip(source, shape_of(x), strict=True):
        unknown = [name for name in group if name not in lengths]
        if len(unknown) > 1:
            raise ValueRangeError(f"ops.rearrange needs the lengths of all but one of {group} in pattern {pattern!r}")
        rest = product_of_lengths([lengths.get(name, 1) for name in group], range(len(group)))
        if unknown:
            if isinstance(length, int) and length % rest:
                raise ValueRangeError(f"ops.rearrange: {length} elements cannot be cut by {rest} in {pattern!r}")
            lengths[unknown[0]] = length if isinstance(rest, int) and rest == 1 else length // rest
        elif isinstance(length, int) and isinstance(rest, int) and length != rest:
            raise ValueRangeError(f"ops.rearrange: {group} have {rest} elements in {pattern!r}, the axis {length}")
    x = handle["reshape"](x, shape=[lengths[name] for name in names])
    x = handle["transpose"](x, axes=[names.index(name) for name in wanted])
    merged = [product_of_lengths([lengths[name] for name in group], range(len(group))) for group in target]
    return handle["reshape"](x, shape=merged)
