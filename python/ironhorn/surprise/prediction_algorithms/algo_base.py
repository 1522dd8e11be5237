"""The base class of all algorithms."""

import heapq
import operator
import os
from collections.abc import Iterable
from itertools import repeat
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ironhorn._core import RatingEstimator, inner_ids, make_predictions
from ironhorn.errors import FileFormatError, UnsupportedError

from .. import similarities
from ..trainset import Trainset
from . import files
from .optimize_baselines import baseline_als, baseline_sgd
from .predictions import Prediction, PredictionImpossible
from .recommendations import Recommendations
from .tables import as_trainset, extended, require_memory, tables, warn_beyond_scale

Estimate = float | tuple[float, dict[str, Any]]
"""What `estimate` returns: a rating, perhaps with details."""


class AlgoBase:
    """Base class for algorithms: override `fit` (calling this one first) and `estimate`.

    Args:
        sim_options: How `compute_similarities` works: `name` ('cosine', 'msd', 'pearson' or 'pearson_baseline'),
            `user_based`, `min_support`, and `shrinkage` for 'pearson_baseline'.
        bsl_options: How `compute_baselines` works: `method` 'als' with `n_epochs`, `reg_u`, `reg_i`, or 'sgd' with
            `n_epochs`, `reg`, `learning_rate`.

    Raises:
        TypeError: For any other keyword.

    Example:
        >>> class Mean(AlgoBase):
        ...     def estimate(self, u, i):
        ...         return self.trainset.global_mean
    """

    trainset: Trainset

    def __init__(self, **kwargs: Any) -> None:
        self.bsl_options = kwargs.pop("bsl_options", {})
        self.sim_options = {"user_based": True} | kwargs.pop("sim_options", {})
        if kwargs:
            raise TypeError(f"AlgoBase takes sim_options and bsl_options; received {', '.join(sorted(kwargs))}.")

    def __getattr__(self, name: str) -> Any:
        kind = type(self).__name__
        if name == "trainset":
            raise AttributeError(f"This {kind} is not fitted: call fit(trainset) before predict, test or estimate.")
        raise AttributeError(f"'{kind}' object has no attribute '{name}'")

    def fit(self, trainset: Any) -> Self:
        """Remember the ratings; subclasses then learn from `self.trainset`.

        Args:
            trainset: The ratings: a trainset, a SciPy sparse matrix of users by items, or a tuple of columns (users,
                items, ratings).

        Returns:
            The algorithm itself.

        Raises:
            TypeError: When it is none of these.
        """
        self.trainset = as_trainset(trainset)
        self.bu: Any = None
        self.bi: Any = None
        return self

    def partial_fit(self, new_ratings: Iterable[tuple[Any, Any, float]]) -> Self:
        """Learn from more ratings; users and items among them that are new get inner ids after the others.

        The algorithm is fitted again, to the ratings that it has followed by these: the result is that of a fit to all.

        Args:
            new_ratings: Rows of raw user id, raw item id, rating.

        Returns:
            The algorithm itself.

        Raises:
            ValueError: For a row of another length or a rating that is not finite.

        Example:
            >>> algo.partial_fit([("new user", "bolt", 4.0)]).predict("new user", "nut")
        """
        return self.fit(extended(self.trainset, new_ratings))

    def estimate(self, u: Any, i: Any) -> Estimate:
        """Estimate a rating.

        Args:
            u: Inner user id, or `'UKN__<raw id>'` for a user without ratings in the trainset.
            i: Inner item id, or `'UKN__<raw id>'`.

        Returns:
            The rating, or the rating and a dictionary of details.

        Raises:
            PredictionImpossible: When there is nothing to go by.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no estimate(u, i).")

    def predict(
        self, uid: Any, iid: Any, r_ui: float | None = None, clip: bool = True, verbose: bool = False
    ) -> Prediction:
        """Predict one rating.

        Args:
            uid: Raw user id, of the very type that the data has: `'1'` is not `1`. It may be unknown.
            iid: Raw item id; may be unknown.
            r_ui: The true rating, if it is known.
            clip: Whether to keep the estimate within the rating scale.
            verbose: Whether to print the prediction.

        Returns:
            The prediction. Where the estimate was impossible, its details say so and why, and the estimate is
            `default_prediction()`.

        Example:
            >>> algo.predict("ann", "bolt").est
        """
        inner: list[Any] = []
        for to_inner, raw in ((self.trainset.to_inner_uid, uid), (self.trainset.to_inner_iid, iid)):
            try:
                inner.append(to_inner(raw))
            except ValueError:
                inner.append(f"UKN__{raw}")
        details: dict[str, Any] = {}
        try:
            result = self.estimate(*inner)
            if isinstance(result, tuple):
                estimate, details = result
            else:
                estimate = result
            details["was_impossible"] = False
        except PredictionImpossible as reason:
            estimate = self.default_prediction()
            details["was_impossible"] = True
            details["reason"] = str(reason)
        if clip:
            lowest, highest = self.trainset.rating_scale
            estimate = max(lowest, min(highest, estimate))
        prediction = Prediction(uid, iid, r_ui, estimate, details)
        if verbose:
            print(prediction)
        return prediction

    def default_prediction(self) -> float:
        """What stands for an impossible estimate: the mean of all ratings."""
        return self.trainset.global_mean

    def test(self, testset: Iterable[tuple[Any, Any, float | None]], verbose: bool = False) -> list[Prediction]:
        """Predict all ratings of a testset.

        Args:
            testset: Rows of raw user id, raw item id, true rating.
            verbose: Whether to print every prediction.

        Returns:
            The predictions, in order.

        Example:
            >>> accuracy.rmse(algo.test(testset))
        """
        return [self.predict(user, item, true, verbose=verbose) for user, item, true in testset]

    def compute_baselines(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Compute user and item biases as `bsl_options` says; once after each `fit`.

        Returns:
            Biases of users and of items, which are also kept as `bu` and `bi`.

        Raises:
            ValueError: For an unknown method.
        """
        if self.bu is not None:
            return self.bu, self.bi
        method = self.bsl_options.get("method", "als")
        if getattr(self, "verbose", False):
            print("Estimating biases using", method + "...")
        if method not in ("als", "sgd"):
            raise ValueError(f"Invalid method {method} for baseline computation. Available methods are als and sgd.")
        self.bu, self.bi = baseline_als(self) if method == "als" else baseline_sgd(self)
        return self.bu, self.bi

    def compute_similarities(self) -> Any:
        """Compute the similarities of all users or items as `sim_options` says.

        Returns:
            The matrix, (n_users, n_users) or (n_items, n_items).

        Raises:
            NameError: For an unknown name.
            OutOfMemory: When the matrix would not fit into memory.
        """
        user_based = self.sim_options["user_based"]
        count = self.trainset.n_users if user_based else self.trainset.n_items
        by_user, by_item = tables(self.trainset)
        name = self.sim_options.get("name", "msd").lower()
        baselines = None
        if name == "pearson_baseline":
            shrinkage = float(self.sim_options.get("shrinkage", 100))
            of_users, of_items = self.compute_baselines()
            own, other = (of_users, of_items) if user_based else (of_items, of_users)
            baselines = (float(self.trainset.global_mean), own, other, shrinkage)
        verbose = getattr(self, "verbose", False)
        if verbose:
            print(f"Computing the {name} similarity matrix...")
        if name not in similarities.NAMES:
            raise NameError(f"Wrong sim name {name}. Allowed values are {', '.join(similarities.NAMES)}.")
        raters = by_item if user_based else by_user
        found = similarities.SparseSimilarities(raters, name, self.sim_options.get("min_support", 1), baselines)
        if getattr(self, "sparse", False):
            return found
        require_memory(
            8 * count * count,
            f"Similarities of {count} {'users' if user_based else 'items'} as a matrix",
            "Pass sparse=True, which keeps none of them and gives the same predictions"
            + (", or sim_options={'user_based': False}." if user_based else "."),
        )
        dense = found.dense()
        if verbose:
            print("Done computing similarity matrix.")
        return dense

    def get_neighbors(self, iid: int, k: int) -> list[int]:
        """The nearest neighbours of a user or an item, as `sim_options['user_based']` says.

        Args:
            iid: Inner id of the user or item.
            k: How many.

        Returns:
            Their inner ids, nearest first; equally near ones by ascending id.

        Example:
            >>> [trainset.to_raw_iid(inner) for inner in algo.get_neighbors(trainset.to_inner_iid("bolt"), 10)]
        """
        row = np.asarray(self.sim[iid], np.float64)
        k = max(operator.index(k), 0)
        if np.isnan(row).any():
            others = [(other, row[other]) for other in range(len(row)) if other != iid]
            return [other for other, _ in heapq.nlargest(k, others, key=lambda pair: pair[1])]
        order = np.argsort(-row, kind="stable")
        return [int(other) for other in order[order != iid][:k]]

    def recommend(self, users: Iterable[Any] | None = None, n: int = 10, exclude_seen: bool = True) -> Recommendations:
        """The items of highest estimate for each user.

        Users without ratings are welcome where the algorithm can estimate for them (SVD, SVD++, biased NMF,
        BaselineOnly and KNNBaseline then go by the items' biases); where it cannot, they get none. Memory is bounded:
        no more than a few users' estimates exist at a time.

        Args:
            users: Raw user ids; `None` means all users of the trainset.
            n: How many items for each.
            exclude_seen: Whether to leave out items that the user has rated.

        Returns:
            A mapping from each raw user id to a list of (raw item id, estimate), best first, equal ones in the order of
            inner ids. Estimates are not clipped to the rating scale, which would make the best ones equal.

        Example:
            >>> algo.recommend(["ann"], n=3)["ann"]
        """
        if isinstance(users, str | bytes):
            raise TypeError(f"users={users!r}: expected a list of raw user ids, as [{users!r}].")
        n = operator.index(n)
        if n < 0:
            raise ValueError(f"n={n}: expected a number of items, 0 or more.")
        trainset = self.trainset
        asked = [trainset.to_raw_uid(user) for user in trainset.all_users()] if users is None else list(users)
        known = trainset._raw2inner_id_users
        inner = np.fromiter(map(known.get, asked, repeat(-1)), np.int64, len(asked))
        items, estimates = self._best(inner, asked, n, exclude_seen)
        return Recommendations(asked, items, estimates, trainset)

    def _best(
        self, users: NDArray[np.int64], raw: list[Any], n: int, exclude_seen: bool
    ) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Inner ids and estimates of the best items, one row a user; -1 where there are no more."""
        trainset = self.trainset
        n = min(n, trainset.n_items)
        items = np.full((len(users), n), -1, np.int32)
        values = np.full((len(users), n), np.nan)
        by_user = tables(trainset)[0]
        for row, user in enumerate(users.tolist()):
            seen = set(by_user.row(user)[0].tolist()) if exclude_seen and user >= 0 else set()
            scores = []
            for item in trainset.all_items():
                if item in seen:
                    continue
                try:
                    result = self.estimate(user if user >= 0 else f"UKN__{raw[row]}", item)
                except PredictionImpossible:
                    continue
                scores.append((-(result[0] if isinstance(result, tuple) else result), item))
            for place, (score, item) in enumerate(heapq.nsmallest(n, scores)):
                items[row, place], values[row, place] = item, -score
        return items, values

    def similar_items(self, iid: Any, n: int = 10) -> list[tuple[Any, float]]:
        """The items that are most like one.

        Args:
            iid: Raw item id.
            n: How many.

        Returns:
            Pairs of raw item id and similarity, most similar first: the algorithm's own similarities for item-based
            neighbours, the cosine of the items' factors for algorithms that have them.

        Raises:
            ValueError: When the item is not known.
            UnsupportedError: When the algorithm has no similarities of items.

        Example:
            >>> algo.similar_items("bolt", n=3)
        """
        item = self.trainset.to_inner_iid(iid)
        scores = self._item_similarities(item)
        order = np.argsort(-scores, kind="stable")
        best = order[order != item][: max(operator.index(n), 0)]
        return [(self.trainset.to_raw_iid(int(other)), float(scores[other])) for other in best]

    def _item_similarities(self, item: int) -> NDArray[np.float64]:
        raise UnsupportedError(
            f"{type(self).__name__} has no similarities of items. Use SVD, SVDpp or NMF, or a kNN algorithm with "
            "sim_options={'user_based': False}."
        )

    _arrays: ClassVar[tuple[str, ...]] = ("bu", "bi")
    """Names of the arrays that `save` writes, where the algorithm has them."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted algorithm to a file that holds data only.

        The file is complete or not there: it is written beside its place and renamed. It holds options, parameters and
        the trainset; raw ids must be text, numbers, booleans or `None`.

        Args:
            path: Where to; an existing file is replaced.

        Raises:
            UnsupportedError: For a class of your own: pickle it instead.
            TypeError: For a raw id of another type.

        Example:
            >>> algo.save("model.ironhorn")
            >>> SVD.load("model.ironhorn").predict("ann", "bolt")
        """
        if type(self) is not _classes().get(type(self).__name__):
            raise UnsupportedError(
                f"save writes the algorithms of ironhorn.surprise; {type(self).__name__} is a class of its own. Pickle "
                "it."
            )
        arrays = {name: vars(self)[name] for name in self._arrays if isinstance(vars(self).get(name), np.ndarray)}
        names = [name for name in vars(type(self)()) if name not in self._arrays and name != "trainset"]
        files.write(path, self, {name: getattr(self, name) for name in names}, arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read an algorithm that `save` wrote. Nothing in the file is run, and its sizes are checked first.

        Args:
            path: The file.

        Returns:
            The fitted algorithm; of the class that it was, which is this one or one derived from it.

        Raises:
            FileNotFoundError: If there is no such file.
            FileFormatError: If it is damaged, or holds another class.
        """
        file = files.Reader(path)
        name = file.text("class", str)
        kind = _classes().get(name)
        if kind is None or not issubclass(kind, cls):
            raise FileFormatError(f"{file.name} holds a {name}, not a {cls.__name__}. Load it with that class.")
        algo: Any = kind()
        options = file.options()
        expected = {key for key in vars(algo) if key not in kind._arrays}
        if set(options) - expected:
            raise file.damaged(f"options {sorted(set(options) - expected)}")
        vars(algo).update(options)
        algo.trainset = file.trainset()
        algo.bu = algo.bi = None
        for array in kind._arrays:
            if file.has(array):
                setattr(algo, array, file.array(array))
        try:
            algo._restore()
        except (ValueError, TypeError, KeyError, AttributeError, NameError) as error:
            raise file.damaged(str(error)) from error
        found: Self = algo
        return found


class EngineAlgo(AlgoBase):
    """Base class of the algorithms whose estimates are computed by the engine; they define `_estimator`."""

    _reasons: ClassVar[tuple[str, str]] = ("User and/or item is unknown.", "Not enough neighbors.")
    """What impossible predictions say: user or item unknown, too few neighbours."""

    def _restore(self) -> None:
        """Make what a file does not hold; raise where what it holds does not fit together."""
        self._estimator().pair(-1, -1)

    _python_floats: ClassVar[bool] = False
    """Whether estimates are floats of Python's, where Surprise's are, instead of NumPy's."""

    def _estimator(self) -> RatingEstimator:
        """The fitted model, on the arrays that the algorithm has now."""
        raise NotImplementedError

    def _learnable(self, trainset: Any) -> Any:
        """Start a fit: remember the trainset, refuse an empty one."""
        AlgoBase.fit(self, trainset)
        if self.trainset.n_ratings == 0:
            raise ValueError("The trainset holds no ratings: there is nothing to fit.")
        tables(self.trainset, refresh=True)
        warn_beyond_scale(self.trainset)
        return self.trainset

    def estimate(self, u: Any, i: Any) -> Estimate:
        """Estimate a rating, not clipped.

        Args:
            u: Inner user id; any other value is an unknown user.
            i: Inner item id; any other value is an unknown item.

        Returns:
            The rating; algorithms on neighbours add details with `actual_k`, how many of them it rests on.

        Raises:
            PredictionImpossible: When there is nothing to go by.
        """
        trainset = self.trainset
        value, support, reason = self._estimator().pair(
            u if trainset.knows_user(u) else -1, i if trainset.knows_item(i) else -1
        )
        if reason:
            raise PredictionImpossible(self._reasons[reason - 1])
        estimate = value if self._python_floats else np.float64(value)
        return estimate if support < 0 else (estimate, {"actual_k": support})

    _estimates_one: ClassVar[Any] = estimate
    """The `estimate` that `_pairs` stands for; where a subclass has another one, that one is asked."""

    def _pairs(
        self, users: NDArray[np.int64], items: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int32], NDArray[np.uint8]]:
        """Estimates of pairs, as `RatingEstimator.pairs` returns them."""
        return self._estimator().pairs(users, items)

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
        if own != (type(self)._estimates_one, AlgoBase.predict):
            return super().test(testset, verbose)
        rows = list(testset)
        if not rows:
            return []
        trainset = self.trainset
        users, items = inner_ids(rows, trainset._raw2inner_id_users, trainset._raw2inner_id_items)
        values, support, reasons = self._pairs(users, items)
        lowest, highest = trainset.rating_scale
        # Asked once, and only where it stands for an estimate: it may be a subclass's own.
        default = max(lowest, min(highest, self.default_prediction())) if reasons.any() else lowest
        scalars = None if self._python_floats else list(values)
        predictions: list[Prediction] = make_predictions(
            Prediction, rows, values, support, reasons, (lowest, highest), default, self._reasons, scalars
        )
        if verbose:
            for prediction in predictions:
                print(prediction)
        return predictions

    def _best(
        self, users: NDArray[np.int64], raw: list[Any], n: int, exclude_seen: bool
    ) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        if getattr(self.estimate, "__func__", None) is not EngineAlgo.estimate:
            return super()._best(users, raw, n, exclude_seen)
        return self._estimator().best(users, n, tables(self.trainset)[0] if exclude_seen else None)


def _classes() -> dict[str, type[EngineAlgo]]:
    """The algorithms that files may hold."""
    from ironhorn.surprise import prediction_algorithms

    names = (name for name in prediction_algorithms.__all__ if name != "AlgoBase")
    found = {name: getattr(prediction_algorithms, name) for name in names}
    return {name: kind for name, kind in found.items() if isinstance(kind, type) and issubclass(kind, EngineAlgo)}


def contiguous(values: Any, dtype: Any = np.float64) -> NDArray[Any]:
    """An array as the engine reads it; the very array where it is one already."""
    return np.ascontiguousarray(values, dtype)
