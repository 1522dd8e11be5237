"""`debug_nans`: which layer, in which batch, was the first to make a number that is NaN or infinite.

While it is on, steps run as plain Python, one by one, and everything they make is looked at: data, the outputs of
every layer, the loss, gradients, and what the optimizer wrote. It is slow; it is for the run after the one that broke.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ironhorn import tree
from ironhorn.errors import NotFiniteError
from ironhorn.training.arrays import named_leaves

_enabled = False


def enable_debug_nans() -> None:
    """Looks at every number of every step, and raises `NotFiniteError` at the first that is NaN or infinite.

    Example:
        >>> ironhorn.config.enable_debug_nans()
        >>> ironhorn.config.disable_debug_nans()
    """
    global _enabled
    _enabled = True


def disable_debug_nans() -> None:
    """Stops looking; steps run as programs again."""
    global _enabled
    _enabled = False


def is_debug_nans_enabled() -> bool:
    """Returns whether every number of every step is looked at."""
    return _enabled


class Watch:
    """Looks at what one step makes.

    Args:
        model: The model.
        method: Name of the step.
        batch: Number of the batch, from 0.
    """

    def __init__(self, model: Any, method: str, batch: int):
        self._model = model
        self._where = f"batch {batch} of {method} of model {model.name!r}"

    def data(self, batch: Any) -> None:
        """Looks at a batch before the step."""
        for part, structure in zip(("x", "y", "sample_weight"), _parts(batch), strict=True):
            for name, leaf in named_leaves(part, structure):
                if leaf is not None:
                    self._look(leaf, f"the data: {name}", "Clean the data.")

    def layer(self, layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Calls a layer and looks at its outputs. Inner layers have been looked at when it returns."""
        outputs = layer.call(*args, **kwargs)
        inputs = [leaf for leaf in tree.flatten((args, kwargs)) if _is_numbers(leaf)]
        for index, output in enumerate(tree.flatten(outputs)):
            broken = [variable.path for variable in layer.weights if not np.isfinite(_host(variable)).all()]
            if broken:
                advice = f"Its weights {broken} are not finite."
            else:
                finite = [_host(leaf) for leaf in inputs]
                finite = [array for array in finite if array.size and np.isfinite(array).all()]
                largest = max((float(np.abs(array).max()) for array in finite), default=0.0)
                advice = f"Its weights are finite, and its inputs are at most {largest:.6g} in size."
            self._look(output, f"output {index} of layer {layer.name!r} ({type(layer).__name__})", advice)
        return outputs

    def loss(self, loss: Any) -> None:
        """Looks at the loss."""
        self._look(
            loss,
            "the loss",
            "The outputs are finite: look for a logarithm or a division in the loss, and at the targets' range.",
        )

    def gradients(self, gradients: Any, variables: Any) -> None:
        """Looks at gradients."""
        for gradient, variable in zip(gradients, variables, strict=True):
            if gradient is not None:
                self._look(
                    gradient,
                    f"the gradient of {variable.path!r}",
                    "The loss is finite: look for a root, a norm or a division at 0 (`ops.where` does not keep its "
                    "other branch from the gradient), or clip gradients (clipnorm=1.0).",
                )

    def weights(self) -> None:
        """Looks at the weights after the step."""
        for variable in self._model.weights:
            self._look(
                variable, f"weight {variable.path!r} after the update", "Lower the learning rate, or clip gradients."
            )

    def _look(self, value: Any, what: str, advice: str) -> None:
        if not _is_numbers(value):
            return
        array = _host(value)
        broken = ~np.isfinite(array)
        if not broken.any():
            return
        nans = int(np.isnan(array).sum())
        kind = "NaN" if nans == int(broken.sum()) else "infinite" if not nans else "NaN or infinite"
        first = tuple(int(index) for index in np.argwhere(broken)[0])
        raise NotFiniteError(
            f"{self._where}: {what} has {int(broken.sum())} of {array.size} values that are {kind}, the first at "
            f"{list(first)} (shape {array.shape}, {value.dtype}). {advice}"
        )


def _parts(batch: Any) -> tuple[Any, Any, Any]:
    from ironhorn.training.packing import unpack_x_y_sample_weight

    return unpack_x_y_sample_weight(batch)


def _is_numbers(value: Any) -> bool:
    return hasattr(value, "dtype") and "float" in str(value.dtype)


def _host(value: Any) -> np.ndarray:
    array = value.numpy() if hasattr(value, "numpy") else np.asarray(value)
    return array if array.dtype.kind == "f" else array.astype("float32")
