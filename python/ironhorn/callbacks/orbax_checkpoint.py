"""`OrbaxCheckpoint`: there to say what takes its place."""

from __future__ import annotations

from typing import Any

from ironhorn.callbacks.callback import Callback
from ironhorn.errors import UnsupportedError


class OrbaxCheckpoint(Callback):
    """Not supported: Orbax writes the arrays of JAX. `ModelCheckpoint` and `BackupAndRestore` do its work.

    Args:
        directory: Folder of the checkpoints.
        *args: Whatever Keras takes.
        **kwargs: Whatever Keras takes.

    Raises:
        UnsupportedError: Always.
    """

    def __init__(self, directory: Any, *args: Any, **kwargs: Any):
        raise UnsupportedError(
            "OrbaxCheckpoint is not supported: Orbax writes the arrays of JAX, which Ironhorn does not use. Use "
            f"ModelCheckpoint('{directory}/{{epoch}}.weights.h5', save_weights_only=True), which takes the same "
            "`monitor`, `mode`, `save_best_only`, `save_freq` and `verbose` and keeps the optimizer's state too, or "
            f"BackupAndRestore({str(directory)!r}) to go on with an interrupted training."
        )
