"""Every algorithm with options, for the recorder of the reference and for its test."""

import copy
import importlib
import json
import pathlib
from typing import Any

import numpy as np

BASELINES = {"method": "sgd", "learning_rate": 0.01, "n_epochs": 7, "reg": 0.05}
ITEMS = {"user_based": False}

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "normal": ("NormalPredictor", {}),
    "baseline_als": ("BaselineOnly", {"verbose": False}),
    "baseline_als_options": (
        "BaselineOnly",
        {"bsl_options": {"method": "als", "n_epochs": 3, "reg_u": 4.5, "reg_i": 2}, "verbose": False},
    ),
    "baseline_sgd": ("BaselineOnly", {"bsl_options": {"method": "sgd"}, "verbose": False}),
    "baseline_sgd_options": ("BaselineOnly", {"bsl_options": BASELINES, "verbose": False}),
    "svdpp": ("SVDpp", {"random_state": 7}),
    "svdpp_cached": ("SVDpp", {"random_state": 7, "cache_ratings": True, "n_epochs": 4}),
    "svdpp_rates": (
        "SVDpp",
        {
            "random_state": 3,
            "n_factors": 9,
            "n_epochs": 6,
            "init_mean": 0.05,
            "init_std_dev": 0.2,
            "lr_bu": 0.01,
            "lr_bi": 0.002,
            "lr_pu": 0.02,
            "lr_qi": 0.03,
            "lr_yj": 0.015,
            "reg_bu": 0.1,
            "reg_bi": 0.0,
            "reg_pu": 0.05,
            "reg_qi": 0.01,
            "reg_yj": 0.2,
        },
    ),
    "nmf": ("NMF", {"random_state": 7}),
    "nmf_biased": ("NMF", {"random_state": 7, "biased": True, "n_factors": 5, "n_epochs": 20, "init_low": 0.1}),
    "nmf_options": (
        "NMF",
        {
            "random_state": 1,
            "biased": True,
            "n_factors": 17,
            "n_epochs": 8,
            "reg_pu": 0.1,
            "reg_qi": 0.02,
            "reg_bu": 0.3,
            "reg_bi": 0.01,
            "lr_bu": 0.02,
            "lr_bi": 0.01,
            "init_low": 0.2,
            "init_high": 0.7,
        },
    ),
    "slope_one": ("SlopeOne", {}),
    "co_clustering": ("CoClustering", {"random_state": 7}),
    "co_clustering_options": (
        "CoClustering",
        {"random_state": 2, "n_cltr_u": 7, "n_cltr_i": 4, "n_epochs": 5},
    ),
    "knn_k1": ("KNNBasic", {"k": 1, "verbose": False}),
    "knn_min_k": ("KNNBasic", {"k": 5, "min_k": 3, "verbose": False}),
    "means_min_k": ("KNNWithMeans", {"k": 6, "min_k": 4, "verbose": False}),
    "z_score_items": ("KNNWithZScore", {"k": 4, "min_k": 2, "sim_options": ITEMS, "verbose": False}),
    "knn_baseline_sgd": (
        "KNNBaseline",
        {"bsl_options": BASELINES, "sim_options": {"name": "pearson_baseline", "shrinkage": 5}, "verbose": False},
    ),
    "basic_pearson_baseline_sgd": (
        "KNNBasic",
        {"bsl_options": BASELINES, "sim_options": {"name": "PEARSON_baseline", "min_support": 3}, "verbose": False},
    ),
} | {
    f"{algorithm}_{name}_{'users' if user_based else 'items'}": (
        algorithm,
        {"sim_options": {"name": name, "user_based": user_based, "min_support": support}, "verbose": False},
    )
    for algorithm, support in (("KNNBasic", 1), ("KNNWithMeans", 2), ("KNNWithZScore", 1), ("KNNBaseline", 1))
    for name in ("cosine", "msd", "pearson", "pearson_baseline")
    for user_based in (True, False)
}

ATTRIBUTES = ("bu", "bi", "pu", "qi", "yj", "sim", "means", "sigmas", "dev", "freq", "user_mean", "item_mean", "cltr_u")
"""What to compare beside predictions, where an algorithm has it."""


def ratings() -> list[list[Any]]:
    """The ratings that the reference of SVD has."""
    path = pathlib.Path(__file__).parent.parent / "compat" / "surprise_reference.json"
    return json.loads(path.read_text())["ratings"]


def split(library: Any, folder: str) -> tuple[Any, list[Any]]:
    """A trainset and a testset of a library; the testset ends with unknown ids."""
    path = pathlib.Path(folder) / "ratings.csv"
    path.write_text("".join(f"{user};{item};{rating}\n" for user, item, rating in ratings()))
    data = library.Dataset.load_from_file(str(path), library.Reader(sep=";", rating_scale=(0.5, 5)))
    selection = importlib.import_module(f"{library.__name__}.model_selection")
    trainset, testset = selection.train_test_split(data, test_size=0.2, random_state=1)
    return trainset, [*testset, ("u0", "new", 3.0), ("new", "i0", 4.0), ("new", "new", 2.0)]


def fitted(library: Any, name: str, trainset: Any) -> Any:
    """An algorithm of a library, fitted as a case says."""
    algorithm, options = CASES[name]
    np.random.seed(5)
    return getattr(library, algorithm)(**copy.deepcopy(options)).fit(trainset)


def details(predictions: list[Any]) -> str:
    """All details as JSON."""
    return json.dumps([{key: row.details[key] for key in sorted(row.details)} for row in predictions])


def summary(values: Any) -> np.ndarray:
    """Two sums of an array in which the place of every value counts; NaN stands for 9."""
    flat = np.nan_to_num(np.asarray(values, float).ravel(), nan=9.0)
    return np.array([flat.sum(), flat @ np.cos(np.arange(flat.size))])
