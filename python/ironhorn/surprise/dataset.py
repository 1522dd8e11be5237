"""Ratings as they come from a file or a data frame, under raw ids."""

import os
import sys
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .builtin_datasets import BUILTIN_DATASETS, download_builtin_dataset
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


class Dataset:
    """Ratings to split and to train on.

    Make one with `load_builtin`, `load_from_file`, `load_from_df` or `load_from_folds`.

    Args:
        reader: Parses lines, and holds the rating scale.

    Example:
        >>> data = Dataset.load_from_file("ratings.csv", Reader(sep=",", skip_lines=1))
        >>> trainset = data.build_full_trainset()
    """

    _columns: Columns | None = None

    def __init__(self, reader: Reader) -> None:
        self.reader = reader

    @classmethod
    def load_builtin(cls, name: str = "ml-100k", prompt: bool = True) -> "DatasetAutoFolds":
        """Read a well-known data set out of the data folder, see `get_dataset_dir`; it is downloaded once.

        Args:
            name: 'ml-100k', 'ml-1m' or 'jester'.
            prompt: Whether to ask before it is downloaded. A no ends the program.

        Returns:
            The data set.

        Raises:
            ValueError: For another name.
            OSError: When it cannot be downloaded.

        Example:
            >>> Dataset.load_builtin("ml-100k", prompt=False)
        """
        if name not in BUILTIN_DATASETS:
            raise ValueError(f"unknown dataset {name}. Accepted values are {', '.join(BUILTIN_DATASETS)}.")
        found = BUILTIN_DATASETS[name]
        if not os.path.isfile(found.path):
            while prompt:
                print(f"Dataset {name} could not be found. Do you want to download it? [Y/n] ", end="")
                answer = input().strip().lower()
                if answer in ("", "y", "yes"):
                    break
                if answer in ("n", "no"):
                    print("Ok then, I'm out!")
                    sys.exit()
            download_builtin_dataset(name)
        return cls.load_from_file(file_path=found.path, reader=Reader(**found.reader_params))

    @classmethod
    def load_from_folds(
        cls, folds_files: Iterable[tuple[str | os.PathLike[str], str | os.PathLike[str]]], reader: Reader
    ) -> "DatasetUserFolds":
        """Take folds that are files already, to go through with `PredefinedKFold`.

        Args:
            folds_files: A pair of files for each fold: ratings to train on, ratings to test on.
            reader: How to parse their lines.

        Returns:
            The data set. Files are read when a fold is asked for.

        Raises:
            ValueError: When a file does not exist.

        Example:
            >>> data = Dataset.load_from_folds([("u1.base", "u1.test"), ("u2.base", "u2.test")], Reader("ml-100k"))
            >>> cross_validate(SVD(), data, cv=PredefinedKFold())
        """
        return DatasetUserFolds(folds_files=folds_files, reader=reader)

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


class DatasetUserFolds(Dataset):
    """A data set whose folds are files.

    Args:
        folds_files: A pair of files for each fold: ratings to train on, ratings to test on.
        reader: Parses their lines, and holds the rating scale.

    Raises:
        ValueError: When a file does not exist.
    """

    def __init__(self, folds_files: Iterable[tuple[Any, Any]] | None = None, reader: Reader | None = None) -> None:
        super().__init__(_checked(reader))
        if folds_files is None:
            raise ValueError("Must specify folds_files: a pair of files for each fold, to train and to test on.")
        self.folds_files = list(folds_files)
        for files in self.folds_files:
            for file in files:
                if not os.path.isfile(os.path.expanduser(file)):
                    raise ValueError(f"File {file} does not exist.")


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
        if ratings_file is None and df is None:
            raise ValueError("Must specify ratings file or dataframe.")
        super().__init__(_checked(reader))
        self.has_been_split = False
        self.raw_ratings: list[RawRating]
        if ratings_file is not None:
            self.ratings_file = ratings_file
            self.raw_ratings = self.read_ratings(ratings_file)
        else:
            self.df = df
            self.raw_ratings = rows_of(df)

    def build_full_trainset(self) -> Trainset:
        """Make a trainset of all ratings, with nothing held back.

        Example:
            >>> SVD().fit(data.build_full_trainset()).predict("ann", "bolt")
        """
        return self.construct_trainset(self.raw_ratings)


def _checked(reader: Reader | None) -> Reader:
    if reader is None or not hasattr(reader, "rating_scale"):
        raise TypeError(f"reader must be a Reader, as Reader(rating_scale=(1, 5)); received {reader!r}.")
    return reader


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
