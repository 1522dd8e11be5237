"""Random numbers: counter-based (Philox), so that the same seed gives the same bits on any number of threads."""

from ironhorn.random.distributions import beta, binomial, categorical, gamma
from ironhorn.random.functions import dropout, normal, randint, shuffle, truncated_normal, uniform
from ironhorn.random.seed_generator import (
    SeedGenerator,
    draw_seed,
    global_seed_generator,
    make_default_seed,
    set_global_seed,
)

__all__ = [
    "SeedGenerator",
    "beta",
    "binomial",
    "categorical",
    "draw_seed",
    "dropout",
    "gamma",
    "global_seed_generator",
    "make_default_seed",
    "normal",
    "randint",
    "set_global_seed",
    "shuffle",
    "truncated_normal",
    "uniform",
]
