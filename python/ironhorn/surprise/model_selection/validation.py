"""Cross-validation of an algorithm."""

import copy
import os
import re
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from .. import accuracy
from ..prediction_algorithms.algo_base import AlgoBase
from ..trainset import Trainset
from .split import Testset, get_cv

Scores = dict[str, float]
Task = tuple[AlgoBase, Trainset, Testset]
"""What to fit, what to fit it to, what to measure it on."""
FoldResult = tuple[Scores, Scores, float, float]
"""Test measures, train measures, seconds to fit, seconds to test."""


def cross_validate(
    algo: AlgoBase,
    data: Any,
    measures: Sequence[str] = ("rmse", "mae"),
    cv: Any = None,
    return_train_measures: bool = False,
    n_jobs: int | None = 1,
    pre_dispatch: int | str | None = "2*n_jobs",
    verbose: bool = False,
) -> dict[str, Any]:
    """Fit and test an algorithm on every fold of a data set.

    Args:
        algo: The algorithm. With one job it is fitted itself, fold after fold; otherwise a copy of it for each fold.
        data: The data set.
        measures: Names of functions in `accuracy`.
        cv: `None` for five folds, a number of folds, or a cross-validation iterator.
        return_train_measures: Whether to measure on the trainsets, too.
        n_jobs: How many folds to run at once, each in a thread of its own; -1 means one a processor, -2 one fewer.
        pre_dispatch: How many folds may be split off before they are run: a number, an expression such as
            `'2*n_jobs'`, or `None` or `'all'` for all of them.
        verbose: Whether to print a table of the results.

    Returns:
        `test_*` (and `train_*`) for each measure: an array with one value a fold; `fit_time` and `test_time`: tuples of
        seconds.

    Raises:
        ValueError: For an unknown measure, or a wrong `cv`, `n_jobs` or `pre_dispatch`.

    Example:
        >>> cross_validate(SVD(), data, measures=["RMSE"], cv=5, n_jobs=2)["test_rmse"].mean()
    """
    measures = known_measures(measures)
    cv = get_cv(cv)
    jobs, ahead = dispatch(n_jobs, pre_dispatch)
    if jobs == 1:
        tasks = ((algo, train, test) for train, test in cv.split(data))
    else:
        known = {id(trainset): trainset} if (trainset := vars(algo).get("trainset")) is not None else {}
        tasks = ((copy.deepcopy(algo, dict(known)), train, test) for train, test in cv.split(data))
    results = list(run(tasks, measures, return_train_measures, jobs, ahead))

    tests, trains, fit_times, test_times = zip(*results, strict=True)
    test_measures = {measure: np.asarray([scores[measure] for scores in tests]) for measure in measures}
    train_measures = {measure: np.asarray([scores[measure] for scores in trains]) for measure in measures if trains[0]}
    if verbose:
        print_summary(algo, measures, test_measures, train_measures, fit_times, test_times, len(results))
    summary: dict[str, Any] = {}
    for measure in measures:
        summary[f"test_{measure}"] = test_measures[measure]
        if return_train_measures:
            summary[f"train_{measure}"] = train_measures[measure]
    return summary | {"fit_time": fit_times, "test_time": test_times}


def known_measures(measures: Sequence[str]) -> list[str]:
    """Names of functions in `accuracy`, in lower case.

    Raises:
        ValueError: When there is no such function.
    """
    if isinstance(measures, str):
        raise ValueError(f"measures={measures!r}: expected a list of names, as ['rmse', 'mae'].")
    measures = [measure.lower() for measure in measures]
    for measure in measures:
        if measure not in ("rmse", "mse", "mae", "fcp"):
            raise ValueError(f"Unknown measure {measure!r}. Accepted values are rmse, mse, mae, fcp.")
    return measures


def dispatch(n_jobs: int | None, pre_dispatch: int | str | None) -> tuple[int, int]:
    """How many threads to run, and how many fits may exist at a time.

    Raises:
        ValueError: For an `n_jobs` of 0, or a wrong `pre_dispatch`.
    """
    jobs = _jobs(n_jobs)
    return jobs, _ahead(pre_dispatch, jobs)


def _jobs(n_jobs: int | None) -> int:
    """How many threads an `n_jobs` argument means."""
    if n_jobs is None:
        return 1
    if n_jobs == 0:
        raise ValueError("n_jobs=0 has no meaning: 1 runs the folds one by one, -1 uses every processor.")
    if n_jobs > 0:
        return n_jobs
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, processors + n_jobs + 1)


def _ahead(pre_dispatch: int | str | None, jobs: int) -> int:
    """How many folds a `pre_dispatch` argument lets exist at a time; at least one a thread."""
    if pre_dispatch is None or pre_dispatch == "all":
        return 2**63
    match = re.fullmatch(r"\s*(?:(\d+(?:\.\d+)?)\s*\*\s*)?(n_jobs|\d+)\s*", str(pre_dispatch))
    if match is None:
        raise ValueError(f"pre_dispatch={pre_dispatch!r}: expected a number, 'all', or the form '2*n_jobs'.")
    factor, base = match.groups()
    return max(jobs, int(float(factor or 1) * (jobs if base == "n_jobs" else int(base))))


def run(
    tasks: Iterable[Task], measures: Sequence[str], return_train_measures: bool, jobs: int, ahead: int
) -> Iterator[FoldResult]:
    """Fit and measure algorithms, one after the other or side by side; an error or Ctrl-C stops them all.

    Args:
        tasks: Algorithm, trainset, testset; taken as they are needed. Threads share what is the same object, so that
            one trainset serves many fits.
        measures: Names of functions in `accuracy`.
        return_train_measures: Whether to measure on the trainsets, too.
        jobs: How many threads; 1 runs them in this one.
        ahead: How many tasks may be taken before they are run.

    Yields:
        What `fit_and_score` returns, in order.
    """
    if jobs == 1:
        for task in tasks:
            yield fit_and_score(*task, measures, return_train_measures)
        return
    running: deque[tuple[AlgoBase, Future[FoldResult]]] = deque()
    with ThreadPoolExecutor(jobs, thread_name_prefix="ironhorn.surprise") as pool:
        try:
            for task in tasks:
                if len(running) >= ahead:
                    yield running[0][1].result()
                    running.popleft()
                running.append((task[0], pool.submit(fit_and_score, *task, measures, return_train_measures)))
            while running:
                yield running[0][1].result()
                running.popleft()
        except BaseException:
            for own, future in running:
                future.cancel()
                if callable(cancel := getattr(own, "cancel", None)):
                    cancel()
            raise


def fit_and_score(
    algo: AlgoBase,
    trainset: Trainset,
    testset: Testset,
    measures: Sequence[str],
    return_train_measures: bool = False,
) -> FoldResult:
    """Fit an algorithm and measure it.

    Args:
        algo: The algorithm.
        trainset: What to fit it to.
        testset: What to measure it on.
        measures: Names of functions in `accuracy`.
        return_train_measures: Whether to measure on the trainset, too.

    Returns:
        Measures on the testset, measures on the trainset (empty unless asked for), seconds to fit, seconds to test.
    """
    start = time.time()
    algo.fit(trainset)
    fitted = time.time()
    predictions = algo.test(testset)
    tested = time.time()
    functions = {measure.lower(): getattr(accuracy, measure.lower()) for measure in measures}
    test_measures = {measure: function(predictions, verbose=False) for measure, function in functions.items()}
    train_measures: Scores = {}
    if return_train_measures:
        predictions = algo.test(trainset.build_testset())
        train_measures = {measure: function(predictions, verbose=False) for measure, function in functions.items()}
    return test_measures, train_measures, fitted - start, tested - fitted


def print_summary(
    algo: AlgoBase,
    measures: Sequence[str],
    test_measures: dict[str, Any],
    train_measures: dict[str, Any],
    fit_times: Sequence[float],
    test_times: Sequence[float],
    n_splits: int,
) -> None:
    """Print the results of a cross-validation as a table: folds, mean and standard deviation."""
    names = ", ".join(measure.upper() for measure in measures)
    print(f"Evaluating {names} of algorithm {type(algo).__name__} on {n_splits} split(s).\n")

    def row(label: str, cells: Iterable[str]) -> str:
        return f"{label:<18}" + "".join(f"{cell:<8}" for cell in cells)

    def numbers(label: str, values: Sequence[float], places: int) -> str:
        return row(label, [f"{value:.{places}f}" for value in [*values, np.mean(values), np.std(values)]])

    lines = [row("", [*(f"Fold {fold + 1}" for fold in range(n_splits)), "Mean", "Std"])]
    for where, scores in (("testset", test_measures), ("trainset", train_measures)):
        lines += [numbers(f"{measure.upper()} ({where})", values, 4) for measure, values in scores.items()]
    lines += [numbers("Fit time", fit_times, 2), numbers("Test time", test_times, 2)]
    print("\n".join(lines))
