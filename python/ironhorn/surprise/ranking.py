"""Measures of how well the best items were found: precision, recall, NDCG and average precision of the first `k`.

A user's items are ranked by estimate, highest first, equal ones in the order in which they came. An item is relevant if
its true rating is at least `threshold`. With `rel(j)` 1 where the item at place `j` is relevant, else 0, and `n` the
number of the user's relevant items::

    precision = sum(rel(j), j = 1..k) / k
    recall    = sum(rel(j), j = 1..k) / n
    NDCG      = DCG / best DCG,  DCG = sum(gain(j) / log2(j + 1), j = 1..k)
    AP        = sum(rel(j) * precision(j), j = 1..k) / min(k, n)

Values are means over the users that have relevant items (Järvelin and Kekäläinen, 2002, for NDCG).

Estimates come as predictions of `test`, where only items of the testset are ranked, or as what `recommend` returned,
where `testset` says which items are relevant and all others are not.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .prediction_algorithms.predictions import Prediction

Found = Sequence[Prediction] | Mapping[Any, Sequence[tuple[Any, float]]]
"""Predictions, or recommended items and their estimates for each user."""


def precision_at_k(
    found: Found, k: int = 10, threshold: float = 3.5, testset: Iterable[Any] | None = None, verbose: bool = True
) -> float:
    """Share of relevant items among the first `k`, empty places counted as not relevant.

    Args:
        found: Predictions with true ratings, or what `recommend` returned.
        k: How many places count.
        threshold: The lowest rating of a relevant item.
        testset: Rows of raw user id, raw item id, true rating; for recommendations only.
        verbose: Whether to print the value.

    Returns:
        The mean over users, between 0 and 1.

    Raises:
        ValueError: For a wrong `k`, when a true rating is missing, or when no user has a relevant item.

    Example:
        >>> precision_at_k(algo.test(testset), k=5)
        >>> precision_at_k(algo.recommend(n=5), k=5, testset=testset)
    """
    return _mean("Precision", found, k, threshold, testset, verbose, lambda hits, _, __: hits.sum() / k)


def recall_at_k(
    found: Found, k: int = 10, threshold: float = 3.5, testset: Iterable[Any] | None = None, verbose: bool = True
) -> float:
    """Share of the relevant items that are among the first `k`.

    Args:
        found: Predictions with true ratings, or what `recommend` returned.
        k: How many places count.
        threshold: The lowest rating of a relevant item.
        testset: Rows of raw user id, raw item id, true rating; for recommendations only.
        verbose: Whether to print the value.

    Returns:
        The mean over users, between 0 and 1.

    Raises:
        ValueError: For a wrong `k`, when a true rating is missing, or when no user has a relevant item.

    Example:
        >>> recall_at_k(algo.recommend(n=20), k=20, testset=testset)
    """
    return _mean("Recall", found, k, threshold, testset, verbose, lambda hits, _, ideal: hits.sum() / len(ideal))


def ndcg_at_k(
    found: Found,
    k: int = 10,
    threshold: float = 3.5,
    testset: Iterable[Any] | None = None,
    verbose: bool = True,
    graded: bool = False,
) -> float:
    """Discounted cumulative gain of the first `k`, over that of the best order.

    Args:
        found: Predictions with true ratings, or what `recommend` returned.
        k: How many places count.
        threshold: The lowest rating of a relevant item.
        testset: Rows of raw user id, raw item id, true rating; for recommendations only.
        verbose: Whether to print the value.
        graded: Whether the gain of a relevant item is `2 ** rating - 1` instead of 1.

    Returns:
        The mean over users, between 0 and 1.

    Raises:
        ValueError: For a wrong `k`, when a true rating is missing, or when no user has a relevant item.

    Example:
        >>> ndcg_at_k(algo.test(testset), k=10, graded=True)
    """

    def value(hits: NDArray[np.bool_], ratings: NDArray[np.float64], ideal: NDArray[np.float64]) -> float:
        discount = 1 / np.log2(np.arange(2, max(len(hits), len(ideal)) + 2))
        gains = np.where(hits, 2.0**ratings - 1 if graded else 1.0, 0.0)
        best = (2.0**ideal - 1 if graded else np.ones(len(ideal)))[:k]
        return float(gains @ discount[: len(gains)] / (best @ discount[: len(best)]))

    return _mean("NDCG", found, k, threshold, testset, verbose, value)


def map_at_k(
    found: Found, k: int = 10, threshold: float = 3.5, testset: Iterable[Any] | None = None, verbose: bool = True
) -> float:
    """Mean average precision of the first `k`: precision at the places of relevant items, averaged.

    Args:
        found: Predictions with true ratings, or what `recommend` returned.
        k: How many places count.
        threshold: The lowest rating of a relevant item.
        testset: Rows of raw user id, raw item id, true rating; for recommendations only.
        verbose: Whether to print the value.

    Returns:
        The mean over users, between 0 and 1.

    Raises:
        ValueError: For a wrong `k`, when a true rating is missing, or when no user has a relevant item.

    Example:
        >>> map_at_k(algo.recommend(n=10), testset=testset)
    """

    def value(hits: NDArray[np.bool_], _: NDArray[np.float64], ideal: NDArray[np.float64]) -> float:
        places = np.flatnonzero(hits)
        return float(np.sum(np.arange(1, len(places) + 1) / (places + 1)) / min(k, len(ideal)))

    return _mean("MAP", found, k, threshold, testset, verbose, value)


def _mean(
    name: str,
    found: Found,
    k: int,
    threshold: float,
    testset: Iterable[Any] | None,
    verbose: bool,
    value: Callable[[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]], float],
) -> float:
    """Mean over users of a function of: relevant or not in order, ratings in order, relevant ratings best first."""
    if k < 1:
        raise ValueError(f"k={k}: expected 1 or more.")
    values = []
    for ranked, ratings in _ranked(found, k, testset):
        relevant = np.sort(ratings[ratings >= threshold])[::-1]
        if len(relevant):
            values.append(value(ranked >= threshold, ranked, relevant))
    if not values:
        raise ValueError(f"No user has an item rated {threshold} or higher: lower the threshold.")
    mean = np.float64(np.mean(values))
    if verbose:
        print(f"{name}@{k}: {mean:1.4f}")
    return mean


def _ranked(found: Found, k: int, testset: Iterable[Any] | None) -> Iterable[tuple[Any, Any]]:
    """For each user the true ratings of the first `k` items, in order (NaN: unknown), and all the user's ratings."""
    if isinstance(found, Mapping):
        if testset is None:
            raise ValueError("Recommendations need testset=: rows of user, item, true rating.")
        true: defaultdict[Any, dict[Any, float]] = defaultdict(dict)
        for user, item, rating in testset:
            true[user][item] = _rating(user, item, rating)
        for user, items in found.items():
            own = true.get(user, {})
            first = [own.get(item, np.nan) for item, _ in islice(items, k)]
            yield np.array(first, np.float64), np.array(list(own.values()), np.float64)
        return
    if testset is not None:
        raise ValueError("testset= goes with recommendations; predictions hold their true ratings.")
    by_user: defaultdict[Any, list[tuple[float, float]]] = defaultdict(list)
    for user, item, rating, estimate, _ in found:
        by_user[user].append((estimate, _rating(user, item, rating)))
    for pairs in by_user.values():
        estimates, ratings = np.array(pairs, np.float64).T
        yield ratings[np.argsort(-estimates, kind="stable")[:k]], ratings


def _rating(user: Any, item: Any, rating: float | None) -> float:
    if rating is None:
        raise ValueError(f"User {user} and item {item} have no true rating (r_ui is None): give it in the testset.")
    return rating
