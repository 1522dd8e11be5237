"""Ways to split a data set into trainsets and testsets."""

import numbers
from collections.abc import Callable, Iterator
from math import ceil, floor
from typing import Any, Protocol, cast

import numpy as np

from ..dataset import DatasetAutoFolds, DatasetUserFolds
from ..trainset import Trainset
from ..utils import RandomSeed, get_rng

__all__ = [
    "KFold",
    "LeaveOneOut",
    "PredefinedKFold",
    "RepeatedKFold",
    "ShuffleSplit",
    "get_cv",
    "train_test_split",
]

Testset = list[tuple[Any, Any, float]]
"""Rows of raw user id, raw item id, true rating."""


class Splitter(Protocol):
    """A cross-validation iterator."""

    n_splits: int

    def split(self, data: Any) -> Iterator[tuple[Trainset, Testset]]:
        """Yield trainsets and testsets."""
        ...

    def get_n_folds(self) -> int:
        """Number of folds."""
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


class RepeatedKFold:
    """`KFold` several times over, shuffled anew each time.

    Args:
        n_splits: Number of folds.
        n_repeats: How many times.
        random_state: A seed, a `RandomState`, or `None` for NumPy's global one; one generator serves all repetitions.

    Example:
        >>> cross_validate(SVD(), data, cv=RepeatedKFold(5, n_repeats=3, random_state=0))
    """

    def __init__(self, n_splits: int = 5, n_repeats: int = 10, random_state: RandomSeed = None) -> None:
        self.n_splits = n_splits
        self.n_repeats = n_repeats
        self.random_state = random_state

    def split(self, data: DatasetAutoFolds) -> Iterator[tuple[Trainset, Testset]]:
        """Yield a trainset and a testset a fold and repetition.

        Args:
            data: The data set.

        Raises:
            ValueError: For fewer than two folds, or more folds than ratings.
        """
        rng = get_rng(self.random_state)
        for _ in range(self.n_repeats):
            yield from KFold(self.n_splits, rng).split(data)

    def get_n_folds(self) -> int:
        """Number of folds, of all repetitions together."""
        return self.n_repeats * self.n_splits


class ShuffleSplit:
    """Random trainsets and testsets, each drawn from all ratings.

    Args:
        n_splits: How many times to split.
        test_size: Ratings of a testset: a float is a share of all, an int a number; `None` means what is left.
        train_size: Likewise for a trainset.
        random_state: A seed, a `RandomState`, or `None` for NumPy's global one.
        shuffle: Whether to shuffle the ratings first; otherwise all splits are the same, the trainset first.

    Raises:
        ValueError: When a number is not positive.

    Example:
        >>> for trainset, testset in ShuffleSplit(3, test_size=0.1).split(data):
        ...     accuracy.rmse(SVD().fit(trainset).test(testset))
    """

    def __init__(
        self,
        n_splits: int = 5,
        test_size: float | None = 0.2,
        train_size: float | None = None,
        random_state: RandomSeed = None,
        shuffle: bool = True,
    ) -> None:
        if n_splits <= 0:
            raise ValueError(f"n_splits = {n_splits} should be strictly greater than 0.")
        for name, size in (("test_size", test_size), ("train_size", train_size)):
            if size is not None and size <= 0:
                raise ValueError(f"{name}={size} should be strictly greater than 0")
        self.n_splits = n_splits
        self.test_size = test_size
        self.train_size = train_size
        self.random_state = random_state
        self.shuffle = shuffle

    def validate_train_test_sizes(
        self, test_size: float | None, train_size: float | None, n_ratings: int
    ) -> tuple[int, int]:
        """Numbers of ratings to train and to test on.

        Args:
            test_size: As in the constructor.
            train_size: As in the constructor.
            n_ratings: Number of all ratings.

        Raises:
            ValueError: When sizes exceed the number of ratings, or none is given.
        """
        return _sizes(test_size, train_size, n_ratings)

    def split(self, data: DatasetAutoFolds) -> Iterator[tuple[Trainset, Testset]]:
        """Yield a trainset and a testset a split.

        Args:
            data: The data set.

        Raises:
            ValueError: When sizes exceed the number of ratings.
        """
        count = len(data.raw_ratings)
        n_train, n_test = self.validate_train_test_sizes(self.test_size, self.train_size, count)
        # Seeds are looked at even without a shuffle: a wrong one is an error either way.
        rng = get_rng(self.random_state)
        for _ in range(self.n_splits):
            order = rng.permutation(count) if self.shuffle else np.arange(count)
            yield data.split_at(order[:n_train], order[n_train : n_train + n_test])

    def get_n_folds(self) -> int:
        """Number of splits."""
        return self.n_splits


class LeaveOneOut:
    """Random splits that test on one rating of each user.

    Args:
        n_splits: How many times to split.
        random_state: A seed, a `RandomState`, or `None` for NumPy's global one.
        min_n_ratings: How many ratings of a user the trainset needs; users with fewer are in neither set. With 0 a user
            of one rating is in the testset only.

    Example:
        >>> cross_validate(SVD(), data, cv=LeaveOneOut(3, min_n_ratings=5))
    """

    def __init__(self, n_splits: int = 5, random_state: RandomSeed = None, min_n_ratings: int = 0) -> None:
        self.n_splits = n_splits
        self.random_state = random_state
        self.min_n_ratings = min_n_ratings

    def split(self, data: DatasetAutoFolds) -> Iterator[tuple[Trainset, Testset]]:
        """Yield a trainset, user by user, and a testset a split.

        Args:
            data: The data set.

        Raises:
            ValueError: When no user has enough ratings.
        """
        places: dict[Any, list[int]] = {}
        for place, (user, *_) in enumerate(data.raw_ratings):
            places.setdefault(user, []).append(place)
        kept = [own for own in places.values() if len(own) > self.min_n_ratings]
        order = np.array([place for own in kept for place in own], np.intp)
        starts = np.cumsum([0, *(len(own) for own in kept)])
        rng = get_rng(self.random_state)
        for _ in range(self.n_splits):
            # One draw a user, since the bound is part of the draw.
            picked = np.array([rng.randint(0, len(own)) for own in kept], np.intp) + starts[:-1]
            if len(order) == len(picked):
                raise ValueError("Could not build any trainset. Maybe min_n_ratings is too high?")
            yield data.split_at(np.delete(order, picked), order[picked])

    def get_n_folds(self) -> int:
        """Number of splits."""
        return self.n_splits


class PredefinedKFold:
    """The folds of a data set of `Dataset.load_from_folds`.

    Attributes:
        n_splits: Number of folds, once `split` was called.
    """

    n_splits: int

    def split(self, data: DatasetUserFolds) -> Iterator[tuple[Trainset, Testset]]:
        """Yield a trainset and a testset a pair of files.

        Args:
            data: The data set.
        """
        self.n_splits = len(data.folds_files)
        for train_file, test_file in data.folds_files:
            train, test = data.read_ratings(train_file), data.read_ratings(test_file)
            yield data.construct_trainset(train), data.construct_testset(test)

    def get_n_folds(self) -> int:
        """Number of folds of the data set that was split last."""
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
    splits = ShuffleSplit(1, test_size, train_size, random_state, shuffle)
    return next(splits.split(data))


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
