"""Ironhorn: Keras 3's API on a native engine, with Surprise's beside it.

>>> import ironhorn as keras
>>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
>>> model.output_shape
(None, 1)

Submodules are imported when they are first used, so that a service that only predicts does not pay for the rest.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ironhorn._core import __version__
from ironhorn.swap import swap

if TYPE_CHECKING:
    from ironhorn import (
        activations,
        backend,
        callbacks,
        config,
        constraints,
        datasets,
        dtype_policies,
        errors,
        initializers,
        layers,
        losses,
        metrics,
        mixed_precision,
        models,
        ops,
        optimizers,
        preprocessing,
        random,
        regularizers,
        saving,
        surprise,
        testing,
        tree,
        utils,
    )
    from ironhorn.backend import GradientTape, KerasTensor, Operation, Variable, grad, name_scope, value_and_grad
    from ironhorn.dtype_policies import DTypePolicy, FloatDTypePolicy
    from ironhorn.initializers import Initializer
    from ironhorn.layers import Input, InputSpec, Layer
    from ironhorn.losses import Loss
    from ironhorn.metrics import Metric
    from ironhorn.models import Model, Sequential
    from ironhorn.ops import stop_gradient
    from ironhorn.optimizers import Optimizer
    from ironhorn.profiling import profile
    from ironhorn.regularizers import Regularizer

_SUBMODULES = (
    "activations",
    "backend",
    "callbacks",
    "config",
    "constraints",
    "datasets",
    "dtype_policies",
    "errors",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "mixed_precision",
    "models",
    "ops",
    "optimizers",
    "preprocessing",
    "random",
    "regularizers",
    "saving",
    "surprise",
    "testing",
    "tree",
    "utils",
    "wrappers",
)
# Where each name of the package comes from.
_ORIGINS = {
    "DTypePolicy": "ironhorn.dtype_policies",
    "FloatDTypePolicy": "ironhorn.dtype_policies",
    "GradientTape": "ironhorn.backend",
    "Initializer": "ironhorn.initializers",
    "Input": "ironhorn.layers",
    "InputSpec": "ironhorn.layers",
    "KerasTensor": "ironhorn.backend",
    "Layer": "ironhorn.layers",
    "Loss": "ironhorn.losses",
    "Metric": "ironhorn.metrics",
    "Model": "ironhorn.models",
    "Operation": "ironhorn.backend",
    "Optimizer": "ironhorn.optimizers",
    "Regularizer": "ironhorn.regularizers",
    "Sequential": "ironhorn.models",
    "Variable": "ironhorn.backend",
    "grad": "ironhorn.backend",
    "name_scope": "ironhorn.backend",
    "profile": "ironhorn.profiling",
    "stop_gradient": "ironhorn.ops",
    "value_and_grad": "ironhorn.backend",
}

__all__ = [
    "DTypePolicy",
    "FloatDTypePolicy",
    "GradientTape",
    "Initializer",
    "Input",
    "InputSpec",
    "KerasTensor",
    "Layer",
    "Loss",
    "Metric",
    "Model",
    "Operation",
    "Optimizer",
    "Regularizer",
    "Sequential",
    "Variable",
    "__version__",
    "activations",
    "backend",
    "callbacks",
    "config",
    "constraints",
    "datasets",
    "dtype_policies",
    "errors",
    "grad",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "mixed_precision",
    "models",
    "name_scope",
    "ops",
    "optimizers",
    "preprocessing",
    "profile",
    "random",
    "regularizers",
    "saving",
    "stop_gradient",
    "surprise",
    "swap",
    "testing",
    "tree",
    "utils",
    "value_and_grad",
    "wrappers",
]


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return import_module(f"ironhorn.{name}")
    if name in _ORIGINS:
        value = getattr(import_module(_ORIGINS[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'ironhorn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
