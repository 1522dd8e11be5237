"""What programs do with Surprise apart from single algorithms, for the recorder of the reference and for its test.

A case is a function of a library and a folder to write into; its result is what JSON holds.
"""

import builtins
import contextlib
import importlib
import io
import os
import pathlib
import pickle
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import numpy as np

Case = Callable[[Any, pathlib.Path], Any]
CASES: dict[str, Case] = {}


def case(function: Case) -> Case:
    """Put a function into the table."""
    CASES[function.__name__] = function
    return function


def part(library: Any, name: str) -> Any:
    """A module of a library."""
    return importlib.import_module(f"{library.__name__}.{name}")


def rows(count: int = 300, seed: int = 5) -> list[tuple[str, str, float]]:
    """Made-up ratings, some pairs twice."""
    rng = np.random.RandomState(seed)
    users, items = rng.randint(25, size=count), (rng.rand(count) ** 2 * 40).astype(int)
    stars = np.clip(np.round((3 + (users - 12) * (items - 20) / 150 + rng.normal(0, 0.7, count)) * 2) / 2, 0.5, 5)
    return [(f"u{user}", f"i{item}", float(star)) for user, item, star in zip(users, items, stars, strict=True)]


def write(path: pathlib.Path, ratings: list[tuple[str, str, float]]) -> str:
    """Write a file of ratings."""
    path.write_text("".join(f"{user};{item};{star}\n" for user, item, star in ratings))
    return str(path)


def data(library: Any, folder: pathlib.Path, ratings: Any = None) -> Any:
    """A data set."""
    path = write(folder / "ratings.csv", rows() if ratings is None else ratings)
    return library.Dataset.load_from_file(path, library.Reader(sep=";", rating_scale=(0.5, 5)))


def folds(library: Any, folder: pathlib.Path) -> Any:
    """A data set of two folds in files."""
    files = []
    for fold in range(2):
        ratings = rows(200, seed=fold)
        train, test = write(folder / f"train{fold}", ratings[40:]), write(folder / f"test{fold}", ratings[:40])
        files.append((train, test))
    return library.Dataset.load_from_folds(files, library.Reader(sep=";", rating_scale=(0.5, 5)))


def seen(splits: Iterator[tuple[Any, Any]]) -> Any:
    """What splits hold, in short."""
    found = []
    for trainset, testset in splits:
        ratings = [[trainset.to_raw_uid(u), trainset.to_raw_iid(i), r] for u, i, r in trainset.all_ratings()]
        positions = [(k + 1) * (hash_of(row) % 997) for k, row in enumerate(ratings)]
        first = [list(row) for row in testset[:10]]
        found.append([len(ratings), sum(positions), trainset.n_users, trainset.n_items, len(testset), first])
    return found


def hash_of(row: list[Any]) -> int:
    """A number that depends on every value."""
    return int.from_bytes(repr((row[0], row[1], float(row[2]))).encode(), "little") % 1_000_003


def error(function: Callable[[], Any]) -> list[str]:
    """Kind and text of the error that a call raises."""
    try:
        function()
    except Exception as raised:
        return [type(raised).__name__, str(raised)]
    raise AssertionError("no error")


@case
def splitters(library: Any, folder: pathlib.Path) -> Any:
    """Every splitter, with every kind of seed."""
    selection, ratings = part(library, "model_selection"), data(library, folder)
    own = np.random.RandomState(4)
    np.random.seed(8)
    made = {
        "kfold": selection.KFold(4, random_state=1),
        "unshuffled": selection.KFold(3, shuffle=False),
        "repeated": selection.RepeatedKFold(3, 2, random_state=2),
        "repeated global": selection.RepeatedKFold(n_splits=2, n_repeats=2),
        "shuffle": selection.ShuffleSplit(2, random_state=own),
        "shuffle again": selection.ShuffleSplit(2, test_size=0.25, train_size=0.3, random_state=own),
        "shuffle numbers": selection.ShuffleSplit(1, test_size=None, train_size=50, random_state=0),
        "unshuffled split": selection.ShuffleSplit(2, test_size=7, shuffle=False),
        "leave one out": selection.LeaveOneOut(2, random_state=3),
        "leave one out global": selection.LeaveOneOut(2, min_n_ratings=13),
    }
    found = {name: [splitter.get_n_folds(), seen(splitter.split(ratings))] for name, splitter in made.items()}
    predefined = selection.PredefinedKFold()
    found["predefined"] = [seen(predefined.split(folds(library, folder))), predefined.get_n_folds()]
    found["train_test_split"] = seen(iter([selection.train_test_split(ratings, 0.1, random_state=own)]))
    return found


@case
def split_errors(library: Any, folder: pathlib.Path) -> Any:
    """Texts of errors that Surprise's own tests look at."""
    selection, ratings = part(library, "model_selection"), data(library, folder, rows(12))
    split = part(library, "model_selection.split")

    def first(splitter: Any) -> Callable[[], Any]:
        return lambda: next(splitter.split(ratings))

    return [
        error(lambda: selection.ShuffleSplit(0)),
        error(lambda: selection.ShuffleSplit(test_size=0)),
        error(lambda: selection.ShuffleSplit(test_size=-1)),
        error(lambda: selection.ShuffleSplit(train_size=0)),
        error(first(selection.ShuffleSplit(test_size=12))),
        error(first(selection.ShuffleSplit(train_size=12))),
        error(first(selection.ShuffleSplit(test_size=7, train_size=6))),
        error(first(selection.LeaveOneOut(min_n_ratings=100))),
        error(lambda: selection.train_test_split(ratings, test_size=13)),
        error(lambda: split.get_cv("5")),
        error(lambda: part(library, "utils").get_rng("seed")),
    ]


@case
def data_errors(library: Any, folder: pathlib.Path) -> Any:
    """Wrong files, names and ids."""
    ratings = data(library, folder, rows(12))
    trainset = ratings.build_full_trainset()
    reader = library.Reader(sep=";")
    return [
        error(lambda: library.Dataset.load_builtin("ml-10k")),
        error(lambda: library.Dataset.load_from_folds([("nowhere", "else")], reader)),
        error(lambda: library.Reader("ml-10k"))[0],
        error(lambda: library.Dataset.load_from_df(None, None)),
        error(lambda: library.Reader(line_format="user item stars")),
        error(lambda: library.Reader(sep="-").parse_line("a b 3")),
        error(lambda: trainset.to_inner_uid("nobody")),
        error(lambda: trainset.to_inner_iid(3)),
        error(lambda: trainset.to_raw_uid("nobody")),
        error(lambda: trainset.to_raw_iid(1000)),
    ]


@case
def trainset_contents(library: Any, folder: pathlib.Path) -> Any:
    """Dictionaries, testsets and means."""
    trainset = data(library, folder).build_full_trainset()
    asked = [trainset.ur[10**6], trainset.ir[10**6], trainset.knows_user(10**6), trainset.n_users]
    anti = trainset.build_anti_testset()
    estimates = []
    for name in ("BaselineOnly", "KNNBasic", "SlopeOne"):
        algo = getattr(library, name)(**({} if name == "SlopeOne" else {"verbose": False}))
        estimates += [row.est for row in algo.fit(trainset).test(trainset.build_testset()[:5])]
    return {
        "ur": [[user, [list(pair) for pair in own]] for user, own in trainset.ur.items()],
        "ir": [[item, len(own), sum(user for user, _ in own)] for item, own in trainset.ir.items()],
        "mean": float(trainset.global_mean),
        "testset": [list(row) for row in trainset.build_testset()[::7]],
        "anti": [len(anti), [list(row) for row in anti[::17]]],
        "filled": [list(row) for row in trainset.build_anti_testset(fill=2)[:3]],
        "kinds": [isinstance(trainset.ur, dict), isinstance(trainset.ur[0], list), isinstance(anti, list)],
        "asked": [*asked, trainset.n_ratings, estimates],
    }


def results(search: Any, ratings: Any) -> Any:
    """What a search found, without its times."""
    search.fit(ratings)
    columns = {name: column for name, column in search.cv_results.items() if not name.endswith("_time")}
    plain = {
        name: np.asarray(column).tolist() if name != "params" else list(column) for name, column in columns.items()
    }
    best = [search.best_params, search.best_score, search.best_index]
    kinds = {name: [type(algo).__name__, algo.n_epochs] for name, algo in search.best_estimator.items()}
    return [plain, [{name: plainly(value) for name, value in one.items()} for one in best], kinds]


def plainly(value: Any) -> Any:
    """A number of NumPy's as one of Python's."""
    return value.item() if isinstance(value, np.generic) else value


@case
def grid_search(library: Any, folder: pathlib.Path) -> Any:
    """A grid, with all measures, refitted."""
    selection, ratings = part(library, "model_selection"), data(library, folder)
    grid = {"n_epochs": [2, 5], "lr_all": [0.002, 0.02], "n_factors": [3], "random_state": [1]}
    search = selection.GridSearchCV(
        library.SVD,
        grid,
        measures=["RMSE", "fcp", "mae"],
        cv=selection.KFold(3, random_state=0),
        refit="FCP",
        return_train_measures=True,
    )
    found = results(search, ratings)
    return [*found, search.predict("u1", "i2").est, [row.est for row in search.test([("u3", "i1", 3), ("x", "i9", 1)])]]


@case
def grid_of_options(library: Any, folder: pathlib.Path) -> Any:
    """Options that are grids themselves; algorithms that draw from the global generator, one after the other."""
    selection, ratings = part(library, "model_selection"), folds(library, folder)
    grid = {
        "bsl_options": {"method": ["als", "sgd"], "reg": [1, 2]},
        "k": [2, 3],
        "sim_options": {"name": ["msd", "cosine"], "min_support": [1, 5], "user_based": [False]},
        "verbose": [False],
    }
    search = selection.GridSearchCV(library.KNNBasic, grid, cv=selection.PredefinedKFold(), measures=["rmse"])
    combinations = search.param_combinations
    knn = selection.GridSearchCV(library.KNNBasic, {"k": [1, 4], "verbose": [False]}, cv=selection.PredefinedKFold())
    knn.fit(ratings)
    np.random.seed(3)
    svd = selection.GridSearchCV(library.SVD, {"n_factors": [2, 4], "n_epochs": [3]}, cv=selection.PredefinedKFold())
    scores = knn.cv_results["mean_test_mae"].tolist()
    refused = selection.GridSearchCV(library.SVD, {"n_epochs": [1]}, refit=True)
    return [
        [list(combinations), search.param_grid],
        scores,
        results(svd, ratings),
        error(lambda: refused.fit(ratings)),
        error(lambda: knn.predict("u1", "i2")),
        error(lambda: knn.test([])),
        error(lambda: selection.GridSearchCV(library.SVD, {}, refit="mse"))[0],
    ]


class Halves:
    """A distribution of random halves."""

    def rvs(self, random_state: np.random.RandomState) -> float:
        return float(random_state.randint(1, 100)) / 2


@case
def randomized_search(library: Any, folder: pathlib.Path) -> Any:
    """Lists only, and distributions, for every kind of seed."""
    selection, ratings = part(library, "model_selection"), data(library, folder)
    lists = {"n_epochs": [1, 2, 3], "n_factors": [2, 3, 4, 5], "random_state": [0]}
    mixed = {"reg_all": Halves(), "n_factors": [2, 3, 4], "lr_all": [0.001, 0.002], "random_state": [5]}
    found = []
    own = np.random.RandomState(9)
    np.random.seed(6)
    for distributions in (lists, mixed):
        for seed in (None, 1, own):
            search = selection.RandomizedSearchCV(library.SVD, distributions, n_iter=4, cv=2, random_state=seed)
            found.append([{name: plainly(value) for name, value in one.items()} for one in search.param_combinations])
    search = selection.RandomizedSearchCV(
        library.SVD, mixed, n_iter=3, cv=selection.ShuffleSplit(2, random_state=1), random_state=7, measures=["mse"]
    )
    return [found, results(search, ratings)]


@case
def cross_validation(library: Any, folder: pathlib.Path) -> Any:
    """Splitters in cross-validation, and what is returned."""
    selection, ratings = part(library, "model_selection"), data(library, folder)
    found = []
    for cv in (selection.RepeatedKFold(2, 2, random_state=1), selection.LeaveOneOut(3, random_state=1), 2):
        np.random.seed(2)
        scores = selection.cross_validate(library.SVD(n_epochs=2), ratings, ["rmse", "MSE"], cv, True)
        kinds = [type(scores[name]).__name__ for name in ("fit_time", "test_rmse")]
        found.append([list(scores), kinds, *(scores[f"{side}_mse"].tolist() for side in ("test", "train"))])
    one = library.NormalPredictor()
    np.random.seed(2)
    found.append(selection.cross_validate(one, ratings, cv=2)["test_mae"].tolist())
    return found


@case
def dumps(library: Any, folder: pathlib.Path) -> Any:
    """Dump and load, and what is said."""
    selection, ratings = part(library, "model_selection"), data(library, folder)
    trainset, testset = selection.train_test_split(ratings, random_state=0)
    algo = library.BaselineOnly(verbose=False).fit(trainset)
    predictions = algo.test(testset)
    path = str(folder / "dump")
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        library.dump.dump(path, predictions, algo, verbose=1)
        library.dump.dump(path + "2")
    with open(path, "rb") as file:
        keys = sorted(pickle.load(file))
    loaded, other = library.dump.load(path)
    return [
        said.getvalue().replace(path, "PATH"),
        keys,
        loaded == predictions,
        other.test(testset) == predictions,
        list(library.dump.load(path + "2")),
        str(predictions[0]),
    ]


@case
def builtin(library: Any, folder: pathlib.Path) -> Any:
    """The data folder, and questions about it. In a process of its own: Surprise looks at the folder when imported."""
    code = (
        "import builtins, importlib, os, sys\n"
        "library = importlib.import_module(sys.argv[1])\n"
        "folder = library.get_dataset_dir()\n"
        "place = os.path.join(folder, 'ml-100k', 'ml-100k')\n"
        "answers = ['what?', 'N']\n"
        "builtins.input = lambda: answers.pop(0)\n"
        "try:\n"
        "    library.Dataset.load_builtin()\n"
        "except SystemExit as leaving:\n"
        "    print(leaving.code)\n"
        "os.makedirs(place)\n"
        "open(os.path.join(place, 'u.data'), 'w').write('1\\t2\\t3\\t99\\n7\\t2\\t5\\t98\\n')\n"
        "data = library.Dataset.load_builtin('ml-100k')\n"
        "print(data.raw_ratings, data.reader.rating_scale)\n"
        "found = importlib.import_module(sys.argv[1] + '.builtin_datasets').BUILTIN_DATASETS\n"
        "print(list(found), [os.path.relpath(found[name].path, folder) for name in found])\n"
        "print([found[name].url for name in found], [sorted(found[name].reader_params) for name in found])\n"
    )
    return run(["-c", code, library.__name__], folder)


def run(arguments: list[str], folder: pathlib.Path) -> list[Any]:
    """Run Python with a data folder; exit status and what was printed, without times."""
    environment = {**os.environ, "SURPRISE_DATA_FOLDER": str(folder / "data")}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    result = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=300, env=environment, cwd=folder
    )
    lines = [line for line in result.stdout.splitlines() if not re.match(r"(Fit|Test) time", line)]
    return [result.returncode, lines, *([] if result.returncode in (0, 2) else [result.stderr])]


@case
def command_line(library: Any, folder: pathlib.Path) -> Any:
    """`python -m`, with a file and with folds."""
    folds(library, folder)
    path, module = write(folder / "ratings.csv", rows()), ["-m", library.__name__]
    reader = ["-reader", "Reader(line_format='user item rating', sep=';', rating_scale=(0.5, 5))"]
    svd = ["-algo", "SVD", "-params", "{'n_epochs': 3, 'n_factors': 4}", "-seed", "3"]
    return [
        run([*module, *svd, "-load-custom", path, *reader, "-n-folds", "3"], folder),
        run([*module, *svd, "-folds-files", "train0 test0 train1 test1", *reader], folder),
        run([*module, *svd, "-load-custom", path], folder)[0],
        run(module, folder)[0],
        run([*module, "-algo", "Oracle"], folder)[0],
        run([*module, "--version"], folder),
    ]


@case
def downloads(library: Any, folder: pathlib.Path) -> Any:
    """What is asked for where a data set is not there."""
    module = part(library, "dataset")
    asked: list[str] = []
    said = io.StringIO()
    with (
        mock.patch.dict(os.environ, {"SURPRISE_DATA_FOLDER": str(folder)}),
        mock.patch.object(module, "download_builtin_dataset", asked.append),
        mock.patch.object(module.os.path, "isfile", lambda _: False),
        mock.patch.object(builtins, "input", lambda: "Y"),
        contextlib.redirect_stdout(said),
    ):
        for prompt in (True, False):
            with contextlib.suppress(OSError):
                library.Dataset.load_builtin("jester", prompt=prompt)
    return [asked, said.getvalue()]
