"""Where a model's time goes: the time of every op, beside what the machine could do at most.

>>> import numpy as np
>>> import ironhorn as keras
>>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
>>> with keras.profile() as report:
...     predictions = model.predict(np.ones((2, 3)), verbose=0)
>>> [row.op for row in report.rows]
['matmul']

`python -m ironhorn profile` makes the same table for a script or a saved model.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np

from ironhorn import _core

__all__ = ["Profile", "ProfileRow", "profile"]


@dataclass(frozen=True)
class ProfileRow:
    """One op of one program.

    Attributes:
        plan: which plan it belongs to: a program for inputs of certain shapes.
        layer: the layer that called it, empty for what belongs to none.
        op: the op; after fusion, the one that took the others in.
        output: type and shape of its (first) result.
        calls: how often it ran.
        seconds: all calls together.
        flops: floating-point operations of one call.
        bytes: what one call reads and writes at least.
    """

    plan: int
    layer: str
    op: str
    output: str
    calls: int
    seconds: float
    flops: float
    bytes: float


class Profile:
    """What `ironhorn.profile()` gives: complete when its `with` block has ended.

    Attributes:
        rows: a `ProfileRow` for every op, plan by plan, in the order in which they run.
        wall_seconds: the time between the block's beginning and its end.
        flops_rate: operations a second that all threads together can do in float32.
        bytes_rate: bytes a second that they can move to and from memory.
    """

    def __init__(self) -> None:
        self.rows: list[ProfileRow] = []
        self.wall_seconds = 0.0
        self.flops_rate, self.bytes_rate = _core.machine_rates()
        self._started = 0.0

    def __enter__(self) -> Profile:
        _core.profile_start()
        self._started = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.wall_seconds = time.perf_counter() - self._started
        self.rows = [ProfileRow(*row) for row in _core.profile_stop()]

    def floor(self, row: ProfileRow) -> float:
        """Seconds below which the op's calls cannot come: its operations and its bytes at the machine's rates.

        Operands that are still in a cache arrive faster than from memory, so a small op may be under its floor.
        """
        return row.calls * max(row.flops / self.flops_rate, row.bytes / self.bytes_rate)

    def table(self, count: int | None = None) -> str:
        """The rows that took most time, with their rates, as text.

        Args:
            count: how many rows; all by default.
        """
        inside = sum(row.seconds for row in self.rows)
        slowest = sorted(self.rows, key=lambda row: -row.seconds)[:count]
        lines = [("ms", "%", "calls", "us/call", "GFLOP/s", "GB/s", "% of floor", "op", "output", "layer")]
        for row in slowest:
            seconds = max(row.seconds, 1e-12)
            lines.append(
                (
                    f"{1e3 * row.seconds:.2f}",
                    f"{100 * row.seconds / max(inside, 1e-12):.1f}",
                    str(row.calls),
                    f"{1e6 * row.seconds / max(row.calls, 1):.1f}",
                    f"{row.flops * row.calls / seconds / 1e9:.1f}",
                    f"{row.bytes * row.calls / seconds / 1e9:.1f}",
                    f"{100 * self.floor(row) / seconds:.0f}",
                    row.op,
                    row.output,
                    row.layer,
                )
            )
        numbers = 7
        widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
        text = [
            "  ".join(
                cell.rjust(width) if column < numbers else cell.ljust(width)
                for column, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        ]
        rest = sum(row.seconds for row in self.rows) - sum(row.seconds for row in slowest)
        if len(slowest) < len(self.rows):
            text.append(f"{len(self.rows) - len(slowest)} more ops: {1e3 * rest:.2f} ms")
        text.append(
            f"programs: {1e3 * inside:.2f} ms of {1e3 * self.wall_seconds:.2f} ms on {_core.thread_count()} threads "
            f"({_core.instruction_set()}: {self.flops_rate / 1e9:.0f} GFLOP/s, {self.bytes_rate / 1e9:.0f} GB/s)"
        )
        return "\n".join(text)

    def __str__(self) -> str:
        return self.table()


def profile() -> Profile:
    """Time every op that runs in a `with` block, in all threads of this process.

    Returns:
        A `Profile`, complete when the block has ended. `print(report)` shows the table; `report.rows` are the numbers.
        Profiles do not nest: one that begins in the block of another takes over.

    Example:
        >>> import ironhorn as keras
        >>> with keras.profile() as report:
        ...     total = keras.ops.sum(keras.ops.arange(6.0))
        >>> report.rows[-1].op
        'reduce'
    """
    return Profile()


def random_inputs(model: Any, batch_size: int) -> Any:
    """Inputs for a model, in the structure that it takes: small numbers, and zeros where it takes integers.

    Raises:
        ValueError: for a model without fixed input shapes; call it on data of your own within `ironhorn.profile()`.
    """
    from ironhorn import tree
    from ironhorn.models import Sequential

    inputs = getattr(model, "inputs", None)
    if not inputs or any(length is None for tensor in inputs for length in tensor.shape[1:]):
        shapes = [tuple(tensor.shape) for tensor in inputs or []]
        raise ValueError(
            f"Inputs of {model.name!r} have no fixed shapes ({shapes}): there are no data to profile it on. "
            "Use `with ironhorn.profile() as report: model.predict(your_data)`."
        )
    generator = np.random.default_rng(0)

    def draw(tensor: Any) -> Any:
        shape = (batch_size, *tensor.shape[1:])
        if "float" in tensor.dtype:
            return generator.normal(size=shape).astype("float32")
        return np.zeros(shape, tensor.dtype)

    structure = inputs[0] if isinstance(model, Sequential) else model.input
    return tree.map_structure(draw, structure)
