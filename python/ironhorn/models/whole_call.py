"""A model called on arrays: one program for the whole graph, as in `predict`, instead of op after op.

Only a model whose layers are all Ironhorn's is called so, because their `call` does nothing but compute: a layer or
function of the user's own may print, count or look at numbers, and runs as plain Python each time. So does what a tape
records, what is part of a larger trace, and a call that passes `training` or masks.
"""

from __future__ import annotations

import types
import weakref
from typing import Any

import numpy as np

from ironhorn import _core, backend, tree
from ironhorn.backend.tracing import CompiledFunction
from ironhorn.errors import InternalError
from ironhorn.layers.layer import Layer
from ironhorn.training.loop import declared_axes


class _MasksLeave(Exception):
    """Outputs carry masks, which a program does not hand on."""


class WholeCall:
    """The compiled call of one model. It does not keep the model alive."""

    def __init__(self, model: Any) -> None:
        self._model = weakref.ref(model)
        # What the function was made for, and the function; `None` where layers must be called one by one.
        self._ready: tuple[int, Any, CompiledFunction | None] = (-1, None, None)

    def __call__(self, x: Any) -> Any:
        """Returns the outputs, or `NotImplemented` where the model must be called layer by layer."""
        if type(x) is _core.Tensor:
            if x.is_traced or backend.get_keras_mask(x) is not None:
                return NotImplemented
        elif type(x) is not np.ndarray or x.dtype.kind not in "fiub":
            return NotImplemented
        if not Layer._is_plain_call() or _core.is_tracing() or _core.is_recording():
            return NotImplemented
        version, _, function = self._ready
        if version != backend.structure_version():
            function = self._make()
        if function is None:
            return NotImplemented
        try:
            return function(x)
        except InternalError:
            raise
        except Exception:
            # Layer by layer, an error names the layer that was called and with what. Where there is none (masks have to
            # be handed on, for instance), the model is not called as a program again.
            outputs = Layer.__call__(self._model(), x)  # type: ignore[arg-type]
            version, key, _ = self._ready
            self._ready = (version, key, None)
            return outputs

    def _make(self) -> CompiledFunction | None:
        """Makes the function if the model has become another one since the last time."""
        model: Any = self._model()
        version, key, function = self._ready
        version = backend.structure_version()
        layers = model._flatten_layers()
        new_key = (model._generation, sum(layer._edits or 0 for layer in layers))
        if key != new_key:
            function = None
            if _is_pure(model, layers):
                function = self._compile(model)
                for layer in layers:
                    layer._count_edits()
        self._ready = (version, new_key, function)
        return function

    def _compile(self, model: Any) -> CompiledFunction:
        reference = self._model

        def call(x: Any) -> Any:
            owner = reference()
            outputs = Layer.__call__(owner, x)  # type: ignore[arg-type]
            leaves = tree.flatten(outputs)
            if any(backend.get_keras_mask(leaf) is not None for leaf in leaves):
                raise _MasksLeave
            return outputs

        def varying(leaf: int, rank: int) -> set[int]:
            return declared_axes(reference(), leaf, rank)

        return CompiledFunction(call, name=f"{model.name}.call", dynamic_axes=varying)


def _is_pure(model: Any, layers: list[Any]) -> bool:
    """Whether calling the model does nothing but compute, in code that is all Ironhorn's."""
    if not model.built or model.run_eagerly:
        return False
    operations = getattr(model, "operations", ())
    return all(_is_ours(layer) for layer in layers) and all(_is_ours(operation) for operation in operations)


def _is_ours(operation: Any) -> bool:
    kind = type(operation)
    if not (kind.__module__.startswith("ironhorn.") and kind.__name__ != "Lambda"):
        return False
    attributes = vars(operation)
    if "call" in attributes or attributes.get("activity_regularizer") is not None:
        return False
    if getattr(operation, "_runs_on_host", False):
        return False
    functions = (value for value in attributes.values() if isinstance(value, types.FunctionType))
    return all(function.__module__.startswith("ironhorn.") for function in functions)
