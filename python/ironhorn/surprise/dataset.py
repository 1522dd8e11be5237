"""Ratings as they come from a file or a data frame, under raw ids."""

import os
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._not_yet import Announcing
from .reader import RawRating, Reader
from .trainset import Trainset, encode


class Columns(NamedTuple):
    """Ratings as arrays, with a code for every raw id, and the list that they were made of."""

    rows: list[RawRating]
    users: NDArray[np.int64]
    items: NDArray[np.int64]
    ratings: NDArray[np.float64]
    user_ids: list[Any]
    item_ids: list[Any]


class Dataset(metaclass=Announcing):
    """Ratings to split and to train on. Make one with `load_from_file` or `load_from_df`.

    Args:
        reader: Parses lines, and holds the rating scale.

    Example:
        >>> data = Dataset.load_from_file("ratings.csv", Reader(sep=",", skip_lines=1))
        >>> trainset = data.build_full_trainset()
    """

    _not_yet: ClassVar[dict[str, str]] = {
        "load_builtin": "Download the file and use Dataset.load_from_file(path, Reader('ml-100k')).",
        "load_from_folds": "Use load_from_file for each file, build_full_trainset and construct_testset.",
    }

    _columns: Columns | None = None

    def __init__(self, reader: Reader) -> None:
        self.reader = reader

    @classmethod
    def load_from_file(cls, file_path: str | os.PathLike[str], reader: Reader) -> "DatasetAutoFolds":
        """Read ratings from a text file, one a line.

        Args:
            file_path: The file; a leading `~` is the home folder.
            reader: How to parse its lines.

        Returns:
            The data set.

        Raises:
            ValueError: When a line cannot be parsed; a note on the error says which.

        Example:
            >>> Dataset.load_from_file("u.data", Reader("ml-100k"))
        """
        return DatasetAutoFolds(ratings_file=file_path, reader=reader)

    @classmethod
    def load_from_df(cls, df: Any, reader: Reader) -> "DatasetAutoFolds":
        """Take ratings from a pandas data frame.

        Args:
            df: A frame with three columns in this order, whatever their names: raw user ids, raw item ids, ratings.
            reader: Holds the rating scale; nothing else of it is used.

        Returns:
            The data set.

        Raises:
            ValueError: When there are not three columns.
            TypeError: When `df` is not a data frame.

        Example:
            >>> Dataset.load_from_df(frame[["user", "item", "stars"]], Reader(rating_scale=(1, 5)))
        """
        return DatasetAutoFolds(reader=reader, df=df)

    def read_ratings(self, file_name: str | os.PathLike[str]) -> list[RawRating]:
        """Parse a file with this data set's reader."""
        first, parse = self.reader.skip_lines, self.reader.parse_line
        ratings: list[RawRating] = []
        with open(os.path.expanduser(file_name)) as lines:
            for line in islice(lines, first, None):
                try:
                    ratings.append(parse(line))
                except ValueError as error:
                    number = first + len(ratings) + 1
                    error.add_note(f"Line {number} of {os.fspath(file_name)}: {line.rstrip()[:200]!r}")
                    raise
        return ratings

    def construct_trainset(self, raw_trainset: Iterable[RawRating]) -> Trainset:
        """Make a trainset of (raw user id, raw item id, rating, timestamp) rows."""
        rows = list(raw_trainset)
        raw_users, raw_items, ratings, _ = zip(*rows, strict=True) if rows else ((), (), (), ())
        users, user_ids = encode(raw_users)
        items, item_ids = encode(raw_items)
        scale = self.reader.rating_scale
        return Trainset._from_inner(users, items, np.array(ratings, np.float64), user_ids, item_ids, scale)

    def construct_testset(self, raw_testset: Iterable[RawRating]) -> list[tuple[Any, Any, float]]:
        """Make (raw user id, raw item id, rating) rows out of rows with timestamps."""
        return [(user, item, rating) for user, item, rating, _ in raw_testset]

    def split_at(
        self, train: NDArray[np.intp], test: NDArray[np.intp]
    ) -> tuple[Trainset, list[tuple[Any, Any, float]]]:
        """Make a trainset and a testset of the rows of `raw_ratings` at these positions, in their order."""
        rows: list[RawRating] = self.raw_ratings  # type: ignore[attr-defined]
        testset = self.construct_testset([rows[index] for index in test.tolist()])
        columns = self._columns_of(rows)
        if columns is None or type(self).construct_trainset is not Dataset.construct_trainset:
            return self.construct_trainset([rows[index] for index in train.tolist()]), testset
        users, user_ids = _by_appearance(columns.users[train], columns.user_ids)
        items, item_ids = _by_appearance(columns.items[train], columns.item_ids)
        scale = self.reader.rating_scale
        return Trainset._from_inner(users, items, columns.ratings[train], user_ids, item_ids, scale), testset

    def _columns_of(self, rows: list[RawRating]) -> Columns | None:
        """The rows as columns, remembered for the next split; `None` for rows that can change under us."""
        # Equal by identity of the rows, which are tuples: whatever became of the list, this tells.
        if (known := self._columns) is not None and known.rows == rows:
            return known
        if not rows or any(type(row) is not tuple for row in rows):
            return None
        raw_users, raw_items, ratings, _ = zip(*rows, strict=True)
        users, user_ids = encode(raw_users)
        items, item_ids = encode(raw_items)
        self._columns = Columns(list(rows), users, items, np.array(ratings, np.float64), user_ids, item_ids)
        return self._columns


def _by_appearance(codes: NDArray[np.int64], ids: list[Any]) -> tuple[NDArray[np.int64], list[Any]]:
    """Number the codes 0, 1, ... in order of first appearance; ids of the numbers."""
    first = np.full(len(ids), len(codes))
    first[codes[::-1]] = np.arange(len(codes))[::-1]  # of several writes to one place the last stays
    present = np.flatnonzero(first < len(codes))
    order = present[np.argsort(first[present])]
    numbers = np.empty(len(ids), np.int64)
    numbers[order] = np.arange(len(order))
    return numbers[codes], [ids[code] for code in order.tolist()]


class DatasetAutoFolds(Dataset):
    """A data set that is not split into folds beforehand.

    Args:
        ratings_file: File to read, or
        reader: Parses its lines, and holds the rating scale.
        df: data frame to take.
    """

    def __init__(
        self,
        ratings_file: str | os.PathLike[str] | None = None,
        reader: Reader | None = None,
        df: Any = None,
    ) -> None:
        if reader is None or not hasattr(reader, "rating_scale"):
            raise TypeError(f"reader must be a Reader, as Reader(rating_scale=(1, 5)); received {reader!r}.")
        super().__init__(reader)
        self.has_been_split = False
        self.raw_ratings: list[RawRating]
        if ratings_file is not None:
            self.ratings_file = ratings_file
            self.raw_ratings = self.read_ratings(ratings_file)
        elif df is not None:
            self.df = df
            self.raw_ratings = rows_of(df)
        else:
            raise ValueError("Must specify ratings file or dataframe.")

    def build_full_trainset(self) -> Trainset:
        """Make a trainset of all ratings, with nothing held back.

        Example:
            >>> SVD().fit(data.build_full_trainset()).predict("ann", "bolt")
        """
        return self.construct_trainset(self.raw_ratings)


def rows_of(df: Any) -> list[RawRating]:
    """Rows of a data frame of users, items and ratings."""
    if not hasattr(df, "iloc"):
        raise TypeError(f"load_from_df takes a pandas DataFrame; received {type(df).__name__}.")
    names: Sequence[Any] = list(df.columns)
    if len(names) != 3:
        raise ValueError(
            f"load_from_df takes three columns in this order: users, items, ratings; received {len(names)}: {names}. "
            "Select them, as in df[['user', 'item', 'rating']]."
        )
    users, items, ratings = (df.iloc[:, column].tolist() for column in range(3))
    return [(user, item, float(rating), None) for user, item, rating in zip(users, items, ratings, strict=True)]
