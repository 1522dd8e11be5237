"""`SwapEMAWeights`: evaluates with the moving averages of the weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from ironhorn.callbacks.callback import Callback


class SwapEMAWeights(Callback):
    """Puts the optimizer's moving averages into the model while it is evaluated, and takes them out again.

    Args:
        swap_on_epoch: Whether to put them in at the end of every epoch too, so that callbacks that save the model save
            the averages. After the last epoch they stay; it is the last one too if a callback before this one has
            stopped the training.

    Raises:
        ValueError: When training starts, if no optimizer has `use_ema=True`.
    """

    _kept_state = ("_swapped",)

    def __init__(self, swap_on_epoch: bool = False):
        super().__init__()
        self.swap_on_epoch = swap_on_epoch
        self._swapped = False

    def _averaged(self) -> list[tuple[Any, Any]]:
        """Pairs of weight and average."""
        outer = getattr(self.model.optimizer, "inner_optimizer", self.model.optimizer)
        optimizers = getattr(outer, "optimizers", None) or [outer]
        averaging = [optimizer for optimizer in optimizers if getattr(optimizer, "use_ema", False)]
        if not averaging:
            raise ValueError("SwapEMAWeights needs an optimizer with `use_ema=True`, which keeps the moving averages.")
        return [
            pair
            for optimizer in averaging
            for pair in zip(optimizer._trainable_variables, optimizer._model_variables_moving_average, strict=True)
        ]

    def _swap(self) -> None:
        for variable, average in self._averaged():
            held = np.array(variable)
            variable.assign(average.value)
            average.assign(held)
        self._swapped = not self._swapped

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Takes the averages out."""
        if self.swap_on_epoch and self._swapped:
            self._swap()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Puts the averages in; after the last epoch for good."""
        if not self.swap_on_epoch or self._swapped:
            return
        self._swap()
        if epoch == (self.params or {}).get("epochs", 0) - 1 or self.model.stop_training:
            for variable, average in self._averaged():
                average.assign(variable.value)

    def on_test_begin(self, logs: Any = None) -> None:
        """Puts the averages in."""
        if not self._swapped:
            self._swap()

    def on_test_end(self, logs: Any = None) -> None:
        """Takes the averages out."""
        if self._swapped:
            self._swap()

    def on_predict_begin(self, logs: Any = None) -> None:
        """Puts the averages in."""
        if not self._swapped:
            self._swap()

    def on_predict_end(self, logs: Any = None) -> None:
        """Takes the averages out."""
        if self._swapped:
            self._swap()
