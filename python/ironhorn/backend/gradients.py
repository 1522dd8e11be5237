"""Derivatives of eager and traced computations."""

from collections.abc import Callable
from typing import Any

from ironhorn import _core, tree
from ironhorn.errors import UnsupportedError


class GradientTape:
    """Records what happens inside a `with` block so that its derivatives can be asked for.

    Variables and watched tensors can be differentiated with respect to. Works eagerly and while a model is traced;
    tapes may be nested for second derivatives.

    Args:
        persistent: whether `gradient` may be called more than once.
        watch_accessed_variables: must be True: every variable that is read is watched.

    Example:
        >>> import ironhorn as keras
        >>> x = keras.Variable(3.0)
        >>> with keras.GradientTape() as tape:
        ...     y = x * x
        >>> float(tape.gradient(y, x))
        6.0
    """

    def __init__(self, persistent: bool = False, watch_accessed_variables: bool = True) -> None:
        if not watch_accessed_variables:
            raise UnsupportedError(
                "GradientTape watches every variable that is read; leave watch_accessed_variables=True and take "
                "gradients with respect to the variables you want"
            )
        self._tape = _core.Tape()
        self._persistent = persistent
        self._used = False

    def __enter__(self) -> "GradientTape":
        self._tape.open()
        return self

    def __exit__(self, *_: object) -> None:
        self._tape.close()

    def watch(self, tensor: Any) -> None:
        """Lets derivatives be taken with respect to `tensor`, or to every tensor of a nested structure."""
        for leaf in tree.flatten(tensor):
            if isinstance(leaf, _core.Tensor):
                self._tape.watch(leaf)

    def gradient(
        self, target: Any, sources: Any, output_gradients: Any = None, unconnected_gradients: str = "none"
    ) -> Any:
        """The derivatives of the sum of `target` with respect to `sources`.

        Args:
            target: tensor or nested structure of tensors.
            sources: variable, tensor, or nested structure of them.
            output_gradients: weights of the targets, in the targets' structure and shapes; ones by default.
            unconnected_gradients: "none" or "zero": what sources get that no target depends on.

        Returns:
            Tensors (or None) in the structure of `sources`.

        Raises:
            RuntimeError: if a tape that is not persistent is asked twice.
        """
        if self._used and not self._persistent:
            raise RuntimeError("This tape was asked before; use GradientTape(persistent=True) to ask it again")
        self._used = True
        flat = tree.flatten(sources)
        seeds = None if output_gradients is None else tree.flatten(output_gradients)
        found = self._tape.gradient(tree.flatten(target), seeds, flat)
        if unconnected_gradients == "zero":
            from ironhorn import ops

            found = [ops.zeros_like(source) if g is None else g for g, source in zip(found, flat, strict=True)]
        elif unconnected_gradients != "none":
            raise ValueError(f"unconnected_gradients must be 'none' or 'zero', got {unconnected_gradients!r}")
        return tree.pack_sequence_as(sources, found) if tree.is_nested(sources) else found[0]


def value_and_grad(
    fn: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """A function that returns what `fn` returns and its derivative.

    Args:
        fn: function of arrays that returns a scalar, or with `has_aux` a pair of a scalar and anything.
        argnums: number (or numbers) of the arguments to differentiate with respect to. They may be nested.
        has_aux: whether `fn` returns something beside the scalar.

    Returns:
        A function with the arguments of `fn` that returns `(value, gradients)`, gradients in the structure of the
        arguments (a tuple of them when `argnums` is a tuple).

    Example:
        >>> value, gradient = value_and_grad(lambda x: x * x)(3.0)
        >>> float(value), float(gradient)
        (9.0, 6.0)
    """
    numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with GradientTape() as tape:
            given = list(args)
            for number in numbers:
                given[number] = tree.map_structure(
                    lambda leaf: leaf if leaf is None else _core.tensor(leaf), given[number]
                )
                tape.watch(given[number])
            result = fn(*given, **kwargs)
        target = result[0] if has_aux else result
        sources = [given[number] for number in numbers]
        gradients = tape.gradient(target, sources, unconnected_gradients="zero")
        return result, (gradients[0] if isinstance(argnums, int) else tuple(gradients))

    return wrapped


def grad(fn: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """A function that returns the derivative of `fn`; see `value_and_grad`.

    Example:
        >>> float(grad(grad(lambda x: x * x * x))(2.0))
        12.0
    """
    both = value_and_grad(fn, argnums, has_aux)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        result, gradients = both(*args, **kwargs)
        return (gradients, result[1]) if has_aux else gradients

    return wrapped
