"""Algorithms on nearest neighbours."""

import operator
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ironhorn._core import RatingEstimator
from ironhorn.errors import UnsupportedError

from ..similarities import SparseSimilarities
from .algo_base import EngineAlgo, contiguous
from .restore import restoring
from .tables import tables


class SymmetricAlgo(EngineAlgo):
    """Base class of algorithms that work on users or on items alike.

    With `sim_options['user_based']` x stands for users and y for items, otherwise the other way round.

    Args:
        sim_options: How similarities are computed, see `AlgoBase`.
        verbose: Whether to say what is computed.
        bsl_options: How baselines are computed, which 'pearson_baseline' needs.

    Attributes:
        n_x: How many x there are.
        n_y: How many y there are.
        xr: Ratings of each x: `ur` or `ir` of the trainset.
        yr: Ratings of each y: `ir` or `ur` of the trainset.
    """

    def __init__(self, sim_options: dict[str, Any] | None = None, verbose: bool = True, **kwargs: Any) -> None:
        super().__init__(sim_options={} if sim_options is None else sim_options, **kwargs)
        self.verbose = verbose

    @restoring
    def fit(self, trainset: Any) -> Self:
        """Remember the ratings, and which side is x.

        Args:
            trainset: The ratings, in any form that `AlgoBase.fit` takes.

        Returns:
            The algorithm itself.

        Raises:
            ValueError: Without ratings, or for one that is not finite.
        """
        self._learnable(trainset)
        self.n_x, self.n_y = self.switch(self.trainset.n_users, self.trainset.n_items)
        return self

    @property
    def xr(self) -> Any:
        """Ratings of each x."""
        return self.trainset.ur if self.sim_options["user_based"] else self.trainset.ir

    @property
    def yr(self) -> Any:
        """Ratings of each y."""
        return self.trainset.ir if self.sim_options["user_based"] else self.trainset.ur

    def switch(self, u_stuff: Any, i_stuff: Any) -> tuple[Any, Any]:
        """Put what belongs to users and to items into the order x, y."""
        return (u_stuff, i_stuff) if self.sim_options["user_based"] else (i_stuff, u_stuff)


class _Neighbors(SymmetricAlgo):
    """What the algorithms on neighbours share: everything but what ratings are measured from."""

    _arrays: ClassVar[tuple[str, ...]] = ("bu", "bi", "sim")

    def __init__(
        self,
        k: int = 40,
        min_k: int = 1,
        sim_options: dict[str, Any] | None = None,
        verbose: bool = True,
        sparse: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(sim_options=sim_options, verbose=verbose, **kwargs)
        self.k = k
        self.min_k = min_k
        self.sparse = sparse

    @restoring
    def fit(self, trainset: Any) -> Self:
        """Compute similarities, and what ratings are measured from.

        Args:
            trainset: The ratings, in any form that `AlgoBase.fit` takes.

        Returns:
            The algorithm itself.

        Raises:
            ValueError: Without ratings, or for one that is not finite.
            NameError: For an unknown similarity.
            OutOfMemory: When the matrix of similarities would not fit into memory.
        """
        super().fit(trainset)
        self._measure_from()
        self.sim = self.compute_similarities()
        return self

    def _restore(self) -> None:
        self.n_x, self.n_y = self.switch(self.trainset.n_users, self.trainset.n_items)
        verbose, self.verbose = self.verbose, False
        self._measure_from()
        if self.sparse:
            self.sim = self.compute_similarities()
        self.verbose = verbose
        super()._restore()

    def _measure_from(self) -> None:
        """Compute what ratings are measured from."""

    def _center(self) -> tuple[str, list[NDArray[np.float64]]]:
        """What ratings are measured from, by the engine's name, and its arrays."""
        return "zero", []

    def _estimator(self) -> RatingEstimator:
        user_based = bool(self.sim_options["user_based"])
        by_user, by_item = tables(self.trainset)
        sim: Any = self.sim
        center, arrays = self._center()
        return RatingEstimator.neighbors(
            sim.table if isinstance(sim, SparseSimilarities) else contiguous(sim),
            by_item if user_based else by_user,
            user_based,
            max(operator.index(self.k), 0),
            max(int(np.ceil(self.min_k)), 0),
            float(self.trainset.global_mean),
            center,
            arrays,
        )

    def _item_similarities(self, item: int) -> NDArray[np.float64]:
        if self.sim_options["user_based"]:
            raise UnsupportedError(
                f"This {type(self).__name__} has similarities of users, not of items. Fit one with "
                "sim_options={'user_based': False}, or use get_neighbors."
            )
        return np.asarray(self.sim[item], np.float64)


class KNNBasic(_Neighbors):
    """The mean of the neighbours' ratings, weighted by similarity.

    The estimate for x and y is `sum(sim * r) / sum(sim)` over the `k` raters of y that are most similar to x and have a
    similarity above zero.

    Args:
        k: The largest number of neighbours.
        min_k: With fewer neighbours the prediction is impossible.
        sim_options: How similarities are computed, see `AlgoBase`.
        verbose: Whether to say what is computed.
        sparse: Whether to keep no matrix of similarities. Memory then grows with the number of ratings instead of the
            square of users or items, and `test` computes the similarities of one x after the other; predictions are the
            same.
        bsl_options: How baselines are computed, which 'pearson_baseline' needs.

    Attributes:
        sim: The similarities: a matrix, or what looks like one row by row.

    Example:
        >>> KNNBasic(k=20, sim_options={"name": "cosine", "user_based": False}).fit(trainset)
    """


class KNNWithMeans(_Neighbors):
    """The mean of x, corrected by how far its neighbours' ratings are from their means.

    The estimate is `mean_x + sum(sim * (r - mean)) / sum(sim)` over the neighbours as in `KNNBasic`.

    Args:
        k: The largest number of neighbours.
        min_k: With fewer neighbours the estimate is the mean of x.
        sim_options: How similarities are computed, see `AlgoBase`.
        verbose: Whether to say what is computed.
        sparse: Whether to keep no matrix of similarities, see `KNNBasic`.
        bsl_options: How baselines are computed, which 'pearson_baseline' needs.

    Attributes:
        sim: The similarities.
        means: The mean rating of each x.

    Example:
        >>> KNNWithMeans(sim_options={"name": "pearson", "min_support": 3}).fit(trainset)
    """

    means: NDArray[np.float64]

    def _measure_from(self) -> None:
        self.means = self.switch(*tables(self.trainset))[0].means()

    def _center(self) -> tuple[str, list[NDArray[np.float64]]]:
        return "means", [contiguous(self.means)]


class KNNWithZScore(KNNWithMeans):
    """As `KNNWithMeans`, with deviations measured in standard deviations.

    The estimate is `mean_x + sigma_x * sum(sim * (r - mean) / sigma) / sum(sim)`. A sigma of zero is replaced by that
    of all ratings.

    Args:
        k: The largest number of neighbours.
        min_k: With fewer neighbours the estimate is the mean of x.
        sim_options: How similarities are computed, see `AlgoBase`.
        verbose: Whether to say what is computed.
        sparse: Whether to keep no matrix of similarities, see `KNNBasic`.
        bsl_options: How baselines are computed, which 'pearson_baseline' needs.

    Attributes:
        sim: The similarities.
        means: The mean rating of each x.
        sigmas: The standard deviation of each x.
        overall_sigma: That of all ratings.

    Example:
        >>> KNNWithZScore(k=30).fit(trainset)
    """

    sigmas: NDArray[np.float64]
    overall_sigma: float

    def _measure_from(self) -> None:
        super()._measure_from()
        by_user, by_item = tables(self.trainset)
        self.overall_sigma = np.float64(np.std(by_user.grouped()[3]))
        sigmas = (by_user if self.sim_options["user_based"] else by_item).deviations()
        self.sigmas = np.where(sigmas == 0, self.overall_sigma, sigmas)

    def _center(self) -> tuple[str, list[NDArray[np.float64]]]:
        return "scores", [contiguous(self.means), contiguous(self.sigmas)]


class KNNBaseline(_Neighbors):
    """The baseline, corrected by how far the neighbours' ratings are from theirs (Koren, 2010, equation 3).

    The estimate is `b_xy + sum(sim * (r - b)) / sum(sim)`, where `b` is the mean of all ratings plus both biases. An
    unknown user or item leaves the baseline without its bias. 'pearson_baseline' is the similarity that goes with it.

    Args:
        k: The largest number of neighbours.
        min_k: With fewer neighbours the estimate is the baseline.
        sim_options: How similarities are computed, see `AlgoBase`.
        bsl_options: How baselines are computed, see `AlgoBase`.
        verbose: Whether to say what is computed.
        sparse: Whether to keep no matrix of similarities, see `KNNBasic`.

    Attributes:
        sim: The similarities.
        bu: User biases.
        bi: Item biases.
        bx: Biases of x.
        by: Biases of y.

    Example:
        >>> KNNBaseline(sim_options={"name": "pearson_baseline", "user_based": False}).fit(trainset)
    """

    def __init__(
        self,
        k: int = 40,
        min_k: int = 1,
        sim_options: dict[str, Any] | None = None,
        bsl_options: dict[str, Any] | None = None,
        verbose: bool = True,
        sparse: bool = False,
        **kwargs: Any,
    ) -> None:
        own = {} if bsl_options is None else bsl_options
        super().__init__(k, min_k, sim_options, verbose, sparse, bsl_options=own, **kwargs)

    def _measure_from(self) -> None:
        self.compute_baselines()
        self.bx, self.by = self.switch(self.bu, self.bi)

    def _center(self) -> tuple[str, list[NDArray[np.float64]]]:
        return "baselines", [contiguous(self.bu), contiguous(self.bi)]
