"""Ways to split a data set into trainsets and testsets."""

import numbers
from collections.abc import Callable, Iterator
from math import ceil, floor
from typing import Any, Protocol, cast

import numpy as np

from .._not_yet import announce
from ..dataset import DatasetAutoFolds
from ..trainset import Trainset
from ..utils import RandomSeed, get_rng

__all__ = ["KFold", "get_cv", "train_test_split"]

__getattr__ = announce(
    __name__, absent=("LeaveOneOut", "PredefinedKFold", "RepeatedKFold", "ShuffleSplit"), present=__all__
)

Testset = list[tuple[Any, Any, float]]
"""Rows of raw user id, raw item id, true rating."""


class Splitter(Protocol):
    """A cross-validation iterator."""

    n_splits: int

    def split(self, data: Any) -> Iterator[tuple[Trainset, Testset]]:
        """Yield trainsets and testsets."""
        ...


def get_cv(cv: Any) -> Splitter:
    """Turn a `cv` argument into a cross-validation iterator.

    Args:
        cv: `None` for five folds, a number of folds, or an object with `split`.

    Returns:
        The iterator.

    Raises:
        ValueError: For anything else.
    """
    if cv is None:
        return KFold(n_splits=5)
    if isinstance(cv, numbers.Integral):
        return KFold(n_splits=int(cv))
    if hasattr(cv, "split") and not isinstance(cv, str):
        return cast(Splitter, cv)
    raise ValueError(f"Wrong CV object. Expecting None, an int or CV iterator, got a {type(cv)}")


class KFold:
    """Cross-validation in folds: each is the testset once, while the others are the trainset.

    Args:
        n_splits: Number of folds. The first ones are larger by one rating where it does not divide evenly.
        random_state: A seed, the same folds at every `split`; a `RandomState`; or `None` for NumPy's global one.
        shuffle: Whether to shuffle the ratings first (a copy of them).

    Example:
        >>> for trainset, testset in KFold(5, random_state=0).split(data):
        ...     accuracy.rmse(algo.fit(trainset).test(testset))
    """

    def __init__(self, n_splits: int = 5, random_state: RandomSeed = None, shuffle: bool = True) -> None:
        self.n_splits = n_splits
        self.random_state = random_state
        self.shuffle = shuffle

    def split(self, data: DatasetAutoFolds) -> Iterator[tuple[Trainset, Testset]]:
        """Yield a trainset and a testset a fold.

        Args:
            data: The data set.

        Raises:
            ValueError: For fewer than two folds, or more folds than ratings.
        """
        raw = data.raw_ratings
        if self.n_splits > len(raw) or self.n_splits < 2:
            raise ValueError(
                f"Incorrect value for n_splits={self.n_splits}. Must be >=2 and less than the number of ratings"
            )
        indices = np.arange(len(raw))
        if self.shuffle:
            get_rng(self.random_state).shuffle(indices)
        size, larger = divmod(len(raw), self.n_splits)
        stop = 0
        for fold in range(self.n_splits):
            start, stop = stop, stop + size + (fold < larger)
            yield data.split_at(np.concatenate((indices[:start], indices[stop:])), indices[start:stop])

    def get_n_folds(self) -> int:
        """Number of folds."""
        return self.n_splits


def train_test_split(
    data: DatasetAutoFolds,
    test_size: float | None = 0.2,
    train_size: float | None = None,
    random_state: RandomSeed = None,
    shuffle: bool = True,
) -> tuple[Trainset, Testset]:
    """Split a data set in two.

    Args:
        data: The data set.
        test_size: Ratings of the testset: a float is a share of all, an int a number; `None` means what is left.
        train_size: Likewise for the trainset.
        random_state: A seed, a `RandomState`, or `None` for NumPy's global one.
        shuffle: Whether to shuffle the ratings first; otherwise the trainset comes first.

    Returns:
        The trainset and the testset.

    Raises:
        ValueError: When sizes are not positive or exceed the number of ratings.

    Example:
        >>> trainset, testset = train_test_split(data, test_size=0.25, random_state=0)
    """
    for name, size in (("test_size", test_size), ("train_size", train_size)):
        if size is not None and size <= 0:
            raise ValueError(f"{name}={size} should be strictly greater than 0")
    raw = data.raw_ratings
    n_train, n_test = _sizes(test_size, train_size, len(raw))
    # Seeds are looked at even without a shuffle: a wrong one is an error either way.
    rng = get_rng(random_state)
    order = rng.permutation(len(raw)) if shuffle else np.arange(len(raw))
    return data.split_at(order[:n_train], order[n_train : n_train + n_test])


def _sizes(test_size: float | None, train_size: float | None, n_ratings: int) -> tuple[int, int]:
    """Numbers of ratings to train and to test on."""
    for name, size in (("test_size", test_size), ("train_size", train_size)):
        if size is not None and size >= n_ratings:
            raise ValueError(f"{name}={size} should be less than the number of ratings {n_ratings}")
    if test_size is None and train_size is None:
        raise ValueError("test_size and train_size are both None: give at least one of them.")

    def count(size: float | None, round_: Callable[[float], int]) -> int | None:
        return round_(size * n_ratings) if isinstance(size, float | np.floating) else cast("int | None", size)

    test, train = count(test_size, ceil), count(train_size, floor)
    if train is None:
        train = n_ratings - cast(int, test)
    if test is None:
        test = n_ratings - train
    if train + test > n_ratings:
        raise ValueError(
            f"The sum of train_size and test_size ({train + test}) should be smaller than the number of ratings "
            f"{n_ratings}."
        )
    return train, test
