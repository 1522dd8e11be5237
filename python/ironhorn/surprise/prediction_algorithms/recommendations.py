"""What `recommend` returns."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Recommendations(Mapping[Any, list[tuple[Any, float]]]):
    """Recommended items of some users: a read-only dictionary from raw user id to (raw item id, estimate), best first.

    Attributes:
        users: Raw ids of the users, in the order in which they were asked for.
        items_inner: Inner item ids, (n_users, n): -1 where there are no more items.
        estimates: Estimates, (n_users, n): NaN where there are no more items.

    Example:
        >>> for user, items in algo.recommend(["ann", "bob"], n=3).items():
        ...     print(user, items)
    """

    def __init__(
        self, users: list[Any], items: NDArray[np.int32], estimates: NDArray[np.float64], trainset: Any
    ) -> None:
        self.users = users
        self.items_inner = items
        self.estimates = estimates
        self._trainset = trainset
        self._rows = {user: row for row, user in enumerate(users)}

    def __getitem__(self, user: Any) -> list[tuple[Any, float]]:
        row = self._rows[user]
        raw = self._trainset.to_raw_iid
        found = zip(self.items_inner[row].tolist(), self.estimates[row].tolist(), strict=True)
        return [(raw(item), estimate) for item, estimate in found if item >= 0]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        return f"<Recommendations of up to {self.items_inner.shape[1]} items for {len(self)} users>"
