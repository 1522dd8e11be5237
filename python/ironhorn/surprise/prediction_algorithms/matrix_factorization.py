"""Matrix factorisation."""

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ironhorn._core import RatingEstimator, RatingTable, RecommenderFit
from ironhorn.errors import UnsupportedError

from ..utils import RandomSeed, get_rng
from . import folding
from .algo_base import contiguous
from .factor_algo import FactorAlgo
from .restore import restoring
from .tables import data_order, tables

__all__ = ["NMF", "SVD", "SVDpp"]


class SVD(FactorAlgo):
    """Matrix factorisation by stochastic gradient descent.

    A rating is estimated as `mean + bu + bi + q . p`. An unknown user or item leaves its terms out; without biases the
    estimate is `q . p`, and impossible unless both are known. One epoch takes the ratings user by user, always in the
    same order, and after each one steps, with `error = rating - estimate`::

        bu += lr_bu * (error - reg_bu * bu)        p += lr_pu * (error * q - reg_pu * p)
        bi += lr_bi * (error - reg_bi * bi)        q += lr_qi * (error * p - reg_qi * q)

    Args:
        n_factors: Length of `p` and `q`.
        n_epochs: How many times to go through the ratings.
        biased: Whether to use the mean and the biases.
        init_mean: Mean of the normal distribution that factors start from.
        init_std_dev: Its standard deviation.
        lr_all: Learning rate of all parameters that have none of their own.
        reg_all: Regularisation of all parameters that have none of their own.
        lr_bu: Learning rate of the user biases.
        lr_bi: Learning rate of the item biases.
        lr_pu: Learning rate of the user factors.
        lr_qi: Learning rate of the item factors.
        reg_bu: Regularisation of the user biases.
        reg_bi: Regularisation of the item biases.
        reg_pu: Regularisation of the user factors.
        reg_qi: Regularisation of the item factors.
        random_state: A seed, the same start at every fit; a `RandomState`, which is advanced; or `None` for NumPy's
            global one. User factors are drawn first.
        verbose: Whether to print each epoch.
        n_threads: With a number above 1, users and items are dealt into so many blocks, and blocks that share neither
            are trained at the same time. Ratings are then taken in another order: estimates are as good as those of one
            thread, but not the same numbers. The same number gives the same bits on any machine of one kind, however
            many threads really run.
        dtype: 'float64', or 'float32': factors take half the memory and less time, errors and biases stay float64.
            Estimates are as good, but not the same numbers.

    Attributes:
        pu: User factors, (n_users, n_factors).
        qi: Item factors, (n_items, n_factors).
        bu: User biases, (n_users,).
        bi: Item biases, (n_items,).

    Example:
        >>> algo = SVD(n_factors=50, random_state=0).fit(trainset)
        >>> algo.predict("ann", "bolt").est
    """

    biased: bool

    def __init__(
        self,
        n_factors: int = 100,
        n_epochs: int = 20,
        biased: bool = True,
        init_mean: float = 0,
        init_std_dev: float = 0.1,
        lr_all: float = 0.005,
        reg_all: float = 0.02,
        lr_bu: float | None = None,
        lr_bi: float | None = None,
        lr_pu: float | None = None,
        lr_qi: float | None = None,
        reg_bu: float | None = None,
        reg_bi: float | None = None,
        reg_pu: float | None = None,
        reg_qi: float | None = None,
        random_state: RandomSeed = None,
        verbose: bool = False,
        n_threads: int = 1,
        dtype: Any = "float64",
    ) -> None:
        super().__init__(n_threads, dtype)
        self.n_factors = n_factors
        self.n_epochs = n_epochs
        self.biased = biased
        self.init_mean = init_mean
        self.init_std_dev = init_std_dev
        self.lr_bu = lr_all if lr_bu is None else lr_bu
        self.lr_bi = lr_all if lr_bi is None else lr_bi
        self.lr_pu = lr_all if lr_pu is None else lr_pu
        self.lr_qi = lr_all if lr_qi is None else lr_qi
        self.reg_bu = reg_all if reg_bu is None else reg_bu
        self.reg_bi = reg_all if reg_bi is None else reg_bi
        self.reg_pu = reg_all if reg_pu is None else reg_pu
        self.reg_qi = reg_all if reg_qi is None else reg_qi
        self.random_state = random_state
        self.verbose = verbose

    @restoring
    def fit(self, trainset: Any) -> Self:
        """Learn biases and factors. Other Python threads run meanwhile; Ctrl-C stops it.

        Args:
            trainset: The ratings, in any form that `AlgoBase.fit` takes.

        Returns:
            The algorithm itself.

        Raises:
            ValueError: Without ratings, for a rating that is not finite, or for an option out of range.
            TypeError: When it is none of these forms.
            concurrent.futures.CancelledError: After `cancel`.
        """
        trainset = self._learnable(trainset)
        rng = get_rng(self.random_state)
        pu, qi = (self._drawn(rng, (count, self.n_factors)) for count in (trainset.n_users, trainset.n_items))
        self._keep(self._run(self._started(tables(trainset)[0], self._begin(pu, qi))))
        self._warn_unless_finite()
        return self

    def _drawn(self, rng: np.random.RandomState, shape: Any) -> NDArray[np.float64]:
        return rng.normal(self.init_mean, self.init_std_dev, size=shape)

    def _started(self, by_user: RatingTable, begin: folding.Begin) -> RecommenderFit:
        return RecommenderFit.svd(
            by_user,
            begin,
            bool(self.biased),
            float(self.trainset.global_mean),
            learning_rates=(self.lr_bu, self.lr_bi, self.lr_pu, self.lr_qi),
            regularizations=(self.reg_bu, self.reg_bi, self.reg_pu, self.reg_qi),
        )

    def _continued(self, added: RatingTable, start: dict[str, NDArray[np.float64]]) -> RecommenderFit:
        begin = self._begin(start["pu"], start["qi"], (start["bu"], start["bi"]), blocks=1)
        return self._started(added, begin)

    def _train_new(self, rows: Any, count: int, users: bool, biases: Any, factors: Any) -> Any:
        return self._descend(rows, count, users, biases, factors)


class SVDpp(FactorAlgo):
    """SVD++: SVD with implicit feedback (Koren, 2008).

    A rating is estimated as `mean + bu + bi + q . (p + sum(y_j) / sqrt(n))`, where the sum runs over the `n` items that
    the user has rated, whatever the ratings are. Ratings are taken in the same order as for `SVD`; after each one bu,
    bi and p step as they do there, q likewise with `p + sum(y_j) / sqrt(n)` in the place of p, and every `y_j` of the
    user::

        y_j += lr_yj * (error * q / sqrt(n) - reg_yj * y_j)

    Args:
        n_factors: Length of `p`, `q` and `y`.
        n_epochs: How many times to go through the ratings.
        init_mean: Mean of the normal distribution that factors start from.
        init_std_dev: Its standard deviation.
        lr_all: Learning rate of all parameters that have none of their own.
        reg_all: Regularisation of all parameters that have none of their own.
        lr_bu: Learning rate of the user biases.
        lr_bi: Learning rate of the item biases.
        lr_pu: Learning rate of the user factors.
        lr_qi: Learning rate of the item factors.
        lr_yj: Learning rate of the implicit factors.
        reg_bu: Regularisation of the user biases.
        reg_bi: Regularisation of the item biases.
        reg_pu: Regularisation of the user factors.
        reg_qi: Regularisation of the item factors.
        reg_yj: Regularisation of the implicit factors.
        random_state: As for `SVD`; factors of users, of items, then implicit ones are drawn.
        verbose: Whether to print each epoch.
        cache_ratings: Trades memory for speed in Surprise. Here ratings are always held as arrays, so that both values
            mean the same.
        n_threads: Only 1: every rating moves the implicit factors of all items of its user, so that no two users can be
            fitted side by side. `cross_validate` and searches run several fits at a time.
        dtype: 'float64' or 'float32', see `SVD`.

    Attributes:
        pu: User factors, (n_users, n_factors).
        qi: Item factors, (n_items, n_factors).
        yj: Implicit factors of the items, (n_items, n_factors).
        bu: User biases, (n_users,).
        bi: Item biases, (n_items,).

    Example:
        >>> algo = SVDpp(n_factors=20, random_state=0).fit(trainset)
        >>> algo.predict("ann", "bolt").est
    """

    yj: NDArray[Any]
    _factor_arrays: ClassVar[tuple[str, ...]] = ("pu", "qi", "yj")
    _arrays: ClassVar[tuple[str, ...]] = ("bu", "bi", "pu", "qi", "yj")
    _epoch_text: ClassVar[str] = " processing epoch {}"

    def __init__(
        self,
        n_factors: int = 20,
        n_epochs: int = 20,
        init_mean: float = 0,
        init_std_dev: float = 0.1,
        lr_all: float = 0.007,
        reg_all: float = 0.02,
        lr_bu: float | None = None,
        lr_bi: float | None = None,
        lr_pu: float | None = None,
        lr_qi: float | None = None,
        lr_yj: float | None = None,
        reg_bu: float | None = None,
        reg_bi: float | None = None,
        reg_pu: float | None = None,
        reg_qi: float | None = None,
        reg_yj: float | None = None,
        random_state: RandomSeed = None,
        verbose: bool = False,
        cache_ratings: bool = False,
        n_threads: int = 1,
        dtype: Any = "float64",
    ) -> None:
        super().__init__(n_threads, dtype)
        if self.n_threads > 1:
            raise UnsupportedError(
                f"SVDpp(n_threads={n_threads}): every rating moves the implicit factors of all items of its user, so a "
                "fit runs on one thread. Leave n_threads out; n_jobs of cross_validate and searches runs several fits "
                "at once."
            )
        self.n_factors = n_factors
        self.n_epochs = n_epochs
        self.init_mean = init_mean
        self.init_std_dev = init_std_dev
        self.lr_bu = lr_all if lr_bu is None else lr_bu
        self.lr_bi = lr_all if lr_bi is None else lr_bi
        self.lr_pu = lr_all if lr_pu is None else lr_pu
        self.lr_qi = lr_all if lr_qi is None else lr_qi
        self.lr_yj = lr_all if lr_yj is None else lr_yj
        self.reg_bu = reg_all if reg_bu is None else reg_bu
        self.reg_bi = reg_all if reg_bi is None else reg_bi
        self.reg_pu = reg_all if reg_pu is None else reg_pu
        self.reg_qi = reg_all if reg_qi is None else reg_qi
        self.reg_yj = reg_all if reg_yj is None else reg_yj
        self.random_state = random_state
        self.verbose = verbose
        self.cache_ratings = cache_ratings

    @restoring
    def fit(self, trainset: Any) -> Self:
        """Learn biases and factors. Other Python threads run meanwhile; Ctrl-C stops it.

        Args:
            trainset: The ratings, in any form that `AlgoBase.fit` takes.

        Returns:
            The algorithm itself.

        Raises:
            ValueError: Without ratings, for a rating that is not finite, or for an option out of range.
            TypeError: When it is none of these forms.
            concurrent.futures.CancelledError: After `cancel`.
        """
        trainset = self._learnable(trainset)
        rng = get_rng(self.random_state)
        counts = (trainset.n_users, trainset.n_items, trainset.n_items)
        pu, qi, yj = (self._drawn(rng, (count, self.n_factors)) for count in counts)
        self._keep(self._run(self._started(tables(trainset)[0], self._begin(pu, qi), yj)))
        self._warn_unless_finite()
        return self

    def _drawn(self, rng: np.random.RandomState, shape: Any) -> NDArray[np.float64]:
        return rng.normal(self.init_mean, self.init_std_dev, size=shape)

    def _started(self, by_user: RatingTable, begin: folding.Begin, yj: NDArray[np.float64]) -> RecommenderFit:
        return RecommenderFit.svdpp(
            by_user,
            tables(self.trainset)[0],
            begin,
            yj,
            float(self.trainset.global_mean),
            learning_rates=(self.lr_bu, self.lr_bi, self.lr_pu, self.lr_qi, self.lr_yj),
            regularizations=(self.reg_bu, self.reg_bi, self.reg_pu, self.reg_qi, self.reg_yj),
        )

    def _continued(self, added: RatingTable, start: dict[str, NDArray[np.float64]]) -> RecommenderFit:
        begin = self._begin(start["pu"], start["qi"], (start["bu"], start["bi"]), blocks=1)
        return self._started(added, begin, start["yj"])

    def _estimator(self) -> RatingEstimator:
        return self._factors(True, (self.yj, tables(self.trainset)[0]))

    def _implicit(self, users: NDArray[np.int64], items: NDArray[np.int64], count: int) -> NDArray[np.float64]:
        """The sum of the items' implicit factors over the root of how many there are, for each user."""
        sums, counts = np.zeros((count, self.yj.shape[1])), np.bincount(users, minlength=count)
        known = items < len(self.yj)
        np.add.at(sums, users[known], self.yj[items[known]])
        return sums / np.sqrt(np.maximum(counts, 1))[:, None]

    def _train_new(self, rows: Any, count: int, users: bool, biases: Any, factors: Any) -> Any:
        extra: Any = 0
        if users:
            new, about, _ = rows
            extra = np.einsum("rf,rf->r", self._implicit(new, about, count)[new], factors[about])
        return self._descend(rows, count, users, biases, factors, extra)

    def _user_rows(self, pu: NDArray[np.float64], fold: folding.Fold) -> NDArray[np.float64]:
        users, items, _ = data_order(fold.trainset)
        return pu + self._implicit(users, items, fold.n_users)

    def _grow(self, n_items: int) -> None:
        self.yj = np.concatenate([contiguous(self.yj), np.zeros((n_items, self.yj.shape[1]))])


class NMF(FactorAlgo):
    """Non-negative matrix factorisation (Luo, Zhou, Xia and Zhu, 2014).

    A rating is estimated as `q . p`, or `mean + bu + bi + q . p`. Factors stay positive: in an epoch each one is
    multiplied once::

        p *= sum(q * r) / (sum(q * estimate) + n * reg_pu * p)       over the n ratings r of the user
        q *= sum(p * r) / (sum(p * estimate) + n * reg_qi * q)       over the n ratings r of the item

    Biases step as in `SVD` while the sums are taken.

    Args:
        n_factors: Length of `p` and `q`.
        n_epochs: How many times to go through the ratings.
        biased: Whether to use the mean and the biases.
        reg_pu: Regularisation of the user factors.
        reg_qi: Regularisation of the item factors.
        reg_bu: Regularisation of the user biases.
        reg_bi: Regularisation of the item biases.
        lr_bu: Learning rate of the user biases.
        lr_bi: Learning rate of the item biases.
        init_low: Lower end of the uniform distribution that factors start from.
        init_high: Its upper end.
        random_state: As for `SVD`; factors of users are drawn before those of items.
        verbose: Whether to print each epoch.
        n_threads: In how many blocks to fit, see `SVD`. Without biases only the order of sums differs: estimates are
            those of one thread but for rounding. With biases a fit that is not stable by itself differs more.
        dtype: 'float64' or 'float32', see `SVD`.

    Attributes:
        pu: User factors, (n_users, n_factors).
        qi: Item factors, (n_items, n_factors).
        bu: User biases, (n_users,).
        bi: Item biases, (n_items,).

    Raises:
        ValueError: When `init_low` is below zero.

    Example:
        >>> algo = NMF(n_factors=15, random_state=0).fit(trainset)
        >>> algo.predict("ann", "bolt").est
    """

    def __init__(
        self,
        n_factors: int = 15,
        n_epochs: int = 50,
        biased: bool = False,
        reg_pu: float = 0.06,
        reg_qi: float = 0.06,
        reg_bu: float = 0.02,
        reg_bi: float = 0.02,
        lr_bu: float = 0.005,
        lr_bi: float = 0.005,
        init_low: float = 0,
        init_high: float = 1,
        random_state: RandomSeed = None,
        verbose: bool = False,
        n_threads: int = 1,
        dtype: Any = "float64",
    ) -> None:
        if init_low < 0:
            raise ValueError("init_low should be greater than zero")
        super().__init__(n_threads, dtype)
        self.n_factors = n_factors
        self.n_epochs = n_epochs
        self.biased = biased
        self.reg_pu = reg_pu
        self.reg_qi = reg_qi
        self.reg_bu = reg_bu
        self.reg_bi = reg_bi
        self.lr_bu = lr_bu
        self.lr_bi = lr_bi
        self.init_low = init_low
        self.init_high = init_high
        self.random_state = random_state
        self.verbose = verbose

    @restoring
    def fit(self, trainset: Any) -> Self:
        """Learn factors, and biases if there are any. Other Python threads run meanwhile; Ctrl-C stops it.

        Args:
            trainset: The ratings, in any form that `AlgoBase.fit` takes.

        Returns:
            The algorithm itself.

        Raises:
            ValueError: Without ratings, for a rating that is not finite, or for an option out of range.
            TypeError: When it is none of these forms.
            concurrent.futures.CancelledError: After `cancel`.
        """
        trainset = self._learnable(trainset)
        rng = get_rng(self.random_state)
        pu, qi = (self._drawn(rng, (count, self.n_factors)) for count in (trainset.n_users, trainset.n_items))
        self._keep(self._run(self._started(self._begin(pu, qi))))
        self._warn_unless_finite()
        return self

    def _drawn(self, rng: np.random.RandomState, shape: Any) -> NDArray[np.float64]:
        return rng.uniform(self.init_low, self.init_high, size=shape)

    def _started(self, begin: folding.Begin) -> RecommenderFit:
        return RecommenderFit.nmf(
            tables(self.trainset)[0],
            begin,
            bool(self.biased),
            float(self.trainset.global_mean),
            learning_rates=(self.lr_bu, self.lr_bi),
            regularizations=(self.reg_bu, self.reg_bi, self.reg_pu, self.reg_qi),
        )

    def _continued(self, added: RatingTable, start: dict[str, NDArray[np.float64]]) -> RecommenderFit:
        return self._started(self._begin(start["pu"], start["qi"], (start["bu"], start["bi"])))

    def _advice(self) -> str:
        return "Raise init_low above zero, or regularise more."

    def _train_new(self, rows: Any, count: int, users: bool, biases: Any, factors: Any) -> Any:
        offsets = np.zeros(len(rows[2]))
        if self.biased:
            offsets += float(self.trainset.global_mean) + biases[rows[1]]
        rate = self.lr_bu if users else self.lr_bi
        penalties = (self.reg_bu, self.reg_pu) if users else (self.reg_bi, self.reg_qi)
        start = (self.init_low + self.init_high) / 2
        return folding.multiply(
            rows, count, factors, offsets, self.biased, rate, penalties, start, max(self.n_epochs, 0)
        )
