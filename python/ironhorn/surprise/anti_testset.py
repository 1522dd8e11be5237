"""Pairs of users and items without a rating, made as they are read."""

from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

Row = tuple[Any, Any, float]


class AntiTestset(Sequence[Row]):
    """All pairs of a known user and a known item that have no rating: a read-only list that holds none of its rows.

    It equals the list that it stands for, and is as good wherever one is only read: `len`, indices and slices, loops,
    `algo.test`. `list(...)` makes a real one, of about `n_users * n_items` tuples.

    Args:
        users: Raw user ids, in the order of inner ones.
        items: Raw item ids, in the order of inner ones.
        rated: Inner ids of the items that each user has rated, ascending.
        fill: What stands for the true rating.
    """

    def __init__(self, users: list[Any], items: list[Any], rated: list[NDArray[np.int64]], fill: float) -> None:
        self._users = users
        self._items = items
        self._rated = rated
        self._fill = fill
        self._ends = np.cumsum([len(items) - len(own) for own in rated], dtype=np.int64)

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def _of(self, user: int) -> list[Row]:
        left = np.ones(len(self._items), np.bool_)
        left[self._rated[user]] = False
        raw, items, fill = self._users[user], self._items, self._fill
        return [(raw, items[item], fill) for item in np.flatnonzero(left).tolist()]

    def __iter__(self) -> Iterator[Row]:
        for user in range(len(self._users)):
            yield from self._of(user)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        if isinstance(index, slice):
            places = range(len(self))[index]
            if places.step == 1 and len(places) > len(self._items):
                first, last = (int(np.searchsorted(self._ends, at, "right")) for at in (places[0], places[-1]))
                rows = [row for user in range(first, last + 1) for row in self._of(user)]
                start = places.start - (int(self._ends[first - 1]) if first else 0)
                return rows[start : start + len(places)]
            return [self[place] for place in places]
        try:
            place = range(len(self))[index]
        except IndexError:
            raise IndexError(f"index {index} of {len(self)} pairs") from None
        user = int(np.searchsorted(self._ends, place, "right"))
        skipped = place - (int(self._ends[user - 1]) if user else 0)
        # Each rated item at or before the place moves it on by one.
        rated = self._rated[user]
        item = skipped + int(np.searchsorted(rated - np.arange(len(rated)), skipped, "right"))
        return self._users[user], self._items[item], self._fill

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, list | AntiTestset):
            return NotImplemented
        return len(self) == len(other) and all(own == theirs for own, theirs in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __add__(self, other: Any) -> list[Row]:
        return [*self, *other]

    def __radd__(self, other: Any) -> list[Row]:
        return [*other, *self]

    def __repr__(self) -> str:
        return f"<AntiTestset of {len(self)} pairs>"

    def __getattr__(self, name: str) -> Any:
        if name in ("append", "clear", "copy", "extend", "insert", "pop", "remove", "sort"):
            raise AttributeError(f"An anti-testset of this size is read-only. Make a list of it: list(pairs).{name}.")
        raise AttributeError(f"'AntiTestset' object has no attribute '{name}'")
