"""Gradients against finite differences: `check_gradients`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ironhorn import backend, ops, tree


def check_gradients(
    fn: Callable[..., Any],
    inputs: Sequence[Any],
    *,
    rtol: float = 1e-5,
    atol: float = 1e-7,
    step: float = 1e-6,
    samples: int = 64,
    seed: int = 0,
) -> None:
    """Compares the gradients of a function with central finite differences, in float64.

    The function's outputs are multiplied with fixed random numbers and summed, so that one number is differentiated.

    Args:
        fn: A function of tensors that returns a tensor, or several in a list, tuple or dictionary.
        inputs: Its arguments. Arrays of floats are made float64 and checked; all others are passed as they are.
        rtol: Relative tolerance.
        atol: Absolute tolerance.
        step: Half the distance between the two points of a difference, for values around 1.
        samples: How many elements of each input are checked at most; they are chosen at random.
        seed: Seed of the random numbers.

    Raises:
        AssertionError: If a derivative is off; names the argument, the element and both values.
        ValueError: If no input is an array of floats.

    Example:
        >>> ironhorn.testing.check_gradients(lambda x: x * x, [[1.0, 2.0]])
    """
    random = np.random.RandomState(seed)
    arrays = [np.asarray(value) for value in inputs]
    positions = [index for index, array in enumerate(arrays) if array.dtype.kind == "f"]
    if not positions:
        raise ValueError("No input is an array of floats, so that there is nothing to differentiate by.")
    for index in positions:
        arrays[index] = np.array(arrays[index], dtype="float64")

    weights: list[Any] = []

    def projection(*arguments: Any) -> Any:
        outputs = [output for output in tree.flatten(fn(*arguments)) if str(output.dtype).startswith("float")]
        if not weights:
            weights.extend(random.uniform(0.5, 1.5, size=tuple(output.shape)) for output in outputs)
        total = ops.convert_to_tensor(np.zeros((), dtype="float64"))
        for output, weight in zip(outputs, weights, strict=True):
            total = total + ops.sum(ops.cast(output, "float64") * weight)
        return total

    def value_at(index: int, element: tuple[int, ...], value: float) -> float:
        changed = list(arrays)
        changed[index] = arrays[index].copy()
        changed[index][element] = value
        return float(projection(*(ops.convert_to_tensor(array) for array in changed)))

    tensors = [ops.convert_to_tensor(array) for array in arrays]
    projection(*tensors)
    _, gradients = backend.value_and_grad(projection, argnums=tuple(positions))(*tensors)
    for index, gradient in zip(positions, gradients, strict=True):
        array = arrays[index]
        found = np.zeros(array.shape) if gradient is None else np.asarray(gradient)
        if found.shape != array.shape:
            raise AssertionError(f"The gradient by argument {index} has shape {found.shape} instead of {array.shape}.")
        chosen = np.arange(array.size)
        if array.size > samples:
            chosen = random.choice(array.size, size=samples, replace=False)
        for flat in chosen:
            element = tuple(int(part) for part in np.unravel_index(int(flat), array.shape))
            center = float(array[element])
            distance = step * max(1.0, abs(center))
            upper = value_at(index, element, center + distance)
            lower = value_at(index, element, center - distance)
            expected = (upper - lower) / (2.0 * distance)
            if not np.isclose(found[element], expected, rtol=rtol, atol=atol):
                raise AssertionError(
                    f"The derivative by element {element} of argument {index} (value {center!r}) is "
                    f"{float(found[element])!r}, but finite differences give {expected!r} (rtol={rtol}, atol={atol})."
                )
