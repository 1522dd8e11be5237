"""Derivatives that are not those of the ops: written by hand, and forward ones."""

import functools
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from ironhorn import _core, tree
from ironhorn.backend.dtypes import is_float_dtype
from ironhorn.backend.keras_tensor import any_symbolic
from ironhorn.errors import ShapeError, UnsupportedError, ValueRangeError
from ironhorn.ops._dispatch import op
from ironhorn.ops._values import as_dtype, filled, handle, shape_of

__all__ = ["custom_gradient", "jvp"]

# How often a gradient function may lead to itself before it is no longer followed.
_DEEPEST = 4


class _Depth(threading.local):
    """How many gradient functions this thread is tracing, one within the other."""

    value = 0


_depth = _Depth()


def _leaf(leaf: Any) -> Any:
    if isinstance(leaf, _core.VariableStorage):
        return leaf.read()
    return _core.tensor(leaf) if isinstance(leaf, (_core.Tensor, np.ndarray, np.generic, int, float)) else leaf


def custom_gradient(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function with a derivative that is written by hand.

    Args:
        f: function of arrays, or nested structures of them, that returns a pair: its result, and a function that turns
            the gradients of the result (in the structure of the result) into those of the arguments: a tuple, or one
            tensor for one argument; None where there is none. The gradient function may use what `f` has computed; it
            is traced when the function is called, and its own derivatives are those of its ops.

    Returns:
        A function that returns the first of the pair. No gradient reaches variables that `f` reads.

    Raises:
        UnsupportedError: when called with symbolic tensors.

    Example:
        >>> import ironhorn
        >>> from ironhorn import ops
        >>> @ops.custom_gradient
        ... def clipped(x):
        ...     return x, lambda upstream: ops.clip(upstream, -1.0, 1.0)
        >>> value, gradient = ironhorn.value_and_grad(lambda x: clipped(x) ** 2)(5.0)
        >>> float(gradient)
        1.0
    """

    @functools.wraps(f)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if any_symbolic(args, kwargs):
            raise UnsupportedError(
                "A function of ops.custom_gradient takes no symbolic tensors; write a layer whose call uses the "
                "function"
            )
        given, options = tree.map_structure(_leaf, (list(args), dict(kwargs)))
        pair = f(*given, **options)
        if not (isinstance(pair, (tuple, list)) and len(pair) == 2 and callable(pair[1])):
            raise ValueError(
                "The function given to ops.custom_gradient must return a pair: its result, and a function that "
                f"computes gradients; got {type(pair).__name__}"
            )
        structure = tree.map_structure(_leaf, pair[0])
        if not _core.is_recording():
            return structure
        outputs = [leaf for leaf in tree.flatten(structure) if isinstance(leaf, _core.Tensor)]
        leaves = tree.flatten(given)
        arguments = [leaf for leaf in leaves if isinstance(leaf, _core.Tensor)]
        rule, of = _rule(pair[1], structure, outputs, given, leaves)
        made = iter(_core.custom_gradient(rule, outputs, arguments, of))
        return tree.map_structure(lambda leaf: next(made) if isinstance(leaf, _core.Tensor) else leaf, structure)

    return wrapped


def _rule(grad: Any, structure: Any, outputs: Any, given: Any, leaves: Any) -> tuple[Any, list[int]]:
    """The gradient function as a body, and the arguments that its results belong to."""
    if _depth.value >= _DEEPEST:
        return None, []
    of: list[int] = []
    found: list[Any] = []
    body = _core.Body(outputs, [])
    _depth.value += 1
    try:
        with body:
            arriving = iter(body.inputs)
            upstream = tree.map_structure(lambda x: next(arriving) if isinstance(x, _core.Tensor) else x, structure)
            gradients = _call_gradient(grad, given, upstream)
            flat = tree.flatten(gradients)
            if len(flat) != len(leaves):
                raise ValueRangeError(
                    f"The gradient function given to ops.custom_gradient returned {len(flat)} gradients for "
                    f"{len(leaves)} arguments; return one for each, None where there is none"
                )
            number = -1
            for leaf, gradient in zip(leaves, flat, strict=True):
                number += isinstance(leaf, _core.Tensor)
                if isinstance(leaf, _core.Tensor) and gradient is not None and is_float_dtype(leaf.dtype):
                    of.append(number)
                    found.append(_fitting(gradient, leaf))
            body.finish(found)
    finally:
        _depth.value -= 1
    return body, of


def _call_gradient(grad: Any, given: Any, upstream: Any) -> Any:
    import inspect

    try:
        parameter = inspect.signature(grad).parameters.get("upstream")
    except (TypeError, ValueError):
        parameter = None
    if parameter is not None and parameter.kind is parameter.KEYWORD_ONLY and parameter.default is parameter.empty:
        return grad(*given, upstream=upstream)
    return grad(upstream)


def _fitting(gradient: Any, argument: Any) -> Any:
    gradient = as_dtype(_leaf(gradient), argument.dtype)
    known = zip(gradient.shape, argument.shape, strict=False)
    if gradient.ndim != argument.ndim or any(None not in pair and pair[0] != pair[1] for pair in known):
        raise ShapeError(
            f"The gradient function given to ops.custom_gradient returned a gradient of shape {gradient.shape} for an "
            f"argument of shape {argument.shape}; sum over axes that were broadcast"
        )
    return gradient


@op
def jvp(fun: Callable[..., Any], primals: Any, tangents: Any, has_aux: bool = False) -> Any:
    """A function's value and its derivative in one direction.

    The derivative of the backward derivative by the gradient that it is given, which costs about as much as two
    backward derivatives (Townsend, "A new trick for calculating Jacobian vector products", 2017).

    Args:
        fun: function of arrays, or nested structures of them.
        primals: tuple or list of the arguments.
        tangents: the direction: what `primals` is, with the same shapes.
        has_aux: whether `fun` returns a pair whose second part is not differentiated.

    Returns:
        The pair of value and derivative, in the structure that `fun` returns; with `has_aux` also the second part.

    Raises:
        ShapeError: if a tangent does not have the shape of its primal.

    Example:
        >>> from ironhorn import ops
        >>> value, slope = ops.jvp(lambda x: x * x, (3.0,), (1.0,))
        >>> float(value), float(slope)
        (9.0, 6.0)
    """
    if not isinstance(primals, (tuple, list)) or not isinstance(tangents, (tuple, list)):
        raise TypeError(
            "ops.jvp takes a tuple of primals and a tuple of tangents, one for each argument of the function"
        )
    tree.assert_same_structure(list(primals), list(tangents))
    directions = [
        as_dtype(_leaf(t), _leaf(p).dtype) for p, t in zip(tree.flatten(primals), tree.flatten(tangents), strict=True)
    ]
    outer, inner = _core.Tape(), _core.Tape()
    outer.open()
    inner.open()
    try:
        # Values of their own, so that one array in two places has two derivatives.
        points = [_own(_leaf(leaf)) for leaf in tree.flatten(primals)]
        for point, direction in zip(points, directions, strict=True):
            if point.ndim != direction.ndim:
                raise ShapeError(
                    f"ops.jvp got a tangent of shape {direction.shape} for a primal of shape {point.shape}"
                )
            inner.watch(point)
        result = fun(*tree.pack_sequence_as(list(primals), points))
        value, aux = result if has_aux else (result, None)
        value = tree.map_structure(_leaf, value)
        outputs = tree.flatten(value)
        seeds = [filled(shape_of(output), 0, output.dtype) for output in outputs]
        for seed in seeds:
            outer.watch(seed)
        pulled = inner.gradient(outputs, list(seeds), list(points))
    finally:
        inner.close()
        outer.close()
    reached = [(g, t) for g, t in zip(pulled, directions, strict=True) if g is not None]
    slopes: list[Any] = [None] * len(outputs)
    if reached:
        slopes = outer.gradient([g for g, _ in reached], [t for _, t in reached], list(seeds))
    slopes = [filled(shape_of(o), 0, o.dtype) if s is None else s for s, o in zip(slopes, outputs, strict=True)]
    tangent = tree.pack_sequence_as(value, slopes) if tree.is_nested(value) else slopes[0]
    return (value, tangent, aux) if has_aux else (value, tangent)


def _own(x: Any) -> Any:
    return handle["reshape"](x, shape=shape_of(x))
