"""Recommenders on explicit ratings, with Surprise's API.

Example:
    >>> from ironhorn.surprise import SVD, Dataset, Reader
    >>> from ironhorn.surprise.model_selection import cross_validate
    >>> data = Dataset.load_from_file("ratings.csv", Reader(sep=","))
    >>> cross_validate(SVD(), data, verbose=True)
"""

from . import accuracy, model_selection, similarities
from ._not_yet import announce
from .dataset import Dataset
from .prediction_algorithms import (
    NMF,
    SVD,
    AlgoBase,
    BaselineOnly,
    CoClustering,
    KNNBaseline,
    KNNBasic,
    KNNWithMeans,
    KNNWithZScore,
    NormalPredictor,
    Prediction,
    PredictionImpossible,
    SlopeOne,
    SVDpp,
)
from .reader import Reader
from .trainset import Trainset

__all__ = [
    "NMF",
    "SVD",
    "AlgoBase",
    "BaselineOnly",
    "CoClustering",
    "Dataset",
    "KNNBaseline",
    "KNNBasic",
    "KNNWithMeans",
    "KNNWithZScore",
    "NormalPredictor",
    "Prediction",
    "PredictionImpossible",
    "Reader",
    "SVDpp",
    "SlopeOne",
    "Trainset",
    "accuracy",
    "model_selection",
    "similarities",
]

__getattr__ = announce(
    __name__,
    absent=(
        "builtin_datasets",
        "dump",
        "get_dataset_dir",
    ),
    present=__all__,
)
