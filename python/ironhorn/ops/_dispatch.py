"""One function, three kinds of input.

`@op` makes a function of `ironhorn.ops` accept symbolic tensors: with one among its arguments the call becomes a node
of the layer graph; otherwise the body runs, eagerly or on traced values.
"""

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

from ironhorn.backend.keras_tensor import KerasTensor, OpOperation, any_symbolic

FUNCTIONS: dict[str, Callable[..., Any]] = {}
_F = TypeVar("_F", bound=Callable[..., Any])


def op(function: _F) -> _F:
    """Registers a function of `ironhorn.ops` and lets it take symbolic tensors."""
    name = function.__name__
    FUNCTIONS[name] = function

    @functools.wraps(function)
    def dispatch(*args: Any, **kwargs: Any) -> Any:
        if any_symbolic(args, kwargs):
            return OpOperation(name)(*args, **kwargs)
        return function(*args, **kwargs)

    return cast(_F, dispatch)


def op_of_data(function: _F) -> _F:
    """As `op`, for functions whose first argument alone may be symbolic: a long list in it is not searched."""
    name = function.__name__
    FUNCTIONS[name] = function

    @functools.wraps(function)
    def dispatch(x: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(x, KerasTensor):
            return OpOperation(name)(x, *args, **kwargs)
        return function(x, *args, **kwargs)

    return cast(_F, dispatch)
