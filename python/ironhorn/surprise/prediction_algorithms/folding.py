"""Parameters of new users and items from a few ratings, with all other parameters as they are.

Each new row is trained by the same steps as in a fit, over its own ratings alone, from factors of zero (NMF: from the
mean of its starting distribution) and for as many epochs as a fit has. Nothing is drawn, so the result is repeatable.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ironhorn._core import RatingTable, RecommenderFit

from .tables import extended, rating_rows

Matrix = NDArray[np.float64]


class Begin(NamedTuple):
    """What a fit of factors starts from, and how it is computed."""

    user_factors: Matrix
    item_factors: Matrix
    biases: tuple[Matrix, Matrix] | None = None
    """Those of users and of items; zero where there are none."""
    single: bool = False
    """Whether factors are float32."""
    blocks: int = 1
    """How many blocks are fitted side by side."""


class Fold:
    """What is to be folded in: the longer trainset, and the ratings that say something about new users and new items.

    Args:
        algo: A fitted algorithm.
        ratings: Rows of raw user id, raw item id, rating.

    Raises:
        ValueError: For a pair of which both are known, a row of another length, or a rating that is not finite.
    """

    def __init__(self, algo: Any, ratings: Any) -> None:
        rows = list(ratings)
        raw_users, raw_items, values = rating_rows(rows)
        old = algo.trainset
        known_users, known_items = old._raw2inner_id_users, old._raw2inner_id_items
        for user, item in zip(raw_users, raw_items, strict=True):
            if user in known_users and item in known_items:
                raise ValueError(
                    f"fold_in takes ratings of new users or new items; user {user!r} and item {item!r} are both known. "
                    "Use partial_fit for more ratings of what is known."
                )
        self.trainset = extended(old, rows)
        # Parameters were fitted around this mean.
        self.trainset._global_mean = old.global_mean
        self.mean = float(old.global_mean)
        self.old_users, self.old_items = old.n_users, old.n_items
        self.n_users, self.n_items = self.trainset.n_users, self.trainset.n_items
        known = self.trainset._raw2inner_id_users, self.trainset._raw2inner_id_items
        self.users, self.items = (
            np.array([ids[value] for value in raw], np.int64)
            for ids, raw in zip(known, (raw_users, raw_items), strict=True)
        )
        self.values = values

    def of_users(self) -> tuple[NDArray[np.int64], NDArray[np.int64], Matrix]:
        """New users (counted from 0), known items, ratings."""
        mine = (self.users >= self.old_users) & (self.items < self.old_items)
        return self.users[mine] - self.old_users, self.items[mine], self.values[mine]

    def of_items(self) -> tuple[NDArray[np.int64], NDArray[np.int64], Matrix]:
        """New items (counted from 0), users (new ones have their parameters by then), ratings."""
        mine = self.items >= self.old_items
        return self.items[mine] - self.old_items, self.users[mine], self.values[mine]


def descend(
    rows: tuple[NDArray[np.int64], NDArray[np.int64], Matrix],
    count: int,
    others: Matrix,
    offsets: Matrix,
    biased: bool,
    mean: float,
    rates: tuple[float, float],
    penalties: tuple[float, float],
    n_epochs: int,
) -> tuple[Matrix, Matrix]:
    """Train biases and factors of new rows by gradient descent.

    Args:
        rows: New rows, what they are about, ratings.
        count: How many new rows there are.
        others: Factors of what they are about; these stay.
        offsets: What is known of each rating beside the mean.
        biased: Whether to train biases.
        mean: The mean of all ratings.
        rates: Learning rates of biases and factors.
        penalties: Regularisation of both.
        n_epochs: How many times to go through the ratings.

    Returns:
        Biases and factors.
    """
    new, about, values = rows
    used, local = np.unique(about, return_inverse=True)
    table = RatingTable.from_columns(
        new.astype(np.uint32), local.astype(np.uint32), values - offsets, count, max(len(used), 1)
    )
    start = np.ascontiguousarray(others[used]) if len(used) else np.zeros((1, others.shape[1]))
    fit = RecommenderFit.svd(
        table,
        Begin(np.zeros((count, others.shape[1])), start),
        biased,
        mean,
        learning_rates=(rates[0], 0.0, rates[1], 0.0),
        regularizations=(penalties[0], 0.0, penalties[1], 0.0),
    )
    fit.run(max(n_epochs, 0))
    biases, _, factors, _ = fit.parameters()
    return biases, factors.reshape(count, others.shape[1])


def multiply(
    rows: tuple[NDArray[np.int64], NDArray[np.int64], Matrix],
    count: int,
    others: Matrix,
    offsets: Matrix,
    biased: bool,
    rate: float,
    penalties: tuple[float, float],
    start: float,
    n_epochs: int,
) -> tuple[Matrix, Matrix]:
    """Train biases and factors of new rows by multiplicative updates; biases step once an epoch, by a row's errors.

    Args:
        rows: New rows, what they are about, ratings.
        count: How many new rows there are.
        others: Factors of what they are about; these stay.
        offsets: What is known of each rating: the mean, the others' bias.
        biased: Whether to train biases.
        rate: Learning rate of the biases.
        penalties: Regularisation of biases and factors.
        start: What factors start from.
        n_epochs: How many updates.

    Returns:
        Biases and factors.
    """
    new, about, values = rows
    theirs = others[about]
    counts = np.bincount(new, minlength=count).astype(float)
    biases, factors = np.zeros(count), np.full((count, others.shape[1]), start)

    def gathered(weights: Matrix) -> Matrix:
        out = np.zeros_like(factors)
        np.add.at(out, new, theirs * weights[:, None])
        return out

    numerator = gathered(values)
    for _ in range(n_epochs):
        estimates = offsets + biases[new] + np.einsum("rf,rf->r", theirs, factors[new])
        if biased:
            errors = np.bincount(new, values - estimates, minlength=count)
            biases += rate * (errors - penalties[0] * counts * biases)
        denominator = gathered(estimates) + counts[:, None] * penalties[1] * factors
        factors *= np.divide(numerator, denominator, out=np.ones_like(factors), where=denominator != 0)
    return biases, factors
