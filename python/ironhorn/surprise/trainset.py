"""Ratings to train on, under inner ids."""

from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from .anti_testset import AntiTestset

_LIST_OF_PAIRS = 2**20
"""Pairs up to which `build_anti_testset` makes a list."""

InnerRatings = dict[int, list[tuple[int, float]]]
"""Inner id of one side to its ratings: (inner id of the other side, rating)."""


class UserMajor(NamedTuple):
    """Ratings grouped by user, in training order: `counts[k]` of them belong to user `users[k]`."""

    users: NDArray[np.uint32]
    counts: NDArray[np.uint64]
    items: NDArray[np.uint32]
    ratings: NDArray[np.float64]


def user_major(ur: Mapping[int, Sequence[tuple[int, float]]]) -> UserMajor:
    """Flatten a dictionary of users' ratings, in its order; without the ids that were only asked for."""
    ur = {user: ratings for user, ratings in ur.items() if ratings}
    flat = list(chain.from_iterable(ur.values()))
    items, ratings = zip(*flat, strict=True) if flat else ((), ())
    return UserMajor(
        users=np.fromiter(ur, np.uint32, len(ur)),
        counts=np.fromiter(map(len, ur.values()), np.uint64, len(ur)),
        items=np.array(items, np.uint32),
        ratings=np.array(ratings, np.float64),
    )


def encode(raw: Sequence[Hashable]) -> tuple[NDArray[np.int64], list[Any]]:
    """Number raw ids 0, 1, ... in order of first appearance; the distinct ids in that order."""
    codes = {value: code for code, value in enumerate(dict.fromkeys(raw))}
    return np.fromiter(map(codes.__getitem__, raw), np.int64, len(raw)), list(codes)


class Trainset:
    """The ratings that an algorithm is fitted to.

    Made by `Dataset.build_full_trainset`, `train_test_split` and the cross-validation iterators. Users and items have
    *raw* ids (those of the data) and *inner* ids: 0, 1, ... in order of first appearance.

    Args:
        ur: Inner user id to the user's ratings, (inner item id, rating).
        ir: Inner item id to the item's ratings, (inner user id, rating).
        n_users: Number of users.
        n_items: Number of items.
        n_ratings: Number of ratings.
        rating_scale: The lowest and the highest rating.
        raw2inner_id_users: Raw to inner user ids.
        raw2inner_id_items: Raw to inner item ids.

    Example:
        >>> trainset = Dataset.load_from_file("ratings.txt", Reader()).build_full_trainset()
        >>> trainset.n_users, trainset.to_inner_uid("ann")
    """

    def __init__(
        self,
        ur: InnerRatings,
        ir: InnerRatings,
        n_users: int,
        n_items: int,
        n_ratings: int,
        rating_scale: tuple[float, float],
        raw2inner_id_users: dict[Any, int],
        raw2inner_id_items: dict[Any, int],
    ) -> None:
        # `ur` and `ir` may be made on demand out of `_columns`: users, items, ratings in the data's order. Once handed
        # out, the dictionaries are the truth, since a caller may change them.
        self._ur: InnerRatings | None = ur
        self._ir: InnerRatings | None = ir
        self._columns: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]] | None = None
        self._user_major: UserMajor | None = None
        self.n_users = n_users
        self.n_items = n_items
        self.n_ratings = n_ratings
        self.rating_scale = rating_scale
        self._raw2inner_id_users = raw2inner_id_users
        self._raw2inner_id_items = raw2inner_id_items
        self._inner2raw_id_users: dict[int, Any] | None = None
        self._inner2raw_id_items: dict[int, Any] | None = None
        self._global_mean: float | None = None

    @classmethod
    def _from_inner(
        cls,
        users: NDArray[np.int64],
        items: NDArray[np.int64],
        ratings: NDArray[np.float64],
        user_ids: list[Any],
        item_ids: list[Any],
        rating_scale: tuple[float, float],
    ) -> Self:
        """Make a trainset of columns of inner ids, and the raw ids in their order."""
        raw_users = {raw: inner for inner, raw in enumerate(user_ids)}
        raw_items = {raw: inner for inner, raw in enumerate(item_ids)}
        trainset = cls({}, {}, len(user_ids), len(item_ids), len(ratings), rating_scale, raw_users, raw_items)
        trainset._ur = trainset._ir = None
        trainset._columns = (users, items, ratings)
        return trainset

    @property
    def ur(self) -> InnerRatings:
        """Inner user id to the user's ratings, (inner item id, rating), in the data's order."""
        if self._ur is None:
            self._ur = self._grouped(by_user=True)
            self._user_major = None
        return self._ur

    @ur.setter
    def ur(self, ratings: InnerRatings) -> None:
        self._ur = ratings
        self._user_major = None

    @property
    def ir(self) -> InnerRatings:
        """Inner item id to the item's ratings, (inner user id, rating), in the data's order."""
        if self._ir is None:
            self._ir = self._grouped(by_user=False)
        return self._ir

    @ir.setter
    def ir(self, ratings: InnerRatings) -> None:
        self._ir = ratings

    def _grouped(self, by_user: bool) -> InnerRatings:
        assert self._columns is not None
        users, items, ratings = (column.tolist() for column in self._columns)
        keys, others = (users, items) if by_user else (items, users)
        grouped: InnerRatings = defaultdict(list)
        for key, other, rating in zip(keys, others, ratings, strict=True):
            grouped[key].append((other, rating))
        return grouped

    def user_major(self) -> UserMajor:
        """The ratings as arrays, in the order of `all_ratings`."""
        if self._ur is not None:
            return user_major(self._ur)
        if self._user_major is None:
            assert self._columns is not None
            users, items, ratings = self._columns
            order = np.argsort(users, kind="stable")
            self._user_major = UserMajor(
                users=np.arange(self.n_users, dtype=np.uint32),
                counts=np.bincount(users, minlength=self.n_users).astype(np.uint64),
                items=items[order].astype(np.uint32),
                ratings=ratings[order],
            )
        return self._user_major

    def knows_user(self, uid: Any) -> bool:
        """Whether an inner user id has ratings here."""
        return uid in (self._inner_users() if self._ur is None else self._ur)

    def knows_item(self, iid: Any) -> bool:
        """Whether an inner item id has ratings here."""
        return iid in (self._inner_items() if self._ir is None else self._ir)

    def to_inner_uid(self, ruid: Any) -> int:
        """Inner id of a raw user id.

        Raises:
            ValueError: When the user has no ratings here. Ids differ by type, too: `'1'` is not `1`.
        """
        try:
            return self._raw2inner_id_users[ruid]
        except KeyError:
            raise ValueError(f"User {ruid} is not part of the trainset.") from None

    def to_raw_uid(self, iuid: int) -> Any:
        """Raw id of an inner user id.

        Raises:
            ValueError: When there is no such inner id.
        """
        try:
            return self._inner_users()[iuid]
        except KeyError:
            raise ValueError(f"{iuid} is not a valid inner id.") from None

    def to_inner_iid(self, riid: Any) -> int:
        """Inner id of a raw item id.

        Raises:
            ValueError: When the item has no ratings here. Ids differ by type, too: `'1'` is not `1`.
        """
        try:
            return self._raw2inner_id_items[riid]
        except KeyError:
            raise ValueError(f"Item {riid} is not part of the trainset.") from None

    def to_raw_iid(self, iiid: int) -> Any:
        """Raw id of an inner item id.

        Raises:
            ValueError: When there is no such inner id.
        """
        try:
            return self._inner_items()[iiid]
        except KeyError:
            raise ValueError(f"{iiid} is not a valid inner id.") from None

    def _inner_users(self) -> dict[int, Any]:
        if self._inner2raw_id_users is None:
            self._inner2raw_id_users = {inner: raw for raw, inner in self._raw2inner_id_users.items()}
        return self._inner2raw_id_users

    def _inner_items(self) -> dict[int, Any]:
        if self._inner2raw_id_items is None:
            self._inner2raw_id_items = {inner: raw for raw, inner in self._raw2inner_id_items.items()}
        return self._inner2raw_id_items

    def all_ratings(self) -> Iterator[tuple[int, int, float]]:
        """Iterate over (inner user id, inner item id, rating): user by user, each user's in the data's order."""
        if self._ur is not None:
            for user, ratings in self._ur.items():
                for item, rating in ratings:
                    yield user, item, rating
            return
        flat = self.user_major()
        users = np.repeat(flat.users, flat.counts.astype(np.int64))
        yield from zip(users.tolist(), flat.items.tolist(), flat.ratings.tolist(), strict=True)

    def build_testset(self) -> list[tuple[Any, Any, float]]:
        """All ratings as (raw user id, raw item id, rating), to test on what was trained on."""
        return [(self.to_raw_uid(user), self.to_raw_iid(item), rating) for user, item, rating in self.all_ratings()]

    def build_anti_testset(self, fill: float | None = None) -> Any:
        """All pairs of a known user and a known item that have *no* rating, as (raw user id, raw item id, `fill`).

        Args:
            fill: What stands for the true rating; `None` means the mean of all ratings.

        Returns:
            A list; of more than a million pairs an `AntiTestset`, which reads like one and takes next to no memory.
        """
        fill = self.global_mean if fill is None else float(fill)
        flat = self.user_major()
        ends = np.cumsum(flat.counts.astype(np.int64)).tolist()
        rated = [np.zeros(0, np.int64)] * self.n_users
        for user, start, end in zip(flat.users.tolist(), [0, *ends], ends, strict=False):
            rated[user] = np.unique(flat.items[start:end]).astype(np.int64)
        users = [self.to_raw_uid(user) for user in self.all_users()]
        items = [self.to_raw_iid(item) for item in self.all_items()]
        pairs = AntiTestset(users, items, rated, fill)
        return pairs if len(pairs) > _LIST_OF_PAIRS else list(pairs)

    def all_users(self) -> range:
        """All inner user ids."""
        return range(self.n_users)

    def all_items(self) -> range:
        """All inner item ids."""
        return range(self.n_items)

    @property
    def global_mean(self) -> float:
        """Mean of all ratings, computed once."""
        if self._global_mean is None:
            self._global_mean = np.float64(np.mean(self.user_major().ratings))
        return self._global_mean
