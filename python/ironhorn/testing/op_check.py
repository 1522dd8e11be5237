"""One op in every way that it can be called: `check_op`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ironhorn import backend, ops, tree
from ironhorn.backend.tracing import CompiledFunction
from ironhorn.testing.gradient_check import check_gradients


def check_op(
    fn: Callable[..., Any],
    reference: Callable[..., Any],
    inputs: Sequence[Any],
    *,
    gradients: bool = True,
    rtol: float = 1e-5,
    atol: float = 1e-6,
) -> None:
    """Checks a function of tensors against the same function of NumPy arrays.

    Four things are compared: the values, called eagerly; the values, called in a traced program; shape and dtype,
    called on symbolic tensors; and the gradients, by finite differences in float64.

    Args:
        fn: A function of tensors, such as `ops.add` or a composition of ops.
        reference: The same function of NumPy arrays.
        inputs: Arrays to call both with.
        gradients: Whether to check gradients; only possible if an input has floats.
        rtol: Relative tolerance of the values.
        atol: Absolute tolerance of the values.

    Raises:
        AssertionError: If something differs; says which way of calling, and how.

    Example:
        >>> ironhorn.testing.check_op(ironhorn.ops.tanh, np.tanh, [np.array([0.5, -1.0], "float32")])
    """
    arrays = [np.asarray(value) for value in inputs]
    expected = [np.asarray(value) for value in tree.flatten(reference(*arrays))]

    def compare(outputs: Any, how: str) -> None:
        found = [np.asarray(value) for value in tree.flatten(outputs)]
        if len(found) != len(expected):
            raise AssertionError(f"{how}: {len(found)} outputs instead of {len(expected)}.")
        for index, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
            np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=atol, err_msg=f"{how}, output {index}")
            if ours.shape != theirs.shape:
                raise AssertionError(f"{how}, output {index}: shape {ours.shape} instead of {theirs.shape}.")

    eager = fn(*(ops.convert_to_tensor(array) for array in arrays))
    compare(eager, "called eagerly")

    if arrays and all(array.ndim for array in arrays):
        program = CompiledFunction(lambda batch: fn(*batch), name=getattr(fn, "__name__", "fn"))
        compare(program(arrays), "called in a traced program")

        symbols = [backend.KerasTensor(array.shape, dtype=backend.standardize_dtype(array.dtype)) for array in arrays]
        symbolic = tree.flatten(fn(*symbols))
        for index, (symbol, value) in enumerate(zip(symbolic, tree.flatten(eager), strict=True)):
            if len(symbol.shape) != len(value.shape) or any(
                length is not None and length != actual
                for length, actual in zip(symbol.shape, value.shape, strict=True)
            ):
                raise AssertionError(
                    f"called on symbolic tensors, output {index}: shape {symbol.shape} instead of {value.shape}."
                )
            if symbol.dtype != value.dtype:
                raise AssertionError(
                    f"called on symbolic tensors, output {index}: dtype {symbol.dtype} instead of {value.dtype}."
                )

    if gradients and any(array.dtype.kind == "f" and array.size for array in arrays):
        check_gradients(fn, arrays)
