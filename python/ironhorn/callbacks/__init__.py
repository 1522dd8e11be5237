"""Callbacks: `keras.callbacks`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ironhorn.backend.missing import explain
from ironhorn.callbacks.callback import Callback
from ironhorn.callbacks.callback_list import CallbackList
from ironhorn.callbacks.early_stopping import EarlyStopping
from ironhorn.callbacks.history import History
from ironhorn.callbacks.lambda_callback import LambdaCallback
from ironhorn.callbacks.model_checkpoint import ModelCheckpoint
from ironhorn.callbacks.progbar_logger import ProgbarLogger
from ironhorn.callbacks.terminate_on_nan import TerminateOnNaN

ALL: dict[str, Any] = {
    cls.__name__: cls
    for cls in (
        Callback,
        CallbackList,
        EarlyStopping,
        History,
        LambdaCallback,
        ModelCheckpoint,
        ProgbarLogger,
        TerminateOnNaN,
    )
}

__all__ = [
    "ALL",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "ModelCheckpoint",
    "ProgbarLogger",
    "TerminateOnNaN",
]

if not TYPE_CHECKING:
    __getattr__ = explain(__name__)
