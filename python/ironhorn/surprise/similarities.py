"""Similarities between users or items, over the ratings that both have in common.

Each function takes the number of rows `n_x` (users or items) and `yr`, a dictionary from each y (items or users) to its
ratings as (x, rating), as `Trainset.ir` and `Trainset.ur` are, and returns the symmetric matrix (n_x, n_x) with ones on
the diagonal. Pairs with fewer than `min_support` common ratings are 0, and so are those where the formula divides by
zero.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ironhorn._core import RatingTable, SimilarityTable

from .trainset import user_major

NAMES = ("cosine", "msd", "pearson", "pearson_baseline")
"""Names that `sim_options` takes."""

Raters = Mapping[int, Sequence[tuple[int, float]]]
Baselines = tuple[float, NDArray[np.float64], NDArray[np.float64], float]
"""Mean, biases of x, biases of y, shrinkage."""


class SparseSimilarities:
    """Similarities that are computed when they are asked for; memory for one row at a time.

    `sim[x, other]` is one similarity, `sim[x]` a row.

    Args:
        raters: The ratings of each y.
        name: One of `NAMES`.
        min_support: How many common ratings a pair needs.
        baselines: Mean, biases of x and of y, and shrinkage, for 'pearson_baseline'.
    """

    def __init__(
        self, raters: RatingTable, name: str, min_support: float = 1, baselines: Baselines | None = None
    ) -> None:
        self._raters = raters
        self._options = (name, float(min_support), baselines)
        if baselines is not None:
            mean, of_x, of_y, shrinkage = baselines
            own = (float(mean), np.ascontiguousarray(of_x, float), np.ascontiguousarray(of_y, float), float(shrinkage))
            self.table = SimilarityTable(raters, name, float(min_support), own)
        else:
            self.table = SimilarityTable(raters, name, float(min_support))
        self.shape = (raters.shape[1], raters.shape[1])

    def __getitem__(self, index: Any) -> Any:
        row, column = index if isinstance(index, tuple) else (index, slice(None))
        return self.table.row(range(self.shape[0])[row])[column]

    def dense(self) -> NDArray[np.float64]:
        """The whole matrix."""
        return self.table.dense()

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self._raters.grouped(), self._raters.shape, self._options)


def _restored(ratings: Any, shape: tuple[int, int], options: Any) -> SparseSimilarities:
    """Undo `SparseSimilarities.__reduce__`."""
    rows, counts, columns, values = ratings
    return SparseSimilarities(RatingTable(rows, counts, columns, values, *shape), *options)


def _dense(n_x: int, yr: Raters, name: str, min_support: float, baselines: Baselines | None = None) -> Any:
    n_y = max(yr, default=-1) + 1 if baselines is None else len(baselines[2])
    raters = RatingTable(*user_major(yr), n_y, n_x)
    return SparseSimilarities(raters, name, min_support, baselines).dense()


def cosine(n_x: int, yr: Raters, min_support: int) -> NDArray[np.float64]:
    """Cosine: `sum(r * s) / sqrt(sum(r ** 2) * sum(s ** 2))` over common ratings r and s.

    Args:
        n_x: Number of rows.
        yr: Ratings of each y.
        min_support: How many common ratings a pair needs.

    Returns:
        The matrix.

    Example:
        >>> cosine(2, {0: [(0, 4.0), (1, 2.0)]}, 1)[0, 1]
        np.float64(1.0)
    """
    return _dense(n_x, yr, "cosine", min_support)


def msd(n_x: int, yr: Raters, min_support: int) -> NDArray[np.float64]:
    """Mean squared difference, turned round: `1 / (mean((r - s) ** 2) + 1)`.

    Args:
        n_x: Number of rows.
        yr: Ratings of each y.
        min_support: How many common ratings a pair needs.

    Returns:
        The matrix.

    Example:
        >>> msd(2, {0: [(0, 4.0), (1, 2.0)]}, 1)[0, 1]
        np.float64(0.2)
    """
    return _dense(n_x, yr, "msd", min_support)


def pearson(n_x: int, yr: Raters, min_support: int) -> NDArray[np.float64]:
    """Pearson's correlation coefficient of the common ratings.

    Args:
        n_x: Number of rows.
        yr: Ratings of each y.
        min_support: How many common ratings a pair needs.

    Returns:
        The matrix.

    Example:
        >>> pearson(2, {0: [(0, 4.0), (1, 2.0)], 1: [(0, 1.0), (1, 1.0)]}, 1)[0, 1]
        np.float64(1.0)
    """
    return _dense(n_x, yr, "pearson", min_support)


def pearson_baseline(
    n_x: int,
    yr: Raters,
    min_support: int,
    global_mean: float,
    x_biases: NDArray[np.float64],
    y_biases: NDArray[np.float64],
    shrinkage: float = 100,
) -> NDArray[np.float64]:
    """Pearson's coefficient around baselines, not means, times `(n - 1) / (n - 1 + shrinkage)` for n common ratings.

    Args:
        n_x: Number of rows.
        yr: Ratings of each y.
        min_support: How many common ratings a pair needs; at least 2.
        global_mean: The mean of all ratings.
        x_biases: Biases of x.
        y_biases: Biases of y.
        shrinkage: How many common ratings it takes to believe the coefficient.

    Returns:
        The matrix.
    """
    return _dense(n_x, yr, "pearson_baseline", min_support, (global_mean, x_biases, y_biases, shrinkage))
