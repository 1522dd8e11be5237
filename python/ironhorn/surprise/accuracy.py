"""Measures of how well estimates agree with true ratings."""

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from .prediction_algorithms.predictions import Prediction

_BLOCK = 256
"""Ratings of a user that are compared with all of that user's at a time: bounds the memory."""


def _mean(predictions: Sequence[Prediction], of: Callable[[float], float]) -> float:
    """Mean over predictions of a function of true rating minus estimate."""
    if not predictions:
        raise ValueError("Prediction list is empty.")
    try:
        errors = [float(of(true - estimate)) for _, _, true, estimate, _ in predictions]  # type: ignore[operator]
    except TypeError:
        for user, item, true, _, _ in predictions:
            if true is None:
                raise ValueError(
                    f"The prediction for user {user} and item {item} has no true rating (r_ui is None): accuracy "
                    "needs one. Give it to predict() or in the testset."
                ) from None
        raise
    return np.float64(np.mean(errors))


def rmse(predictions: Sequence[Prediction], verbose: bool = True) -> float:
    """Root mean squared error.

    Args:
        predictions: What `test` returned.
        verbose: Whether to print the value.

    Returns:
        The square root of the mean of `(r_ui - est) ** 2`.

    Raises:
        ValueError: Without predictions, or when one has no true rating.

    Example:
        >>> rmse([Prediction("ann", "bolt", 4.0, 3.0, {})])
        RMSE: 1.0000
    """
    value = np.sqrt(_mean(predictions, lambda error: error**2))
    if verbose:
        print(f"RMSE: {value:1.4f}")
    return value


def mse(predictions: Sequence[Prediction], verbose: bool = True) -> float:
    """Mean squared error.

    Args:
        predictions: What `test` returned.
        verbose: Whether to print the value.

    Returns:
        The mean of `(r_ui - est) ** 2`.

    Raises:
        ValueError: Without predictions, or when one has no true rating.

    Example:
        >>> mse([Prediction("ann", "bolt", 4.0, 3.0, {})])
        MSE: 1.0000
    """
    value = _mean(predictions, lambda error: error**2)
    if verbose:
        print(f"MSE: {value:1.4f}")
    return value


def mae(predictions: Sequence[Prediction], verbose: bool = True) -> float:
    """Mean absolute error.

    Args:
        predictions: What `test` returned.
        verbose: Whether to print the value.

    Returns:
        The mean of `|r_ui - est|`.

    Raises:
        ValueError: Without predictions, or when one has no true rating.

    Example:
        >>> mae([Prediction("ann", "bolt", 4.0, 3.5, {})])
        MAE:  0.5000
    """
    value = _mean(predictions, abs)
    if verbose:
        print(f"MAE:  {value:1.4f}")
    return value


def fcp(predictions: Sequence[Prediction], verbose: bool = True) -> float:
    """Fraction of concordant pairs (Koren and Sill, "Collaborative filtering on ordinal user feedback", 2013).

    Of the pairs of items that one user rated differently, how many do the estimates put in the same order. Counts are
    averaged over the users that have any, concordant and discordant ones apart.

    Args:
        predictions: What `test` returned.
        verbose: Whether to print the value.

    Returns:
        The fraction, between 0 and 1.

    Raises:
        ValueError: Without predictions, when one has no true rating, or when no user has two different ratings.

    Example:
        >>> fcp([Prediction("ann", "bolt", 4.0, 3.5, {}), Prediction("ann", "nut", 2.0, 3.0, {})])
        FCP:  1.0000
    """
    if not predictions:
        raise ValueError("Prediction list is empty.")
    by_user = defaultdict(list)
    for user, item, true, estimate, _ in predictions:
        if true is None:
            raise ValueError(
                f"The prediction for user {user} and item {item} has no true rating (r_ui is None): accuracy needs "
                "one. Give it to predict() or in the testset."
            )
        by_user[user].append((true, estimate))
    concordant, discordant = [], []
    for pairs in by_user.values():
        true, estimate = np.array(pairs, np.float64).T
        agree = disagree = 0
        for start in range(0, len(pairs), _BLOCK):
            one_true, one_estimate = true[start : start + _BLOCK, None], estimate[start : start + _BLOCK, None]
            agree += int(np.count_nonzero((one_estimate > estimate) & (one_true > true)))
            disagree += int(np.count_nonzero((one_estimate >= estimate) & (one_true < true)))
        concordant += [agree] if agree else []
        discordant += [disagree] if disagree else []
    right = np.float64(np.mean(concordant or 0))
    wrong = np.float64(np.mean(discordant or 0))
    if right + wrong == 0:
        raise ValueError(
            "cannot compute fcp on this list of prediction. Does every user have at least two predictions?"
        )
    value = right / (right + wrong)
    if verbose:
        print(f"FCP:  {value:1.4f}")
    return value
