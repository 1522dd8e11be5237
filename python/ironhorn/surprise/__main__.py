"""`surprise` and `python -m ironhorn.surprise`: cross-validate an algorithm from the command line."""

import argparse
import ast
import copy
import os
import random
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from . import __version__, dump, prediction_algorithms
from .builtin_datasets import BUILTIN_DATASETS, get_dataset_dir
from .dataset import Dataset
from .model_selection import KFold, PredefinedKFold, cross_validate
from .reader import Reader

ALGORITHMS = (
    "NormalPredictor",
    "BaselineOnly",
    "KNNBasic",
    "KNNBaseline",
    "KNNWithMeans",
    "KNNWithZScore",
    "SVD",
    "SVDpp",
    "NMF",
    "SlopeOne",
    "CoClustering",
)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say what is wrong, then how it is used."""
        sys.stderr.write(f"error: {message}\n")
        self.print_help()
        sys.exit(2)


def _parser() -> _Parser:
    parser = _Parser(
        prog="surprise",
        description="Cross-validate a recommender on a built-in data set, a file of ratings, or files of folds.",
        epilog="""Example: surprise -algo SVD -params "{'n_epochs': 5}" -load-builtin ml-100k -n-folds 3""",
    )
    add = parser.add_argument
    add("-algo", choices=ALGORITHMS, metavar="<algorithm>", help=f"The algorithm: {', '.join(ALGORITHMS)}.")
    add("-params", default="{}", metavar="<parameters>", help="Its arguments: \"{'n_epochs': 10}\".")
    names = ", ".join(BUILTIN_DATASETS)
    add(
        "-load-builtin",
        dest="load_builtin",
        default="ml-100k",
        metavar="<name>",
        help=f"A built-in data set: {names}. Default: ml-100k.",
    )
    add("-load-custom", dest="load_custom", metavar="<file>", help="A file of ratings instead; needs -reader.")
    add(
        "-folds-files",
        dest="folds_files",
        metavar="<train1 test1 train2 test2 ...>",
        help="Files of folds instead; needs -reader.",
    )
    add(
        "-reader",
        metavar="<reader>",
        help="How to read files: \"Reader(line_format='user item rating timestamp', sep='\\t')\".",
    )
    add("-n-folds", dest="n_folds", type=int, default=5, metavar="<number>", help="Number of folds. Default: 5.")
    add("-seed", type=int, metavar="<seed>", help="Seed of all random numbers.")
    add("--with-dump", dest="with_dump", action="store_true", help="Dump predictions and algorithm, a file a fold.")
    folder = os.path.join("<data folder>", "dumps/")
    add("-dump-dir", dest="dump_dir", metavar="<folder>", help=f"Where to. Default: {folder}.")
    add("--clean", action="store_true", help="Remove the data folder and do nothing else.")
    add("-v", "--version", action="version", version=__version__)
    return parser


def _value(text: str, calls: dict[str, Callable[..., Any]]) -> Any:
    """Evaluate literals, and calls of these functions with literals; nothing else is run."""
    tree = ast.parse(text.strip(), mode="eval").body
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) and tree.func.id in calls:
        arguments = [ast.literal_eval(argument) for argument in tree.args]
        named = {argument.arg: ast.literal_eval(argument.value) for argument in tree.keywords if argument.arg}
        if len(named) == len(tree.keywords):
            return calls[tree.func.id](*arguments, **named)
    return ast.literal_eval(tree)


def _dumping(algo: Any, folder: str) -> None:
    """Make an algorithm dump itself and its predictions whenever it is tested."""
    os.makedirs(folder, exist_ok=True)
    stem = time.strftime("%y%m%d-%Hh%Mm%S") + f"-{type(algo).__name__}"
    folds = 0

    def test(testset: Any, verbose: bool = False) -> Any:
        nonlocal folds
        fitted = copy.copy(algo)
        del fitted.test
        predictions = fitted.test(testset, verbose)
        folds += 1
        dump.dump(os.path.join(folder, f"{stem}-fold{folds}"), predictions, fitted, verbose=1)
        return predictions

    algo.test = test


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line.

    Args:
        arguments: What stands after the program's name; `None` means the process' own.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.clean:
        folder = get_dataset_dir()
        shutil.rmtree(folder)
        print("Removed", folder)
        return
    if options.algo is None:
        parser.error("No algorithm was specified.")
    random.seed(options.seed)
    np.random.seed(options.seed)
    try:
        parameters = _value(options.params, {"dict": dict})
        reader = None if options.reader is None else _value(options.reader, {"Reader": Reader})
        algo = getattr(prediction_algorithms, options.algo)(**parameters)
    except (SyntaxError, ValueError, TypeError) as error:
        parser.error(f"-params and -reader: {error}")
    if options.load_custom is None and options.folds_files is None:
        data: Any = Dataset.load_builtin(options.load_builtin)
    elif not isinstance(reader, Reader):
        parser.error("-reader parameter is needed.")
    elif options.load_custom is not None:
        data = Dataset.load_from_file(options.load_custom, reader=reader)
    else:
        files = options.folds_files.split()
        if len(files) % 2:
            parser.error(f"-folds-files takes pairs of files; received {len(files)} files.")
        data = Dataset.load_from_folds(list(zip(files[::2], files[1::2], strict=True)), reader=reader)
    cv: Any = KFold(n_splits=options.n_folds, random_state=options.seed)
    if options.load_custom is None and options.folds_files is not None:
        cv = PredefinedKFold()
    if options.with_dump:
        _dumping(algo, options.dump_dir or os.path.join(get_dataset_dir(), "dumps/"))
    cross_validate(algo, data, cv=cv, verbose=True)


if __name__ == "__main__":
    main()
