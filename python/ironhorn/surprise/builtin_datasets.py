"""The data sets that `Dataset.load_builtin` knows: where they come from, where they are kept, how they are read."""

import os
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from .reader import BUILTIN_READERS

_SOURCES = {
    "ml-100k": ("https://files.grouplens.org/datasets/movielens/ml-100k.zip", "ml-100k/ml-100k/u.data"),
    "ml-1m": ("https://files.grouplens.org/datasets/movielens/ml-1m.zip", "ml-1m/ml-1m/ratings.dat"),
    "jester": ("https://eigentaste.berkeley.edu/dataset/archive/jester_dataset_2.zip", "jester/jester_ratings.dat"),
}
"""Address of the archive, and place of its ratings in the data folder."""


class BuiltinDataset(NamedTuple):
    """Where a data set is.

    Args:
        url: Address of the archive.
        path: Where the file of ratings is kept.
        reader_params: Arguments of the `Reader` for it.
    """

    url: str
    path: str
    reader_params: dict[str, Any]


def _folder() -> str:
    return os.environ.get("SURPRISE_DATA_FOLDER", os.path.expanduser("~") + "/.surprise_data/")


def get_dataset_dir() -> str:
    """The data folder; made where it does not exist.

    Returns:
        What the environment variable `SURPRISE_DATA_FOLDER` says, otherwise `~/.surprise_data/`.
    """
    folder = _folder()
    os.makedirs(folder, exist_ok=True)
    return folder


class BuiltinDatasets(Mapping[str, BuiltinDataset]):
    """Name to `BuiltinDataset`, with paths in the data folder as it is named at the time."""

    def __getitem__(self, name: str) -> BuiltinDataset:
        url, path = _SOURCES[name]
        return BuiltinDataset(url, os.path.join(_folder(), path), dict(BUILTIN_READERS[name]))

    def __iter__(self) -> Iterator[str]:
        return iter(_SOURCES)

    def __len__(self) -> int:
        return len(_SOURCES)

    def __repr__(self) -> str:
        return repr(dict(self))


BUILTIN_DATASETS = BuiltinDatasets()


def download_builtin_dataset(name: str) -> None:
    """Download a data set and unpack it into the data folder.

    Args:
        name: One of `BUILTIN_DATASETS`.

    Raises:
        OSError: When it cannot be downloaded.
    """
    import tempfile
    import urllib.request
    import zipfile

    dataset = BUILTIN_DATASETS[name]
    folder = get_dataset_dir()
    place = os.path.join(folder, name)
    print("Trying to download dataset from " + dataset.url + "...")
    with tempfile.TemporaryDirectory(dir=folder) as parts:
        archive = os.path.join(parts, "archive.zip")
        urllib.request.urlretrieve(dataset.url, archive)
        with zipfile.ZipFile(archive) as file:
            file.extractall(os.path.join(parts, name))
        # A download that broke off leaves no half of a data set in its place.
        if not os.path.exists(place):
            os.rename(os.path.join(parts, name), place)
        else:
            with zipfile.ZipFile(archive) as file:
                file.extractall(place)
    print("Done! Dataset", name, "has been saved to", place)
