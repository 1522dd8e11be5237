"""Every algorithm of Surprise: seconds to fit and to test, beside scikit-surprise in the same process.

    python benches/python/surprise_compare.py [--ratings 1000209 --users 6040 --items 3706] [--file u.data] [name ...]

Both libraries get the same trainset and the same seeds, take turns, and must agree on every prediction to 1e-9 before
their times are printed. Ratings come from a tab-separated file (user, item, rating), or are made up: popular items,
users of different zeal, tastes of rank five. The last column compares `test` with building its list of predictions.
"""

import argparse
import importlib
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


def made_up(ratings: int, users: int, items: int) -> list[tuple[str, str, float]]:
    """Distinct pairs with ratings from 1 to 5."""
    rng = np.random.default_rng(0)
    zeal, fame = rng.gamma(1.0, size=users), 1 / np.arange(1, items + 1) ** 0.8
    pairs: dict[int, None] = {}
    while len(pairs) < ratings:
        user = rng.choice(users, size=ratings, p=zeal / zeal.sum())
        item = rng.choice(items, size=ratings, p=fame / fame.sum())
        pairs.update(dict.fromkeys((user * items + item).tolist()))
    user, item = np.divmod(np.fromiter(pairs, np.int64, len(pairs))[:ratings], items)
    taste, kind = rng.normal(0, 0.5, (users, 5)), rng.normal(0, 0.5, (items, 5))
    score = 3.5 + np.einsum("rf,rf->r", taste[user], kind[item]) + rng.normal(0, 0.8, ratings)
    stars = np.clip(np.round(score + rng.normal(0, 0.4, users)[user] + rng.normal(0, 0.4, items)[item]), 1, 5)
    return list(zip(user.astype(str).tolist(), item.astype(str).tolist(), stars.tolist(), strict=True))


def split(library: Any, rows: list[tuple[str, str, float]]) -> tuple[Any, Any]:
    """A library's trainset of four fifths of the rows, and its testset of the rest."""
    data = library.dataset.DatasetAutoFolds.__new__(library.dataset.DatasetAutoFolds)
    library.Dataset.__init__(data, library.Reader(rating_scale=(1, 5)))
    data.raw_ratings = [(*row, None) for row in rows]
    selection = importlib.import_module(f"{library.__name__}.model_selection")
    trainset, testset = selection.train_test_split(data, test_size=0.2, random_state=0)
    return trainset, testset


def timed(function: Callable[[], Any]) -> tuple[Any, float]:
    """A result, and the seconds that it took."""
    started = time.perf_counter()
    result = function()
    return result, time.perf_counter() - started


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("algorithms", nargs="*", default=list(ALGORITHMS))
    parser.add_argument("--ratings", type=int, default=100_000)
    parser.add_argument("--users", type=int, default=943)
    parser.add_argument("--items", type=int, default=1682)
    parser.add_argument("--file", help="tab-separated ratings, such as MovieLens' u.data; a header line is skipped")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    import surprise

    if options.file:
        with open(options.file, encoding="utf-8") as file:
            found = [line.rstrip("\n").split("\t")[:3] for line in file]
        rows = [(user, item, float(stars)) for user, item, stars in found if stars[0].isdigit()]
    else:
        rows = made_up(options.ratings, options.users, options.items)
    libraries = {library.__name__: (library, *split(library, rows)) for library in (surprise, ours)}
    testset = libraries["surprise"][2]
    empty = {"was_impossible": False}
    _, floor = timed(lambda: [ours.Prediction(*row, 3.0, dict(empty)) for row in testset])
    print(f"{len(rows)} ratings; building {len(testset)} predictions takes {floor:.4f} s; best of {options.rounds}")
    print(f"{'':18}{'fit':>25}{'':9}{'test':>25}{'':9}{'test /':>9}")
    print(f"{'':18}{'Surprise':>12}{'Ironhorn':>13}{'':9}{'Surprise':>12}{'Ironhorn':>13}{'':9}{'building':>9}")
    for name in options.algorithms:
        algorithm, arguments = ALGORITHMS[name]
        best = {library: [float("inf")] * 2 for library in libraries}
        for _ in range(options.rounds):
            estimates = {}
            for label, (library, trainset, asked) in libraries.items():
                np.random.seed(0)
                algo = getattr(library, algorithm)(**arguments)
                _, fit = timed(lambda algo=algo, trainset=trainset: algo.fit(trainset))
                predictions, test = timed(lambda algo=algo, asked=asked: algo.test(asked))
                best[label] = [min(best[label][0], fit), min(best[label][1], test)]
                estimates[label] = np.array([prediction.est for prediction in predictions])
            gap = np.abs(estimates["surprise"] - estimates[ours.__name__]).max()
            if not gap <= TOLERANCE:
                raise SystemExit(f"{name}: predictions differ by {gap}")
        (their_fit, their_test), (fit, test) = best["surprise"], best[ours.__name__]
        print(
            f"{name:18}{their_fit:10.3f} s{fit:11.4f} s{their_fit / fit:8.1f}x"
            f"{their_test:10.3f} s{test:11.4f} s{their_test / test:8.1f}x{test / floor:9.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
