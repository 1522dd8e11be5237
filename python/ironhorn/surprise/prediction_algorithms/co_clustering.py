"""Co-clustering."""

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ironhorn._core import RatingEstimator, RecommenderFit

from ..utils import RandomSeed, get_rng
from .algo_base import contiguous
from .factor_algo import EpochAlgo
from .restore import restoring
from .tables import tables


class CoClustering(EpochAlgo):
    """Users and items in clusters (George and Merugu, 2005).

    The estimate is `avg_cocltr + (mean_u - avg_cltr_u) + (mean_i - avg_cltr_i)`: the mean of the ratings by the user's
    cluster of the item's cluster, corrected by how far user and item are from their clusters' means. With an unknown
    user or item it is the mean of all ratings, as in Surprise. An epoch puts every user, then every item, into the
    cluster of least squared error; an empty cluster has the mean of all ratings.

    Args:
        n_cltr_u: Number of clusters of users.
        n_cltr_i: Number of clusters of items.
        n_epochs: How many times to assign clusters.
        random_state: As for `SVD`; clusters of users are drawn before those of items.
        verbose: Whether to print each epoch.
        exact_ratings: Surprise drops the fractions of ratings: 3.5 counts as 3, except in the mean of all. By default
            so does this class, and gives the same numbers; `True` takes ratings as they are.

    Attributes:
        cltr_u: Cluster of each user.
        cltr_i: Cluster of each item.
        user_mean: Mean rating of each user.
        item_mean: Mean rating of each item.
        avg_cltr_u: Mean rating of each cluster of users.
        avg_cltr_i: Mean rating of each cluster of items.
        avg_cocltr: Mean rating of each pair of clusters, (n_cltr_u, n_cltr_i).

    Example:
        >>> CoClustering(n_cltr_u=5, random_state=0).fit(trainset).predict("ann", "bolt").est
    """

    _arrays: ClassVar[tuple[str, ...]] = (
        "cltr_u",
        "cltr_i",
        "user_mean",
        "item_mean",
        "avg_cltr_u",
        "avg_cltr_i",
        "avg_cocltr",
    )
    _python_floats: ClassVar[bool] = True
    cltr_u: NDArray[np.int64]
    cltr_i: NDArray[np.int64]

    def __init__(
        self,
        n_cltr_u: int = 3,
        n_cltr_i: int = 3,
        n_epochs: int = 20,
        random_state: RandomSeed = None,
        verbose: bool = False,
        exact_ratings: bool = False,
    ) -> None:
        super().__init__()
        self.n_cltr_u = n_cltr_u
        self.n_cltr_i = n_cltr_i
        self.n_epochs = n_epochs
        self.random_state = random_state
        self.verbose = verbose
        self.exact_ratings = exact_ratings

    @restoring
    def fit(self, trainset: Any) -> Self:
        """Assign clusters. Other Python threads run meanwhile; Ctrl-C stops it.

        Args:
            trainset: The ratings, in any form that `AlgoBase.fit` takes.

        Returns:
            The algorithm itself.

        Raises:
            ValueError: Without ratings, or for one that is not finite.
            concurrent.futures.CancelledError: After `cancel`.
        """
        trainset = self._learnable(trainset)
        rng = get_rng(self.random_state)
        users = rng.randint(self.n_cltr_u, size=trainset.n_users)
        items = rng.randint(self.n_cltr_i, size=trainset.n_items)
        running = RecommenderFit.co_clustering(
            *tables(trainset),
            float(trainset.global_mean),
            contiguous(users, np.int64),
            contiguous(items, np.int64),
            (self.n_cltr_u, self.n_cltr_i),
            not self.exact_ratings,
        )
        users, items, *means = self._run(running)
        self.cltr_u, self.cltr_i = users.astype(np.intp), items.astype(np.intp)
        self.user_mean, self.item_mean, self.avg_cltr_u, self.avg_cltr_i, self.avg_cocltr = means
        return self

    def _estimator(self) -> RatingEstimator:
        means = (self.user_mean, self.item_mean, self.avg_cltr_u, self.avg_cltr_i)
        return RatingEstimator.clusters(
            float(self.trainset.global_mean),
            [contiguous(self.cltr_u, np.int64), contiguous(self.cltr_i, np.int64)],
            [contiguous(part) for part in means],
            contiguous(self.avg_cocltr),
        )
