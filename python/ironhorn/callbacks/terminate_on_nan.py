"""`TerminateOnNaN`: ends training when the loss is not a finite number any more."""

from __future__ import annotations

import math
from typing import Any

from ironhorn.callbacks.callback import Callback
from ironhorn.training.progress import write_line


class TerminateOnNaN(Callback):
    """Stops `fit` after the first step whose loss is NaN or infinite. It listens to every batch.

    Args:
        raise_error: Raise `RuntimeError` at once instead of stopping in order.
    """

    def __init__(self, raise_error: bool = False):
        super().__init__()
        self.raise_error = raise_error

    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        """Looks at the loss."""
        loss = (logs or {}).get("loss")
        if loss is None or math.isfinite(loss):
            return
        if self.raise_error:
            raise RuntimeError(
                f"NaN or Inf loss encountered at batch {batch}. Loss value: {loss}. Terminating training immediately."
            )
        write_line(f"Batch {batch}: Invalid loss, terminating training")
        self.model.stop_training = True
