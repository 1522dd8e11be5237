"""Recommenders on explicit ratings, with Surprise's API.

Example:
    >>> from ironhorn.surprise import SVD, Dataset, Reader
    >>> from ironhorn.surprise.model_selection import cross_validate
    >>> data = Dataset.load_from_file("ratings.csv", Reader(sep=","))
    >>> cross_validate(SVD(), data, verbose=True)
"""

from . import accuracy, model_selection
from ._not_yet import announce
from .dataset import Dataset
from .prediction_algorithms import SVD, AlgoBase, Prediction, PredictionImpossible
from .reader import Reader
from .trainset import Trainset

__all__ = [
    "SVD",
    "AlgoBase",
    "Dataset",
    "Prediction",
    "PredictionImpossible",
    "Reader",
    "Trainset",
    "accuracy",
    "model_selection",
]

__getattr__ = announce(
    __name__,
    absent=(
        "NormalPredictor",
        "BaselineOnly",
        "KNNBasic",
        "KNNWithMeans",
        "KNNWithZScore",
        "KNNBaseline",
        "SVDpp",
        "NMF",
        "SlopeOne",
        "CoClustering",
        "builtin_datasets",
        "dump",
        "get_dataset_dir",
        "similarities",
    ),
    present=__all__,
)
