"""Ironhorn: Keras 3's API on a native engine, with Surprise's beside it.

>>> import ironhorn as keras
>>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
>>> model.output_shape
(None, 1)
"""

from ironhorn import (
    activations,
    backend,
    callbacks,
    config,
    constraints,
    datasets,
    errors,
    initializers,
    layers,
    losses,
    metrics,
    models,
    ops,
    optimizers,
    random,
    regularizers,
    saving,
    tree,
    utils,
)
from ironhorn._core import __version__
from ironhorn.backend import (
    GradientTape,
    KerasTensor,
    Operation,
    Variable,
    grad,
    name_scope,
    value_and_grad,
)
from ironhorn.initializers import Initializer
from ironhorn.layers import Input, InputSpec, Layer
from ironhorn.layers.dtype_policy import DTypePolicy
from ironhorn.losses import Loss
from ironhorn.metrics import Metric
from ironhorn.models import Model, Sequential
from ironhorn.ops import stop_gradient
from ironhorn.optimizers import Optimizer
from ironhorn.regularizers import Regularizer
from ironhorn.swap import swap

__all__ = [
    "DTypePolicy",
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
    "errors",
    "grad",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "name_scope",
    "ops",
    "optimizers",
    "random",
    "regularizers",
    "saving",
    "stop_gradient",
    "swap",
    "tree",
    "utils",
    "value_and_grad",
]
