"""Many seeds made of one, for draws in places that no seed generator can be reached from."""

from __future__ import annotations

from typing import Any

from ironhorn import _core


class SeedStream:
    """Seeds for the draws inside of a branch, all made of one that was drawn outside.

    Args:
        seed: A uint32 tensor of 2.
    """

    # Odd, so that different draws have different keys.
    _STEP = 0x85EBCA6B

    def __init__(self, seed: Any) -> None:
        self._seed = seed
        self._count = 0

    def next(self) -> Any:
        """The next seed."""
        self._count += 1
        return self._seed + _core.tensor([(self._count * self._STEP) & 0xFFFFFFFF, 0], "uint32")
