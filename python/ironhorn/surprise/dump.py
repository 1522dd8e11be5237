"""Predictions and algorithms in a file, by pickle. `AlgoBase.save` writes a file that holds data only."""

import os
import pickle
from typing import Any

from ironhorn.saving.atomic import replacing


def dump(
    file_name: str | os.PathLike[str], predictions: list[Any] | None = None, algo: Any = None, verbose: int = 0
) -> None:
    """Pickle predictions and an algorithm, as a dictionary of `'predictions'` and `'algo'`.

    The file is complete or not there: it is written beside its place and renamed.

    Args:
        file_name: Where to; an existing file is replaced.
        predictions: What `test` returned, or `None`.
        algo: The algorithm, or `None`.
        verbose: Whether to say that the file was written.

    Example:
        >>> dump("fold.pickle", algo.test(testset), algo)
    """
    with replacing(file_name) as file:
        pickle.dump({"predictions": predictions, "algo": algo}, file, protocol=pickle.HIGHEST_PROTOCOL)
    if verbose:
        print("The dump has been saved as file", file_name)


def load(file_name: str | os.PathLike[str]) -> tuple[list[Any] | None, Any]:
    """Read what `dump` wrote.

    Unpickling runs what the file says: open only files that you trust.

    Args:
        file_name: The file.

    Returns:
        The predictions and the algorithm, each `None` where it was not dumped.

    Example:
        >>> predictions, algo = load("fold.pickle")
    """
    with open(file_name, "rb") as file:
        found = pickle.load(file)
    return found["predictions"], found["algo"]
