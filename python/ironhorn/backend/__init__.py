"""What layers, models and training stand on: variables, symbolic tensors, tracing, derivatives, settings, names."""

import os

from ironhorn import _core
from ironhorn._core import Tensor
from ironhorn.backend.config import (
    backend,
    epsilon,
    floatx,
    image_data_format,
    set_epsilon,
    set_floatx,
    set_image_data_format,
    standardize_data_format,
)
from ironhorn.backend.dtypes import is_float_dtype, is_int_dtype, standardize_dtype, standardize_shape
from ironhorn.backend.gradients import GradientTape, grad, value_and_grad
from ironhorn.backend.keras_tensor import (
    KerasHistory,
    KerasTensor,
    Node,
    Operation,
    OpOperation,
    any_symbolic,
    is_keras_tensor,
)
from ironhorn.backend.masks import get_keras_mask, set_keras_mask
from ironhorn.backend.names import (
    auto_name,
    current_scope_path,
    name_scope,
    reset_names,
    to_snake_case,
    unique_name,
)
from ironhorn.backend.tracing import ArraySource, CompiledFunction, abstract_call, is_tracing, layer_scope
from ironhorn.backend.variable import Variable, structure_changed, structure_version

# The engine's locks are held over a fork, so that the child finds them free.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_core.before_fork, after_in_parent=_core.after_fork, after_in_child=_core.after_fork)


def is_tensor(x: object) -> bool:
    """Whether `x` is a tensor, eager or traced."""
    return isinstance(x, Tensor)


__all__ = [
    "ArraySource",
    "CompiledFunction",
    "GradientTape",
    "KerasHistory",
    "KerasTensor",
    "Node",
    "OpOperation",
    "Operation",
    "Tensor",
    "Variable",
    "abstract_call",
    "any_symbolic",
    "auto_name",
    "backend",
    "current_scope_path",
    "epsilon",
    "floatx",
    "get_keras_mask",
    "grad",
    "image_data_format",
    "is_float_dtype",
    "is_int_dtype",
    "is_keras_tensor",
    "is_tensor",
    "is_tracing",
    "layer_scope",
    "name_scope",
    "reset_names",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
    "set_keras_mask",
    "standardize_data_format",
    "standardize_dtype",
    "standardize_shape",
    "structure_changed",
    "structure_version",
    "to_snake_case",
    "unique_name",
    "value_and_grad",
]
