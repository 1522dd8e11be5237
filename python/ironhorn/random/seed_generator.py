"""Where seeds come from."""

import random as python_random
from typing import Any

import numpy as np

from ironhorn import _core
from ironhorn.backend.names import auto_name
from ironhorn.backend.variable import Variable

_GLOBAL: "SeedGenerator | None" = None


def make_default_seed() -> int:
    """A seed from Python's generator, so that `random.seed` makes it repeat."""
    return python_random.randint(1, 10**9)


class SeedGenerator:
    """A stream of seeds: a variable that holds a seed and a counter.

    Args:
        seed: integer, or None to draw one.
        name: name of the generator.

    Raises:
        ValueError: if the seed is not an integer.

    Example:
        >>> generator = SeedGenerator(seed=7)
        >>> generator.next().numpy().tolist(), generator.next().numpy().tolist()
        ([7, 0], [7, 1])
    """

    def __init__(self, seed: int | None = None, name: str | None = None) -> None:
        if seed is None:
            seed = make_default_seed()
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
            raise ValueError(f"The seed of a SeedGenerator must be an integer, got {seed!r}")
        self._initial_seed = int(seed)
        self.name = name or auto_name("seed_generator")
        self.state = Variable(
            np.array([self._initial_seed & 0xFFFFFFFF, 0], "uint32"),
            dtype="uint32",
            trainable=False,
            name=f"{self.name}_state",
        )

    @property
    def seed(self) -> int:
        """The seed that the generator began with."""
        return self._initial_seed

    def next(self, ordered: bool = True) -> Any:
        """The next seed, a uint32 tensor of 2; the counter moves on."""
        current = self.state.value
        self.state.write(current + np.array([0, 1], "uint32"))
        return current

    def get_config(self) -> dict[str, Any]:
        """The arguments of an equal generator."""
        return {"seed": self._initial_seed}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "SeedGenerator":
        """The generator that `get_config` described."""
        return cls(**config)


def global_seed_generator() -> SeedGenerator:
    """The generator of draws for which no seed is given."""
    global _GLOBAL
    if _GLOBAL is None:
        with _core.Paused():
            _GLOBAL = SeedGenerator(name="global_seed_generator")
    return _GLOBAL


def set_global_seed(seed: int) -> None:
    """Starts the generator of unseeded draws anew from `seed`."""
    global _GLOBAL
    _GLOBAL = SeedGenerator(seed, name="global_seed_generator")


def current_global_state() -> list[int] | None:
    """The state of the generator of unseeded draws; None while nothing was drawn from it."""
    return None if _GLOBAL is None else [int(word) for word in _GLOBAL.state.numpy()]


def set_global_state(state: list[int] | None) -> None:
    """Puts the generator of unseeded draws into a state that `current_global_state` returned."""
    if state is not None:
        global_seed_generator().state.assign(np.array(state, "uint32"))


def draw_seed(seed: Any) -> Any:
    """A seed as ops take it: from an integer, a generator, a tensor, or None for the global generator.

    Raises:
        ValueError: for anything else.
    """
    if seed is None:
        return global_seed_generator().next()
    if isinstance(seed, SeedGenerator):
        return seed.next()
    if isinstance(seed, (int, np.integer)) and not isinstance(seed, bool):
        return _core.tensor(np.array([int(seed) & 0xFFFFFFFF, 0], "uint32"))
    if isinstance(seed, _core.Tensor):
        return seed
    raise ValueError(f"seed must be an integer, a SeedGenerator or None, got {seed!r}")
