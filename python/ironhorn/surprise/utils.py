"""Random states, by NumPy's legacy rules."""

import numbers

import numpy as np

RandomSeed = int | np.random.RandomState | None
"""What `random_state` arguments take."""


def get_rng(random_state: RandomSeed) -> np.random.RandomState:
    """Turn a `random_state` argument into a generator.

    Args:
        random_state: A seed makes a fresh generator, a generator is used (and advanced), `None` means NumPy's global
            one, which `np.random.seed` sets.

    Returns:
        The generator to draw from.

    Raises:
        ValueError: For anything else.

    Example:
        >>> get_rng(7).randint(10) == get_rng(7).randint(10)
        True
    """
    if random_state is None:
        return np.random.mtrand._rand
    if isinstance(random_state, numbers.Integral):
        return np.random.RandomState(int(random_state))
    if isinstance(random_state, np.random.RandomState):
        return random_state
    raise ValueError(
        f"Wrong random state. Expecting None, an int or a numpy RandomState instance, got a {type(random_state)}"
    )
