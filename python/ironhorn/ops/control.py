"""Loops and choices that may depend on data.

Eagerly these run Python. While a model is traced, the functions given are traced once and become the body of one op.
"""

from collections.abc import Callable
from typing import Any

from ironhorn import _core, tree
from ironhorn.backend.keras_tensor import KerasTensor
from ironhorn.errors import ShapeError, UnsupportedError
from ironhorn.ops._dispatch import op
from ironhorn.ops.creation import arange
from ironhorn.ops.shaping import stack

__all__ = ["cond", "fori_loop", "scan", "switch", "while_loop"]


def _as_tensor(leaf: Any) -> Any:
    if isinstance(leaf, KerasTensor):
        raise UnsupportedError(
            "A function given to ops.scan, ops.cond or ops.while_loop used a symbolic tensor from outside; write a "
            "layer whose call uses the op and gets the tensor as an argument"
        )
    return leaf.read() if isinstance(leaf, _core.VariableStorage) else _core.tensor(leaf)


def _tensors(structure: Any) -> Any:
    """The structure with tensors for leaves; None stays."""
    return tree.map_structure(lambda leaf: None if leaf is None else _as_tensor(leaf), structure)


def _present(structure: Any) -> list[Any]:
    return [leaf for leaf in tree.flatten(structure) if leaf is not None]


def _fill(structure: Any, tensors: list[Any]) -> Any:
    """The structure with `tensors` in the places that are not None."""
    items = iter(tensors)
    return tree.map_structure(lambda leaf: None if leaf is None else next(items), structure)


@op
def cond(pred: Any, true_fn: Callable[[], Any], false_fn: Callable[[], Any]) -> Any:
    """What `true_fn` or `false_fn` returns, whichever `pred` chooses; only that one runs.

    The functions may write variables, and draw random numbers; of the one that is not chosen nothing is written.

    Args:
        pred: boolean scalar.
        true_fn: function of no arguments.
        false_fn: function of no arguments that returns the same structure, shapes and types as `true_fn`. Where the
            functions are called for what they write, one may return a tensor (as `variable.assign` does) and the other
            None; then nothing is returned.

    Returns:
        The structure that the functions return, with a tensor in the place of every leaf that is not None.

    Raises:
        ShapeError: if the functions return different shapes or types.

    Example:
        >>> from ironhorn import ops
        >>> x = ops.convert_to_tensor(3.0)
        >>> float(ops.cond(x > 0, lambda: x * 2, lambda: -x))
        6.0
    """
    if not (callable(true_fn) and callable(false_fn)):
        raise TypeError("ops.cond takes a condition and two functions of no arguments")
    if not (isinstance(pred, _core.Tensor) and pred.is_traced):
        return _tensors(true_fn() if bool(_as_tensor(pred)) else false_fn())
    bodies, results = [_core.Body([], [], is_branch=True) for _ in range(2)], []
    for function, body in zip((true_fn, false_fn), bodies, strict=True):
        with body:
            results.append(_tensors(function()))
    if any(result is None for result in results) and any(body.has_written for body in bodies):
        results = [None, None]
    for result, body in zip(results, bodies, strict=True):
        body.finish(_present(result))
    try:
        tree.assert_same_structure(*results)
        if [leaf is None for leaf in tree.flatten(results[0])] != [leaf is None for leaf in tree.flatten(results[1])]:
            raise ValueError("One returns None where the other returns a tensor")
    except ValueError as error:
        raise ShapeError(f"Both functions given to ops.cond must return the same structure. {error}") from error
    return _fill(results[0], _core.cond(_core.op("cast")(pred, dtype="bool"), *bodies))


@op
def switch(index: Any, branches: Any, *operands: Any) -> Any:
    """What one of several functions returns; only that one runs.

    Args:
        index: integer scalar, the number of the function; the nearest one if there is no such number.
        branches: functions of the operands that return the same structure, shapes and types.
        operands: arguments of the functions.

    Example:
        >>> from ironhorn import ops
        >>> float(ops.switch(1, [ops.add, ops.subtract], 2.0, 0.5))
        1.5
    """
    functions = list(branches)
    if not functions or not all(callable(function) for function in functions):
        raise TypeError("ops.switch takes a list of at least one function")
    last = len(functions) - 1
    if not (isinstance(index, _core.Tensor) and index.is_traced):
        number = int(_as_tensor(index))
        return _tensors(functions[0 if number < 0 else last if number > last else number](*operands))

    def choose(low: int, high: int) -> Any:
        if low == high:
            return functions[low](*operands)
        middle = (low + high + 1) // 2
        return cond(index < middle, lambda: choose(low, middle - 1), lambda: choose(middle, high))

    return _tensors(choose(0, last))


@op
def fori_loop(lower: Any, upper: Any, body_fun: Callable[[Any, Any], Any], init_val: Any) -> Any:
    """Calls `state = body_fun(i, state)` for `i` from `lower` up to, not including, `upper`.

    Args:
        lower: first value of `i`.
        upper: where `i` ends. A loop between ints, or lengths from `ops.shape`, has derivatives; one between tensors of
            a traced function has none.
        body_fun: function of `i`, an `int32` scalar, and the state.
        init_val: the first state: array or nested structure. Every step must return the same structure, shapes and
            types.

    Returns:
        The last state.

    Raises:
        ShapeError: if the state changes its structure, shape or type.
        UnsupportedError: if `body_fun` writes a variable while a model is traced.

    Example:
        >>> from ironhorn import ops
        >>> int(ops.fori_loop(0, 10, lambda i, total: total + i, 0))
        45
    """
    if not callable(body_fun):
        raise TypeError(f"ops.fori_loop takes a function of the index and the state, got {body_fun!r}")
    if any(isinstance(bound, _core.Tensor) and bound.is_traced for bound in (lower, upper)):
        first = _core.op("cast")(_as_tensor(lower), dtype="int32")
        return while_loop(lambda i, state: i < upper, lambda i, state: (i + 1, body_fun(i, state)), (first, init_val))[
            1
        ]
    low, high = (bound if isinstance(bound, _core.SymbolicDim) else int(bound) for bound in (lower, upper))
    if isinstance(low, int) and isinstance(high, int) and high <= low:
        return _tensors(init_val)
    steps = arange(low, high, dtype="int32")
    return scan(lambda state, i: (body_fun(i, state), None), init_val, steps)[0]


@op
def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: Any = None,
    reverse: bool = False,
    unroll: int | bool = 1,
) -> tuple[Any, Any]:
    """Calls `carry, y = f(carry, x)` for every `x` along the first axis of `xs`.

    Args:
        f: function of the carry and one slice of `xs`; returns the next carry and a result.
        init: the first carry: array or nested structure. Every step must return the same structure, shapes and types.
        xs: array, or nested structure of arrays with first axes of the same length; None to repeat `length` times.
        length: number of steps; needed when `xs` is None.
        reverse: whether to go from the last slice to the first. Results stand where their slices stood.
        unroll: 1 or False for one op that loops, True to write every step into the traced program (the length must
            be known). Eager calls always run step by step.

    Returns:
        The last carry, and the results of all steps stacked along a new first axis.

    Raises:
        ShapeError: if lengths disagree or the carry changes.
        UnsupportedError: if `f` writes a variable while a model is traced, or for another value of `unroll`.

    Example:
        >>> import numpy as np
        >>> from ironhorn import ops
        >>> total, running = ops.scan(lambda c, x: (c + x, c + x), 0.0, np.array([1.0, 2.0, 3.0], "float32"))
        >>> float(total), running.numpy().tolist()
        (6.0, [1.0, 3.0, 6.0])
    """
    if not callable(f):
        raise TypeError(f"ops.scan takes a function of the carry and a slice, got {f!r}")
    if not isinstance(unroll, bool) and unroll != 1:
        raise UnsupportedError(f"unroll={unroll!r} is not supported; use 1 or True")
    carry, slices = _tensors(init), _tensors(xs)
    sequences = _present(slices)
    if not sequences and length is None:
        raise ValueError("ops.scan needs xs, or length when there are none")
    for sequence in sequences:
        if sequence.ndim == 0:
            raise ShapeError("ops.scan goes over the first axis of xs, and one of them is a scalar")
    lengths = [_core.symbolic_shape(sequence)[0] for sequence in sequences]
    if length is not None:
        lengths.append(length)
    known = {size for size in lengths if isinstance(size, int)}
    if len(known) > 1:
        raise ShapeError(f"ops.scan got lengths {sorted(known)}; all of xs, and length, must have the same")
    steps = known.pop() if known else None
    if unroll is True and steps is None:
        raise UnsupportedError("unroll=True needs a length that is known while the model is traced; use unroll=False")
    by_step = unroll is True or not _core.is_tracing()
    # A loop without steps learns from a trace what the results would have been.
    if by_step and steps:
        return _python_scan(f, carry, slices, steps, reverse)
    return _traced_scan(f, carry, slices, lengths[0] if steps is None else steps, reverse)


@op
def while_loop(
    cond: Callable[..., Any], body: Callable[..., Any], loop_vars: Any, maximum_iterations: Any = None
) -> Any:
    """Calls `loop_vars = body(*loop_vars)` as long as `cond(*loop_vars)` holds.

    A traced loop has derivatives only if `maximum_iterations` is given, and they take as long as that many steps; where
    the number of steps is known, use `scan`.

    Args:
        cond: function of the loop variables that returns a boolean scalar.
        body: function of the loop variables that returns the next ones, of the same structure, shapes and types.
        loop_vars: tuple or list of arrays or nested structures, or a single array.
        maximum_iterations: largest number of steps, or None.

    Returns:
        The last loop variables.

    Raises:
        ShapeError: if the loop variables change their structure, shape or type.
        UnsupportedError: if a function writes a variable while a model is traced.

    Example:
        >>> from ironhorn import ops
        >>> n, total = ops.while_loop(lambda n, t: n < 4, lambda n, t: (n + 1, t + n), (0, 0))
        >>> int(total)
        6
    """
    if not (callable(cond) and callable(body)):
        raise TypeError("ops.while_loop takes two functions of the loop variables")
    limit = None if maximum_iterations is None else max(int(maximum_iterations), 0)
    single = not isinstance(loop_vars, (tuple, list))
    variables = _tensors((loop_vars,) if single else tuple(loop_vars))

    def step(current: Any) -> Any:
        after = body(*current)
        after = (after,) if single or not isinstance(after, (tuple, list)) else tuple(after)
        try:
            tree.assert_same_structure(current, after)
        except ValueError as error:
            raise ShapeError(f"The body of ops.while_loop must return its loop variables. {error}") from error
        return _tensors(after)

    if _core.is_tracing():
        carries = _present(variables)
        test_body, step_body = _core.Body(carries, []), _core.Body(carries, [])
        with test_body:
            test = _as_tensor(cond(*_fill(variables, test_body.inputs)))
            test_body.finish([_core.op("cast")(test, dtype="bool")])
        with step_body:
            step_body.finish(_present(step(_fill(variables, step_body.inputs))))
        variables = _fill(variables, _core.while_loop(test_body, step_body, carries, limit))
    else:
        steps = 0
        while (limit is None or steps < limit) and bool(_as_tensor(cond(*variables))):
            after = step(variables)
            _check_carry("loop variable of ops.while_loop", variables, after)
            variables, steps = after, steps + 1
    return variables[0] if single else type(loop_vars)(variables)


def _check_carry(what: str, before: Any, after: Any) -> None:
    for old, new in zip(_present(before), _present(after), strict=True):
        if (old.shape, old.dtype) != (new.shape, new.dtype):
            raise ShapeError(
                f"A {what} starts as {old.dtype}{old.shape} and is {new.dtype}{new.shape} after one step; every step "
                "must return carries of the same shapes and types"
            )


def _call(f: Callable[[Any, Any], Any], carry: Any, x: Any) -> tuple[Any, Any]:
    result = f(carry, x)
    if not (isinstance(result, tuple) and len(result) == 2):
        raise ValueError(f"The function given to ops.scan must return a pair (carry, y), got {type(result).__name__}")
    try:
        tree.assert_same_structure(carry, result[0])
    except ValueError as error:
        raise ShapeError(f"The function given to ops.scan must return a carry like the one it got. {error}") from error
    return _tensors(result[0]), _tensors(result[1])


def _python_scan(f: Callable[[Any, Any], Any], carry: Any, xs: Any, steps: int, reverse: bool) -> tuple[Any, Any]:
    results: list[Any] = [None] * steps
    for step in range(steps - 1, -1, -1) if reverse else range(steps):
        x = tree.map_structure(lambda leaf, step=step: None if leaf is None else leaf[step], xs)
        after, results[step] = _call(f, carry, x)
        _check_carry("carry of ops.scan", carry, after)
        carry = after
    flat = [_present(result) for result in results]
    return carry, _fill(results[0], [stack(list(column)) for column in zip(*flat, strict=True)])


def _traced_scan(f: Callable[[Any, Any], Any], carry: Any, xs: Any, length: Any, reverse: bool) -> tuple[Any, Any]:
    carries, sequences = _present(carry), _present(xs)
    body = _core.Body(carries, sequences)
    with body:
        inputs = body.inputs
        after, result = _call(f, _fill(carry, inputs[: len(carries)]), _fill(xs, inputs[len(carries) :]))
        body.finish(_present(after) + _present(result))
    made = _core.scan(body, carries, sequences, length, reverse)
    return _fill(carry, made[: len(carries)]), _fill(result, made[len(carries) :])
