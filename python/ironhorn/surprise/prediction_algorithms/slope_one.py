"""Slope One."""

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ironhorn._core import RatingEstimator, slope_one_deviations

from .algo_base import EngineAlgo, contiguous
from .restore import restoring
from .tables import require_memory, tables


class SlopeOne(EngineAlgo):
    """The user's mean, corrected by how the item's ratings deviate from those of the user's items (Lemire, 2007).

    The estimate is `mean_u + mean(dev[i, j])` over the items j that the user has rated and that some user has rated
    together with i. `dev[i, j]` is the mean of `r_i - r_j` over the users who rated both.

    Args:
        exact_ratings: Surprise drops the fractions of ratings before it takes deviations: 3.5 counts as 3. By default
            so does this class, and gives the same numbers; `True` takes ratings as they are.

    Attributes:
        freq: How many users rated both items, (n_items, n_items).
        dev: Mean deviations, (n_items, n_items); NaN where no user rated both.
        user_mean: Mean rating of each user.

    Example:
        >>> SlopeOne(exact_ratings=True).fit(trainset).predict("ann", "bolt").est
    """

    freq: NDArray[np.int64]
    dev: NDArray[np.float64]
    user_mean: NDArray[np.float64]
    _arrays: ClassVar[tuple[str, ...]] = ("freq", "dev", "user_mean")

    def __init__(self, exact_ratings: bool = False) -> None:
        super().__init__()
        self.exact_ratings = exact_ratings

    @restoring
    def fit(self, trainset: Any) -> Self:
        """Compute the deviations of all pairs of items.

        Args:
            trainset: The ratings, in any form that `AlgoBase.fit` takes.

        Returns:
            The algorithm itself.

        Raises:
            ValueError: Without ratings, or for one that is not finite.
            OutOfMemory: When the two matrices would not fit into memory.
        """
        trainset = self._learnable(trainset)
        by_user = tables(trainset)[0]
        require_memory(
            16 * trainset.n_items**2,
            f"Deviations between {trainset.n_items} items",
            "Use KNNBasic(sim_options={'user_based': False}, sparse=True) or SVD, whose memory does not grow with the "
            "square of the items.",
        )
        self.freq, self.dev = slope_one_deviations(by_user, not self.exact_ratings)
        self.user_mean = by_user.means()
        return self

    def _estimator(self) -> RatingEstimator:
        return RatingEstimator.slope_one(
            tables(self.trainset)[0], contiguous(self.user_mean), contiguous(self.freq, np.int64), contiguous(self.dev)
        )
