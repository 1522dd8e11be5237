"""`MonitorCallback`: what callbacks share that watch whether one logged value improves."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from ironhorn.callbacks.callback import Callback


class MonitorCallback(Callback):
    """Base of callbacks that compare a logged value with its best so far.

    Args:
        monitor: Name of the value.
        mode: `"min"`, `"max"`, or `"auto"` to infer the direction from the metric.
        baseline: The first best value; `None` for the first value seen.
        min_delta: Changes smaller than this are no improvement.
    """

    def __init__(self, monitor: str = "val_loss", mode: str = "auto", baseline: Any = None, min_delta: float = 0):
        super().__init__()
        if mode not in ("auto", "min", "max"):
            import warnings

            warnings.warn(f"{type(self).__name__} mode {mode!r} is unknown, fallback to auto mode.", stacklevel=3)
            mode = "auto"
        self.monitor = monitor
        self.mode = mode
        self.best = baseline
        self.min_delta = abs(min_delta)
        self.monitor_op: Callable[[Any, Any], bool] | None = None

    def _set_monitor_op(self) -> None:
        """Chooses the direction; called at the end of the first epoch, when the metrics are built."""
        direction = self.mode if self.mode != "auto" else self._inferred_direction()
        if direction is None:
            raise ValueError(
                f"{type(self).__name__} callback received monitor={self.monitor!r}, but cannot determine whether "
                "that metric should be maximized or minimized. Pass `mode='max'` or `mode='min'`."
            )
        self.monitor_op = operator.lt if direction == "min" else operator.gt
        if direction == "min":
            self.min_delta *= -1

    def _inferred_direction(self) -> str | None:
        name = self.monitor.removeprefix("val_")
        if name == "loss" or name.endswith("_loss"):
            return "min"
        for metric in getattr(self.model, "metrics", ()):
            for part in getattr(metric, "metrics", (metric,)):
                direction = getattr(part, "_direction", None)
                if direction and (name == part.name or name.endswith(f"_{part.name}")):
                    return "max" if direction == "up" else "min"
        return None

    def _is_improvement(self, value: Any, reference: Any) -> bool:
        if reference is None:
            return True
        if self.monitor_op is None:
            self._set_monitor_op()
        compare = self.monitor_op
        if compare is None:
            return False
        return bool(compare(value - self.min_delta, reference))
