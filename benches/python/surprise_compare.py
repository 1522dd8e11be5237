"""Every algorithm of Surprise, beside scikit-surprise in the same process.

    python benches/python/surprise_compare.py [name ...] [--file u.data | --million] [--parts table threads ...]

Parts:

- `table`: seconds to fit and to test. Both libraries get the same trainset and seeds, take turns, and must agree on
  every prediction to 1e-9 before their times are printed. The last column compares `test` with building its list.
- `threads`: SVD and NMF with `n_threads=2`, these and SVD++ with `dtype="float32"`, beside scikit-surprise, and how
  much their test RMSE differs from that of one thread in float64. SVD++ runs for two epochs.
- `folds`: RMSE and MAE of five folds, which must be equal in every digit that is printed.
- `fold_in`: RMSE on the rest of new users' ratings, after `fold_in` and after a fit to all of them.
- `recommend`: the 20 best of 4,600 items for each of 134,000 users: seconds, and the process' peak memory.

Ratings come from a tab-separated file (user, item, rating), or are made up: popular items, users of different zeal,
tastes of rank five; `--million` makes up as many as MovieLens-1M has.
"""

import argparse
import contextlib
import functools
import gc
import importlib
import io
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import ironhorn.surprise as ours

TOLERANCE = 1e-9
ITEMS = {"name": "pearson_baseline", "user_based": False}
ALGORITHMS: dict[str, tuple[str, dict[str, Any]]] = {
    "NormalPredictor": ("NormalPredictor", {}),
    "BaselineOnly als": ("BaselineOnly", {"verbose": False}),
    "BaselineOnly sgd": ("BaselineOnly", {"bsl_options": {"method": "sgd"}, "verbose": False}),
    "KNNBasic": ("KNNBasic", {"verbose": False}),
    "KNNWithMeans": ("KNNWithMeans", {"verbose": False}),
    "KNNWithZScore": ("KNNWithZScore", {"sim_options": {"name": "pearson"}, "verbose": False}),
    "KNNBaseline": ("KNNBaseline", {"sim_options": ITEMS, "verbose": False}),
    "SVD": ("SVD", {"random_state": 0}),
    "SVDpp": ("SVDpp", {"random_state": 0, "n_epochs": 2}),
    "SVDpp cached": ("SVDpp", {"random_state": 0, "n_epochs": 2, "cache_ratings": True}),
    "NMF": ("NMF", {"random_state": 0}),
    "SlopeOne": ("SlopeOne", {}),
    "CoClustering": ("CoClustering", {"random_state": 0}),
}


FOLDS: dict[str, dict[str, Any]] = {
    "NormalPredictor": {},
    "BaselineOnly": {"verbose": False},
    "KNNBasic": {"verbose": False},
    "KNNWithMeans": {"verbose": False},
    "KNNWithZScore": {"verbose": False},
    "KNNBaseline": {"verbose": False},
    "SVD": {"random_state": 0},
    "SVDpp": {"random_state": 0, "cache_ratings": True},
    "NMF": {"random_state": 0},
    "SlopeOne": {},
    "CoClustering": {"random_state": 0},
}
PARTS = ("table", "threads", "folds", "fold_in", "recommend")

Rows = list[tuple[str, str, float]]


def made_up(ratings: int, users: int, items: int) -> tuple[Any, Any, Any]:
    """Distinct pairs with ratings from 1 to 5, as columns; at least one a user."""
    rng = np.random.default_rng(0)
    zeal, fame = rng.gamma(1.0, size=users), 1 / np.arange(1, items + 1) ** 0.8
    # Everyone has rated something.
    pairs = np.arange(users) * items + rng.choice(items, size=users, p=fame / fame.sum())
    while len(pairs) < ratings:
        user = rng.choice(users, size=ratings, p=zeal / zeal.sum())
        item = rng.choice(items, size=ratings, p=fame / fame.sum())
        pairs = np.concatenate([pairs, user * items + item])
        pairs = pairs[np.sort(np.unique(pairs, return_index=True)[1])]
    user, item = np.divmod(pairs[:ratings], items)
    taste, kind = rng.normal(0, 0.5, (users, 5)), rng.normal(0, 0.5, (items, 5))
    score = 3.5 + np.einsum("rf,rf->r", taste[user], kind[item]) + rng.normal(0, 0.8, ratings)
    stars = np.clip(np.round(score + rng.normal(0, 0.4, users)[user] + rng.normal(0, 0.4, items)[item]), 1, 5)
    return user, item, stars


def dataset(library: Any, rows: Rows) -> Any:
    """A library's data set of the rows."""
    data = library.dataset.DatasetAutoFolds.__new__(library.dataset.DatasetAutoFolds)
    library.Dataset.__init__(data, library.Reader(rating_scale=(1, 5)))
    data.raw_ratings = [(*row, None) for row in rows]
    return data


def selection(library: Any) -> Any:
    """A library's module of splits."""
    return importlib.import_module(f"{library.__name__}.model_selection")


def split(library: Any, rows: Rows) -> tuple[Any, Any]:
    """A library's trainset of four fifths of the rows, and its testset of the rest."""
    trainset, testset = selection(library).train_test_split(dataset(library, rows), test_size=0.2, random_state=0)
    return trainset, testset


def timed(function: Callable[[], Any]) -> tuple[Any, float]:
    """A result, and the seconds that it took."""
    gc.collect()
    started = time.perf_counter()
    result = function()
    return result, time.perf_counter() - started


def rmse(predictions: Any) -> float:
    """Root mean squared error."""
    return ours.accuracy.rmse(predictions, verbose=False)


def table(surprise: Any, rows: Rows, names: list[str], rounds: int) -> None:
    """Seconds to fit and to test."""
    libraries = {library.__name__: (library, *split(library, rows)) for library in (surprise, ours)}
    testset = libraries["surprise"][2]
    empty = {"was_impossible": False}
    floor = min(timed(lambda: [ours.Prediction(*row, 3.0, dict(empty)) for row in testset])[1] for _ in range(rounds))
    print(f"{len(rows)} ratings; building {len(testset)} predictions takes {floor:.4f} s; best of {rounds}")
    print(f"{'':18}{'fit':>25}{'':9}{'test':>25}{'':9}{'test /':>9}")
    print(f"{'':18}{'Surprise':>12}{'Ironhorn':>13}{'':9}{'Surprise':>12}{'Ironhorn':>13}{'':9}{'building':>9}")
    for name in names:
        algorithm, arguments = ALGORITHMS[name]
        best = {library: [float("inf")] * 2 for library in libraries}
        for _ in range(rounds):
            estimates = {}
            for label, (library, trainset, asked) in libraries.items():
                np.random.seed(0)
                algo = getattr(library, algorithm)(**arguments)
                _, fit = timed(lambda algo=algo, trainset=trainset: algo.fit(trainset))
                predictions, test = timed(lambda algo=algo, asked=asked: algo.test(asked))
                best[label] = [min(best[label][0], fit), min(best[label][1], test)]
                estimates[label] = np.array([prediction.est for prediction in predictions])
                del algo, predictions
            gap = np.abs(estimates["surprise"] - estimates[ours.__name__]).max()
            if not gap <= TOLERANCE:
                raise SystemExit(f"{name}: predictions differ by {gap}")
        (their_fit, their_test), (fit, test) = best["surprise"], best[ours.__name__]
        print(
            f"{name:18}{their_fit:10.3f} s{fit:11.4f} s{their_fit / fit:8.1f}x"
            f"{their_test:10.3f} s{test:11.4f} s{their_test / test:8.1f}x{test / floor:9.2f}",
            flush=True,
        )


def threads(surprise: Any, rows: Rows, rounds: int) -> None:
    """SVD, SVD++ and NMF on two threads and in single precision."""
    their_train, _ = split(surprise, rows)
    trainset, testset = split(ours, rows)
    variants: dict[str, dict[str, Any]] = {
        "as Surprise": {},
        "n_threads=2": {"n_threads": 2},
        "float32": {"dtype": "float32"},
        "both": {"n_threads": 2, "dtype": "float32"},
    }
    for name in ("SVD", "SVDpp cached", "NMF"):
        algorithm, arguments = ALGORITHMS[name]
        fit = functools.partial(getattr(surprise, algorithm)(**arguments).fit, their_train)
        theirs = min(timed(fit)[1] for _ in range(rounds))
        print(f"{algorithm:8}{'scikit-surprise':16}{theirs:9.3f} s", flush=True)
        errors = {}
        for variant, options in variants.items():
            # SVD++ has no blocks.
            if algorithm == "SVDpp" and "n_threads" in options:
                continue
            best = float("inf")
            for _ in range(max(rounds, 3)):
                algo, seconds = timed(functools.partial(getattr(ours, algorithm)(**arguments, **options).fit, trainset))
                best = min(best, seconds)
            errors[variant] = rmse(algo.test(testset))
            gap = errors[variant] - errors["as Surprise"]
            print(
                f"{algorithm:8}{variant:16}{best:9.3f} s{theirs / best:8.1f}x  RMSE {errors[variant]:.5f} ({gap:+.5f})"
            )
            if not abs(gap) <= 0.001:
                raise SystemExit(f"{algorithm}, {variant}: RMSE differs by more than 0.001")


def folds(surprise: Any, rows: Rows) -> None:
    """RMSE and MAE of five folds."""
    print(f"{'five folds':18}{'RMSE':>22}{'MAE':>22}")
    for name, arguments in FOLDS.items():
        lines = []
        for library in (surprise, ours):
            np.random.seed(0)
            algo = getattr(library, name)(**arguments)
            cv = selection(library).KFold(5, random_state=0)
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                scores = selection(library).cross_validate(algo, dataset(library, rows), cv=cv, verbose=True)
            # All but the two lines of times.
            lines.append([line for line in printed.getvalue().splitlines() if "time" not in line])
        if lines[0] != lines[1]:
            raise SystemExit(f"{name}: {lines}")
        print(f"{name:18}{scores['test_rmse'].mean():16.4f} equal{scores['test_mae'].mean():16.4f} equal", flush=True)


def fold_in(rows: Rows) -> None:
    """New users: folded in, and trained with."""
    by_user: dict[str, Rows] = {}
    for row in rows:
        by_user.setdefault(row[0], []).append(row)
    rng = np.random.default_rng(0)
    active = [user for user, own in by_user.items() if len(own) >= 20]
    chosen = set(rng.choice(active, min(100, len(active) // 3), replace=False).tolist())
    old = [row for row in rows if row[0] not in chosen]
    known = {item for _, item, _ in old}
    given, rest = [], []
    for user in sorted(chosen):
        own = [row for row in by_user[user] if row[1] in known]
        rng.shuffle(own)
        half = len(own) // 2
        given += [(user, item, float(stars)) for _, item, stars in own[:half]]
        rest += [(user, item, float(stars)) for _, item, stars in own[half:]]
    print(f"{len(chosen)} new users, {len(given)} ratings given, {len(rest)} tested; RMSE")
    for kind in (ours.SVD, ours.SVDpp, ours.NMF):
        algo = kind(random_state=0).fit(dataset(ours, old).build_full_trainset())
        _, seconds = timed(lambda algo=algo: algo.fold_in(given))
        folded = rmse(algo.test(rest))
        again = rmse(kind(random_state=0).fit(dataset(ours, old + given).build_full_trainset()).test(rest))
        print(
            f"{kind.__name__:18}folded in {folded:.4f} ({1e3 * seconds / len(chosen):.2f} ms a user), "
            f"trained with {again:.4f}: {100 * (folded / again - 1):+.2f} %",
            flush=True,
        )


def recommend(users: int, items: int, ratings: int) -> None:
    """Recommendations for everybody, in a process of their own."""
    code = (
        "import resource, sys, time\n"
        "sys.path[:0] = sys.argv[4:]\n"
        "from surprise_compare import made_up, ours\n"
        "users, items, ratings = map(int, sys.argv[1:4])\n"
        "algo = ours.SVD(random_state=0, n_epochs=5).fit(made_up(ratings, users, items))\n"
        "started = time.perf_counter()\n"
        "found = algo.recommend(n=20)\n"
        "seconds = time.perf_counter() - started\n"
        "peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20\n"
        "print(f'the best 20 of {algo.trainset.n_items} items for {len(found)} users, {algo.n_factors} factors: '\n"
        "      f'{seconds:.2f} s; peak of the process with its fit {peak:.2f} GiB')\n"
    )
    numbers = [str(users), str(items), str(ratings)]
    subprocess.run([sys.executable, "-c", code, *numbers, sys.path[0], *sys.path], check=True)


def main() -> None:
    """Print the parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("algorithms", nargs="*", help="rows of the table; default: all")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=["table"])
    parser.add_argument("--ratings", type=int, default=100_000)
    parser.add_argument("--users", type=int, default=943)
    parser.add_argument("--items", type=int, default=1682)
    parser.add_argument("--million", action="store_true", help="1,000,209 ratings of 6,040 users for 3,706 items")
    parser.add_argument("--file", help="tab-separated ratings, such as MovieLens' u.data; a header line is skipped")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--crowd",
        type=int,
        nargs=3,
        default=(134_000, 4_600, 1_000_000),
        metavar=("USERS", "ITEMS", "RATINGS"),
        help="for the part recommend",
    )
    options = parser.parse_args()
    if options.parts == ["recommend"]:
        return recommend(*options.crowd)
    import surprise

    rows: Rows
    if options.file:
        with open(options.file, encoding="utf-8") as file:
            found = [line.rstrip("\n").split("\t")[:3] for line in file]
        rows = [(user, item, float(stars)) for user, item, stars in found if stars[0].isdigit()]
    else:
        size = (1_000_209, 6_040, 3_706) if options.million else (options.ratings, options.users, options.items)
        users, items, stars = made_up(*size)
        rows = list(zip(users.astype(str).tolist(), items.astype(str).tolist(), stars.tolist(), strict=True))
    for part in options.parts:
        if part == "table":
            table(surprise, rows, options.algorithms or list(ALGORITHMS), options.rounds)
        elif part == "threads":
            threads(surprise, rows, options.rounds)
        elif part == "folds":
            folds(surprise, rows)
        elif part == "fold_in":
            fold_in(rows)
        else:
            recommend(*options.crowd)


if __name__ == "__main__":
    main()
