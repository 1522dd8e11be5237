"""The base class of all algorithms."""

from collections.abc import Iterable
from typing import Any, Self

from .._not_yet import absent_text
from ..trainset import Trainset
from .predictions import Prediction, PredictionImpossible

Estimate = float | tuple[float, dict[str, Any]]
"""What `estimate` returns: a rating, perhaps with details."""

_NOT_YET = ("compute_baselines", "compute_similarities", "get_neighbors")


class AlgoBase:
    """Base class for algorithms: override `fit` (calling this one first) and `estimate`.

    Args:
        sim_options: Kept as an attribute for subclasses.
        bsl_options: Kept as an attribute for subclasses.

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
        if name in _NOT_YET:
            raise AttributeError(
                absent_text(
                    kind, name, "Algorithms on similarities and baselines run under scikit-surprise until then."
                )
            )
        raise AttributeError(f"'{kind}' object has no attribute '{name}'")

    def fit(self, trainset: Trainset) -> Self:
        """Remember the trainset; subclasses then learn from it.

        Args:
            trainset: The ratings.

        Returns:
            The algorithm itself.

        Raises:
            TypeError: When it is not a trainset.
        """
        if not hasattr(trainset, "all_ratings"):
            raise TypeError(
                f"fit takes a Trainset; received {type(trainset).__name__}. Make one with "
                "data.build_full_trainset() or train_test_split(data)."
            )
        self.trainset = trainset
        self.bu: Any = None
        self.bi: Any = None
        return self

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
