"""Process plant: eleven days of a real plant, 108 anonymised tags every five minutes, no labels."""

import csv

import numpy as np
from numpy.typing import NDArray

from ironhorn.datasets.bibmon import read_members


def load_data() -> tuple[NDArray[np.float64], NDArray[np.datetime64], list[str]]:
    """Load the records of the plant from a local cache.

    Returns:
        `values, times, tags`: float64 `(3169, 108)`, in which a cell that the plant's system left without a number
        ("Inp OutRange", "Bad") is NaN; the time of each row; the name of each column.

    Raises:
        FileNotFoundError: If the file is nowhere; says what to put where.
        FileFormatError: If the file is damaged.

    Example:
        >>> values, times, tags = ironhorn.datasets.process_plant.load_data()  # doctest: +SKIP
        >>> values.shape  # doctest: +SKIP
        (3169, 108)
    """
    name = "bibmon/real_process_data/real_process_data.csv"
    header, *rows = csv.reader(read_members([name])[name].decode("utf-8").splitlines())
    values = np.array([[_number(cell) for cell in row[1:]] for row in rows])
    return values, np.array([row[0] for row in rows], "datetime64[s]"), header[1:]


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return float("nan")
