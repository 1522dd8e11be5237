"""Matrix factorisation."""

import operator
import warnings
from collections.abc import Iterable
from concurrent.futures import CancelledError
from functools import partial
from itertools import repeat
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ironhorn._core import SvdFit, factor_dot, svd_estimates

from .._not_yet import announce
from ..trainset import Trainset, UserMajor, user_major
from ..utils import RandomSeed, get_rng
from .algo_base import AlgoBase
from .predictions import Prediction, PredictionImpossible

__all__ = ["SVD"]

__getattr__ = announce(__name__, absent=("SVDpp", "NMF"), present=__all__)

_IMPOSSIBLE = "User and item are unknown."


class SVD(AlgoBase):
    """Matrix factorisation by stochastic gradient descent, in float64.

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

    Attributes:
        pu: User factors, (n_users, n_factors).
        qi: Item factors, (n_items, n_factors).
        bu: User biases, (n_users,).
        bi: Item biases, (n_items,).

    Example:
        >>> algo = SVD(n_factors=50, random_state=0).fit(trainset)
        >>> algo.predict("ann", "bolt").est
    """

    pu: NDArray[np.float64]
    qi: NDArray[np.float64]
    _running: SvdFit | None = None

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
    ) -> None:
        super().__init__()
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

    def fit(self, trainset: Trainset) -> Self:
        """Learn biases and factors. Other Python threads run meanwhile; Ctrl-C stops it.

        Args:
            trainset: The ratings.

        Returns:
            The algorithm itself.

        Raises:
            ValueError: Without ratings, for a rating that is not finite, or for an option out of range.
            TypeError: When it is not a trainset.
            concurrent.futures.CancelledError: After `cancel`.
        """
        super().fit(trainset)
        if trainset.n_ratings == 0:
            raise ValueError("The trainset holds no ratings: there is nothing to fit.")
        rng = get_rng(self.random_state)
        n_epochs = operator.index(self.n_epochs)
        shape = (self.init_mean, self.init_std_dev)
        user_factors = rng.normal(*shape, size=(trainset.n_users, self.n_factors))
        item_factors = rng.normal(*shape, size=(trainset.n_items, self.n_factors))
        running = self._running = SvdFit(
            *_user_major(trainset),
            user_factors,
            item_factors,
            bool(self.biased),
            float(trainset.global_mean),
            learning_rates=(self.lr_bu, self.lr_bi, self.lr_pu, self.lr_qi),
            regularizations=(self.reg_bu, self.reg_bi, self.reg_pu, self.reg_qi),
        )
        try:
            if self.verbose:
                for epoch in range(n_epochs):
                    print(f"Processing epoch {epoch}")
                    running.run(1)
            else:
                running.run(max(n_epochs, 0))
            self.bu, self.bi, self.pu, self.qi = running.parameters()
        except KeyboardInterrupt:
            if running.cancelled:
                raise CancelledError("This fit was cancelled.") from None
            raise
        finally:
            del self._running
        if not (np.isfinite(self.pu).all() and np.isfinite(self.qi).all()):
            warnings.warn(
                f"SVD diverged: factors are not finite after {n_epochs} epochs. Lower the learning rates "
                f"(lr_pu={self.lr_pu}, lr_qi={self.lr_qi}).",
                RuntimeWarning,
                stacklevel=2,
            )
        return self

    def cancel(self) -> None:
        """Stop a `fit` that runs in another thread. Without one, nothing happens."""
        running = self._running
        if running is not None:
            running.cancel()

    def estimate(self, u: Any, i: Any) -> float:
        """Estimate a rating, not clipped.

        Args:
            u: Inner user id; any other value is an unknown user.
            i: Inner item id; any other value is an unknown item.

        Returns:
            The rating.

        Raises:
            PredictionImpossible: Without biases, unless both are known.
        """
        known_user, known_item = self.trainset.knows_user(u), self.trainset.knows_item(i)
        if not self.biased:
            if known_user and known_item:
                return self._dot(u, i)
            raise PredictionImpossible(_IMPOSSIBLE)
        estimate = self.trainset.global_mean
        if known_user:
            estimate += self.bu[u]
        if known_item:
            estimate += self.bi[i]
        if known_user and known_item:
            estimate += self._dot(u, i)
        return estimate

    def _dot(self, user: int, item: int) -> float:
        rows = (np.ascontiguousarray(row, np.float64) for row in (self.qi[item], self.pu[user]))
        return factor_dot(*rows)

    def test(self, testset: Iterable[tuple[Any, Any, float | None]], verbose: bool = False) -> list[Prediction]:
        """Predict all ratings of a testset, in one call of the engine.

        Args:
            testset: Rows of raw user id, raw item id, true rating.
            verbose: Whether to print every prediction.

        Returns:
            The predictions, in order; to the last bit those of `predict`.

        Example:
            >>> accuracy.rmse(algo.test(testset))
        """
        own = (getattr(self.estimate, "__func__", None), getattr(self.predict, "__func__", None))
        if own != (SVD.estimate, AlgoBase.predict):
            return super().test(testset, verbose)
        rows = list(testset)
        if not rows:
            return []
        trainset = self.trainset
        raw_users, raw_items, true = zip(*rows, strict=True)
        users = np.fromiter(map(trainset._raw2inner_id_users.get, raw_users, repeat(-1)), np.int64, len(rows))
        items = np.fromiter(map(trainset._raw2inner_id_items.get, raw_items, repeat(-1)), np.int64, len(rows))
        bu, bi, pu, qi = (np.ascontiguousarray(part, np.float64) for part in (self.bu, self.bi, self.pu, self.qi))
        values = svd_estimates(users, items, bu, bi, pu, qi, bool(self.biased), float(trainset.global_mean))
        estimates: list[float] = list(values)
        details: list[dict[str, Any]] = [{"was_impossible": False} for _ in rows]
        lowest, highest = trainset.rating_scale
        # As min and max do: the bound itself where a value is not beyond it, which is also where a value is NaN.
        for index in np.flatnonzero(~(values < highest)):
            estimates[index] = highest
        for index in np.flatnonzero(~(values > lowest) & (values < highest)):
            estimates[index] = lowest
        if not self.biased:
            for index in np.flatnonzero((users < 0) | (items < 0)):
                estimates[index] = max(lowest, min(highest, self.default_prediction()))
                details[index] = {"was_impossible": True, "reason": _IMPOSSIBLE}
        columns = zip(raw_users, raw_items, true, estimates, details, strict=True)
        predictions: list[Prediction] = list(map(partial(tuple.__new__, Prediction), columns))
        if verbose:
            for prediction in predictions:
                print(prediction)
        return predictions


def _user_major(trainset: Any) -> UserMajor:
    """A trainset's ratings as arrays; it may also be one that only has Surprise's attributes."""
    return trainset.user_major() if isinstance(trainset, Trainset) else user_major(trainset.ur)
