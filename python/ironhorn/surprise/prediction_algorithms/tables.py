"""A trainset's ratings as the engine holds them."""

import os
import warnings
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from ironhorn._core import RatingTable
from ironhorn.errors import OutOfMemory

from ..trainset import Trainset, encode, user_major

Tables = tuple[RatingTable, RatingTable]
"""Ratings by user, and by item."""

_known: WeakKeyDictionary[Any, Tables] = WeakKeyDictionary()


def tables(trainset: Any, refresh: bool = False) -> Tables:
    """Ratings of a trainset by user and by item, each in the order of `ur` and `ir`.

    Args:
        trainset: A trainset of ours or of Surprise's.
        refresh: Whether `ur` and `ir` may have been changed since the last call, as before a fit.

    Returns:
        The two tables; the same objects as long as nothing changes.

    Raises:
        ValueError: For a rating that is not finite.
    """
    found = _known.get(trainset)
    columns = getattr(trainset, "_columns", None)
    untouched = columns is not None and trainset._ur is None and trainset._ir is None
    if found is None or (refresh and not untouched):
        found = _known[trainset] = (_table(trainset, by_user=True), _table(trainset, by_user=False))
    return found


def _table(trainset: Any, by_user: bool) -> RatingTable:
    shape = (trainset.n_users, trainset.n_items) if by_user else (trainset.n_items, trainset.n_users)
    if isinstance(trainset, Trainset) and (trainset._ur if by_user else trainset._ir) is None:
        assert trainset._columns is not None
        users, items, ratings = trainset._columns
        keys, others = (users, items) if by_user else (items, users)
        values = np.ascontiguousarray(ratings, np.float64)
        return RatingTable.from_columns(keys.astype(np.uint32), others.astype(np.uint32), values, *shape)
    return RatingTable(*user_major(trainset.ur if by_user else trainset.ir), *shape)


def as_trainset(data: Any) -> Any:
    """Take ratings in any of the forms that `fit` accepts.

    Args:
        data: A trainset; a SciPy sparse matrix or array of users by items, whose stored values are the ratings; or a
            tuple of three equally long columns: users, items, ratings.

    Returns:
        The trainset. Made of a matrix or of columns, its raw ids are row and column numbers or what the columns hold,
        and its rating scale runs from the lowest to the highest rating.

    Raises:
        TypeError: For anything else.
        ValueError: For columns of different lengths, no ratings at all, or one that is not finite.
    """
    if hasattr(data, "all_ratings"):
        return data
    if hasattr(data, "tocoo") and hasattr(data, "nnz"):
        stored = data.tocoo()
        columns = [stored.row.tolist(), stored.col.tolist(), stored.data]
    elif isinstance(data, tuple) and len(data) == 3:
        columns = [getattr(column, "tolist", lambda column=column: list(column))() for column in data]
    else:
        raise TypeError(
            f"fit takes a Trainset; received {type(data).__name__}. Make one with data.build_full_trainset() or "
            "train_test_split(data), or pass a SciPy sparse matrix or a tuple (users, items, ratings)."
        )
    raw_users, raw_items, ratings = columns[0], columns[1], np.asarray(columns[2], np.float64)
    if not len(raw_users) == len(raw_items) == len(ratings):
        raise ValueError(
            f"fit received {len(raw_users)} users, {len(raw_items)} items and {len(ratings)} ratings: lengths must be "
            "equal."
        )
    if not len(ratings):
        raise ValueError("The trainset holds no ratings: there is nothing to fit.")
    if not np.isfinite(ratings).all():
        at = int(np.flatnonzero(~np.isfinite(ratings))[0])
        raise ValueError(
            f"The rating of user {raw_users[at]!r} for item {raw_items[at]!r} is {ratings[at]}; ratings must be finite "
            "numbers."
        )
    scale = (float(ratings.min()), float(ratings.max()))
    users, user_ids = encode(raw_users)
    items, item_ids = encode(raw_items)
    return Trainset._from_inner(users, items, ratings, user_ids, item_ids, scale)


def extended(trainset: Any, new_ratings: Any) -> Trainset:
    """A trainset with more ratings after those it has; inner ids stay, new users and items follow.

    Args:
        trainset: The trainset.
        new_ratings: Rows of raw user id, raw item id, rating.

    Returns:
        The longer trainset.

    Raises:
        ValueError: For a row of another length or a rating that is not finite.
    """
    raw_users, raw_items, added = rating_rows(new_ratings)
    user_ids = [trainset.to_raw_uid(user) for user in trainset.all_users()]
    item_ids = [trainset.to_raw_iid(item) for item in trainset.all_items()]
    users, items, ratings = data_order(trainset)
    columns = []
    for ids, codes, raw in ((user_ids, users, raw_users), (item_ids, items, raw_items)):
        inner = {value: code for code, value in enumerate(dict.fromkeys([*ids, *raw]))}
        ids[:] = list(inner)
        columns.append(np.concatenate([codes, np.fromiter(map(inner.__getitem__, raw), np.int64, len(raw))]))
    longer = np.concatenate([ratings, added])
    return Trainset._from_inner(columns[0], columns[1], longer, user_ids, item_ids, trainset.rating_scale)


def rating_rows(rows: Any) -> tuple[list[Any], list[Any], NDArray[np.float64]]:
    """Columns of rows of raw user id, raw item id, rating; checked."""
    rows = list(rows)
    for row in rows:
        if len(row) != 3:
            raise ValueError(f"Expected rows of (user, item, rating); received {row!r}.")
        if not np.isfinite(row[2]):
            raise ValueError(
                f"The rating of user {row[0]!r} for item {row[1]!r} is {row[2]}; ratings must be finite numbers."
            )
    return [row[0] for row in rows], [row[1] for row in rows], np.array([row[2] for row in rows], np.float64)


def warn_beyond_scale(trainset: Any) -> None:
    """Say when ratings lie outside of the rating scale, to which all estimates are clipped.

    Args:
        trainset: The trainset.
    """
    lowest, highest = trainset.rating_scale
    least, most = tables(trainset)[0].bounds()
    if least < lowest or most > highest:
        warnings.warn(
            f"Ratings run from {least:g} to {most:g}, beyond the rating scale from {lowest:g} to {highest:g}, to which "
            f"estimates are clipped. Pass rating_scale=({min(least, lowest):g}, {max(most, highest):g}) to the Reader.",
            UserWarning,
            stacklevel=4,
        )


def data_order(trainset: Any) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Columns of inner users, inner items and ratings: in the data's order where that is known, else by user."""
    if isinstance(trainset, Trainset) and trainset._ur is None and trainset._ir is None:
        assert trainset._columns is not None
        return trainset._columns
    rows, counts, items, ratings = tables(trainset)[0].grouped()
    return np.repeat(rows.astype(np.int64), counts.astype(np.int64)), items.astype(np.int64), ratings


def require_memory(needed: int, what: str, instead: str) -> None:
    """Refuse what does not fit into memory, before it is allocated.

    Args:
        needed: Bytes.
        what: What needs them.
        instead: What to do.

    Raises:
        OutOfMemory: When there are fewer.
    """
    available = _available_memory()
    if needed > available:
        raise OutOfMemory(
            f"{what} need {needed / 2**30:.1f} GiB of memory; {available / 2**30:.1f} GiB are available. {instead}"
        )


def _available_memory() -> int:
    """Bytes that the system would still give this process, as far as it tells."""
    available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 2**62
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    available = int(line.split()[1]) * 1024
        with open("/sys/fs/cgroup/memory.max", encoding="ascii") as limit:
            text = limit.read().strip()
        if text != "max":
            with open("/sys/fs/cgroup/memory.current", encoding="ascii") as used:
                available = min(available, int(text) - int(used.read()))
    except (OSError, ValueError):
        pass
    return max(available, 0)
