"""What algorithms share that are fitted epoch by epoch, and what those share that learn factors."""

import operator
import warnings
from collections.abc import Iterable
from concurrent.futures import CancelledError
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ironhorn._core import RatingEstimator, RatingTable, RecommenderFit

from ..utils import get_rng
from . import folding
from .algo_base import EngineAlgo, contiguous
from .folding import Begin
from .restore import restoring
from .tables import data_order, extended, warn_beyond_scale

Matrix = NDArray[np.float64]


class EpochAlgo(EngineAlgo):
    """Base class of algorithms that are fitted epoch by epoch, and can be stopped."""

    n_epochs: int
    verbose: bool
    _running: RecommenderFit | None = None
    _epoch_text: ClassVar[str] = "Processing epoch {}"

    def _run(self, running: RecommenderFit, n_epochs: int | None = None) -> Any:
        """Run all epochs, or so many; the parameters after them."""
        count = operator.index(self.n_epochs if n_epochs is None else n_epochs)
        self._running = running
        try:
            if self.verbose:
                for epoch in range(count):
                    print(self._epoch_text.format(epoch))
                    running.run(1)
            else:
                running.run(max(count, 0))
            return running.parameters()
        except KeyboardInterrupt:
            if running.cancelled:
                raise CancelledError("This fit was cancelled.") from None
            raise
        finally:
            del self._running

    def cancel(self) -> None:
        """Stop a `fit` that runs in another thread, which leaves the algorithm as it was. Without one, do nothing."""
        running = self._running
        if running is not None:
            running.cancel()


class FactorAlgo(EpochAlgo):
    """What SVD, SVD++ and NMF share.

    Args:
        n_threads: In how many blocks of users and items to fit, see `SVD`.
        dtype: What factors are held in: 'float64' or 'float32', see `SVD`.
    """

    bu: Any
    bi: Any
    pu: NDArray[Any]
    qi: NDArray[Any]
    random_state: Any
    _factor_arrays: ClassVar[tuple[str, ...]] = ("pu", "qi")
    _arrays: ClassVar[tuple[str, ...]] = ("bu", "bi", "pu", "qi")
    _reasons: ClassVar[tuple[str, str]] = ("User and item are unknown.", "")

    def __init__(self, n_threads: int = 1, dtype: Any = "float64") -> None:
        super().__init__()
        self.n_threads = operator.index(n_threads)
        if self.n_threads < 1:
            raise ValueError(f"n_threads={n_threads}: expected 1 or more.")
        try:
            self.dtype = np.dtype(dtype).name
        except TypeError:
            self.dtype = str(dtype)
        if self.dtype not in ("float64", "float32"):
            raise ValueError(f"dtype={dtype!r}: expected 'float64' or 'float32'.")

    def _begin(self, pu: Matrix, qi: Matrix, biases: Any = None, blocks: int | None = None) -> Begin:
        """What a fit starts from."""
        return Begin(pu, qi, biases, self.dtype == "float32", self.n_threads if blocks is None else blocks)

    def _keep(self, parameters: Any) -> None:
        """Remember fitted parameters."""
        for name, values in zip(self._arrays, parameters, strict=True):
            if name in self._factor_arrays:
                rows = self.trainset.n_users if name == "pu" else self.trainset.n_items
                values = values.reshape(rows, values.size // rows).astype(self.dtype, copy=False)
            setattr(self, name, values)

    def _estimator(self) -> RatingEstimator:
        return self._factors(bool(getattr(self, "biased", True)))

    def _factors(self, biased: bool, *implicit: Any) -> RatingEstimator:
        parts = [self.pu, self.qi, *(rows for rows, _ in implicit)]
        kind = np.float32 if all(getattr(part, "dtype", None) == np.float32 for part in parts) else np.float64
        pu, qi, *rows = (contiguous(part, kind) for part in parts)
        further = [(own, table) for own, (_, table) in zip(rows, implicit, strict=True)]
        mean = float(self.trainset.global_mean)
        return RatingEstimator.factors(biased, mean, contiguous(self.bu), contiguous(self.bi), pu, qi, *further)

    @restoring
    def partial_fit(self, new_ratings: Iterable[tuple[Any, Any, float]], n_epochs: int | None = None) -> Self:
        """Learn from more ratings, from where the last fit ended; users and items among them may be new.

        SVD and SVD++ go through the new ratings alone, user by user, so that it takes time by their number. (For SVD++
        all that a user has ever rated is implicit feedback.) NMF goes through all ratings, since it weighs those of a
        user or an item against each other. New users and items get inner ids after the others and start as in a fit,
        drawn by `random_state`. The mean of all ratings stays what it was, since the other parameters were fitted
        around it. SVD and SVD++ run on one thread here. Stopped on the way, the algorithm is as before.

        Args:
            new_ratings: Rows of raw user id, raw item id, rating.
            n_epochs: How many epochs; `None` means as many as in a fit.

        Returns:
            The algorithm itself.

        Raises:
            ValueError: For a row of another length or a rating that is not finite.

        Example:
            >>> algo.partial_fit([("ann", "bolt", 4.0), ("new user", "bolt", 2.0)], n_epochs=5)
        """
        old, rows = self.trainset, list(new_ratings)
        trainset = extended(old, rows)
        if not rows:
            return self
        trainset._global_mean = old.global_mean
        warn_beyond_scale(trainset)
        users, items, ratings = data_order(trainset)
        start = len(ratings) - len(rows)
        added = RatingTable.from_columns(
            users[start:].astype(np.uint32),
            items[start:].astype(np.uint32),
            ratings[start:],
            trainset.n_users,
            trainset.n_items,
        )
        counts = {"bu": trainset.n_users, "pu": trainset.n_users}
        rng = get_rng(self.random_state)
        grown = {}
        for name in self._arrays:
            values = contiguous(getattr(self, name))
            more = counts.get(name, trainset.n_items) - len(values)
            new = self._drawn(rng, (more, *values.shape[1:])) if name in self._factor_arrays else np.zeros(more)
            grown[name] = np.concatenate([values, new])
        self.trainset = trainset
        self._keep(self._run(self._continued(added, grown), n_epochs))
        self._warn_unless_finite()
        return self

    def _drawn(self, rng: np.random.RandomState, shape: Any) -> Matrix:
        """Factors that a fit starts from."""
        raise NotImplementedError

    def _continued(self, added: RatingTable, start: dict[str, Matrix]) -> RecommenderFit:
        """A fit that goes on with these ratings."""
        raise NotImplementedError

    @restoring
    def fold_in(self, ratings: Iterable[tuple[Any, Any, float]]) -> Self:
        """Take in new users and items, without training anything again.

        A new user's parameters are trained over their ratings of known items, for `n_epochs` epochs of the same steps
        as in a fit, with all other parameters as they are; then those of new items over all their ratings. It takes
        milliseconds for a user, and estimates for them are close to those of a fit to all ratings. Ids are then known
        to `predict`, `recommend` and the rest.

        Args:
            ratings: Rows of raw user id, raw item id, rating; at least one of the two ids is new.

        Returns:
            The algorithm itself.

        Raises:
            ValueError: For a pair of which both are known, a row of another length, or a rating that is not finite.

        Example:
            >>> algo.fold_in([("new user", "bolt", 4.0), ("new user", "nut", 2.0)]).recommend(["new user"])
        """
        fold = folding.Fold(self, ratings)
        bu, bi, pu, qi = (contiguous(part) for part in (self.bu, self.bi, self.pu, self.qi))
        new, about, values = fold.of_users()
        count = fold.n_users - fold.old_users
        biases, factors = self._train_new((new, about, values), count, True, bi, qi)
        bu, pu = np.concatenate([bu, biases]), np.concatenate([pu, factors])
        count = fold.n_items - fold.old_items
        biases, factors = self._train_new(fold.of_items(), count, False, bu, self._user_rows(pu, fold))
        self.bu, self.pu, self.trainset = bu, pu, fold.trainset
        self.bi, self.qi = np.concatenate([bi, biases]), np.concatenate([qi, factors])
        self._grow(count)
        for name in self._factor_arrays:
            setattr(self, name, getattr(self, name).astype(self.dtype, copy=False))
        return self

    def _train_new(self, rows: Any, count: int, users: bool, biases: Any, factors: Any) -> Any:
        """Biases and factors of new users or items, given those of the other side."""
        raise NotImplementedError

    def _user_rows(self, pu: NDArray[np.float64], fold: folding.Fold) -> NDArray[np.float64]:
        """What the items' factors are multiplied with."""
        return pu

    def _grow(self, n_items: int) -> None:
        """Make room for more items in what else there is."""

    def _descend(
        self,
        rows: Any,
        count: int,
        users: bool,
        biases: NDArray[np.float64],
        factors: NDArray[np.float64],
        extra: Any = 0,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Train new rows by gradient descent; `extra` is what else is known of each rating."""
        own: Any = self
        biased = bool(getattr(self, "biased", True))
        rates = (own.lr_bu, own.lr_pu) if users else (own.lr_bi, own.lr_qi)
        penalties = (own.reg_bu, own.reg_pu) if users else (own.reg_bi, own.reg_qi)
        offsets = (biases[rows[1]] if biased else 0.0) + extra + np.zeros(len(rows[2]))
        mean = float(self.trainset.global_mean)
        return folding.descend(rows, count, factors, offsets, biased, mean, rates, penalties, self.n_epochs)

    def _item_similarities(self, item: int) -> NDArray[np.float64]:
        qi = contiguous(self.qi)
        norms = np.sqrt(np.einsum("if,if->i", qi, qi))
        norms[norms == 0] = np.inf
        return (qi @ qi[item]) / (norms * norms[item])

    def _advice(self) -> str:
        """What to do when a fit diverges."""
        rates = ", ".join(f"lr_{name}={getattr(self, f'lr_{name}')}" for name in self._factor_arrays)
        return f"Lower the learning rates ({rates})."

    def _warn_unless_finite(self) -> None:
        if not (np.isfinite(self.pu).all() and np.isfinite(self.qi).all()):
            warnings.warn(
                f"{type(self).__name__} diverged: factors are not finite after {self.n_epochs} epochs. "
                f"{self._advice()}",
                RuntimeWarning,
                stacklevel=4,
            )
