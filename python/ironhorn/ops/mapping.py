"""Functions applied to slices: one after the other, or combined like a tree."""

import re
from collections.abc import Callable, Collection
from typing import Any

from ironhorn import _core, tree
from ironhorn.errors import ShapeError, ValueRangeError
from ironhorn.ops._dispatch import op
from ironhorn.ops._values import axis_of, handle, shape_of, tensor
from ironhorn.ops.control import scan
from ironhorn.ops.shaping import broadcast_to, concatenate, flip, moveaxis, reshape, stack

__all__ = ["associative_scan", "map", "vectorize", "vectorized_map"]


@op
def map(f: Callable[[Any], Any], xs: Any) -> Any:
    """Calls `f` with every slice of `xs` along the first axis and stacks the results.

    Args:
        f: function of one slice.
        xs: array, or nested structure of arrays with first axes of the same length.

    Returns:
        The structure that `f` returns, with a new first axis.

    Example:
        >>> import numpy as np
        >>> from ironhorn import ops
        >>> ops.map(lambda x: x * x, np.array([1.0, 2.0], "float32")).numpy().tolist()
        [1.0, 4.0]
    """
    return scan(lambda carry, x: (carry, f(x)), (), xs)[1]


@op
def vectorized_map(function: Callable[[Any], Any], elements: Any) -> Any:
    """Calls `function` with every slice of `elements` along the first axis and stacks the results.

    The calls are made one after the other, as `map` makes them: write what takes long for whole arrays.

    Args:
        function: function of one slice; of a list of slices where `elements` is a list.
        elements: array, or nested structure of arrays with first axes of the same length.
    """
    return map(function, elements)


def vectorize(
    pyfunc: Callable[..., Any], *, excluded: Collection[int] | None = None, signature: str | None = None
) -> Callable[..., Any]:
    """A function that broadcasts its arguments against each other and calls `pyfunc` with every element.

    Args:
        pyfunc: function of scalars that returns scalars, or as `signature` says.
        excluded: numbers of arguments that are passed as they are.
        signature: axes that belong to an element, such as `"(m,n),(n)->(m)"`: the last ones of every argument.

    Example:
        >>> from ironhorn import ops
        >>> function = ops.vectorize(lambda a, b: a + b)
        >>> function([1, 2, 3], 2).numpy().tolist()
        [3, 4, 5]
    """
    if not callable(pyfunc):
        raise ValueRangeError(f"ops.vectorize takes a function, got {pyfunc!r}")
    left_out = frozenset(excluded or ())
    cores: list[int] | None = None
    if signature is not None:
        group = r"\((?:\w+(?:,\w+)*)?\)"
        if not re.fullmatch(rf"{group}(?:,{group})*->{group}(?:,{group})*", signature.replace(" ", "")):
            raise ValueRangeError(f"signature must look like '(m,n),(n)->(m)', got {signature!r}")
        given = signature.replace(" ", "").split("->")[0]
        cores = [len(re.findall(r"\w+", part)) for part in re.findall(group, given)]

    def vectorized(*args: Any) -> Any:
        chosen = [number for number in range(len(args)) if number not in left_out]
        if cores is not None and len(cores) != len(chosen):
            raise ShapeError(f"signature={signature!r} is for {len(cores)} arguments, got {len(chosen)}")
        tensors = [tensor(args[number]) for number in chosen]
        ranks = cores or [0] * len(chosen)
        if any(x.ndim < rank for x, rank in zip(tensors, ranks, strict=True)):
            raise ShapeError(f"signature={signature!r} does not fit shapes {[x.shape for x in tensors]}")
        loops = [shape_of(x)[: x.ndim - rank] for x, rank in zip(tensors, ranks, strict=True)]
        depth = 0
        for loop in loops:
            depth = len(loop) if len(loop) > depth else depth
        if depth == 0:
            return _with(pyfunc, args, chosen, tensors)
        # A sum of nothing but zeros has the shape that all axes broadcast to.
        whole = shape_of(_sum_of([broadcast_to(_core.tensor(0), loop) for loop in loops]))
        flat = []
        for x, rank in zip(tensors, ranks, strict=True):
            core = shape_of(x)[x.ndim - rank :]
            flat.append(reshape(broadcast_to(x, [*whole, *core]), [-1, *core]))
        results = map(lambda slices: _with(pyfunc, args, chosen, slices), flat)
        return tree.map_structure(lambda y: reshape(y, [*whole, *shape_of(y)[1:]]), results)

    return vectorized


def _with(function: Callable[..., Any], args: Any, chosen: list[int], slices: Any) -> Any:
    given = list(args)
    for number, x in zip(chosen, slices, strict=True):
        given[number] = x
    return function(*given)


def _sum_of(items: list[Any]) -> Any:
    total = items[0]
    for item in items[1:]:
        total = handle["add"](total, item)
    return total


def _part(x: Any, axis: int, start: Any, stop: Any, step: int = 1) -> Any:
    before: list[Any] = [None] * axis
    return handle["slice"](x, starts=[*before, start], stops=[*before, stop], steps=[1] * axis + [step])


@op
def associative_scan(f: Callable[[Any, Any], Any], elems: Any, reverse: bool = False, axis: int = 0) -> Any:
    """Running combinations `x[0], f(x[0], x[1]), f(f(x[0], x[1]), x[2]), ..` in about `2 log2(n)` calls of `f`.

    The calls work on whole arrays (Blelloch, "Prefix sums and their applications", 1990). Where the length of the axis
    is not known while a model is traced, `f` is called with one element after the other.

    Args:
        f: associative function of two structures like `elems`, element by element along `axis`.
        elems: array, or nested structure of arrays with the same length along `axis`.
        reverse: whether to start from the end.
        axis: the axis.

    Returns:
        The structure of `elems`, with the same shapes.

    Example:
        >>> import numpy as np
        >>> from ironhorn import ops
        >>> ops.associative_scan(lambda a, b: a + b, np.arange(5)).numpy().tolist()
        [0, 1, 3, 6, 10]
    """
    if not callable(f):
        raise TypeError(f"ops.associative_scan takes a function of two arguments, got {f!r}")
    arrays = [tensor(leaf) for leaf in tree.flatten(elems)]
    if not arrays or any(x.ndim == 0 for x in arrays):
        raise ShapeError("ops.associative_scan takes arrays with at least one axis")
    axes = [axis_of(axis, x.ndim) for x in arrays]
    lengths = [x.shape[a] for x, a in zip(arrays, axes, strict=True)]
    if len({length for length in lengths if length is not None}) > 1:
        raise ShapeError(f"ops.associative_scan got lengths {lengths} along axis {axis}; all must be the same")

    def combine(a: list[Any], b: list[Any]) -> list[Any]:
        made = f(tree.pack_sequence_as(elems, a), tree.pack_sequence_as(elems, b)) if nested else f(a[0], b[0])
        return [tensor(leaf) for leaf in tree.flatten(made)]

    nested = tree.is_nested(elems)
    if reverse:
        arrays = [flip(x, a) for x, a in zip(arrays, axes, strict=True)]
    run = _one_by_one if None in lengths else _as_a_tree
    made = run(combine, arrays, axes)
    if reverse:
        made = [flip(x, a) for x, a in zip(made, axes, strict=True)]
    return tree.pack_sequence_as(elems, made) if nested else made[0]


def _as_a_tree(combine: Callable[[Any, Any], list[Any]], arrays: list[Any], axes: list[int]) -> list[Any]:
    length = arrays[0].shape[axes[0]]
    if length < 2:
        return arrays

    def parts(xs: list[Any], start: Any, stop: Any, step: int = 1) -> list[Any]:
        return [_part(x, a, start, stop, step) for x, a in zip(xs, axes, strict=True)]

    pairs = combine(parts(arrays, 0, length - 1, 2), parts(arrays, 1, None, 2))
    odd = _as_a_tree(combine, pairs, axes)
    first = parts(arrays, 0, 1)
    if length == 2:
        return [concatenate([a, b], axis) for a, b, axis in zip(first, odd, axes, strict=True)]
    count = length // 2
    rest = combine(odd if length % 2 else parts(odd, 0, count - 1), parts(arrays, 2, None, 2))
    even = [concatenate([a, b], axis) for a, b, axis in zip(first, rest, axes, strict=True)]
    made = []
    for a, b, axis in zip(even, odd, axes, strict=True):
        shape = shape_of(b)
        woven = reshape(stack([_part(a, axis, 0, count), b], axis + 1), [*shape[:axis], 2 * count, *shape[axis + 1 :]])
        made.append(concatenate([woven, _part(a, axis, count, None)], axis) if length % 2 else woven)
    return made


def _one_by_one(combine: Callable[[Any, Any], list[Any]], arrays: list[Any], axes: list[int]) -> list[Any]:
    first = [_part(x, a, 0, 1) for x, a in zip(arrays, axes, strict=True)]
    rest = [moveaxis(_part(x, a, 1, None), a, 0) for x, a in zip(arrays, axes, strict=True)]

    def step(carry: list[Any], slices: list[Any]) -> tuple[list[Any], list[Any]]:
        thick = [reshape(x, shape_of(start)) for x, start in zip(slices, carry, strict=True)]
        after = combine(carry, thick)
        return after, [reshape(x, shape_of(part)) for x, part in zip(after, slices, strict=True)]

    made = scan(step, first, rest)[1]
    return [concatenate([start, moveaxis(x, 0, a)], a) for start, x, a in zip(first, made, axes, strict=True)]
