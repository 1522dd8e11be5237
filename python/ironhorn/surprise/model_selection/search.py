"""Search for an algorithm's best parameters by cross-validation."""

import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..dataset import DatasetUserFolds
from ..prediction_algorithms.algo_base import AlgoBase
from ..prediction_algorithms.predictions import Prediction
from ..utils import RandomSeed, get_rng
from .split import get_cv
from .validation import dispatch, known_measures, run

__all__ = ["BaseSearchCV", "GridSearchCV", "RandomizedSearchCV"]

Parameters = dict[str, Any]


class BaseSearchCV(ABC):
    """What the searches share: fits for all `param_combinations` on all folds.

    Args:
        algo_class: Class of the algorithm.
        measures: Names of functions in `accuracy`.
        cv: `None` for five folds, a number of folds, or a cross-validation iterator.
        refit: Whether to fit the best algorithm to all ratings afterwards: `True` for the best by the first measure, or
            the name of a measure.
        return_train_measures: Whether to measure on the trainsets, too.
        n_jobs: How many fits to run at once, each in a thread of its own; -1 means one a processor, -2 one fewer. All
            share the same trainsets.
        pre_dispatch: How many fits may be waiting, see `cross_validate`.
        joblib_verbose: Above zero, progress is written to standard error: after every tenth fit, above 10 after each.

    Raises:
        ValueError: For an unknown measure, or a `refit` that is none of them.
    """

    param_combinations: Sequence[Parameters]
    best_estimator: dict[str, AlgoBase]
    best_score: dict[str, float]
    best_params: dict[str, Parameters]
    best_index: dict[str, int]
    cv_results: dict[str, Any]

    @abstractmethod
    def __init__(
        self,
        algo_class: type[AlgoBase],
        measures: Sequence[str] = ("rmse", "mae"),
        cv: Any = None,
        refit: bool | str = False,
        return_train_measures: bool = False,
        n_jobs: int | None = 1,
        pre_dispatch: int | str | None = "2*n_jobs",
        joblib_verbose: int = 0,
    ) -> None:
        self.algo_class = algo_class
        self.measures = known_measures(measures)
        self.cv = cv
        self.refit: str | bool = False
        if isinstance(refit, str):
            self.refit = refit.lower()
            if self.refit not in self.measures:
                raise ValueError(f"refit={refit!r} is none of the measures: {', '.join(self.measures)}.")
        elif refit is True:
            self.refit = self.measures[0]
        self.return_train_measures = return_train_measures
        self.n_jobs = n_jobs
        self.pre_dispatch = pre_dispatch
        self.joblib_verbose = joblib_verbose

    def fit(self, data: Any) -> None:
        """Fit and measure all combinations of parameters on all folds, which are split off once.

        Args:
            data: The data set.

        Raises:
            ValueError: To refit, a data set must not be one of `load_from_folds`.
        """
        if self.refit and isinstance(data, DatasetUserFolds):
            raise ValueError("refit cannot be used when data has been loaded with load_from_folds().")
        cv = get_cv(self.cv)
        jobs, ahead = dispatch(self.n_jobs, self.pre_dispatch)
        pairs = product(self.param_combinations, list(cv.split(data)))
        tasks = ((self.algo_class(**parameters), train, test) for parameters, (train, test) in pairs)
        n_folds = cv.get_n_folds()
        results = []
        for result in run(tasks, self.measures, self.return_train_measures, jobs, ahead):
            results.append(result)
            if self.joblib_verbose > 10 or (self.joblib_verbose > 0 and len(results) % 10 == 0):
                total = len(self.param_combinations) * n_folds
                print(f"{len(results)} of {total} fits done", file=sys.stderr)
        shape = (len(self.param_combinations), n_folds)
        tests, trains, fit_times, test_times = zip(*results, strict=True)
        found: dict[str, Any] = {}
        self.best_index, self.best_params, self.best_score, self.best_estimator = {}, {}, {}, {}
        for measure in self.measures:
            test = np.asarray([scores[measure] for scores in tests]).reshape(shape)
            sides = {"test": test}
            if self.return_train_measures:
                sides["train"] = np.asarray([scores[measure] for scores in trains]).reshape(shape)
            for fold in range(n_folds):
                for side, scores in sides.items():
                    found[f"split{fold}_{side}_{measure}"] = scores[:, fold]
            for side, scores in sides.items():
                found[f"mean_{side}_{measure}"] = scores.mean(axis=1)
                found[f"std_{side}_{measure}"] = scores.std(axis=1)
            means = found[f"mean_test_{measure}"]
            order = means.argsort()
            ranks: NDArray[np.int64] = np.empty_like(order)
            higher_is_better = measure == "fcp"
            ranks[order] = np.arange(len(order), 0, -1) if higher_is_better else np.arange(1, len(order) + 1)
            found[f"rank_test_{measure}"] = ranks
            best = means.argmax() if higher_is_better else means.argmin()
            self.best_index[measure] = best
            self.best_params[measure] = self.param_combinations[best]
            self.best_score[measure] = means[best]
            self.best_estimator[measure] = self.algo_class(**self.param_combinations[best])
        for name, times in (("fit", fit_times), ("test", test_times)):
            seconds = np.array(times).reshape(shape)
            found[f"mean_{name}_time"], found[f"std_{name}_time"] = seconds.mean(axis=1), seconds.std(axis=1)
        found["params"] = self.param_combinations
        for name in self.param_combinations[0]:
            found[f"param_{name}"] = [parameters[name] for parameters in self.param_combinations]
        if isinstance(self.refit, str):
            self.best_estimator[self.refit].fit(data.build_full_trainset())
        self.cv_results = found

    def _refitted(self, method: str) -> AlgoBase:
        if not isinstance(self.refit, str):
            raise ValueError(f"refit is False, cannot use {method}()")
        return self.best_estimator[self.refit]

    def test(self, testset: Iterable[Any], verbose: bool = False) -> list[Prediction]:
        """Predict a testset with the algorithm that was fitted again, see `AlgoBase.test`.

        Raises:
            ValueError: Without `refit`.
        """
        return self._refitted("test").test(testset, verbose)

    def predict(self, *args: Any) -> Prediction:
        """Predict a rating with the algorithm that was fitted again, see `AlgoBase.predict`.

        Raises:
            ValueError: Without `refit`.
        """
        return self._refitted("predict").predict(*args)


def _expanded(parameters: dict[str, Any]) -> dict[str, Any]:
    """Options that are dictionaries of lists become lists of dictionaries: all their combinations."""
    expanded = dict(parameters)
    for name in ("sim_options", "bsl_options"):
        if name in expanded:
            options = expanded[name]
            expanded[name] = [dict(zip(options, values, strict=True)) for values in product(*options.values())]
    return expanded


def _combinations(parameters: dict[str, Any]) -> list[Parameters]:
    return [dict(zip(parameters, values, strict=True)) for values in product(*parameters.values())]


class GridSearchCV(BaseSearchCV):
    """Cross-validation of every combination of parameters.

    Args:
        algo_class: Class of the algorithm.
        param_grid: Name of each parameter to the values to try. `sim_options` and `bsl_options` are dictionaries of
            such lists themselves.
        measures: Names of functions in `accuracy`.
        cv: `None` for five folds, a number of folds, or a cross-validation iterator. Folds are the same for all
            combinations.
        refit: Whether to fit the best algorithm to all ratings afterwards: `True` for the best by the first measure, or
            the name of a measure. `test` and `predict` then use it.
        return_train_measures: Whether to measure on the trainsets, too.
        n_jobs: How many fits to run at once, each in a thread of its own; -1 means one a processor, -2 one fewer. All
            share the same trainsets.
        pre_dispatch: How many fits may be waiting, see `cross_validate`.
        joblib_verbose: Above zero, progress is written to standard error: after every tenth fit, above 10 after each.

    Attributes:
        param_combinations: The combinations, in the order of `itertools.product`.
        best_estimator: The best algorithm by each measure, not fitted unless `refit` says so.
        best_score: Its mean over the folds.
        best_params: Its parameters.
        best_index: Its place in `param_combinations` and in the columns of `cv_results`.
        cv_results: Columns with a value a combination: scores on each fold, their mean, standard deviation and rank,
            times, parameters. `pandas.DataFrame` takes it.

    Raises:
        ValueError: For an unknown measure, or a `refit` that is none of them.

    Example:
        >>> search = GridSearchCV(SVD, {"n_epochs": [5, 10], "lr_all": [0.002, 0.005]}, measures=["rmse"], n_jobs=2)
        >>> search.fit(data)
        >>> search.best_params["rmse"]
    """

    def __init__(
        self,
        algo_class: type[AlgoBase],
        param_grid: dict[str, Any],
        measures: Sequence[str] = ("rmse", "mae"),
        cv: Any = None,
        refit: bool | str = False,
        return_train_measures: bool = False,
        n_jobs: int | None = 1,
        pre_dispatch: int | str | None = "2*n_jobs",
        joblib_verbose: int = 0,
    ) -> None:
        super().__init__(algo_class, measures, cv, refit, return_train_measures, n_jobs, pre_dispatch, joblib_verbose)
        self.param_grid = _expanded(param_grid)
        self.param_combinations = _combinations(self.param_grid)


class RandomizedSearchCV(BaseSearchCV):
    """Cross-validation of some combinations of parameters, drawn at random.

    Args:
        algo_class: Class of the algorithm.
        param_distributions: Name of each parameter to the values to draw from: a list, or an object with a method
            `rvs(random_state=...)`, such as the distributions of SciPy. `sim_options` and `bsl_options` are
            dictionaries of lists.
        n_iter: How many combinations. Where all parameters are lists, no combination comes twice.
        measures: Names of functions in `accuracy`.
        cv: `None` for five folds, a number of folds, or a cross-validation iterator. Folds are the same for all
            combinations.
        refit: As for `GridSearchCV`.
        return_train_measures: Whether to measure on the trainsets, too.
        n_jobs: As for `GridSearchCV`.
        pre_dispatch: As for `GridSearchCV`.
        random_state: A seed, a `RandomState`, or `None` for NumPy's global one. As in Surprise it is for distributions:
            where all parameters are lists, combinations come from the global one, which `np.random.seed` sets.
        joblib_verbose: As for `GridSearchCV`.
        own_random_state: Whether `random_state` serves lists, too.

    Attributes:
        param_combinations: The combinations that were drawn.
        best_estimator: As for `GridSearchCV`, as are the other attributes.

    Raises:
        ValueError: For an unknown measure, a `refit` that is none of them, or more combinations than lists have.

    Example:
        >>> search = RandomizedSearchCV(SVD, {"n_factors": range(10, 100), "lr_all": scipy.stats.uniform(0, 0.01)})
        >>> search.fit(data)
    """

    def __init__(
        self,
        algo_class: type[AlgoBase],
        param_distributions: dict[str, Any],
        n_iter: int = 10,
        measures: Sequence[str] = ("rmse", "mae"),
        cv: Any = None,
        refit: bool | str = False,
        return_train_measures: bool = False,
        n_jobs: int | None = 1,
        pre_dispatch: int | str | None = "2*n_jobs",
        random_state: RandomSeed = None,
        joblib_verbose: int = 0,
        own_random_state: bool = False,
    ) -> None:
        super().__init__(algo_class, measures, cv, refit, return_train_measures, n_jobs, pre_dispatch, joblib_verbose)
        self.n_iter = n_iter
        self.random_state = random_state
        self.own_random_state = own_random_state
        self.param_distributions = _expanded(param_distributions)
        self.param_combinations = self._sample_parameters(
            self.param_distributions, n_iter, random_state, own_random_state
        )

    @staticmethod
    def _sample_parameters(
        param_distributions: dict[str, Any], n_iter: int, random_state: RandomSeed = None, own: bool = False
    ) -> Any:
        """Draw combinations: in the order of the names, one after the other."""
        rng = get_rng(random_state)
        if not any(hasattr(values, "rvs") for values in param_distributions.values()):
            grid = _combinations(param_distributions)
            if n_iter > len(grid):
                raise ValueError(f"n_iter={n_iter}: there are only {len(grid)} combinations. Use GridSearchCV.")
            source = rng if own else get_rng(None)
            return source.choice(np.array(grid, dtype=object), n_iter, replace=False)
        names = sorted(param_distributions)
        combinations = []
        for _ in range(n_iter):
            drawn = {}
            for name in names:
                values = param_distributions[name]
                one = values.rvs(random_state=rng) if hasattr(values, "rvs") else values[rng.randint(len(values))]
                drawn[name] = one
            combinations.append(drawn)
        return combinations
