"""`CallbackList`: calls every callback's hook, and knows whether anybody listens to batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ironhorn import tree
from ironhorn.callbacks.callback import Callback
from ironhorn.callbacks.history import History
from ironhorn.callbacks.progbar_logger import ProgbarLogger
from ironhorn.training.logs import pythonify_logs

_BATCH_HOOKS = {
    "train": ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end"),
    "test": ("on_test_batch_begin", "on_test_batch_end"),
    "predict": ("on_predict_batch_begin", "on_predict_batch_end"),
}
_HOOKS = [name for name in dir(Callback) if name.startswith("on_")]


class CallbackList(Callback):
    """Several callbacks as one.

    Logs go to all of them as one dict of plain numbers: what a callback adds to it, those after it see. Hooks of
    batches get it as `logs=...`, others by place.

    Args:
        callbacks: Callbacks, in any nesting. An object that is no `Callback` takes part with the methods it has.
        add_history: Whether to add a `History` if there is none.
        add_progbar: Whether to add a `ProgbarLogger` if there is none.
        model: The model at work.
        **params: What `set_params` of each callback receives.
    """

    def __init__(
        self,
        callbacks: Any = None,
        add_history: bool = False,
        add_progbar: bool = False,
        model: Any = None,
        **params: Any,
    ):
        super().__init__()
        given = [] if callbacks is None else tree.flatten(callbacks)
        self.callbacks: list[Any] = [callback for callback in given if callback is not None]
        for callback in self.callbacks:
            if isinstance(callback, type) or not any(hasattr(callback, hook) for hook in _HOOKS):
                raise TypeError(
                    "`callbacks` must hold instances of Callback, or objects with some of its methods. Received: "
                    f"{callback!r}" + (" (a class: add parentheses)." if isinstance(callback, type) else ".")
                )
        self._history = self._find(History)
        self._progbar = self._find(ProgbarLogger)
        if self._history is None and add_history:
            self._history = History()
            self.callbacks.append(self._history)
        if self._progbar is None and add_progbar:
            self._progbar = ProgbarLogger()
            self.callbacks.append(self._progbar)
        # A stable order: `BackupAndRestore` must see what the others have done.
        self.callbacks.sort(key=lambda callback: getattr(type(callback), "_runs_last", False) is True)
        if model is not None:
            self.set_model(model)
        self.set_params(params)

    def _find(self, cls: type) -> Any:
        found = [callback for callback in self.callbacks if isinstance(callback, cls)]
        return found[-1] if found else None

    def append(self, callback: Any) -> None:
        """Adds a callback.

        Args:
            callback: The callback.
        """
        self.callbacks.append(callback)

    def set_params(self, params: dict[str, Any]) -> None:
        """Hands the parameters to each callback."""
        self.params = params
        if params:
            self._call("set_params", params)

    def set_model(self, model: Any) -> None:
        """Hands the model to each callback."""
        super().set_model(model)
        if self._history is not None:
            model.history = self._history
        self._call("set_model", model)

    def listens(self, phase: str) -> bool:
        """Returns whether a callback overrides a batch hook; the built-in progress line does not count.

        Args:
            phase: `"train"`, `"test"` or `"predict"`.
        """
        return any(
            type(callback) is not ProgbarLogger and _overrides(callback, hook)
            for callback in self.callbacks
            for hook in _BATCH_HOOKS[phase]
        )

    def batch_begin(self, phase: str, batch: int) -> None:
        """Calls the hook before a step of a phase that somebody listens to."""
        getattr(self, f"on_{phase}_batch_begin")(batch)

    def batch_end(self, phase: str, batch: int, logs: Any) -> None:
        """Calls the hook after a step of a phase that somebody listens to."""
        getattr(self, f"on_{phase}_batch_end")(batch, logs)

    def progress(self, phase: str, batch: int, read_logs: Callable[[], Any]) -> None:
        """Refreshes the progress line if it is time; only then are logs read.

        Args:
            phase: `"train"`, `"test"` or `"predict"`.
            batch: Number of the last step done, from 0.
            read_logs: Returns the logs.
        """
        if self._progbar is not None:
            self._progbar.progress(phase, batch, lambda: pythonify_logs(read_logs()))

    def interrupted(self) -> None:
        """Leaves the terminal in order when `fit` ends by an exception."""
        if self._progbar is not None:
            self._progbar.close()

    def _call(self, hook: str, *args: Any, **kwargs: Any) -> None:
        for callback in self.callbacks:
            method = getattr(callback, hook, None)
            if method is not None:
                method(*args, **kwargs)

    def on_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Calls the hook of each callback."""
        self._call("on_batch_begin", batch, logs=pythonify_logs(logs))

    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        """Calls the hook of each callback."""
        self._call("on_batch_end", batch, logs=pythonify_logs(logs))

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Calls the hook of each callback."""
        self._call("on_epoch_begin", epoch, pythonify_logs(logs))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Calls the hook of each callback."""
        self._call("on_epoch_end", epoch, pythonify_logs(logs))

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Calls the hook of each callback."""
        self._call("on_train_batch_begin", batch, logs=pythonify_logs(logs))

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Calls the hook of each callback."""
        self._call("on_train_batch_end", batch, logs=pythonify_logs(logs))

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Calls the hook of each callback."""
        self._call("on_test_batch_begin", batch, logs=pythonify_logs(logs))

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """Calls the hook of each callback."""
        self._call("on_test_batch_end", batch, logs=pythonify_logs(logs))

    def on_predict_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Calls the hook of each callback."""
        self._call("on_predict_batch_begin", batch, logs=logs or {})

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        """Calls the hook of each callback."""
        self._call("on_predict_batch_end", batch, logs=logs or {})

    def on_train_begin(self, logs: Any = None) -> None:
        """Calls the hook of each callback."""
        self._call("on_train_begin", pythonify_logs(logs))

    def on_train_end(self, logs: Any = None) -> None:
        """Calls the hook of each callback."""
        self._call("on_train_end", pythonify_logs(logs))

    def on_test_begin(self, logs: Any = None) -> None:
        """Calls the hook of each callback."""
        self._call("on_test_begin", pythonify_logs(logs))

    def on_test_end(self, logs: Any = None) -> None:
        """Calls the hook of each callback."""
        self._call("on_test_end", pythonify_logs(logs))

    def on_predict_begin(self, logs: Any = None) -> None:
        """Calls the hook of each callback."""
        self._call("on_predict_begin", pythonify_logs(logs))

    def on_predict_end(self, logs: Any = None) -> None:
        """Calls the hook of each callback."""
        self._call("on_predict_end", pythonify_logs(logs))


def _overrides(callback: Any, hook: str) -> bool:
    """Returns whether a callback's class or the callback itself defines a hook of its own."""
    if not isinstance(callback, Callback):
        return hasattr(callback, hook)
    if hook in getattr(callback, "__dict__", {}):
        return True
    own = getattr(type(callback), hook, None)
    return own is not None and own is not getattr(Callback, hook)
