"""`LambdaCallback`: a callback made of functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ironhorn.callbacks.callback import Callback


class LambdaCallback(Callback):
    """Calls the given functions as hooks.

    Args:
        on_epoch_begin: Called with `epoch` and `logs`.
        on_epoch_end: Called with `epoch` and `logs`.
        on_train_begin: Called with `logs`.
        on_train_end: Called with `logs`.
        on_train_batch_begin: Called with `batch` and `logs`.
        on_train_batch_end: Called with `batch` and `logs`.
        **kwargs: Any other hook by its name.

    Raises:
        TypeError: If a keyword is no hook.

    Example:
        ```python
        LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, logs["loss"]))
        ```
    """

    def __init__(
        self,
        on_epoch_begin: Callable[..., Any] | None = None,
        on_epoch_end: Callable[..., Any] | None = None,
        on_train_begin: Callable[..., Any] | None = None,
        on_train_end: Callable[..., Any] | None = None,
        on_train_batch_begin: Callable[..., Any] | None = None,
        on_train_batch_end: Callable[..., Any] | None = None,
        **kwargs: Any,
    ):
        super().__init__()
        hooks = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
            **kwargs,
        }
        for name, function in hooks.items():
            if name.startswith("on_") and not hasattr(Callback, name):
                known = ", ".join(hook for hook in dir(Callback) if hook.startswith("on_"))
                raise TypeError(f"LambdaCallback received {name!r}, which is no hook. Hooks are: {known}.")
            if function is not None:
                setattr(self, name, function)
