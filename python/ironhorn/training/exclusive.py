"""Who may train a model: one thread at a time. And one lock for building models and their step functions."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ironhorn.errors import ConcurrentFitError

_owners_lock = threading.Lock()
_build_lock = threading.RLock()


def _new_locks() -> None:
    """Gives a forked child fresh locks: the thread that held one may not exist there."""
    global _owners_lock, _build_lock
    _owners_lock = threading.Lock()
    _build_lock = threading.RLock()


os.register_at_fork(after_in_child=_new_locks)


def build_lock() -> threading.RLock:
    """Returns the lock under which models and step functions are built."""
    return _build_lock


@contextmanager
def training(model: Any, method: str) -> Iterator[None]:
    """Marks a model as being trained by this thread.

    The same thread may enter again (a callback that calls `train_on_batch`); another one may not.

    Args:
        model: The model.
        method: Name of the method, for the error.

    Raises:
        ConcurrentFitError: If another thread of this process is training the model.
    """
    me = (os.getpid(), threading.get_ident())
    with _owners_lock:
        owner, depth, running = getattr(model, "_trained_by", None) or (me, 0, method)
        if owner[0] != me[0]:
            depth = 0
        elif depth and owner != me:
            raise ConcurrentFitError(
                f"{method}() was called on model {getattr(model, 'name', type(model).__name__)!r} while {running}() of "
                "another thread is training it: two would change the same weights. Wait for it, or train a clone "
                "(clone_model). predict() and evaluate() may run at the same time."
            )
        object.__setattr__(model, "_trained_by", (me, depth + 1, running if depth else method))
    try:
        yield
    finally:
        with _owners_lock:
            owner, depth, running = model._trained_by
            object.__setattr__(model, "_trained_by", (owner, depth - 1, running) if depth > 1 else None)
