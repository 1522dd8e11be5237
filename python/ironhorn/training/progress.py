"""The progress line of `fit`, `evaluate` and `predict`.

On a terminal the line is drawn with rich and rewritten in place; in a notebook it is rewritten with a carriage
return; anywhere else (a file, a pipe, a terminal that cannot rewrite) only the finished line is written, once per pass.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable
from typing import Any

_BAR = "━"
_NOTEBOOKS = ("ipykernel", "pyodide_kernel")
"""Packages whose streams are the cells of a notebook."""

_interactive = True


def enable_interactive_logging() -> None:
    """Writes progress and messages to standard output, as is the default."""
    global _interactive
    _interactive = True


def disable_interactive_logging() -> None:
    """Sends finished progress lines and messages to the logger `ironhorn` instead of standard output."""
    global _interactive
    _interactive = False


def is_interactive_logging_enabled() -> bool:
    """Returns whether progress and messages go to standard output."""
    return _interactive


def write_line(message: str, end: str = "\n") -> None:
    """Writes to standard output at once, or to the logger `ironhorn` where that was asked for.

    Args:
        message: The text.
        end: What follows it.
    """
    if not _interactive:
        import logging

        logging.getLogger("ironhorn").info("%s", message.strip())
        return
    sys.stdout.write(message + end)
    sys.stdout.flush()


class Progbar:
    """A progress bar with metrics.

    Args:
        target: Steps expected; `None` if unknown.
        width: Width of the bar in characters.
        verbose: 0 shows nothing, 1 a bar, 2 one line when finished.
        interval: Least time between two updates, in seconds.
        stateful_metrics: Names of values shown as given; all others are averaged over steps.
        stateless_metrics: Names of values averaged over steps; all others are shown as given.
        unit_name: What a step is called.

    Raises:
        ValueError: If both kinds of names are given.

    Example:
        ```python
        bar = Progbar(target=100)
        for step in range(100):
            bar.update(step + 1, [("loss", 1.0 / (step + 1))])
        ```
    """

    def __init__(
        self,
        target: int | None,
        width: int = 20,
        verbose: int = 1,
        interval: float = 0.05,
        stateful_metrics: Iterable[str] | None = None,
        stateless_metrics: Iterable[str] | None = None,
        unit_name: str = "step",
    ):
        if stateful_metrics is not None and stateless_metrics is not None:
            raise ValueError(
                "Only one of `stateful_metrics` or `stateless_metrics` can be provided: each names the exceptions "
                "from the other."
            )
        self.target = target
        self.width = width
        self.verbose = verbose
        self.interval = interval
        self.unit_name = unit_name
        self._stateful = None if stateful_metrics is None else set(stateful_metrics)
        self._stateless = None if stateless_metrics is None else set(stateless_metrics)
        self._values: dict[str, tuple[float, float]] = {}
        self._seen = 0
        self._start = time.perf_counter()
        self._after_first: float | None = None
        self._last_update = 0.0
        self._line_width = 0
        self._mode = _output_mode()
        self._console: Any = None

    def due(self) -> bool:
        """Returns whether an update would be shown now."""
        if self.verbose != 1 or self._mode == "plain":
            return False
        return time.perf_counter() - self._last_update >= self.interval

    def update(
        self, current: int, values: Iterable[tuple[str, Any]] | None = None, finalize: bool | None = None
    ) -> None:
        """Shows progress.

        Args:
            current: Number of steps done.
            values: Pairs of name and value.
            finalize: Whether this is the last update; by default when `target` is reached.
        """
        if finalize is None:
            finalize = self.target is not None and current >= self.target
        for name, value in values or ():
            self._take(name, value, current, finalize)
        now = time.perf_counter()
        if self._after_first is None and current >= 1:
            self._after_first, self._first = now, current
        self._seen = current
        if not finalize and not self.due():
            return
        if self.verbose == 0 or (self.verbose == 2 and not finalize):
            return
        self._show(current, now, finalize)
        self._last_update = now

    def add(self, n: int, values: Iterable[tuple[str, Any]] | None = None) -> None:
        """Shows progress of `n` more steps.

        Args:
            n: Number of steps.
            values: Pairs of name and value.
        """
        self.update(self._seen + n, values)

    def close(self) -> None:
        """Ends a line that is still being rewritten, so that what follows starts on a new one."""
        if self._line_width:
            write_line("")
            self._line_width = 0

    def _take(self, name: str, value: Any, current: int, finalize: bool) -> None:
        averaged = name not in self._stateful if self._stateful is not None else True
        if self._stateless is not None:
            averaged = name in self._stateless
        value = float(value)
        if not averaged or finalize:
            self._values[name] = (value, 1)
            return
        steps = max(current - self._seen, 1)
        total, count = self._values.get(name, (0.0, 0))
        self._values[name] = (total + value * steps, count + steps)

    def _show(self, current: int, now: float, finalize: bool) -> None:
        elapsed = now - self._start
        per_step = self._step_seconds(current, now)
        digits = len(str(self.target)) if self.target else 7
        count = f"{current:{digits}d}/{self.target if self.target else 'Unknown'}"
        tail = [_duration(elapsed if finalize or not self.target else per_step * (self.target - current))]
        pace = f"{_step_duration(per_step)}/{self.unit_name}"
        if self.verbose == 2:
            tail.append(pace)
        else:
            tail[0] += f" {pace}"
        for name, (total, number) in self._values.items():
            average = total / max(1, number)
            tail.append(f"{name}: {average:.4f}" if abs(average) > 1e-3 else f"{name}: {average:.4e}")
        text = " - ".join(tail)
        if self.verbose == 2:
            write_line(f"{count} - {text}")
            return
        done = min(self.width, int(self.width * current / self.target)) if self.target else 0
        bar = (_BAR * done, _BAR * (self.width - done)) if self.target else ("", "")
        if self._mode == "terminal":
            self._show_rich(count, bar, text, finalize)
            return
        line = f"{count} {''.join(bar)} {text}"
        if self._mode == "plain":
            write_line(line)
            return
        write_line("\r" + line.ljust(self._line_width), end="\n" if finalize else "")
        self._line_width = 0 if finalize else len(line)

    def _show_rich(self, count: str, bar: tuple[str, str], text: str, finalize: bool) -> None:
        from rich.console import Console
        from rich.text import Text

        if self._console is None:
            self._console = Console(file=sys.stdout, highlight=False)
        line = Text.assemble((count, "bold"), " ", (bar[0], "green"), (bar[1], "dim"), f" {text}")
        width = line.cell_len
        line.pad_right(max(0, self._line_width - width))
        self._console.print(line, end="\n" if finalize else "\r", no_wrap=True, overflow="crop", crop=True)
        self._line_width = 0 if finalize else width

    def _step_seconds(self, current: int, now: float) -> float:
        """Estimates the duration of a step without the first update's, which includes tracing."""
        if current <= 0:
            return 0.0
        if self._after_first is not None and current > self._first:
            return (now - self._after_first) / (current - self._first)
        return (now - self._start) / current


def _output_mode() -> str:
    if not _interactive:
        return "plain"
    if type(sys.stdout).__module__.partition(".")[0] in _NOTEBOOKS:
        return "notebook"
    isatty = getattr(sys.stdout, "isatty", None)
    rewrites = os.environ.get("TERM", "") not in ("dumb", "unknown")
    return "terminal" if rewrites and isatty is not None and isatty() else "plain"


def _duration(seconds: float) -> str:
    whole = int(seconds + 0.5)
    if whole > 3600:
        return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"
    if whole > 60:
        return f"{whole // 60}:{whole % 60:02d}"
    return f"{whole}s"


def _step_duration(seconds: float) -> str:
    if seconds >= 1 or seconds == 0:
        return f"{seconds:.0f}s"
    if seconds >= 1e-3:
        return f"{seconds * 1e3:.0f}ms"
    return f"{seconds * 1e6:.0f}us"
