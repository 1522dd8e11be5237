"""Recommenders on explicit ratings, with Surprise's API.

Example:
    >>> from ironhorn.surprise import SVD, Dataset, Reader
    >>> from ironhorn.surprise.model_selection import cross_validate
    >>> data = Dataset.load_from_file("ratings.csv", Reader(sep=","))
    >>> cross_validate(SVD(), data, verbose=True)
"""

from . import accuracy, dump, model_selection, ranking, similarities
from .builtin_datasets import get_dataset_dir
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

__version__ = "1.1.5"
"""The release of Surprise whose interface this is."""

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
    "__version__",
    "accuracy",
    "dump",
    "get_dataset_dir",
    "model_selection",
    "ranking",
    "similarities",
]
