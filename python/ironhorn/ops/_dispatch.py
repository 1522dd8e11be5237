"""One function, three kinds of input.

`@op` makes a function of `ironhorn.ops` accept symbolic tensors: with one among its arguments the call becomes a node
of the layer graph; otherwise the body runs, eagerly or on traced values.
"""

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

from ironhorn.backend.keras_tensor import OpOperation, any_symbolic

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
