"""Copies of models with new weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ironhorn import backend, tree
from ironhorn.layers.core.input_layer import Input, InputLayer
from ironhorn.layers.layer import Layer
from ironhorn.models.functional import Functional
from ironhorn.models.model import takes_graph
from ironhorn.models.sequential import Sequential


def clone_model(
    model: Any,
    input_tensors: Any = None,
    clone_function: Callable[[Any], Any] | None = None,
    call_function: Callable[..., Any] | None = None,
    recursive: bool = False,
    **kwargs: Any,
) -> Any:
    """Makes a model of the same architecture with new layers, and so new weights.

    Args:
        model: A `Functional` or `Sequential` model; other models are made anew from their configuration.
        input_tensors: Symbolic tensors for the copy to start from, instead of new inputs.
        clone_function: Called with each layer but inputs; returns the layer for the copy. By default a new one of the
            same configuration.
        call_function: Called as `call_function(layer, *args, **kwargs)` for each call in the graph of a functional
            model; returns the outputs.
        recursive: Whether layers of inner models are cloned one by one too.
        **kwargs: `cache` of an outer call.

    Returns:
        A model.

    Raises:
        ValueError: If an argument does not go with the kind of model.

    Example:
        >>> copy = ironhorn.models.clone_model(model)
        >>> copy.set_weights(model.get_weights())
    """
    cache = kwargs.pop("cache", None)
    cache = {} if cache is None else cache
    if kwargs:
        raise ValueError(f"`clone_model` does not take the argument(s) {sorted(kwargs)}.")
    graph_like = isinstance(model, Sequential) or (isinstance(model, Functional) and takes_graph(type(model)))
    if not graph_like:
        if clone_function is not None or call_function is not None or input_tensors is not None:
            raise ValueError(
                "`input_tensors`, `clone_function` and `call_function` are for Functional and Sequential models. "
                f"Received a model of class {type(model).__name__}; its inner structure is not known."
            )
        return type(model).from_config(model.get_config())
    if isinstance(model, Sequential) and call_function is not None:
        raise ValueError(
            "`call_function` is for Functional models: a Sequential model has no calls of its own. Use "
            "`clone_function`."
        )

    def clone(layer: Any) -> Any:
        if id(layer) not in cache:
            if recursive and isinstance(layer, Functional | Sequential):
                cache[id(layer)] = clone_model(
                    layer,
                    clone_function=clone_function,
                    call_function=None if isinstance(layer, Sequential) else call_function,
                    recursive=True,
                    cache=cache,
                )
            elif clone_function is not None and isinstance(layer, Layer):
                cache[id(layer)] = clone_function(layer)
            else:
                cache[id(layer)] = _copy(layer)
        return cache[id(layer)]

    if isinstance(model, Sequential):
        copied = _clone_sequential(model, clone, input_tensors)
    else:
        copied = _clone_functional(model, clone, call_function, input_tensors)
    if model.compiled:
        copied.compile_from_config(model.get_compile_config())
    return copied


def _copy(layer: Any) -> Any:
    if not hasattr(layer, "get_config"):
        from ironhorn.models.operation_config import deserialize_operation, serialize_operation

        return deserialize_operation(serialize_operation(layer))
    return type(layer).from_config(layer.get_config())


def _clone_sequential(model: Any, clone: Callable[[Any], Any], input_tensors: Any) -> Any:
    layers = [clone(layer) for layer in model.layers]
    if input_tensors is not None:
        tensors = tree.flatten(input_tensors)
        if len(tensors) != 1 or not isinstance(tensors[0], backend.KerasTensor):
            raise ValueError(
                f"`input_tensors` of a Sequential model must be one symbolic tensor. Received: {input_tensors!r}."
            )
        layers.insert(0, Input(tensor=tensors[0]))
    elif model._layers and isinstance(model._layers[0], InputLayer):
        first = model._layers[0]
        layers.insert(0, InputLayer(batch_shape=first.batch_shape, dtype=first.dtype, name=first.name))
    return Sequential(layers, name=model.name, trainable=model.trainable)


def _clone_functional(
    model: Any, clone: Callable[[Any], Any], call_function: Callable[..., Any] | None, input_tensors: Any
) -> Any:
    if input_tensors is None:
        inputs = tree.map_structure(
            lambda tensor: Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=tensor.name), model.input
        )
    else:
        flat = tree.flatten(input_tensors)
        if len(flat) != len(model.inputs) or not all(isinstance(tensor, backend.KerasTensor) for tensor in flat):
            raise ValueError(
                f"`input_tensors` must hold one symbolic tensor for each of the {len(model.inputs)} inputs "
                f"{model.input_names}. Received: {input_tensors!r}."
            )
        inputs = tree.pack_sequence_as(model.input, flat)
    outputs = model._run_through_graph(tree.flatten(inputs), operation_for=clone, call=call_function)
    return type(model)(inputs, outputs, name=model.name)
