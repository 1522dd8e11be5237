"""State of the whole process: random seeds and automatic names."""

from __future__ import annotations

import random as python_random

import numpy as np

from ironhorn import backend, random


def set_random_seed(seed: int) -> None:
    """Seeds Python's, NumPy's and Ironhorn's random numbers.

    With the same seed a program gives the same numbers to the last bit, on any number of threads.

    Args:
        seed: A whole number from 0 to 2**32 - 1.

    Raises:
        ValueError: If `seed` is something else.

    Example:
        >>> ironhorn.utils.set_random_seed(42)
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**32:
        raise ValueError(f"`seed` must be a whole number from 0 to 2**32 - 1. Received: seed={seed!r}")
    python_random.seed(int(seed))
    np.random.seed(int(seed))
    random.set_global_seed(int(seed))


def clear_session(free_memory: bool = True) -> None:
    """Starts the numbering of automatic names (`dense`, `dense_1`, ...) anew.

    Models that exist go on working. Nothing else is kept by the process that would have to be freed: a model's
    programs and memory go with the model.

    Args:
        free_memory: Whether to also collect unreachable objects.
    """
    backend.reset_names()
    if free_memory:
        import gc

        gc.collect()
