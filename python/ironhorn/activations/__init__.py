"""Activation functions and their look-up by name."""

from __future__ import annotations

import types
from typing import Any

from ironhorn.activations.activations import (
    celu,
    elu,
    exponential,
    gelu,
    glu,
    hard_shrink,
    hard_sigmoid,
    hard_silu,
    hard_tanh,
    leaky_relu,
    linear,
    log_sigmoid,
    log_softmax,
    mish,
    relu,
    relu6,
    selu,
    sigmoid,
    silu,
    soft_shrink,
    softmax,
    softplus,
    softsign,
    sparse_plus,
    sparse_sigmoid,
    sparsemax,
    squareplus,
    tanh,
    tanh_shrink,
    threshold,
)

#: Name -> function; what model files may name.
ALL: dict[str, Any] = {
    function.__name__: function
    for function in (
        celu,
        elu,
        exponential,
        gelu,
        glu,
        hard_shrink,
        hard_sigmoid,
        hard_silu,
        hard_tanh,
        leaky_relu,
        linear,
        log_sigmoid,
        log_softmax,
        mish,
        relu,
        relu6,
        selu,
        sigmoid,
        silu,
        soft_shrink,
        softmax,
        softplus,
        softsign,
        sparse_plus,
        sparse_sigmoid,
        sparsemax,
        squareplus,
        tanh,
        tanh_shrink,
        threshold,
    )
}
ALL["swish"] = silu
ALL["hard_swish"] = hard_silu

swish = silu
hard_swish = hard_silu


def serialize(activation: Any) -> Any:
    """Returns the name of a built-in activation, or the configuration of any other registered one."""
    name = getattr(activation, "__name__", "")
    if isinstance(activation, types.FunctionType) and ALL.get(name) is activation:
        return name
    from ironhorn.saving import registry

    return registry.serialize_keras_object(activation)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """Returns the activation meant by a name or configuration.

    Args:
        config: A name such as `"relu"`, or a dictionary as `serialize` returns it.
        custom_objects: Names of functions and classes that are not built in.

    Returns:
        A function of one tensor.

    Raises:
        ValueError: If nothing is known by that name.
    """
    from ironhorn.saving import registry

    if isinstance(config, str):
        custom = (custom_objects or {}).get(config) or registry.get_registered_object(config, custom_objects)
        function = custom if custom is not None else ALL.get(config)
        if function is None:
            raise ValueError(
                f"Unknown activation {config!r}. Built in are: {', '.join(sorted(ALL))}. Pass a function of your own "
                "as an object, or register it with `ironhorn.saving.register_keras_serializable`."
            )
        return function() if isinstance(function, type) else function
    return registry.deserialize_keras_object(config, custom_objects=custom_objects)


def get(identifier: Any) -> Any:
    """Returns the activation meant by an identifier.

    Args:
        identifier: `None` for `linear`, a name such as `"relu"`, a configuration, or a function of one tensor.

    Returns:
        A function of one tensor.

    Raises:
        ValueError: If nothing is known by that identifier.

    Example:
        >>> ironhorn.activations.get("tanh")([0.0]).numpy()
        array([0.], dtype=float32)
    """
    if identifier is None:
        return linear
    if isinstance(identifier, str | dict):
        return deserialize(identifier)
    if callable(identifier):
        return identifier
    raise ValueError(
        f"Cannot make an activation of {identifier!r} (of type {type(identifier).__name__}). Pass a name or a function."
    )


__all__ = [
    "ALL",
    "celu",
    "deserialize",
    "elu",
    "exponential",
    "gelu",
    "get",
    "glu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "selu",
    "serialize",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
    "squareplus",
    "swish",
    "tanh",
    "tanh_shrink",
    "threshold",
]
