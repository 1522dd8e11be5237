"""Tracebacks without the frames of this library, if asked for: `keras.config.enable_traceback_filtering`."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from types import TracebackType
from typing import ParamSpec, TypeVar

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_enabled = False
_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def enable_traceback_filtering() -> None:
    """Leaves this library's frames out of the tracebacks of `fit` and `evaluate`."""
    global _enabled
    _enabled = True


def disable_traceback_filtering() -> None:
    """Shows whole tracebacks, as is the default here: errors name layer and op, and are short."""
    global _enabled
    _enabled = False


def is_traceback_filtering_enabled() -> bool:
    """Returns whether this library's frames are left out of tracebacks."""
    return _enabled


def filtered(function: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """Makes a function's errors come with a filtered traceback, while that is asked for."""

    @functools.wraps(function)
    def run(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        if not _enabled:
            return function(*args, **kwargs)
        try:
            return function(*args, **kwargs)
        except Exception as error:
            error.__traceback__ = _without_package(error.__traceback__)
            raise error from error.__cause__

    return run


def _without_package(traceback: TracebackType | None) -> TracebackType | None:
    frames = []
    while traceback is not None:
        frames.append(traceback)
        traceback = traceback.tb_next
    kept: TracebackType | None = None
    for frame in reversed(frames):
        if not frame.tb_frame.f_code.co_filename.startswith(_PACKAGE):
            kept = TracebackType(kept, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return kept
