"""The static tables in which files and configurations find built-in classes and functions.

Keras files name a built-in as a pair such as `("keras.layers", "Dense")`. Every module of the package that has such
names lists them in a dictionary `ALL`; only what stands there can be made from a file.
"""

from __future__ import annotations

import importlib
import types
from typing import Any

#: Keras' public module -> our module whose `ALL` holds its names. Modules of this package only. Layers are looked up
#: one by one instead, so that a file imports only those that it names.
_MODULES = {
    "keras.activations": "ironhorn.activations",
    "keras.constraints": "ironhorn.constraints",
    "keras.initializers": "ironhorn.initializers",
    "keras.losses": "ironhorn.losses",
    "keras.metrics": "ironhorn.metrics",
    "keras.optimizers": "ironhorn.optimizers",
    "keras.optimizers.schedules": "ironhorn.optimizers.schedules",
    "keras.regularizers": "ironhorn.regularizers",
}

#: Modules in which a function that a file names without module is looked up, in this order.
_FUNCTION_MODULES = ("keras.activations", "keras.losses", "keras.metrics", "keras.initializers", "keras.regularizers")

#: Layers whose class has another name than the one that Keras offers them by; weights are found by the former.
_LAYER_NAMES = {"GroupedQueryAttention": "GroupQueryAttention"}

_forward: dict[tuple[str, str], Any] = {}
_backward: dict[Any, tuple[str, str]] = {}


def _fill() -> None:
    """Read every `ALL` once."""
    if _forward:
        return
    from ironhorn.dtype_policies import DTypePolicy, DTypePolicyMap, FloatDTypePolicy
    from ironhorn.models import Model, Sequential
    from ironhorn.models.functional import Functional
    from ironhorn.random import SeedGenerator

    forward: dict[tuple[str, str], Any] = {
        ("keras", "Sequential"): Sequential,
        ("keras", "Model"): Model,
        ("keras", "Functional"): Functional,
        ("keras", "DTypePolicy"): DTypePolicy,
        ("keras", "FloatDTypePolicy"): FloatDTypePolicy,
        ("keras.dtype_policies", "DTypePolicyMap"): DTypePolicyMap,
        ("keras.random", "SeedGenerator"): SeedGenerator,
    }
    backward: dict[Any, tuple[str, str]] = {
        Sequential: ("keras", "Sequential"),
        Model: ("keras", "Model"),
        Functional: ("keras.src.models.functional", "Functional"),
        DTypePolicy: ("keras", "DTypePolicy"),
        FloatDTypePolicy: ("keras", "FloatDTypePolicy"),
        DTypePolicyMap: ("keras.dtype_policies", "DTypePolicyMap"),
        SeedGenerator: ("keras.random", "SeedGenerator"),
    }
    forward[("keras.src.models.functional", "Functional")] = Functional
    forward[("keras.models", "Functional")] = Functional
    forward[("keras.models", "Model")] = Model
    forward[("keras.models", "Sequential")] = Sequential
    forward[("keras.dtype_policies", "DTypePolicy")] = DTypePolicy
    for public, ours in _MODULES.items():
        for name, thing in importlib.import_module(ours).ALL.items():
            forward[(public, name)] = thing
            known = backward.get(thing)
            if known is None or (known[0] == public and name == thing.__name__):
                backward[thing] = (public, name)
    _backward.update(backward)
    _forward.update(forward)


def find(module: str, name: str) -> Any:
    """Returns the built-in that a file calls `module` / `name`, or `None`."""
    if module == "keras.layers":
        return _layer(name)
    _fill()
    return _forward.get((module, name))


def _layer(name: str) -> Any:
    """Returns the layer class of that name, importing its module alone, or `None`."""
    from ironhorn.layers import ALL
    from ironhorn.layers.layer import Layer

    thing = ALL.get(name)
    return thing if isinstance(thing, type) and issubclass(thing, Layer) else None


def find_function(name: str) -> Any:
    """Returns the built-in function that a file names without its module, or `None`."""
    _fill()
    for module in _FUNCTION_MODULES:
        thing = _forward.get((module, name))
        if isinstance(thing, types.FunctionType):
            return thing
    return None


def name_of(thing: Any) -> tuple[str, str] | None:
    """Returns the pair that Keras writes for a built-in class or function, or `None`."""
    if isinstance(thing, type) and thing.__module__.startswith("ironhorn.layers."):
        name = _LAYER_NAMES.get(thing.__name__, thing.__name__)
        if _layer(name) is thing:
            return "keras.layers", name
    _fill()
    try:
        return _backward.get(thing)
    except TypeError:
        return None


def names_in(module: str) -> list[str]:
    """Returns the names that a file may use for one of Keras' modules, for error messages."""
    if module == "keras.layers":
        from ironhorn.layers import ALL

        return sorted(name for name in ALL if _layer(name) is not None)
    _fill()
    return sorted(name for owner, name in _forward if owner == module)
